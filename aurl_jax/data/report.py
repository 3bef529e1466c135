"""What became of a set of files: counts, reasons, and what the music is like.

Written as `report.json` for the whole set and `files.jsonl`, one line a
file. Everything here is plain numbers, added up piece by piece.
"""

import collections
import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from aurl_jax.core import files
from aurl_jax.data import splits
from aurl_jax.music import notes as notes_lib
from aurl_jax.music.notes import Notes

REPORT = 'report.json'
FILES = 'files.jsonl'
KINDS = ('ok', 'repaired', 'dropped')
_MICROS_A_MINUTE = 60_000_000


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
    counts: Files, and of them `ok`, `repaired`, `dropped`; `duplicates`
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
    self._counts['duplicates'] = 0
    self._splits: dict[str, collections.Counter[str]] = {}
    self._reasons: collections.Counter[str] = collections.Counter()
    self._repairs: collections.Counter[str] = collections.Counter()
    self._music: dict[str, collections.Counter[str]] = {}
    self._seen: dict[str, str] = {}
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
    self._counts['duplicates'] += file.digest in self._seen
    first = self._seen.setdefault(file.digest, file.split)
    self._crossing += first != file.split
    split = self._splits.setdefault(file.split, collections.Counter())
    split.update(pieces=1, notes=file.notes, steps=file.steps)

  def add_music(self, notes: Notes, steps: int) -> None:
    """Adds what a kept piece holds to the histograms."""
    for name, histogram in describe(notes, steps).items():
      self._music.setdefault(name, collections.Counter()).update(histogram)

  def __enter__(self) -> 'Tally':
    return self

  def __exit__(self, *_: object) -> None:
    self._lines.close()

  def report(self, folder: pathlib.Path) -> Report:
    """Returns the whole, and writes it beside the lines.

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
    text = json.dumps(report.as_dict(), indent=1)
    files.write_atomic(self._folder / REPORT, text + '\n')
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


def describe(notes: Notes, steps: int) -> dict[str, collections.Counter[str]]:
  """Returns name -> label -> count of what a piece holds.

  `pitch` (drums apart), `velocity` and `program` of its notes; `beats` that
  a note lasts; `notes` and `steps` of the piece; `bpm` and `meter` of its
  changes. Beats, notes and steps are rounded up to a power of two, bpm down
  to a ten.
  """
  tempos = notes.tempos['microseconds']
  if not len(tempos):
    tempos = np.array([notes_lib.DEFAULT_TEMPO])
  meters = notes.meters[['numerator', 'denominator']].tolist()
  columns = {
    'pitch': notes.pitch[~notes.is_drum],
    'velocity': notes.velocity,
    'program': notes.program[~notes.is_drum],
    'beats': _power_of_two(notes.duration / notes.ticks_per_beat),
    'notes': _power_of_two(np.array([len(notes)])),
    'steps': _power_of_two(np.array([steps])),
    'bpm': _MICROS_A_MINUTE // tempos // 10 * 10,
  }
  found = {name: _histogram(column) for name, column in columns.items()}
  found['program']['drums'] = int(notes.is_drum.sum())
  found['meter'] = collections.Counter(
    f'{n}/{d}' for n, d in meters or [notes_lib.DEFAULT_METER]
  )
  return found


def _histogram(values: np.ndarray) -> collections.Counter[str]:
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
