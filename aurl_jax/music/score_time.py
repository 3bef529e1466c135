"""Time as a score tells it: bars, beats, and positions that can be written.

A position is a whole number of 1/10080 of a quarter note, which 128ths,
triplets, quintuplets and septuplets divide evenly. A track is written if
nine of ten of its beats have a division that holds all their onsets and
ends, and then these take the simplest such one. All other beats, and those
of tracks that were played, take the straight or triplet division that is
nearest. So what was written on a grid comes back exactly, and what was
played is rounded. Axes: `n` notes, `p` points (onsets, then ends).
"""

import dataclasses
import itertools

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import notes as notes_lib
from aurl_jax.music import time, transform
from aurl_jax.music.notes import Notes
from aurl_jax.music.rebuild import rebuilt

RESOLUTION = 10_080
"""Positions in a quarter note."""
SHORTEST = RESOLUTION // 32
"""A 128th note: the shortest value that is written."""
NORMAL = {1: 1, 3: 2, 5: 4, 7: 4}
"""Notes of a tuplet -> notes whose time they take."""
_EXACT = (1, 2, 4, 8, 3, 6, 12, 16, 5, 7, 10, 14, 24, 32)
"""Divisions of a beat, the simplest first."""
_PLAYED = {4: 0.0, 3: 0.02, 6: 0.04, 8: 0.05}
"""Divisions for what was played -> handicap, in beats."""
_END_WEIGHT = 0.25
"""Ends are played less exactly than onsets."""
_WRITTEN = 0.9
"""Of the beats of a written track hold so many exactly."""
_CLOSE = 64
"""A part of a beat so short is no rhythm but a rounded tick."""
_MOST_BARS = 20_000
_NEVER = 1 << 60
_NOTHING = 1e-6
"""What a division in float64 may be off."""


class ScoreError(errors.AurlError):
  """A piece that no score can hold."""


@dataclasses.dataclass(frozen=True)
class Bar:
  """A bar of a score; positions and lengths in 1/10080 of a quarter.

  Attributes:
    start: From the start of the piece.
    length: Shorter than its meter tells in pickups and before a change.
    meter: Numerator and denominator.
  """

  start: int
  length: int
  meter: tuple[int, int]

  @property
  def full(self) -> int:
    """The length that the meter tells."""
    return full_bar(self.meter)

  @property
  def unit(self) -> int:
    """The beat that is divided: the denominator's, at most a quarter."""
    return unit_of(self.meter)


def full_bar(meter: tuple[int, int]) -> int:
  """Returns the length of a bar of a meter."""
  return 4 * RESOLUTION * meter[0] // meter[1]


def unit_of(meter: tuple[int, int]) -> int:
  """Returns the beat that is divided: at most a quarter note."""
  return 4 * RESOLUTION // max(4, meter[1])


def to_score(notes: Notes) -> tuple[Notes, tuple[Bar, ...]]:
  """Returns a piece as a score can tell it, and its bars.

  - Positions are rounded as told above; a note lasts at least one division.
  - A note ends when the next one of its pitch and track begins, and of
    those that begin together one stays (see `transform.clip_overlaps`).
  - A drum's stroke lasts until the next one of its track or until its beat
    ends, since it has no length that could be heard.
  - Meters change where a 16th of their beat may begin, keys with a bar.

  Args:
    notes: Any piece.

  Returns:
    The piece in `RESOLUTION` ticks a beat; and bars to the last note's end,
    at least one.

  Raises:
    ScoreError: A meter's denominator is no power of two up to 64 (code
      `meter`), or there are over 20,000 bars (`too_long`).
  """
  starts = _meter_starts(notes)
  clock = _Clock(notes, starts)
  onset, end, beat_end = _rounded(notes, clock)
  end = np.where(notes.is_drum, beat_end, end)
  moved = rebuilt(
    notes,
    {'onset': onset, 'duration': end - onset},
    ticks_per_beat=RESOLUTION,
    **_moved_tables(notes, clock),
    texts=[t._replace(tick=clock.position(t.tick)) for t in notes.texts],
  )
  moved = _strokes(transform.clip_overlaps(moved))
  bars = tuple(_bars(clock.changes, moved.end))
  return _keys_at_bars(moved, bars), bars


def _meter_starts(notes: Notes) -> list[tuple[int, int, int]]:
  """Returns (tick, numerator, denominator) of the changes that count."""
  changes = [
    row for row in time.meter_changes(notes) if row[0] < max(1, notes.end)
  ]
  for tick, numerator, denominator in changes:
    if denominator & (denominator - 1) or denominator > 64:
      raise ScoreError(
        f'meter {numerator}/{denominator} at tick {tick}: a score is written '
        'in halves, quarters … 64ths; change the meter or quantise the piece '
        'first',
        code='meter',
      )
  return changes


