"""Post-processing: what no player means is mended, and every change told.

The steps, in this order, so that a second run finds nothing to do:

1. `out_of_range`: a pitch that its instrument cannot play moves by octaves to
   the nearest one that it can. What a drum's number means is up to the kit,
   so drums have no range.
2. `collision`: of notes that begin together at one pitch of one track the
   longest stays, of those as long the loudest.
3. `overlap`: a note ends when the next one of its pitch and track begins.
4. `sliver`: a note shorter than a threshold goes, unless a drum struck it.
5. `hanging_note`: a note that lasts longer than any is meant to, or far past
   the last onset of the piece, ends with the bar it began in.
6. `hanging_pedal`: a pedal that is never released is, when its track ends.

A clean piece comes back as it is. Axis: `n` notes.
"""

import collections
import dataclasses
from typing import NamedTuple

import numpy as np

from aurl_jax.music import notes as notes_lib
from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.music.ranges import RANGES
from aurl_jax.music.rebuild import rebuilt

_PEDALS = (64, 66, 67)
"""Controls of sustain, sostenuto and soft pedal; down from 64 on."""
_DOWN = 64
_COLUMNS = ('onset', 'duration', 'pitch', 'velocity', 'track')


class Change(NamedTuple):
  """One change that was made.

  Attributes:
    kind: `out_of_range`, `collision`, `overlap`, `sliver`, `hanging_note` or
      `hanging_pedal`.
    track: Index of the track.
    tick: Onset of the note, or where the pedal is released.
    pitch: Of the note before the change; of a pedal, its control number.
    before: The pitch (`out_of_range`), the value of the control
      (`hanging_pedal`), else the duration in ticks.
    after: The same after the change; None if the note is gone.
  """

  kind: str
  track: int
  tick: int
  pitch: int
  before: int
  after: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
  """All that was changed, in the order of the steps."""

  changes: tuple[Change, ...] = ()

  @property
  def counts(self) -> dict[str, int]:
    """How many changes of each kind there were."""
    return dict(collections.Counter(change.kind for change in self.changes))

  def __bool__(self) -> bool:
    return bool(self.changes)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
  """What counts as a fault; lengths in quarter notes.

  Attributes:
    sliver: Notes shorter than this go.
    longest: A note lasts at most so long.
    tail: A note sounds at most so long after the last onset of the piece.
    ranges: (lowest, highest) pitch of each program, at least an octave.
  """

  sliver: float | int = 1 / 64
  longest: float | int = 64
  tail: float | int = 16
  ranges: tuple[tuple[int, int], ...] = RANGES

  def __post_init__(self) -> None:
    if not (0 <= self.sliver <= 1 <= min(self.longest, self.tail)):
      raise ValueError(
        f'sliver {self.sliver} must lie in 0..1, longest {self.longest} and '
        f'tail {self.tail} be 1 or more'
      )
    if len(self.ranges) != 128 or any(b - a < 11 for a, b in self.ranges):
      raise ValueError('ranges are 128, each of an octave or more')


RULES = Rules()


def clean(notes: Notes, rules: Rules = RULES) -> tuple[Notes, Report]:
  """Mends a piece by the steps above.

  Args:
    notes: Any piece.
    rules: What counts as a fault.

  Returns:
    The piece, `notes` itself if nothing had to change; and all changes.

  Raises:
    MidiError: The onsets span over four million bars (code `too_long`).

  Example:
    >>> twice = Notes.build(
    ...   4, {'onset': [0, 2], 'duration': 4, 'pitch': 60})
    >>> mended, report = clean(twice)
    >>> mended.duration.tolist(), report.counts
    ([2, 4], {'overlap': 1})
  """
  work = _Work(notes, rules)
  work.fold()
  work.merge()
  work.clip()
  work.drop_slivers()
  work.shorten()
  controls = work.release()
  if not work.changes:
    return notes, Report()
  mended = rebuilt(notes, work.columns, controls=controls)
  return mended, Report(changes=tuple(work.changes))


