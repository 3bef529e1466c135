"""The stream of REMI's ids, written from events and read back into them.

Axes: `s` ids of the stream, `e` events, as in `events`. Both directions
compute where tokens stand and scatter or gather them; neither walks.
"""

import functools

import numpy as np

from aurl_jax.tokens import events
from aurl_jax.tokens.codec import Field

_NOTE = 4
"""Tokens of a note: program, pitch, velocity, duration; a voice is more."""
_PITCHES = 128
_PLACES = np.array([[-1], [0], [1], [2]])
"""Where program, pitch, velocity and duration stand, from the pitch on."""
_ROOM = np.zeros(2, np.int32)
_NOWHERE = 1 << 30
"""A position beyond every bar."""


def write(parts: events.Parts, field: Field) -> np.ndarray:
  """Returns the ids of events, int32 `[s]`, from BOS to EOS.

  Args:
    parts: Events in canonical order.
    field: REMI's vocabulary.
  """
  starts = field.starts
  position = _positions(parts)
  moved = position >= 0
  moved[1:] &= position[1:] != position[:-1]
  length = _lengths(parts)
  length += moved
  after = length.cumsum()
  total = int(after[-1]) if len(after) else 0
  stream = np.empty(total + 2, np.int32)
  stream[0], stream[-1] = starts['bos'], starts['eos']
  # Behind BOS; of an event that tells its position, that comes first.
  first = after - length + 1
  told = moved.nonzero()[0]
  stream[first.take(told)] = position.take(told) + starts['position']
  first += moved
  _put_bars(stream, parts.bars, first, field)
  for name, part in (('tempo', parts.tempos), ('chord', parts.chords)):
    if part.shape[1]:
      stream[first[part[events.ROW]]] = part[events.VALUE] + starts[name]
  _put_notes(stream, parts.notes, first, field)
  return stream


def _positions(parts: events.Parts) -> np.ndarray:
  """Returns the position of each event, -1 of a bar, int32 `[e]`."""
  position = np.empty(parts.size, np.int32)
  for part in parts:
    position[part[events.ROW]] = part[events.POSITION]
  position[parts.bars[events.ROW]] = -1
  return position


def _lengths(parts: events.Parts) -> np.ndarray:
  """Returns the tokens of each event but its position, int64 `[e]`."""
  length = np.ones(parts.size, np.int64)
  meter, cut = parts.bars[events.VALUE] >= 0, parts.bars[events.POSITION] > 0
  length[parts.bars[events.ROW][meter]] += 1
  length[parts.bars[events.ROW][cut]] += 1
  voiced = parts.notes[events.VOICE] > 0
  length[parts.notes[events.ROW]] = voiced + np.int64(_NOTE)
  return length


def _put_bars(
  stream: np.ndarray, bars: np.ndarray, first: np.ndarray, field: Field
) -> None:
  """Writes Bar, and Meter and Cut where they are told."""
  at = first[bars[events.ROW]]
  stream[at] = field.starts['bar']
  meter, cut = bars[events.VALUE] >= 0, bars[events.POSITION] > 0
  stream[at[meter] + 1] = bars[events.VALUE][meter] + field.starts['meter']
  # Cuts count from 1, and stand behind the meter.
  told = bars[events.POSITION][cut] + (field.starts['cut'] - 1)
  stream[at[cut] + 1 + meter[cut]] = told


def _put_notes(
  stream: np.ndarray, notes: np.ndarray, first: np.ndarray, field: Field
) -> None:
  """Writes the tokens of notes behind their positions."""
  starts = field.starts
  at = first.take(notes[events.ROW])
  program, pitch = notes[events.VALUE], notes[events.PITCH]
  stream[at] = program + starts['program']
  voiced = (notes[events.VOICE] > 0).nonzero()[0]
  if len(voiced):
    # Voice 0 is not told, so they count from 1.
    told = notes[events.VOICE][voiced] + (starts['voice'] - 1)
    stream[at[voiced] + 1] = told
    at[voiced] += 1
  # Drums follow the pitches, and are as many.
  drums = (program == events.DRUMS) * _PITCHES
  stream[at + 1] = pitch + drums + starts['pitch']
  stream[at + 2] = notes[events.VELOCITY] + starts['velocity']
  stream[at + 3] = notes[events.DURATION] + starts['duration']


def read(stream: np.ndarray, field: Field) -> events.Parts:
  """Returns the events of ids, int `[s]`, that have all their tokens.

  Total: tokens out of place are skipped, and all behind the first EOS.

  Args:
    stream: Any ids of the vocabulary.
    field: REMI's vocabulary.
  """
  ends = stream == field.starts['eos']
  if ends.any():
    stream = stream[: ends.argmax()]
  if not stream.all():
    stream = stream[stream > 0]
  # Room at both ends, so that neighbours of every token exist.
  stream = np.concatenate([_ROOM, stream, _ROOM], dtype=np.int32)
  return _Parser(field, stream).parts()


