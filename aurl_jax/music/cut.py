"""Cutting pieces out of pieces, and joining them: `Notes` to `Notes`.

What holds over time (tempo, meter, key, chord, controls, bends) is told
anew where a cut falls between it and its music.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import notes as notes_lib
from aurl_jax.music import time
from aurl_jax.music.notes import Notes, Text, Track

_COLUMNS = ('onset', 'duration', 'pitch', 'velocity', 'track')
_STATE = {
  'tempos': (),
  'meters': (),
  'keys': (),
  'controls': ('track', 'number'),
  'bends': ('track',),
}
"""Table -> the columns that tell apart what holds side by side."""


class TransformError(errors.AurlError):
  """A transform that the piece cannot take."""


def shift(notes: Notes, ticks: int) -> Notes:
  """Moves a piece in time; bars keep their notes if it moves by bars.

  The tempo, meter and key that hold at tick 0 hold from there on.

  Args:
    notes: The piece.
    ticks: How much later, negative for earlier.

  Raises:
    TransformError: Something would begin before tick 0 (code `before_start`).
  """
  first = int(notes.onset[0]) if len(notes) else 0
  if first + ticks < 0:
    raise TransformError(
      f'shifted by {ticks}, the first note at tick {first} would begin '
      'before 0; slice_ticks cuts music off',
      code='before_start',
    )
  if ticks < 0:
    return slice_ticks(notes, -ticks, None)
  tables: dict[str, Any] = {}
  for name in notes_lib.TABLES:
    table = getattr(notes, name).copy()
    stays = (table['tick'] == 0) & (not _STATE[name])
    table['tick'] += np.where(stays, 0, ticks)
    tables[name] = table
  columns = {name: getattr(notes, name) for name in _COLUMNS}
  columns['onset'] = notes.onset + ticks
  texts = [text._replace(tick=text.tick + ticks) for text in notes.texts]
  return Notes.build(
    notes.ticks_per_beat,
    columns,
    tracks=notes.tracks,
    texts=texts,
    title=notes.title,
    **tables,
  )


def slice_ticks(
  notes: Notes, start: int, end: int | None, *, held: bool = False
) -> Notes:
  """Returns the music of start <= tick < end, moved to tick 0.

  Notes that begin before `start` are left out, those that sound past `end`
  end there. What holds at `start` is told at tick 0; a meter's bars begin
  there.

  Args:
    notes: The piece; tracks stay, even without notes.
    start: First tick, from 0 on.
    end: One past the last tick; None takes all.
    held: Whether notes that sound on from before `start` begin there, with
      what is left of them.
  """
  if start < 0 or (end is not None and end < start):
    raise TransformError(
      f'ticks {start}..{end} are no slice; 0 <= start <= end is needed',
      code='slice',
    )
  stop = 1 << 62 if end is None else end
  inside = (notes.onset >= start) & (notes.onset < stop)
  if held:
    inside |= (notes.onset < start) & (notes.onset + notes.duration > start)
  columns = {name: getattr(notes, name)[inside] for name in _COLUMNS}
  late = np.maximum(start - columns['onset'], 0)
  columns['onset'] = columns['onset'] + late
  columns['duration'] = columns['duration'] - late
  room = stop - columns['onset']
  columns['duration'] = np.minimum(columns['duration'], room)
  columns['onset'] = columns['onset'] - start
  return Notes.build(
    notes.ticks_per_beat,
    columns,
    tracks=notes.tracks,
    texts=_slice_texts(notes.texts, start, stop),
    title=notes.title,
    **{
      name: _slice_table(getattr(notes, name), start, stop, _STATE[name])
      for name in notes_lib.TABLES
    },
  )


def slice_bars(
  notes: Notes, first: int, last: int, *, held: bool = False
) -> Notes:
  """Returns bars first..last - 1, counted from 0, moved to tick 0.

  `held` is as in `slice_ticks`.

  Raises:
    TransformError: The piece has no such bars (code `slice`).

  Example:
    >>> scale = Notes.build(
    ...   1, {'onset': range(12), 'duration': 1, 'pitch': range(60, 72)})
    >>> slice_bars(scale, 1, 2).pitch.tolist()
    [64, 65, 66, 67]
  """
  starts = time.bar_starts(notes)
  if not 0 <= first < last <= len(starts):
    raise TransformError(
      f'bars {first}..{last} are not in the piece of {len(starts)} bars',
      code='slice',
    )
  end = int(starts[last]) if last < len(starts) else None
  return slice_ticks(notes, int(starts[first]), end, held=held)


def concatenate(pieces: Sequence[Notes], *, whole: bool = False) -> Notes:
  """Joins pieces; each begins with the first bar after the one before.

  What a piece tells later than that, such as a tempo, does not count.
  Tracks of equal name, program and drum flag are joined, the first with
  the first, the second with the second. The title is that of the first.

  Args:
    pieces: At least one.
    whole: Whether a piece lasts until all that it tells has been told.

  Raises:
    TransformError: There is no piece (code `empty`), or the ticks of a beat
      differ (code `ticks_per_beat`).
  """
  if not pieces:
    raise TransformError('nothing to concatenate', code='empty')
  beats = {piece.ticks_per_beat for piece in pieces}
  if len(beats) > 1:
    raise TransformError(
      f'pieces count {sorted(beats)} ticks a beat; transform.resample makes '
      'them equal',
      code='ticks_per_beat',
    )
  tracks: list[Track] = []
  parts = []
  start = 0
  for index, piece in enumerate(pieces):
    length = next_bar(piece, whole=whole)
    if index < len(pieces) - 1:
      piece = slice_ticks(piece, 0, length)
    joined = joined_tracks(tracks, piece.tracks)
    parts.append(_moved(piece, start, joined))
    start += length
  return Notes.build(
    pieces[0].ticks_per_beat,
    {name: np.concatenate([p[name] for p in parts]) for name in _COLUMNS},
    tracks=tracks,
    texts=[text for part in parts for text in part['texts']],
    title=pieces[0].title,
    **{
      name: np.concatenate([part[name] for part in parts])
      for name in notes_lib.TABLES
    },
  )


def _slice_table(
  table: np.ndarray, start: int, stop: int, state: tuple[str, ...]
) -> np.ndarray:
  """Cuts a table; the last rows before `start` move there."""
  tick = table['tick']
  before = np.flatnonzero(tick <= start)
  if len(before) and state:
    # The last row of each kind: the first one of the reversed table.
    kinds = table[list(state)][before[::-1]]
    _, last = np.unique(kinds, return_index=True)
    before = np.sort(before[::-1][last])
  else:
    before = before[-1:]
  # At `start` itself order matters: all its rows stay as they are.
  before = before[tick[before] < start]
  after = np.flatnonzero((tick >= start) & (tick < stop))
  cut = table[np.concatenate([before, after])]
  cut['tick'] = np.maximum(cut['tick'] - start, 0)
  return cut


def _slice_texts(texts: tuple[Text, ...], start: int, stop: int) -> list[Text]:
  """Cuts texts; the chord that holds at `start` is told there."""
  held: dict[int, Text] = {}
  inside = []
  for text in texts:
    if text.tick < start and text.kind == 'chord':
      held[text.track] = text
    elif start <= text.tick < stop:
      inside.append(text._replace(tick=text.tick - start))
  told = {t.track for t in inside if t.kind == 'chord' and t.tick == 0}
  kept = [
    text._replace(tick=0) for track, text in held.items() if track not in told
  ]
  return kept + inside


def next_bar(notes: Notes, *, whole: bool = False) -> int:
  """Returns the first bar start at or after the end of the last note.

  Args:
    notes: The piece.
    whole: Whether texts and tables must have ended too.
  """
  # A note without length at a bar line belongs to the bar that begins there.
  end = max(notes.end, int(notes.onset.max(initial=-1)) + 1)
  if whole:
    tables = [getattr(notes, name)['tick'] for name in notes_lib.TABLES]
    last = [int(ticks.max(initial=-1)) for ticks in tables]
    end = max(end, *(tick + 1 for tick in last))
    end = max([end, *(text.tick + 1 for text in notes.texts)])
  tick, numerator, denominator = [
    change for change in time.meter_changes(notes) if change[0] <= end
  ][-1]
  bar = 4 * notes.ticks_per_beat * numerator
  bars = -(-(end - tick) * denominator // bar)
  return tick + -(-bars * bar // denominator)


def joined_tracks(known: list[Track], tracks: Sequence[Track]) -> list[int]:
  """Returns the index in `known` of each track; adds those it lacks.

  Tracks of equal name, program and drum flag are one: the first with the
  first, the second with the second.
  """
  free = list(range(len(known)))
  joined = []
  for track in tracks:
    match = next((i for i in free if known[i] == track), None)
    if match is None:
      match = len(known)
      known.append(track)
    else:
      free.remove(match)
    joined.append(match)
  return joined


def _moved(notes: Notes, start: int, tracks: list[int]) -> dict[str, Any]:
  """Returns columns, tables and texts, later and with other tracks."""
  renumbered = np.array([*tracks, -1], np.int64)
  part: dict[str, Any] = {name: getattr(notes, name) for name in _COLUMNS}
  part['onset'] = notes.onset + start
  part['track'] = renumbered[notes.track]
  part['texts'] = [
    text._replace(tick=text.tick + start, track=int(renumbered[text.track]))
    for text in notes.texts
  ]
  defaults = {
    'tempos': (0, notes_lib.DEFAULT_TEMPO),
    'meters': (0, *notes_lib.DEFAULT_METER),
  }
  for name, dtype in notes_lib.TABLES.items():
    table = getattr(notes, name)
    if name in defaults and not (len(table) and table['tick'][0] == 0):
      # What held by default must not be what the piece before it left.
      table = np.concatenate([np.array([defaults[name]], dtype), table])
    table = table.copy()
    table['tick'] += start
    if 'track' in (dtype.names or ()):
      table['track'] = renumbered[table['track']]
    part[name] = table
  return part
