"""How each tokenization splits masked bars in two, and joins them again.

See `tokens.infill`. Axes: `t` steps, `f` fields, `n` notes. A layout is given
the steps of whole bars; it never sees what is around them.
"""

import dataclasses
import functools
from typing import Protocol, runtime_checkable

import numpy as np

from aurl_jax.core import errors
from aurl_jax.tokens import events, remi_stream
from aurl_jax.tokens import infill_parts as parts_lib
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.infill_parts import Part, Track

_CONTROLS = ('key', 'style')
"""First and last kind of control."""
_NOWHERE = 1 << 30


@runtime_checkable
class Layout(Protocol):
  """What a tokenization has to offer."""

  def tracks(self, ids: np.ndarray) -> list[Track]:
    """Returns the tracks of all notes."""

  def split(
    self, rows: np.ndarray, part: Part
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns what stays of whole bars, masked, and what is taken out."""

  def join(self, context: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Returns the bars of both."""

  def header(self, part: Part, ended: bool) -> np.ndarray:
    """Returns the steps that begin the fill."""

  def header_size(self, ids: np.ndarray) -> int:
    """Returns how many steps of `ids`, from `fill` on, are its header."""

  def masked(self, ids: np.ndarray) -> np.ndarray:
    """Returns bool [t]: which steps begin a masked bar, or are masked."""

  def end(self, ids: np.ndarray, last: int) -> int:
    """Returns where the masked bar that begins at `last` ends."""

  def seam(self, joined: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Returns what follows what was filled in, as it sounds there."""


def is_cells(codec: Codec) -> bool:
  """Returns whether steps are cells of voices."""
  return 'rest' in codec.fields[0].starts


def of(codec: Codec) -> Layout:
  """Returns the layout of a vocabulary."""
  if is_cells(codec):
    return Cells(codec)
  return Steps(codec) if len(codec.fields) > 1 else Stream(codec)


@dataclasses.dataclass(frozen=True)
class Steps:
  """Of `compound`: an event a step.

  Attributes:
    codec: The vocabulary.
  """

  codec: Codec

  def _is(self, kind: str, rows: np.ndarray) -> np.ndarray:
    if kind not in self.codec.fields[0].starts:
      return np.zeros(len(rows), np.bool_)
    return rows[:, 0] == self.codec.id(kind)

  def masked(self, ids: np.ndarray) -> np.ndarray:
    """Returns bool [t]: which steps are masks."""
    return self._is('mask', ids)

  def end(self, ids: np.ndarray, last: int) -> int:
    """Returns where the bar that begins at `last` ends."""
    after = np.flatnonzero(self._is('bar', ids[last:]))
    return last + int(after[0]) if len(after) else len(ids)

  def _column(self, column: int, rows: np.ndarray) -> np.ndarray:
    return self.codec.fields[column].values[rows[:, column]].astype(np.int64)

  def _notes(self, rows: np.ndarray) -> np.ndarray:
    """Returns bar, position, program, voice and pitch, [5, t]."""
    bar = (self._is('bar', rows) | self.masked(rows)).cumsum() - 1
    columns = (events.POSITION, events.VALUE, events.VOICE, events.PITCH)
    return np.stack([bar, *(self._column(c, rows) for c in columns)])

  def tracks(self, ids: np.ndarray) -> list[Track]:
    """Returns the tracks of all notes."""
    rows = ids[self._is('note', ids)]
    return parts_lib.unique(
      self._column(events.VALUE, rows), self._column(events.VOICE, rows)
    )

  def split(
    self, rows: np.ndarray, part: Part
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns what stays and what is taken out."""
    parts_lib.check_chords(self.codec, part)
    bar = self._is('bar', rows)
    taken = ~(bar | self._is('control', rows) | self._is('tempo', rows))
    notes = np.flatnonzero(self._is('note', rows))
    if part.tracks:
      _, _, program, voice, _ = self._notes(rows)
      taken &= parts_lib.of_tracks(program, voice, part)
      taken &= self._is('note', rows) | self._is('pedal', rows)
    elif part.given == 'chords':
      taken &= ~self._is('chord', rows)
    elif part.given:
      kept = ~parts_lib.taken_notes(self._notes(rows)[:, notes], part)
      taken[notes[kept]] = False
    left = rows.copy()
    left[bar, 0] = self.codec.id('mask')
    return left[~taken], rows[bar | taken]

  def join(self, context: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Returns the bars of both, their events in canonical order."""
    lines = self.masked(context)
    context = context.copy()
    context[lines, 0] = self.codec.id('bar')
    bars = self._is('bar', filled)
    number = np.concatenate([lines.cumsum() - 1, bars.cumsum() - 1])
    rows = np.concatenate([context, filled])
    mine = np.arange(len(rows)) < len(context)
    line = self._is('bar', rows)
    control = self._is('control', rows)
    # Of the two lines of a bar that of the fill counts; controls are asked.
    keep = ~(mine & line & (number < bars.sum())) & (mine | ~control)
    keep &= (number >= 0) & (number < lines.sum())
    rows, number, line, control = (
      column[keep] for column in (rows, number, line, control)
    )
    return rows[self._order(rows, number, line, control)]

  def _order(
    self,
    rows: np.ndarray,
    number: np.ndarray,
    line: np.ndarray,
    control: np.ndarray,
  ) -> np.ndarray:
    place = np.where(line, 0, np.where(control, 1, 2))
    rank = np.select(
      [self._is(kind, rows) for kind in ('tempo', 'chord', 'pedal')],
      [0, 1, 2],
      3,
    )
    columns = (events.PITCH, events.VOICE, events.VALUE)
    keys = [rows[:, column] for column in columns]
    if rows.shape[1] > events.MICRO:
      keys = [rows[:, events.MICRO], *keys]
    plain = place < 2
    keys = [np.where(plain, 0, key) for key in keys]
    position = np.where(plain, 0, rows[:, events.POSITION])
    return np.lexsort(
      [*keys, np.where(plain, 0, rank), position, place, number]
    )

  def seam(self, joined: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Returns the steps behind a gap as they are: notes have their lengths."""
    del joined
    return rest

  def header(self, part: Part, ended: bool) -> np.ndarray:
    """Returns a `fill` for each track, or one."""
    header = np.zeros((max(1, len(part.tracks)), len(self.codec.fields)), int)
    header[:, 0] = self.codec.id('fill', int(ended))
    for row, (program, voice) in zip(header, sorted(part.tracks), strict=False):
      row[events.VALUE] = self.codec.id('program', program, events.VALUE)
      row[events.VOICE] = self.codec.id('voice', voice, events.VOICE)
    return header

  def header_size(self, ids: np.ndarray) -> int:
    """Returns how many `fill` steps there are."""
    other = ~self.codec.holds('fill', ids[:, 0])
    return int(np.argmax(other)) if other.any() else len(ids)


@dataclasses.dataclass(frozen=True)
class Stream:
  """Of `remi`: an event is several ids, and positions are shared.

  Attributes:
    codec: The vocabulary.
  """

  codec: Codec

  @functools.cached_property
  def _controls(self) -> tuple[int, int]:
    """First id of the controls, and one past the last."""
    if _CONTROLS[0] not in self.codec.fields[0].starts:
      return 0, 0
    return self.codec.span(_CONTROLS[0])[0], self.codec.span(_CONTROLS[1])[1]

  def masked(self, ids: np.ndarray) -> np.ndarray:
    """Returns bool [t]: which ids are masks."""
    found: np.ndarray = ids[:, 0] == self.codec.id('mask')
    return found

  def end(self, ids: np.ndarray, last: int) -> int:
    """Returns where the bar that begins at `last` ends."""
    after = np.flatnonzero(ids[last:, 0] == self.codec.id('bar'))
    return last + int(after[0]) if len(after) else len(ids)

  def _read(self, stream: np.ndarray) -> events.Parts:
    return remi_stream.read(stream, self.codec.fields[0])

  def _write(self, parts: events.Parts) -> np.ndarray:
    """Returns the ids of parts whose rows ascend, without BOS and EOS."""
    rows = np.concatenate([part[events.ROW] for part in parts])
    rank = np.empty(len(rows), np.int64)
    rank[np.argsort(rows, kind='stable')] = np.arange(len(rows))
    split = np.cumsum([part.shape[1] for part in parts])[:-1]
    numbered = []
    for part, own in zip(parts, np.split(rank, split), strict=True):
      part = part.copy()
      part[events.ROW] = own
      numbered.append(part)
    return remi_stream.write(events.Parts(*numbered), self.codec.fields[0])[
      1:-1
    ]

  def _control(self, stream: np.ndarray) -> np.ndarray:
    low, high = self._controls
    return (stream >= low) & (stream < high)

  def tracks(self, ids: np.ndarray) -> list[Track]:
    """Returns the tracks of all notes."""
    stream = ids[:, 0]
    notes = self._read(stream[~self._control(stream)]).notes
    return parts_lib.unique(notes[events.VALUE], notes[events.VOICE])

  def split(
    self, rows: np.ndarray, part: Part
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns what stays and what is taken out."""
    parts_lib.check_chords(self.codec, part)
    stream = rows[:, 0].astype(np.int32)
    control = self._control(stream)
    parts = self._read(stream[~control])
    bar = parts.bars[events.ROW].searchsorted(parts.notes[events.ROW])
    columns = (events.POSITION, events.VALUE, events.VOICE, events.PITCH)
    table = np.stack([bar, *(parts.notes[c] for c in columns)])
    notes = parts_lib.taken_notes(table, part)
    if part.given == 'chords':
      notes[:] = True
    keeps_chords = bool(part.tracks) or part.given == 'chords'
    chords = np.full(parts.chords.shape[1], not keeps_chords)
    left = self._write(
      parts._replace(
        notes=parts.notes[:, ~notes], chords=parts.chords[:, ~chords]
      )
    )
    filled = self._write(
      parts._replace(
        notes=parts.notes[:, notes],
        chords=parts.chords[:, chords],
        tempos=parts.tempos[:, :0],
      )
    )
    bar_id = self.codec.id('bar')
    number = (stream == bar_id).cumsum()[control]
    left = self._with_controls(left, stream[control], number)
    left[left == bar_id] = self.codec.id('mask')
    return left[:, None], filled[:, None]

  def _with_controls(
    self, stream: np.ndarray, controls: np.ndarray, number: np.ndarray
  ) -> np.ndarray:
    """Puts controls behind the bars of their numbers, from 1."""
    line = stream == self.codec.id('bar')
    ids = np.concatenate([stream, controls])
    keys = np.concatenate([line.cumsum() * 3 + 2 * ~line, number * 3 + 1])
    return ids[np.argsort(keys, kind='stable')]

  def join(self, context: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Returns the bars of both, their events in canonical order."""
    stream = context[:, 0].astype(np.int32)
    stream = np.where(self.masked(context), self.codec.id('bar'), stream)
    control = self._control(stream)
    number = (stream == self.codec.id('bar')).cumsum()[control]
    written = filled[:, 0].astype(np.int32)
    pair = (
      self._read(stream[~control]),
      self._read(written[~self._control(written)]),
    )
    joined = self._write(_merged(*pair))
    return self._with_controls(joined, stream[control], number)[:, None]

  def seam(self, joined: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Returns the steps behind a gap as they are: notes have their lengths."""
    del joined
    return rest

  def header(self, part: Part, ended: bool) -> np.ndarray:
    """Returns `fill` and the tracks."""
    header = [self.codec.id('fill', int(ended))]
    for program, voice in sorted(part.tracks):
      header.append(self.codec.id('program', program))
      if voice:
        header.append(self.codec.id('voice', voice))
    return np.array(header, np.int32)[:, None]

  def header_size(self, ids: np.ndarray) -> int:
    """Returns the ids up to the first that names no track."""
    stream = ids[1:, 0]
    named = self.codec.holds('program', stream)
    named |= self.codec.holds('voice', stream)
    return 1 + (len(stream) if named.all() else int(np.argmin(named)))


def _merged(context: events.Parts, filled: events.Parts) -> events.Parts:
  """Returns the events of both, bar by bar, rows anew."""
  count = context.bars.shape[1]
  bars = context.bars.astype(np.int64)
  told = min(count, filled.bars.shape[1])
  bars[:, :told] = filled.bars[:, :told]
  parts, keys = [bars], [np.stack([np.arange(count), *np.zeros((5, count))])]
  for rank, name in enumerate(('tempos', 'chords', 'notes', 'pedals'), 1):
    found = []
    for source in (context, filled):
      part = getattr(source, name).astype(np.int64)
      home = source.bars[events.ROW].searchsorted(part[events.ROW]) - 1
      part[events.ROW] = home
      inside = (home >= 0) & (home < count)
      found.append(part[:, inside & (part[events.POSITION] < _NOWHERE)])
    part = np.concatenate(found, axis=1)
    key = np.zeros((6, part.shape[1]))
    key[0], key[1] = part[events.ROW], part[events.POSITION] + 1
    key[2] = rank
    if len(part) > events.VOICE:
      key[3:] = part[[events.VALUE, events.VOICE, events.PITCH]]
    order = np.lexsort(key[::-1])
    parts.append(part[:, order])
    keys.append(key[:, order])
  order = np.lexsort(np.concatenate(keys, axis=1)[::-1])
  rows = np.empty(len(order), np.int64)
  rows[order] = np.arange(len(order))
  split = np.cumsum([part.shape[1] for part in parts])[:-1]
  for part, own in zip(parts, np.split(rows, split), strict=True):
    part[events.ROW] = own
  return events.Parts(*parts)


@dataclasses.dataclass(frozen=True)
class Cells:
  """Of `grid`: a cell a step, a voice a field.

  Attributes:
    codec: The vocabulary.
  """

  codec: Codec

  @functools.cached_property
  def _masks(self) -> np.ndarray:
    """The id of `mask` in each field."""
    fields = range(len(self.codec.fields))
    return np.array([self.codec.id('mask', 0, f) for f in fields], np.int32)

  def masked(self, ids: np.ndarray) -> np.ndarray:
    """Returns bool [t]: which cells have a mask."""
    found: np.ndarray = (ids == self._masks).any(axis=1)
    return found

  def end(self, ids: np.ndarray, last: int) -> int:
    """Returns where the cell `last` ends."""
    del ids
    return last + 1

  def tracks(self, ids: np.ndarray) -> list[Track]:
    """Returns (0, field) of the voices that sound."""
    codec = self.codec
    sounds = [
      codec.holds('pitch', ids[:, f], f) | codec.holds('hold', ids[:, f], f)
      for f in range(ids.shape[1])
    ]
    return [(0, f) for f, found in enumerate(sounds) if found.any()]

  def _voices(self, part: Part) -> np.ndarray:
    """Returns bool [f]: the voices that a part takes."""
    count = len(self.codec.fields)
    if part.given == 'chords':
      raise errors.TokenError(
        'no chords can be given: a grid tells voices; give melody or bass',
        code='part',
      )
    if part.given:
      kept = 0 if part.given == 'melody' else count - 1
      return np.arange(count) != kept
    if not part.tracks:
      return np.ones(count, np.bool_)
    return np.isin(np.arange(count), [voice for _, voice in part.tracks])

  def split(
    self, rows: np.ndarray, part: Part
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns what stays and what is taken out."""
    taken = self._voices(part)
    left, out = np.where(taken, self._masks, rows), rows
    return left, np.where(taken, out, self._masks)

  def join(self, context: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Returns the cells of both; a rest where neither has anything."""
    rest = self.codec.id('rest')
    count = min(len(context), len(filled))
    joined = context.copy()
    blank = joined[:count] == self._masks
    given = filled[:count]
    joined[:count] = np.where(
      blank & (given != self._masks), given, joined[:count]
    )
    return np.where(joined == self._masks, rest, joined)

  def seam(self, joined: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Returns the cells behind a gap, which may hold on what is no longer.

    What they hold is struck there then, so that it goes on sounding.
    """
    if not len(joined) or not len(rest):
      return rest
    rest = rest.copy()
    for voice, (last, first) in enumerate(
      zip(joined[-1].tolist(), rest[0].tolist(), strict=True)
    ):
      event, pitch = self.codec.event(first, voice) if first else ('', 0)
      if event != 'hold':
        continue
      struck = self.codec.id('pitch', pitch, voice)
      if last not in (first, struck):
        rest[0, voice] = struck
    return rest

  def header(self, part: Part, ended: bool) -> np.ndarray:
    """Returns `fill`; which voices are taken out is told by the masks."""
    del part
    header = np.zeros((1, len(self.codec.fields)), np.int32)
    header[0, 0] = self.codec.id('fill', int(ended))
    return header

  def header_size(self, ids: np.ndarray) -> int:
    """Returns 1."""
    del ids
    return 1