class _Work:
  """A piece under repair: its columns, and the changes so far."""

  def __init__(self, notes: Notes, rules: Rules) -> None:
    self.columns = {name: getattr(notes, name) for name in _COLUMNS}
    self.changes: list[Change] = []
    self._notes, self._rules = notes, rules
    self._beat = notes.ticks_per_beat

  def fold(self) -> None:
    """Moves pitches by octaves into the ranges of their instruments."""
    notes = self._notes
    ranges = np.array(self._rules.ranges)[notes.program]
    low, high = ranges[:, 0], ranges[:, 1]
    below = np.maximum(-(-(low - notes.pitch) // 12), 0)
    above = np.maximum(-(-(notes.pitch - high) // 12), 0)
    moved = notes.pitch + 12 * (below - above)
    pitch = np.where(notes.is_drum, notes.pitch, moved)
    self._set('out_of_range', 'pitch', pitch)

  def merge(self) -> None:
    """Keeps one of the notes that begin together at one pitch."""
    order, same = self._by_pitch('velocity', 'duration')
    onset = self.columns['onset'][order]
    # The longest and loudest is the last of its onset.
    self._drop('collision', order[:-1][same & (np.diff(onset) == 0)])

  def clip(self) -> None:
    """Ends notes when the next of their pitch begins."""
    order, same = self._by_pitch()
    room = np.diff(self.columns['onset'][order])[same]
    duration = self.columns['duration'].copy()
    first = order[:-1][same]
    duration[first] = np.minimum(duration[first], room)
    self._set('overlap', 'duration', duration)

  def drop_slivers(self) -> None:
    """Leaves out notes that are too short to be meant."""
    drums = np.array([t.is_drum for t in self._notes.tracks] or [False])
    short = self.columns['duration'] < self._rules.sliver * self._beat
    heard = short & ~drums.take(self.columns['track'])
    self._drop('sliver', np.flatnonzero(heard))

  def shorten(self) -> None:
    """Ends notes with their bar that were never told to end."""
    onset, duration = self.columns['onset'], self.columns['duration']
    if not len(onset):
      return
    longest = int(self._rules.longest * self._beat)
    last = int(onset.max()) + int(self._rules.tail * self._beat)
    hanging = np.flatnonzero((duration > longest) | (onset + duration > last))
    if not len(hanging):
      return
    start = onset[hanging]
    bars = time.bar_starts(self._notes, int(start.max()) + 1)
    bars = np.append(bars, _end_of_bar(self._notes, int(bars[-1])))
    end = bars[
      np.searchsorted(bars, start, side='right').clip(max=len(bars) - 1)
    ]
    end = np.maximum(end, start + self._beat)
    end = np.minimum(np.minimum(end, start + longest), last)
    changed = duration.copy()
    changed[hanging] = np.minimum(end - start, duration[hanging])
    self._set('hanging_note', 'duration', changed)

  def release(self) -> np.ndarray:
    """Returns the controls, each pedal released in the end."""
    controls = self._notes.controls
    state: dict[tuple[int, int], tuple[int, int]] = {}
    for tick, track, number, value in controls.tolist():
      if number in _PEDALS:
        state[track, number] = tick, value
    rows = []
    for (track, number), (tick, value) in sorted(state.items()):
      if value >= _DOWN:
        mine = self.columns['track'] == track
        end = (self.columns['onset'] + self.columns['duration'])[mine]
        tick = max(tick, int(end.max(initial=0)))
        rows.append((tick, track, number, 0))
        change = Change('hanging_pedal', track, tick, number, value, 0)
        self.changes.append(change)
    added = np.array(rows, notes_lib.CONTROL)
    return np.concatenate([controls, added]) if rows else controls

  def _by_pitch(self, *then: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the order by track, pitch, onset; whether a pitch goes on."""
    names = (*then, 'onset', 'pitch', 'track')
    order = np.lexsort([self.columns[name] for name in names])
    pitch, track = (self.columns[n][order] for n in ('pitch', 'track'))
    return order, (np.diff(pitch) == 0) & (np.diff(track) == 0)

  def _set(self, kind: str, name: str, values: np.ndarray) -> None:
    """Replaces a column and tells what changed."""
    for row in np.flatnonzero(values != self.columns[name]).tolist():
      self._tell(kind, row, int(self.columns[name][row]), int(values[row]))
    self.columns[name] = values

  def _drop(self, kind: str, rows: np.ndarray) -> None:
    """Leaves out notes and tells which."""
    for row in np.sort(rows).tolist():
      self._tell(kind, row, int(self.columns['duration'][row]), None)
    self.columns = {k: np.delete(c, rows) for k, c in self.columns.items()}

  def _tell(self, kind: str, row: int, before: int, after: int | None) -> None:
    track, tick, pitch = (
      int(self.columns[name][row]) for name in ('track', 'onset', 'pitch')
    )
    self.changes.append(Change(kind, track, tick, pitch, before, after))


def _end_of_bar(notes: Notes, start: int) -> int:
  """Returns where the bar ends that starts at a tick, if nothing cuts it."""
  changes = [row for row in time.meter_changes(notes) if row[0] <= start]
  _, numerator, denominator = changes[-1]
  return start + -(-4 * notes.ticks_per_beat * numerator // denominator)
