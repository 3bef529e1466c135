"""What became of a set of files: counts, reasons, and what the music is like.

Written as `report.json` for the whole set, `files.jsonl`, one line a file,
and `report.html`, the same to look at (`data.report_page`). Everything here
is plain numbers, added up piece by piece; a histogram has a bounded number
of labels, however large the set.
"""

import collections
import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from aurl_jax.core import files
from aurl_jax.data import report_page, splits
from aurl_jax.data.metadata import Metadata
from aurl_jax.music import notes as notes_lib
from aurl_jax.music import theory, time
from aurl_jax.music.notes import Notes

REPORT = 'report.json'
FILES = 'files.jsonl'
KINDS = ('ok', 'repaired', 'dropped')
_MICROS_A_MINUTE = 60_000_000
LABELS = 1000
"""Of a histogram; what more there is counts as `OTHER`."""
OTHER = 'other'
NO_KEY = 'none told'
_MOST_VOICES = 16
_TOLD = 50
"""Duplicates that are named."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileReport:
  """What became of one file.

  Attributes:
    name: The source's name.
    status: One of `KINDS`.
    split: Where it went, or '' if it was dropped.
    digest: Of its music, or ''.
    notes: How many notes it has.
    steps: How many steps its tokens take.
    code: Why it was dropped, for machines.
    reason: Why it was dropped, for people.
    issues: What was repaired: [code, where, action] each.
  """

  name: str
  status: str
  split: str = ''
  digest: str = ''
  notes: int = 0
  steps: int = 0
  code: str = ''
  reason: str = ''
  issues: tuple[tuple[str, str, str], ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
  """What became of a whole set.

  Attributes:
    folder: Where the prepared data lies.
    counts: Files, and of them `ok`, `repaired`, `dropped`; `duplicates_kept`
      (kept files whose music an earlier one has).
    splits: Split -> pieces, notes, steps.
    reasons: Code -> files dropped for it.
    repairs: Code of an issue -> files that had it.
    histograms: Name -> label -> count; see `Tally`.
    warnings: What a person should know.
    reused: Whether the data was there already.
  """

  folder: pathlib.Path
  counts: Mapping[str, int]
  splits: Mapping[str, Mapping[str, int]]
  reasons: Mapping[str, int]
  repairs: Mapping[str, int]
  histograms: Mapping[str, Mapping[str, int]]
  warnings: tuple[str, ...] = ()
  reused: bool = False

  def as_dict(self) -> dict[str, Any]:
    """Returns it as plain JSON values."""
    return dataclasses.asdict(self) | {'folder': str(self.folder)}

  @classmethod
  def load(cls, folder: pathlib.Path) -> 'Report':
    """Reads the report of a prepared folder, as one that is used again."""
    values = json.loads((folder / REPORT).read_text())
    values |= {'folder': folder, 'reused': True}
    return cls(**values | {'warnings': tuple(values['warnings'])})

  def files(self) -> list[FileReport]:
    """Returns what became of each file."""
    lines = (self.folder / FILES).read_text().splitlines()
    return [_file_report(json.loads(line)) for line in lines]


def _file_report(values: dict[str, Any]) -> FileReport:
  issues = tuple(tuple(issue) for issue in values.pop('issues'))
  return FileReport(**values, issues=issues)


class Tally:
  """Adds up file reports and music, and writes them as they come."""

  def __init__(self, folder: pathlib.Path) -> None:
    self._folder = folder
    self._lines = (folder / FILES).open('w')
    self._counts = collections.Counter(dict.fromkeys(('files', *KINDS), 0))
    self._counts['duplicates_kept'] = 0
    self._splits: dict[str, collections.Counter[str]] = {}
    self._reasons: collections.Counter[str] = collections.Counter()
    self._repairs: collections.Counter[str] = collections.Counter()
    self._music: dict[str, Histogram] = {}
    self._seen: dict[str, str] = {}
    self._again: list[tuple[str, str]] = []
    self._crossing = 0

  def add(self, file: FileReport) -> None:
    """Counts a file and writes its line."""
    self._lines.write(json.dumps(dataclasses.asdict(file)) + '\n')
    self._counts['files'] += 1
    self._counts[file.status] += 1
    self._repairs.update({code for code, _, _ in file.issues})
    if file.status == 'dropped':
      self._reasons[file.code] += 1
      return
    if file.digest in self._seen:
      self._counts['duplicates_kept'] += 1
      if len(self._again) < _TOLD:
        self._again.append((file.name, file.digest))
    first = self._seen.setdefault(file.digest, file.split)
    self._crossing += first != file.split
    split = self._splits.setdefault(file.split, collections.Counter())
    split.update(pieces=1, notes=file.notes, steps=file.steps)

  def add_described(self, described: Mapping[str, Mapping[str, int]]) -> None:
    """Adds what `describe` told of a kept piece, here or elsewhere."""
    for name, found in described.items():
      histogram = self._music.setdefault(name, collections.Counter())
      for label, count in found.items():
        fits = label in histogram or len(histogram) < LABELS
        histogram[label if fits else OTHER] += count

  def __enter__(self) -> 'Tally':
    return self

  def __exit__(self, *_: object) -> None:
    self._lines.close()

  def report(self, folder: pathlib.Path) -> Report:
    """Returns the whole, and writes it beside the lines, with its page.

    Args:
      folder: Where the data will lie once it is published.
    """
    report = Report(
      folder=folder,
      counts=dict(self._counts),
      splits={name: dict(c) for name, c in sorted(self._splits.items())},
      reasons=dict(self._reasons.most_common()),
      repairs=dict(self._repairs.most_common()),
      histograms={n: _sorted(c) for n, c in sorted(self._music.items())},
      warnings=tuple(self._warnings()),
    )
    values = report.as_dict()
    text = json.dumps(values, indent=1)
    files.write_atomic(self._folder / REPORT, text + '\n')
    if not self._lines.closed:
      self._lines.flush()
    lines = self._folder / FILES
    report_page.write(self._folder, values, lines, self._again)
    return report

  def _warnings(self) -> Iterable[str]:
    for split in splits.SPLITS:
      if split not in self._splits:
        yield (
          f'no piece is in {split!r}: there are too few different ones to '
          'split, or the set puts them all elsewhere'
        )
    if self._crossing:
      yield (
        f'{self._crossing} pieces have the music of one in another split, as '
        'the set itself is split'
      )
    dropped = self._counts['dropped']
    if dropped:
      yield f'{dropped} files were left out; {FILES} names each with its reason'


Histogram = collections.Counter[str]


def describe(
  notes: Notes, steps: int, metadata: Metadata | None = None
) -> dict[str, Histogram]:
  """Returns name -> label -> count of what a piece holds.

  Of its notes: `pitch` (drums apart), `velocity`, `program`, and `beats`
  that they last. Of its changes: `bpm`, `meter` and `key`. Of the piece:
  `notes`, `steps`, `seconds`, `tempo` (beats a minute on the whole) and
  `instruments` (how many different ones play). `polyphony` tells in how many
  beats so many pitched notes sound at once. If metadata are given: `kind`,
  `composer`, `genre`, `source` and `licence`.

  Beats, notes, steps and seconds are rounded up to a power of two, tempos
  down to a ten.
  """
  tempos = notes.tempos['microseconds']
  if not len(tempos):
    tempos = np.array([notes_lib.DEFAULT_TEMPO])
  seconds = time.duration_seconds(notes)
  tempo = notes.end / notes.ticks_per_beat * 60 / max(seconds, 1e-3)
  players = np.unique(np.where(notes.is_drum, -1, notes.program))
  columns = {
    'pitch': notes.pitch[~notes.is_drum],
    'velocity': notes.velocity,
    'program': notes.program[~notes.is_drum],
    'beats': _power_of_two(notes.duration / notes.ticks_per_beat),
    'notes': _power_of_two(np.array([len(notes)])),
    'steps': _power_of_two(np.array([steps])),
    'seconds': _power_of_two(np.array([seconds])),
    'instruments': np.array([len(players)]),
    'bpm': _MICROS_A_MINUTE // tempos // 10 * 10,
    'tempo': np.array([round(tempo) // 10 * 10]),
  }
  found = {name: _histogram(column) for name, column in columns.items()}
  found['program']['drums'] = int(notes.is_drum.sum())
  return found | _named(notes) | known(metadata)


def _named(notes: Notes) -> dict[str, Histogram]:
  meters = notes.meters[['numerator', 'denominator']].tolist()
  keys = notes.keys[['fifths', 'minor']].tolist()
  return {
    'meter': collections.Counter(
      f'{n}/{d}' for n, d in meters or [notes_lib.DEFAULT_METER]
    ),
    'key': collections.Counter(
      [theory.key_name(*key) for key in keys] or [NO_KEY]
    ),
    'polyphony': _polyphony(notes),
  }


def known(metadata: Metadata | None) -> dict[str, Histogram]:
  """Returns what metadata tell, counted as `describe` does."""
  if metadata is None:
    return {}
  told = {
    'kind': [metadata.kind],
    'composer': metadata.composers,
    'genre': metadata.genres,
    'source': [metadata.source],
    'licence': [metadata.licence],
  }
  return {
    name: collections.Counter(value for value in values if value)
    for name, values in told.items()
  }


def _polyphony(notes: Notes) -> Histogram:
  """Returns how many beats (rounded) so many pitched notes sound at once."""
  tuned = ~notes.is_drum
  starts = notes.onset[tuned]
  ends = starts + notes.duration[tuned]
  times = np.concatenate([starts, ends])
  order = np.argsort(times, kind='stable')
  sounding = np.cumsum(np.repeat([1, -1], len(starts))[order])
  spans = np.diff(times[order], append=times.max(initial=0))
  level = np.minimum(sounding, _MOST_VOICES)
  ticks = np.bincount(level, weights=spans, minlength=1)
  beats = np.rint(ticks / notes.ticks_per_beat).astype(int)
  return collections.Counter(
    {str(voices): int(count) for voices, count in enumerate(beats) if count}
  )


def _histogram(values: np.ndarray) -> Histogram:
  found, counts = np.unique(values, return_counts=True)
  labels = (f'{value:g}' for value in found.tolist())
  return collections.Counter(dict(zip(labels, counts.tolist(), strict=True)))


def _sorted(histogram: Mapping[str, int]) -> dict[str, int]:
  """Returns numbers ascending, then words."""

  def rank(label: str) -> tuple[bool, float, str]:
    number = label.replace('.', '').isdigit()
    return not number, float(label) if number else 0.0, label

  return {label: histogram[label] for label in sorted(histogram, key=rank)}


def _power_of_two(values: np.ndarray) -> np.ndarray:
  """Returns each value rounded up to a power of two, 1/64 at least."""
  return 2.0 ** np.ceil(np.log2(np.maximum(values, 1 / 64)))