@functools.lru_cache(maxsize=64)
def _note_ranges(field: Field) -> tuple[np.ndarray, np.ndarray]:
  """Returns first ids and sizes of what `_PLACES` names, `[4, 1]` each.

  Drums follow the pitches, and are as many: here they are one range.
  """
  names = ('program', 'pitch', 'velocity', 'duration')
  starts = [field.starts[name] for name in names]
  sizes = [field.by_event[name].size for name in names]
  sizes[1] += field.by_event['drum'].size
  column = np.array([starts, sizes])[:, :, None]
  return column[0].astype(np.int32), column[1].astype(np.uint32)


class _Parser:
  """Finds the events of a stream with two PAD at both ends.

  The row of an event is the index of its token; a note's is its pitch.
  """

  def __init__(self, field: Field, stream: np.ndarray) -> None:
    self._field = field
    self._stream = stream

  def _read(self, event: str, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns which tokens of `at` are of an event, and values of those."""
    ids = self._stream.take(at)
    part = self._field.by_event.get(event)
    if part is None:
      return np.zeros(len(at), np.bool_), ids
    ids -= self._field.starts[event]
    # Ids below the range wrap around to large numbers.
    found = ids.view(np.uint32) < part.size
    if part.low:
      ids += part.low
    return found, ids

  def _find(self, first: str, last: str) -> np.ndarray:
    """Returns where the events of neighbouring ranges stand, ascending."""
    if first not in self._field.starts:
      return np.zeros(0, np.int64)
    low = self._field.starts[first]
    high = self._field.starts[last] + self._field.by_event[last].size
    if high == low + 1:
      return (self._stream == low).nonzero()[0]
    return ((self._stream >= low) & (self._stream < high)).nonzero()[0]

  def parts(self) -> events.Parts:
    """Returns the events that have all their tokens."""
    bar = self._find('bar', 'bar')
    # Only a position of its own bar gives an event its place; the PAD at
    # the start is before all.
    position = self._find('position', 'position')
    marks = np.concatenate([_ROOM[:1], bar, position])
    marks.sort(kind='stable')
    return events.Parts(
      bars=self._bars(bar),
      tempos=self._short('tempo', marks),
      chords=self._short('chord', marks),
      notes=self._notes(marks),
    )

  def _place(self, at: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Returns the position that each token of `at` stands after.

    For a token without one it is larger than any bar.
    """
    if not len(at):
      return at
    mark = marks.take(marks.searchsorted(at) - 1)
    placed, position = self._read('position', mark)
    if not placed.all():
      position[~placed] = _NOWHERE
    return position

  def _short(self, event: str, marks: np.ndarray) -> np.ndarray:
    """Returns the tempos or the chords, int64 `[3, ..]`."""
    at = self._find(event, event)
    value = self._read(event, at)[1]
    return events.table(at, self._place(at, marks), value)

  def _bars(self, bar: np.ndarray) -> np.ndarray:
    """Returns the bars with the Meter and the Cut that follow, `[3, b]`."""
    has_meter, meter = self._read('meter', bar + 1)
    has_cut, cut = self._read('cut', bar + 1 + has_meter)
    meter[~has_meter] = -1
    cut[~has_cut] = 0
    return events.table(bar, cut, meter)

  def _notes(self, marks: np.ndarray) -> np.ndarray:
    """Returns the notes with all their tokens in order, int64 `[7, n]`."""
    at = self._find('pitch', 'drum')
    voiced, voice = self._read('voice', at - 1)
    places = at + _PLACES
    places[0] -= voiced
    ids = self._stream.take(places)
    starts, sizes = _note_ranges(self._field)
    ids -= starts
    # Ids below a range wrap around to large numbers.
    whole = (ids.view(np.uint32) < sizes).all(axis=0)
    program, pitch, velocity, duration = ids
    whole &= (pitch >= _PITCHES) == (program == events.DRUMS)
    notes = np.empty((events.COLUMNS, len(at)), np.int64)
    notes[events.ROW] = at
    notes[events.POSITION] = self._place(at, marks)
    notes[events.VALUE] = program
    notes[events.PITCH] = pitch & (_PITCHES - 1)
    notes[events.DURATION] = duration
    notes[events.VELOCITY] = velocity
    notes[events.VOICE] = voice * voiced
    return notes if whole.all() else notes[:, whole]
