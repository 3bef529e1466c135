"""Whole files that are as they must be, read by compiled loops.

What has an odd event is left to `music.midi_parts`. A note that never ends is
the one fault that is mended here: many sound files have such.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from aurl_jax.music import events
from aurl_jax.music.midi_chunks import MAX_TICKS, Issue, Limits, Log
from aurl_jax.music.midi_events import LONG_BEATS, LONG_DELTA
from aurl_jax.music.midi_parts import DRUM_CHANNEL, OFFSET, as_text, is_offset
from aurl_jax.music.midi_table import EMPTY
from aurl_jax.music.notes import Notes, Text, Track

_NAME, _LYRIC, _MARKER = 3, 5, 6
_NEVER = 1 << 62


def read(data: bytes, limits: Limits) -> tuple[Notes, tuple[Issue, ...]] | None:
  """Returns a piece and its issues, or None where something is odd."""
  read_file, unpack = _loops()
  bounds = _bounds(limits.tracks, limits.events)
  flags, found, changes, metas, (keys, marks) = read_file(
    np.frombuffer(data, np.uint8), bounds
  )
  beat, ascending, in_order = flags.tolist()
  if beat < 0:
    return None
  ends = marks.tolist()
  try:
    names, texts = (
      _texts(data, metas[3].tolist()) if len(metas[3]) else ({}, [])
    )
    title, tracks = _tracks(ends, keys.tolist(), names)
  except (_Odd, UnicodeDecodeError):
    return None
  controls, bends = changes
  notes = Notes.trusted(
    ticks_per_beat=beat,
    **_columns(unpack, found, ascending, tracks),
    tracks=tracks,
    texts=tuple(sorted(texts, key=_when)),
    title=title,
    tempos=_table(metas[0], 'tempos'),
    meters=_table(metas[1], 'meters'),
    keys=events.as_table(metas[2].tolist(), events.KEY)
    if len(metas[2])
    else EMPTY['keys'],
    controls=_table(controls, 'controls', in_order),
    bends=_table(bends, 'bends', in_order),
  )
  return notes, _never_ended(ends)


@functools.cache
def _loops() -> tuple[Callable[..., Any], Callable[..., Any]]:
  from aurl_jax.music import midi_kernels_file

  return midi_kernels_file.read_file, midi_kernels_file.unpack


@functools.cache
def _bounds(tracks: int, most: int) -> np.ndarray:
  return np.array([tracks, most, MAX_TICKS, LONG_DELTA - 1, LONG_BEATS, _NEVER])


class _Odd(Exception):
  """A meta that must be told about."""


def _when(text: Text) -> tuple[int, int]:
  return text.tick, text.track


def _texts(
  data: bytes, metas: list[list[int]]
) -> tuple[dict[int, bytes], list[Text]]:
  """Returns the names of tracks of the file, and all texts."""
  names: dict[int, bytes] = {}
  texts: list[Text] = []
  for track, part, tick, kind, start, stop in metas:
    payload = data[start:stop]
    if kind == _NAME:
      names[track] = payload
    elif kind in (_LYRIC, _MARKER):
      texts.append(as_text(tick, part, kind == _LYRIC, payload.decode()))
    elif kind != OFFSET or not is_offset(payload):
      raise _Odd
  return names, texts


def _tracks(
  marks: list[list[int]], keys: list[int], names: dict[int, bytes]
) -> tuple[str, tuple[Track, ...]]:
  """Returns the title and a track for each part."""
  found: list[Track] = []
  title = ''
  for track, (_, _, _, parts, _) in enumerate(marks):
    if not parts and track:
      continue
    name = names[track].decode() if track in names else ''
    if not parts:
      title = name
    for key in keys[len(found) : len(found) + parts]:
      found.append(Track(name, key & 127, key >> 7 == DRUM_CHANNEL))
  return title, tuple(found)


def _columns(
  unpack: Callable[..., Any],
  found: tuple[np.ndarray, np.ndarray, np.ndarray],
  ascending: int,
  tracks: tuple[Track, ...],
) -> dict[str, np.ndarray]:
  """Returns the columns of notes, sorted."""
  notes, keys, widths = found
  columns: Any = notes
  if not ascending:
    if len(keys) == notes.shape[1]:
      # Notes come track by track, as sorted runs that this sort merges.
      keys.sort(kind='stable')
      columns = unpack(keys, widths)
    else:
      columns = events.sort_columns(*notes)
  return events.note_columns(columns, tracks)


def _table(rows: np.ndarray, name: str, in_order: int = 0) -> np.ndarray:
  """Returns rows of whole numbers as a sorted table."""
  if not len(rows):
    return EMPTY[name]
  table = rows.view(events.TABLES[name])[:, 0]
  return table if in_order or len(rows) == 1 else events.sort_table(table)


def _never_ended(marks: list[list[int]]) -> tuple[Issue, ...]:
  """Returns what to tell about notes that the ends of tracks ended."""
  told = [
    Issue('never_ended', f'track {track}', f'{notes} notes ended at tick {end}')
    for track, (end, _, _, _, notes) in enumerate(marks)
    if notes
  ]
  if not told:
    return ()
  log = Log()
  for issue in told:
    log.tell(*issue)
  return log.issues
