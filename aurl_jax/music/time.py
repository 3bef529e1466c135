"""Ticks, seconds, beats and bars of a piece.

Axes: `n` positions, `m` bars. Seconds follow the tempo map; without a tempo
at tick 0, 120 bpm holds until the first one, and likewise 4/4.
"""

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import notes as notes_lib
from aurl_jax.music.notes import Notes

_PER_SECOND = 1_000_000
_MOST_PULSES = 1 << 22
"""More bars or beats than this are a broken file, not music."""


def ticks_to_seconds(notes: Notes, ticks: np.ndarray | int) -> np.ndarray:
  """Returns the time of ticks, float64 seconds, of the shape of `ticks`.

  Computed from whole microseconds a beat, so that one division rounds;
  `seconds_to_ticks` gives the ticks back as long as a tick is wider than a
  few units of float64, which holds for hundreds of years of music.

  Args:
    notes: The piece whose tempo map counts.
    ticks: int, any shape; may lie past the end, not below 0.
  """
  starts, micros, elapsed = _segments(notes)
  ticks = np.asarray(ticks, np.int64)
  part = np.searchsorted(starts, ticks, side='right') - 1
  units = elapsed[part] + (ticks - starts[part]) * micros[part]
  return np.asarray(units / (_PER_SECOND * notes.ticks_per_beat))


def seconds_to_ticks(
  notes: Notes, seconds: np.ndarray | float | int
) -> np.ndarray:
  """Returns the tick nearest to each time, int64; inverts the above."""
  starts, micros, elapsed = _segments(notes)
  units = np.asarray(seconds, np.float64) * (_PER_SECOND * notes.ticks_per_beat)
  part = np.searchsorted(elapsed, units, side='right') - 1
  part = np.maximum(part, 0)
  ticks = np.rint((units - elapsed[part]) / micros[part]).astype(np.int64)
  return np.asarray(starts[part] + ticks)


def duration_seconds(notes: Notes) -> float:
  """Returns when the last note ends, in seconds; 0.0 without notes."""
  return float(ticks_to_seconds(notes, notes.end))


def bar_starts(notes: Notes, end: int | None = None) -> np.ndarray:
  """Returns the ticks at which bars start, [m] int64, ascending from 0.

  Bars restart at each meter change, which cuts a bar short if it falls
  inside; a row that repeats the meter in force changes nothing. A bar that
  starts between two ticks is told at the first of them.

  Args:
    notes: The piece whose meters count.
    end: Bars that start before this tick are told; by default the last
      note's end. At least one bar is told, even of an empty piece.

  Raises:
    MidiError: There would be over four million (code `too_long`).

  Example:
    >>> waltz = Notes.build(
    ...   4, {'onset': 0, 'duration': 30, 'pitch': 60}, meters=[(0, 3, 4)])
    >>> bar_starts(waltz).tolist()
    [0, 12, 24]
  """
  return _pulses(notes, end, whole_bars=True)


def beats(notes: Notes, end: int | None = None) -> np.ndarray:
  """Returns the ticks of the beats, [n] int64: the meter's denominators.

  Beats restart with the bars; `end` as for `bar_starts`.
  """
  return _pulses(notes, end, whole_bars=False)


def _segments(notes: Notes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns the tempo map: start ticks, microseconds a beat, elapsed.

  `elapsed` counts microseconds times ticks a beat, which are whole.
  """
  table = notes.tempos
  starts = np.append(0, table['tick'])
  micros = np.append(notes_lib.DEFAULT_TEMPO, table['microseconds'])
  last = np.append(starts[1:] != starts[:-1], True)
  starts, micros = starts[last], micros[last]
  elapsed = np.append(0, np.cumsum(np.diff(starts) * micros[:-1]))
  return starts, micros, elapsed


def meter_changes(notes: Notes) -> list[tuple[int, int, int]]:
  """Returns (tick, numerator, denominator) of each change, from tick 0 on.

  Of several rows at a tick the last one counts.
  """
  rows = {0: notes_lib.DEFAULT_METER}
  for tick, numerator, denominator in notes.meters.tolist():
    rows[tick] = (numerator, denominator)
  changes: list[tuple[int, int, int]] = []
  for tick, meter in sorted(rows.items()):
    if not changes or changes[-1][1:] != meter:
      changes.append((tick, *meter))
  return changes


def _pulses(notes: Notes, end: int | None, *, whole_bars: bool) -> np.ndarray:
  """Returns the ticks of bars or of their beats, before `end`."""
  end = max(1, notes.end if end is None else end)
  changes = [change for change in meter_changes(notes) if change[0] < end]
  stops = [change[0] for change in changes[1:]] + [end]
  parts, room = [], _MOST_PULSES
  for (start, numerator, denominator), stop in zip(changes, stops, strict=True):
    # A pulse lasts `length / denominator` ticks, which may be no whole tick.
    length = 4 * notes.ticks_per_beat * (numerator if whole_bars else 1)
    count = -(-(stop - start) * denominator // length)
    room -= count
    if room < 0:
      raise errors.MidiError(
        f'{end} ticks hold over {_MOST_PULSES} bars or beats; cut the piece '
        'with transform.slice_ticks first',
        code='too_long',
      )
    parts.append(start + np.arange(count) * length // denominator)
  ticks = np.concatenate(parts)
  return ticks[np.append(True, ticks[1:] != ticks[:-1])]
