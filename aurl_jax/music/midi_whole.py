"""Whole files that are as they must be, read by compiled loops.

What has an odd event is left to `music.midi_parts`. A note that never ends is
the one fault that is mended here: many sound files have such.
"""

from types import ModuleType

import numpy as np

from aurl_jax.music import events, midi_native
from aurl_jax.music.midi_chunks import MAX_TICKS, Issue, Limits, Log
from aurl_jax.music.midi_events import longest_delta
from aurl_jax.music.midi_parts import DRUM_CHANNEL, OFFSET, as_text, is_offset
from aurl_jax.music.midi_table import EMPTY, changes_of
from aurl_jax.music.notes import Notes, Text, Track

_NAME, _LYRIC, _MARKER = 3, 5, 6
_NEVER = 1 << 62


def read(data: bytes, limits: Limits) -> tuple[Notes, tuple[Issue, ...]] | None:
  """Returns a piece and its issues, or None where something is odd."""
  kernels = midi_native.kernels()
  array = np.frombuffer(data, np.uint8)
  beat, spans = kernels.find_tracks(array, limits.tracks)
  if beat < 0:
    return None
  bounds = np.array([MAX_TICKS, longest_delta(beat), _NEVER])
  marks, *tables = kernels.scan_file(array, spans, bounds, limits.events)
  if not len(marks):
    return None
  ticks, words, metas = tables
  work, keys = kernels.split_file(marks, ticks, words)
  tempos, meters, signatures, others = kernels.take_metas(array, metas, beat)
  try:
    titles = _Titles(data, marks.tolist())
    titles.take(metas[others].tolist(), others.tolist())
    tracks = titles.tracks(keys.tolist())
  except (_Odd, UnicodeDecodeError):
    return None
  controls, bends = changes_of(work.changes)
  notes = Notes.trusted(
    ticks_per_beat=beat,
    **_columns(kernels, work.notes, tracks),
    tracks=tracks,
    texts=tuple(sorted(titles.texts, key=lambda text: text[:2])),
    title=titles.title,
    tempos=_table(tempos, events.TEMPO),
    meters=_table(meters, events.METER),
    keys=events.as_table(signatures.tolist(), events.KEY)
    if len(signatures)
    else EMPTY['keys'],
    controls=controls,
    bends=bends,
  )
  return notes, _never_ended(titles.marks)


class _Odd(Exception):
  """A meta that must be told about."""


class _Titles:
  """Names and texts of tracks."""

  def __init__(self, data: bytes, marks: list[list[int]]) -> None:
    self.data, self.marks = data, marks
    self.texts: list[Text] = []
    self.title = ''
    self._names: dict[int, bytes] = {}

  def take(self, metas: list[list[int]], indices: list[int]) -> None:
    """Takes in metas that are no tempo, meter or key."""
    track = part = 0
    last = len(self.marks) - 1
    for (tick, kind, start, stop), index in zip(metas, indices, strict=True):
      while track < last and self.marks[track + 1][2] <= index:
        part += self.marks[track][3]
        track += 1
      payload = self.data[start:stop]
      if kind == _NAME:
        self._names[track] = payload
      elif kind in (_LYRIC, _MARKER):
        owner = part if self.marks[track][3] else -1
        text = as_text(tick, owner, kind == _LYRIC, payload.decode())
        self.texts.append(text)
      elif kind != OFFSET or not is_offset(payload):
        raise _Odd

  def tracks(self, keys: list[int]) -> tuple[Track, ...]:
    """Returns a track for each part; keeps the title."""
    found: list[Track] = []
    for track, (*_, parts, _) in enumerate(self.marks):
      if not parts and track:
        continue
      name = self._names.get(track, b'').decode()
      if not parts:
        self.title = name
      for key in keys[len(found) : len(found) + parts]:
        found.append(Track(name, key & 127, key >> 7 == DRUM_CHANNEL))
    return tuple(found)


def _columns(
  kernels: ModuleType, notes: np.ndarray, tracks: tuple[Track, ...]
) -> dict[str, np.ndarray]:
  """Returns the columns of notes, sorted."""
  keys, widths, ascending = kernels.pack(notes)
  if len(keys) == notes.shape[1]:
    if not ascending:
      # Notes come track by track, as sorted runs that this sort merges.
      keys.sort(kind='stable')
      notes = kernels.unpack(keys, widths)
    onset, track, pitch, duration, velocity = notes
  else:
    onset, track, pitch, duration, velocity = events.sort_columns(*notes)
  return {
    'onset': onset,
    'duration': duration,
    'pitch': pitch,
    'velocity': velocity,
    'track': track,
    **events.of_tracks(track, tracks),
  }


def _table(rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
  """Returns rows of whole numbers as a sorted table."""
  return events.sort_table(rows.view(dtype)[:, 0])


def _never_ended(marks: list[list[int]]) -> tuple[Issue, ...]:
  """Returns what to tell about notes that the ends of tracks ended."""
  log = Log()
  for track, (end, _, _, _, notes) in enumerate(marks):
    if notes:
      action = f'{notes} notes ended at tick {end}'
      log.tell('never_ended', f'track {track}', action)
  return log.issues
