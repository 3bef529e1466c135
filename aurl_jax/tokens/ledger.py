"""The ledger of a tokenization: what encoding a piece kept and lost.

Axis: `n` notes. Counts are of events of a kind; errors are absolute, in
milliseconds at the tempo that holds where the event stands.
"""

import collections
import dataclasses
from typing import Any

import numpy as np

from aurl_jax.music import time, transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import DEFAULT_TEMPO, Notes
from aurl_jax.tokens.tokenizer import Tokenizer

_DIGITS = 3
"""Of the errors as they are told: microseconds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
  """One kind of event.

  Attributes:
    count: Events of the piece; of tempos and meters those that change
      anything, the one that holds at the start included.
    kept: Events that the ids tell.
    merged: Events that became one with an equal event.
    dropped: Events that are gone.
    errors: Name, such as `onset_ms`, -> mean and largest absolute error.
  """

  count: int
  kept: int
  merged: int = 0
  dropped: int = 0
  errors: dict[str, tuple[float, float]] = dataclasses.field(
    default_factory=dict
  )

  @property
  def exact(self) -> bool:
    """Whether nothing is gone, merged or moved."""
    moved = any(worst > 0 for _, worst in self.errors.values())
    return not (self.merged or self.dropped or moved)

  def as_dict(self) -> dict[str, int | float]:
    """Returns the entry as plain numbers, `onset_ms_mean` and so on."""
    numbers: dict[str, int | float] = {
      'count': self.count,
      'kept': self.kept,
      'merged': self.merged,
      'dropped': self.dropped,
    }
    for name, (mean, worst) in self.errors.items():
      numbers[f'{name}_mean'] = round(mean, _DIGITS)
      numbers[f'{name}_max'] = round(worst, _DIGITS)
    return numbers


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ledger:
  """What a tokenization did to a piece.

  Attributes:
    entries: Kind of event -> its entry; kinds that the piece lacks are left
      out, but for notes.
  """

  entries: dict[str, Entry]

  @property
  def exact(self) -> bool:
    """Whether decoding gives the piece back with nothing lost or moved."""
    return all(entry.exact for entry in self.entries.values())

  def as_dict(self) -> dict[str, Any]:
    """Returns kind -> plain numbers, for JSON."""
    return {kind: entry.as_dict() for kind, entry in self.entries.items()}


def ledger(tokenizer: Tokenizer, notes: Notes) -> Ledger:
  """Returns what `tokenizer` keeps and loses of a piece.

  Args:
    tokenizer: Any tokenizer.
    notes: Any piece.

  Raises:
    TokenError: The tokenizer cannot hold the piece.
  """
  back = tokenizer.decode(tokenizer.encode(notes))
  grid = tokenizer.grid
  entries = {
    'notes': _notes(notes, back, grid),
    'tracks': _tracks(notes, back),
    'tempos': _tempos(notes, back, grid),
    'meters': _meters(notes, back, grid),
    'chords': _plain(len(notes.chords), len(back.chords)),
  }
  for kind in ('keys', 'controls', 'bends'):
    entries[kind] = _plain(len(getattr(notes, kind)), len(getattr(back, kind)))
  for kind in ('lyric', 'marker'):
    entries[f'{kind}s'] = _plain(sum(t.kind == kind for t in notes.texts), 0)
  names = [notes.title, *(track.name for track in notes.tracks)]
  entries['names'] = _plain(sum(bool(name) for name in names), 0)
  return Ledger(
    entries={k: e for k, e in entries.items() if e.count or k == 'notes'}
  )


def _plain(count: int, kept: int) -> Entry:
  return Entry(count=count, kept=kept, dropped=max(0, count - kept))


def _spread(errors: np.ndarray) -> tuple[float, float]:
  """Returns the mean and the largest of absolute errors; 0 for none."""
  if not len(errors):
    return 0.0, 0.0
  return float(errors.mean()), float(errors.max())


def _milliseconds(notes: Notes, at: np.ndarray) -> np.ndarray:
  """Returns how long a tick lasts at each tick of `at`."""
  seconds = time.ticks_to_seconds(notes, np.stack([at, at + 1]))
  return (seconds[1] - seconds[0]) * 1000


def _moved(notes: Notes, ticks: np.ndarray, grid: Grid) -> np.ndarray:
  """Returns by how much each tick is moved to its cell, milliseconds."""
  cells = transform.to_cells(ticks, notes.ticks_per_beat, grid.cells_per_beat)
  error = cells * notes.ticks_per_beat / grid.cells_per_beat - ticks
  return np.abs(error) * _milliseconds(notes, ticks)


def _stretched(notes: Notes, grid: Grid) -> np.ndarray:
  """Returns by how much each duration is changed, milliseconds."""
  cells = notes.duration * (grid.cells_per_beat / notes.ticks_per_beat)
  above = np.searchsorted(grid.durations, cells)
  high = grid.durations[np.minimum(above, len(grid.durations) - 1)]
  low = grid.durations[np.maximum(above - 1, 0)]
  error = np.minimum(np.abs(high - cells), np.abs(low - cells))
  ticks = error * (notes.ticks_per_beat / grid.cells_per_beat)
  return ticks * _milliseconds(notes, notes.onset)


def _notes(notes: Notes, back: Notes, grid: Grid) -> Entry:
  bins = notes.velocity * grid.velocity_bins // 128
  velocity = np.abs(grid.velocities[bins] - notes.velocity)
  merged = len(notes) - len(back)
  return Entry(
    count=len(notes),
    kept=len(back),
    merged=merged,
    errors={
      'onset_ms': _spread(_moved(notes, notes.onset, grid)),
      'duration_ms': _spread(_stretched(notes, grid)),
      'velocity': _spread(velocity),
    },
  )


def _tracks(notes: Notes, back: Notes) -> Entry:
  """Kept is a track whose instrument is told; empty ones are dropped."""
  used = np.flatnonzero(np.bincount(notes.track, minlength=1)).tolist()
  given = collections.Counter(notes.tracks[i][1:] for i in used)
  told = collections.Counter(track[1:] for track in back.tracks)
  kept = (given & told).total()
  merged = len(used) - len(back.tracks)
  dropped = len(notes.tracks) - kept - merged
  return Entry(
    count=len(notes.tracks), kept=kept, merged=merged, dropped=dropped
  )


def _tempos(notes: Notes, back: Notes, grid: Grid) -> Entry:
  table = notes.tempos
  ticks = np.append(0, table['tick'])
  micros = np.append(DEFAULT_TEMPO, table['microseconds'])
  last = np.append(ticks[1:] != ticks[:-1], True)
  ticks, micros = ticks[last], micros[last]
  changed = np.append(True, micros[1:] != micros[:-1])
  ticks, micros = ticks[changed], micros[changed]
  count, kept = len(ticks), len(back.tempos)
  # What begins after the music is dropped, and so has no error.
  ticks, micros = ticks[ticks < notes.end], micros[ticks < notes.end]
  told = back.tempos['microseconds'][_in_force(notes, back, ticks, grid)]
  return Entry(
    count=count,
    kept=kept,
    dropped=max(0, count - kept),
    errors={
      'onset_ms': _spread(_moved(notes, ticks, grid)),
      'percent': _spread(np.abs(micros / told - 1) * 100),
    },
  )


def _in_force(
  notes: Notes, back: Notes, ticks: np.ndarray, grid: Grid
) -> np.ndarray:
  """Returns the row of `back.tempos` that holds at each tick of `notes`."""
  cells = transform.to_cells(ticks, notes.ticks_per_beat, grid.cells_per_beat)
  return np.searchsorted(back.tempos['tick'], cells, side='right') - 1


def _meters(notes: Notes, back: Notes, grid: Grid) -> Entry:
  """Kept is a change to a meter that is told as it is."""
  changes = time.meter_changes(notes)
  ticks = np.array([tick for tick, *_ in changes], np.int64)
  cells = transform.to_cells(ticks, notes.ticks_per_beat, grid.cells_per_beat)
  told = set(back.meters.tolist())
  pairs = zip(cells.tolist(), changes, strict=True)
  same = np.array([(cell, *change[1:]) in told for cell, change in pairs])
  kept = int(same.sum())
  return Entry(
    count=len(changes),
    kept=kept,
    dropped=len(changes) - kept,
    errors={'onset_ms': _spread(_moved(notes, ticks[same], grid))},
  )
