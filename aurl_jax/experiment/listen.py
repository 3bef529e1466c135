"""Listening tests from the command line: what was said, as files to cite.

DIR/report.json     every number
DIR/report.html     the same as tables and pictures, whole in itself
"""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.data import mirex
from aurl_jax.evaluation import planning
from aurl_jax.evaluation.planning import Study
from aurl_jax.experiment import listen_page
from aurl_jax.listening import analysis, design
from aurl_jax.music import midi

REPORT, PAGE = 'report.json', 'report.html'
TRIALS = (5, 10, 20, 40)
_ANSWERING = 8.0
"""Seconds that an answer takes, besides what is heard; a guess."""


def analyze(
  folder: files.StrPath, out: files.StrPath = '', *, seed: int = 0
) -> dict[str, Any]:
  """Writes the report of a test; returns it, and `page`, where it is.

  Args:
    folder: The test's.
    out: Where to write; '' is the test's folder.
    seed: Of bootstraps and permutations.

  Raises:
    As `listening.analysis.analyze`.
  """
  report = analysis.analyze(folder, seed=seed)
  home = pathlib.Path(out or folder).expanduser()
  text = json.dumps(report, indent=1, allow_nan=False) + '\n'
  files.write_atomic(home / REPORT, text)
  files.write_atomic(home / PAGE, listen_page.page(report))
  return {**report, 'page': str(home / PAGE)}


def plan(
  kind: str,
  effect: float | int,
  *,
  power: float | int = 0.8,
  trials: Sequence[int] = TRIALS,
  seconds: float | int = 12.0,
  seed: int = 0,
  **options: Any,
) -> list[dict[str, Any]]:
  """Returns how many listeners show an effect, for some lengths of a test.

  Args:
    kind: One of `listening.design.KINDS`.
    effect: As of `planning.Study`.
    power: The chance to be wished.
    trials: Answers of a listener (of each system, for `mos`).
    seconds: How long a clip is.
    seed: Of the answers that are drawn to check it.
    **options: Others of `planning.Study`.

  Returns:
    Rows of `trials`, `listeners`, `minutes` of each if all is heard once,
    `power`, and `simulated`, the same by answers that are drawn one by one.

  Raises:
    RatingError: It cannot be shown (code `hopeless`), or a value is out of its
      range (code `study`).
    DataError: There is no such kind (code `kind`).
  """
  design.check_kind(kind)
  rows = []
  for count in trials:
    name = 'rating' if kind == 'mos' else 'choice'
    study = Study(kind=name, effect=effect, trials=count, **options)
    found = planning.raters(study, power)
    rows.append(
      {
        'trials': count,
        'listeners': found,
        'minutes': _minutes(kind, count, seconds),
        'power': planning.power(study, found),
        'simulated': planning.simulated(study, found, draws=1000, seed=seed),
      }
    )
  return rows


def _minutes(kind: str, trials: int, seconds: float | int) -> float:
  """Returns how long a listener takes who hears each clip once."""
  clips = trials if kind == 'turing' else 2 * trials
  questions = trials if kind == 'ab' else clips
  return round((clips * seconds + questions * _ANSWERING) / 60, 1)


def convert(
  source: files.StrPath,
  out: files.StrPath,
  form: str = '',
  *,
  pickup: bool = True,
) -> dict[str, Any]:
  """Turns MIREX's JSON into MIDI, or MIDI into MIREX's JSON, by the names.

  Args:
    source: A file, or several with commas between them.
    out: The other file.
    form: One of `mirex.FORMS`, for JSON.
    pickup: Whether the first bar of MIDI is the pickup.

  Returns:
    `out`, and how many `notes` it has.

  Raises:
    DataError: As `mirex.read` and `mirex.write`; or the names do not tell what
      is wanted (code `mirex`).
    MidiError: The MIDI file holds no music.
  """
  paths = [pathlib.Path(name).expanduser() for name in str(source).split(',')]
  target = pathlib.Path(out).expanduser()
  kinds = {path.suffix.lower() for path in paths}
  if kinds == {'.json'} and target.suffix.lower() in ('.mid', '.midi'):
    notes = mirex.read(*paths)
    midi.write(notes, target)
    return {'out': str(target), 'notes': len(notes)}
  if target.suffix.lower() == '.json' and len(paths) == 1 and form:
    found = mirex.write(midi.read(paths[0]).notes, target, form, pickup=pickup)
    many = sum(len(rows) for name, rows in found.items() if name != 'chords')
    return {'out': str(target), 'notes': many}
  raise DataError(
    f'{source} to {out}: give JSON and --out FILE.mid, or one MIDI file, --out '
    f'FILE.json and --form, one of {", ".join(mirex.FORMS)}',
    code='mirex',
  )