class _Clock:
  """Ticks of a piece as positions of its score.

  Attributes:
    changes: (position, meter) of each change of meter.
  """

  def __init__(self, notes: Notes, starts: list[tuple[int, int, int]]) -> None:
    self._ticks_per_beat = notes.ticks_per_beat
    self._ticks = np.array([tick for tick, *_ in starts], np.int64)
    self.changes: list[tuple[int, tuple[int, int]]] = []
    for tick, numerator, denominator in starts:
      position = 0
      if self.changes:
        before, meter = self.changes[-1]
        step = max(unit_of(meter) // 4, RESOLUTION // 8)
        raw = (tick - self._ticks[len(self.changes) - 1]) * RESOLUTION
        position = before + round(raw / self._ticks_per_beat / step) * step
      self.changes.append((position, (numerator, denominator)))

  def place(self, ticks: np.ndarray) -> tuple[np.ndarray, ...]:
    """Returns change, beat from it, its length, and place in the beat.

    Args:
      ticks: [p] int64.

    Returns:
      [p] each; the place is float64, in positions.
    """
    row = np.searchsorted(self._ticks, ticks, side='right') - 1
    unit = np.array([unit_of(m) for _, m in self.changes])[row]
    scaled = (ticks - self._ticks[row]) * RESOLUTION
    beat = scaled // (unit * self._ticks_per_beat)
    place = scaled / self._ticks_per_beat - beat * unit
    return row, beat, unit, place

  def start_of(self, row: np.ndarray) -> np.ndarray:
    """Returns the position at which each change of meter stands."""
    return np.array([position for position, _ in self.changes])[row]

  def stop_of(self, row: np.ndarray) -> np.ndarray:
    """Returns the position of the change after each change of meter."""
    return np.array([*(p for p, _ in self.changes[1:]), _NEVER])[row]

  def position(self, tick: int) -> int:
    """Returns the position nearest to a tick."""
    row, beat, unit, place = self.place(np.array([tick], np.int64))
    return int((self.start_of(row) + beat * unit + np.rint(place))[0])


def _allowed(unit: int, division: int) -> bool:
  """Whether a beat's division can be written with 128ths or longer."""
  odd = division // (division & -division)
  normal = NORMAL[odd] * (division & -division)
  return (
    unit % division == 0 and unit % normal == 0 and (unit // normal >= SHORTEST)
  )


def _rounded(
  notes: Notes, clock: _Clock
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns onset, end, and end of the onset's beat of each note."""
  if not len(notes):
    return notes.onset, notes.onset, notes.onset
  ticks = np.concatenate([notes.onset, notes.onset + notes.duration])
  row, beat, unit, place = clock.place(ticks)
  tracks = np.tile(notes.track, 2)
  cells, group = np.unique(
    np.stack([tracks, row, beat]), axis=1, return_inverse=True
  )
  group = group.reshape(-1)
  start = clock.start_of(row) + beat * unit
  limit = clock.stop_of(row)
  is_end = np.arange(len(ticks)) >= len(notes)
  length = np.zeros(cells.shape[1], np.int64)
  length[group] = unit
  slack = np.minimum(RESOLUTION / notes.ticks_per_beat, unit / _CLOSE)
  chosen = _exact(group, length, place, slack)
  written = np.bincount(cells[0], chosen > 0) >= _WRITTEN * np.bincount(
    cells[0]
  )
  chosen = np.where(written[cells[0]], chosen, 0)
  division = _nearest(group, length, place, is_end, chosen)[group]
  # A change of meter inside a beat stands at a quarter of it.
  division = np.where(start + unit > limit, 4, division)
  size = unit // division
  position = start + np.rint(place / size).astype(np.int64) * size
  onset, end = np.split(np.minimum(position, limit), 2)
  start, unit, size, limit = (
    x[: len(notes)] for x in (start, unit, size, limit)
  )
  # What would begin and end at the end of a beat begins just before it.
  late = (end <= onset) & (onset >= np.minimum(start + unit, limit))
  onset = np.where(late, onset - size, onset)
  end = np.maximum(end, onset + size)
  passed = onset >= start + unit
  beat_end = np.minimum(start + unit * np.where(passed, 2, 1), limit)
  # The first beat behind a change may be shorter.
  beat_end = np.where(beat_end > onset, beat_end, end)
  return onset, end, beat_end


def _exact(
  group: np.ndarray, length: np.ndarray, place: np.ndarray, slack: np.ndarray
) -> np.ndarray:
  """Returns the simplest division of each beat that holds all its points.

  Args:
    group: [p], number of its track and beat.
    length: [b], of each beat.
    place: [p], place in the beat.
    slack: [p], by how much a place may differ from the division; places
      that differ from none come first.

  Returns:
    [b] int64, 0 where there is none.
  """
  chosen = np.zeros(len(length), np.int64)
  tries = itertools.product((np.zeros_like(slack), slack), _EXACT)
  for allowed, division in tries:
    worst = np.full(len(length), -1.0)
    error = _errors(place, length[group], division)
    np.maximum.at(worst, group, error - allowed - _NOTHING)
    holds = (worst <= 0) & _may(length, division) & (chosen == 0)
    chosen[holds] = division
  return chosen


def _nearest(
  group: np.ndarray,
  length: np.ndarray,
  place: np.ndarray,
  is_end: np.ndarray,
  chosen: np.ndarray,
) -> np.ndarray:
  """Returns the divisions, [b], those that are 0 so far chosen by nearness.

  Args:
    group: [p], number of its track and beat.
    length: [b], of each beat.
    place: [p], place in the beat.
    is_end: [p], whether it ends a note.
    chosen: [b], the divisions so far.
  """
  weight = np.where(is_end, _END_WEIGHT, 1.0)
  total = np.bincount(group, weight, len(length))
  best = np.full(len(length), np.inf)
  # Beats as short as 64ths are divided no further.
  nearest = np.ones(len(length), np.int64)
  for division, handicap in _PLAYED.items():
    error = _errors(place, length[group], division) / length[group]
    cost = np.bincount(group, weight * error, len(length)) / total + handicap
    better = (cost < best) & _may(length, division)
    best[better] = cost[better]
    nearest[better] = division
  return np.where(chosen > 0, chosen, nearest)


def _may(length: np.ndarray, division: int) -> np.ndarray:
  units = np.unique(length).tolist()
  fine = [unit for unit in units if _allowed(unit, division)]
  return np.isin(length, fine)


def _errors(place: np.ndarray, unit: np.ndarray, division: int) -> np.ndarray:
  size = unit / division
  return np.abs(place - np.rint(place / size) * size)


def _moved_tables(notes: Notes, clock: _Clock) -> dict[str, np.ndarray]:
  tables = {}
  for name in notes_lib.TABLES:
    table = getattr(notes, name).copy()
    if len(table):
      row, beat, unit, place = clock.place(table['tick'])
      table['tick'] = clock.start_of(row) + beat * unit + np.rint(place)
    tables[name] = table
  rows = [(position, *meter) for position, meter in clock.changes]
  tables['meters'] = np.array(rows, notes_lib.METER)
  return tables


def _strokes(notes: Notes) -> Notes:
  """Ends strokes when the next one of their track falls."""
  if not notes.is_drum.any():
    return notes
  duration = notes.duration.copy()
  for track in np.unique(notes.track[notes.is_drum]):
    rows = np.flatnonzero(notes.track == track)
    onsets = np.unique(notes.onset[rows])
    after = np.searchsorted(onsets, notes.onset[rows], side='right')
    following = np.append(onsets, _NEVER)[after]
    room = following - notes.onset[rows]
    duration[rows] = np.minimum(duration[rows], room)
  return rebuilt(notes, {'duration': duration})


def _bars(changes: list[tuple[int, tuple[int, int]]], end: int) -> list[Bar]:
  """Returns the bars up to a position, at least one."""
  bars: list[Bar] = []
  stops = [position for position, _ in changes[1:]]
  for (start, meter), stop in itertools.zip_longest(changes, stops):
    length = full_bar(meter)
    last = max(end, start + 1) if stop is None else stop
    if (last - start) // length > _MOST_BARS - len(bars):
      raise ScoreError(
        f'a score of over {_MOST_BARS} bars; cut the piece with '
        'transform.slice_bars first',
        code='too_long',
      )
    for at in range(start, last, length):
      cut = length if stop is None else min(length, stop - at)
      bars.append(Bar(at, cut, meter))
  return bars


def _keys_at_bars(notes: Notes, bars: tuple[Bar, ...]) -> Notes:
  """Moves each change of key to the nearest bar; the last one counts."""
  starts = np.array([bar.start for bar in bars])
  keys: dict[int, tuple[int, bool]] = {}
  for tick, fifths, minor in notes.keys.tolist():
    if tick >= max(1, notes.end):
      break
    keys[int(starts[np.abs(starts - tick).argmin()])] = fifths, minor
  rows = [(tick, *key) for tick, key in sorted(keys.items())]
  return notes.replace(keys=np.array(rows, notes_lib.KEY))
