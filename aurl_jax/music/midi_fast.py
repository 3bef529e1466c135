"""The fast reader: symusic, and a proof that it lost nothing.

symusic drops events without a word: notes that never end, controls on
channels without notes, tracks that only name an instrument. But it cannot
hide them from a count (see `music.midi_tally`). If

    bytes below 128 = 3 * (2 * notes + controls + bends)
                      + those of metas, exclusive events and programs

then symusic's answer accounts for every event, and it is taken; otherwise
`music.midi_parts` reads the file exactly. So it does where several events of a
kind at one tick differ among more than a few: symusic sorts them by time with a
sort that loses their order (pdqsort), and the last one holds.
"""

from typing import Any

import numpy as np
import symusic

from aurl_jax.music import notes as notes_lib
from aurl_jax.music.midi_chunks import Layout
from aurl_jax.music.midi_tally import (
  KEY,
  METER,
  TEMPO,
  Tally,
  Unsure,
  tally_bytes,
)
from aurl_jax.music.notes import Notes, Track

_NONE = np.zeros(0, np.int64)
_FEW = 16
"""Events that keep their order: pdqsort sorts fewer than 24 by insertion."""
_PAD = bytes(16)
"""Behind the data, so that a parser that looks ahead finds zeros."""


def read_fast(layout: Layout) -> Notes | None:
  """Returns the piece, or None where symusic cannot be proved right."""
  if not layout.sound:
    return None
  array = np.frombuffer(layout.data, np.uint8)
  try:
    tally = tally_bytes(layout, array)
    score = symusic.Score.from_midi(layout.data + _PAD)
  except (Unsure, RuntimeError, ValueError, IndexError):
    return None
  low = sum(
    end - start - np.count_nonzero(array[start:end] & 0x80)
    for start, end in layout.spans
  )
  return _convert(layout, tally, score, int(low))


def _repeats_controls(tally: Tally, tracks: list[Any]) -> bool:
  """Whether symusic may have copied controls to a second program.

  It does so when a channel of a track of the file plays two programs.
  """
  named = {(track, channel) for track, channel, _ in tally.programs}
  if len(named) < len(tally.programs):
    return True
  unnamed = sum(track.program == 0 for track in tracks)
  unnamed -= sum(program == 0 for _, _, program in tally.programs)
  return bool(named) and unnamed > 0


def _sounds(track: Any) -> bool:
  """Whether it is a track of ours, not one that symusic makes for lyrics."""
  return bool(len(track.notes) or len(track.controls) or len(track.pitch_bends))


def _keeps_order(part: dict[str, np.ndarray]) -> bool:
  """Whether events are surely in the order of the file."""
  time = part['time']
  if len(time) <= _FEW:
    return True
  same = time[1:] == time[:-1]
  return not any(
    (same & (values[1:] != values[:-1])).any() for values in part.values()
  )


def _convert(
  layout: Layout, tally: Tally, score: Any, low: int
) -> Notes | None:
  """Returns the piece if all bytes are accounted for."""
  tracks = [track for track in score.tracks if _sounds(track)]
  notes = [track.notes.numpy() for track in tracks]
  controls = [track.controls.numpy() for track in tracks]
  bends = [track.pitch_bends.numpy() for track in tracks]
  counts = [len(part['time']) for part in notes]
  events = sum(len(part['time']) for part in controls + bends)
  if low != tally.low + 3 * (2 * sum(counts) + events):
    return None
  if events and _repeats_controls(tally, tracks):
    return None
  if not all(map(_keeps_order, controls + bends)):
    return None
  metas = {
    TEMPO: score.tempos, METER: score.time_signatures,
    KEY: score.key_signatures,
  }  # fmt: skip
  if any(len(found) != tally.metas[kind] for kind, found in metas.items()):
    return None
  long = [found.numpy() for found in metas.values() if len(found) > _FEW]
  if not all(map(_keeps_order, long)):
    return None
  names = [Track(t.name, t.program, t.is_drum) for t in tracks]
  return Notes.trusted(
    ticks_per_beat=layout.ticks_per_beat,
    **_columns(notes, counts, names),
    tracks=tuple(names),
    texts=tuple(sorted(tally.texts, key=lambda text: text.tick)),
    title=tally.title,
    tempos=_table(metas[TEMPO], notes_lib.TEMPO, 'mspq'),
    meters=_table(metas[METER], notes_lib.METER, 'numerator', 'denominator'),
    keys=_table(metas[KEY], notes_lib.KEY, 'key', 'tonality'),
    controls=_by_track(controls, notes_lib.CONTROL, 'number', 'value'),
    bends=_by_track(bends, notes_lib.BEND, 'value'),
  )


def _columns(
  notes: list[dict[str, np.ndarray]], counts: list[int], tracks: list[Track]
) -> dict[str, np.ndarray]:
  """Returns the columns of all tracks' notes, sorted."""
  index = np.arange(len(counts)).repeat(counts)
  onset, duration, pitch, velocity = (
    np.concatenate([_NONE, *(part[name] for part in notes)])
    for name in ('time', 'duration', 'pitch', 'velocity')
  )
  columns = notes_lib.sort_columns(onset, index, pitch, duration, velocity)
  return notes_lib.note_columns(columns, tracks)


def _table(events: Any, dtype: np.dtype, *fields: str) -> np.ndarray:
  """Returns a list of symusic's events as one of our tables."""
  table = np.empty(len(events), dtype)
  if len(table):
    arrays = events.numpy()
    for ours, theirs in zip(dtype.names or (), ('time', *fields), strict=True):
      table[ours] = arrays[theirs]
  return table


def _by_track(
  parts: list[dict[str, np.ndarray]], dtype: np.dtype, *fields: str
) -> np.ndarray:
  """Returns the controls or bends of all tracks as one of our tables."""
  used = [track for track, part in enumerate(parts) if len(part['time'])]
  table = np.empty(sum(len(parts[track]['time']) for track in used), dtype)
  start = 0
  for track in used:
    stop = start + len(parts[track]['time'])
    rows = table[start:stop]
    rows['tick'], rows['track'] = parts[track]['time'], track
    for name in fields:
      rows[name] = parts[track][name]
    start = stop
  tick = table['tick']
  if len(used) == 1 and (tick[1:] >= tick[:-1]).all():
    return table
  return notes_lib.sort_table(table)
