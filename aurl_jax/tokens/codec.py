"""`Codec`: a vocabulary is ranges of events, one list of ranges a field.

After magenta/mt3's event codec. ids of a field are `0..size - 1`; id 0 of
every field is reserved: `PAD` in field 0, `IGNORE` (this step does not use
the field) in the others. A range numbers the integers `low..high` of one
event, such as `pitch` 0..127, in order.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from aurl_jax.core import errors

PAD = 0
IGNORE = 0


def _constant(values: np.ndarray) -> np.ndarray:
  values = values.astype(np.int32)
  values.setflags(write=False)
  return values


@dataclasses.dataclass(frozen=True)
class Range:
  """Consecutive values of one event, both ends included."""

  event: str
  low: int
  high: int

  @property
  def size(self) -> int:
    """How many ids the range takes."""
    return self.high - self.low + 1


@dataclasses.dataclass(frozen=True)
class Field:
  """One column of the ids: a name and the ranges it may hold."""

  name: str
  ranges: tuple[Range, ...]

  @functools.cached_property
  def starts(self) -> Mapping[str, int]:
    """Event -> first id of its range."""
    starts, start = {}, 1
    for part in self.ranges:
      starts[part.event] = start
      start += part.size
    return starts

  @functools.cached_property
  def size(self) -> int:
    """Number of ids, the reserved 0 included."""
    return 1 + sum(part.size for part in self.ranges)

  @functools.cached_property
  def by_event(self) -> Mapping[str, Range]:
    """Event -> its range."""
    return {part.event: part for part in self.ranges}

  def tells(self, event: str) -> bool:
    """Returns whether values of an event stand here.

    A field of kinds has ranges of the same names, of one id each.
    """
    return event in self.by_event and self.by_event[event].size > 1

  def holds(self, event: str, ids: Any) -> Any:
    """Returns bool of the shape of `ids`: which of them are of this event.

    For numpy and for jax arrays. An event that the field does not have is
    held by none.
    """
    if event not in self.starts:
      return np.zeros(np.shape(ids), np.bool_)
    start = self.starts[event]
    return (ids >= start) & (ids < start + self.by_event[event].size)

  @functools.cached_property
  def kinds(self) -> np.ndarray:
    """int32 `[size]`: index into `ranges` of each id; -1 for the reserved."""
    counts = [part.size for part in self.ranges]
    kinds = np.repeat(np.arange(len(counts)), counts)
    return _constant(np.concatenate([[-1], kinds]))

  @functools.cached_property
  def values(self) -> np.ndarray:
    """int32 `[size]`: the value that each id stands for; -1 for id 0."""
    parts = [np.arange(part.low, part.high + 1) for part in self.ranges]
    return _constant(np.concatenate([[-1], *parts]))

  @functools.cached_property
  def events(self) -> tuple[str, ...]:
    """The event of each id, '' of the reserved."""
    names = ['', *(part.event for part in self.ranges)]
    return tuple(names[kind + 1] for kind in self.kinds.tolist())


@dataclasses.dataclass(frozen=True)
class Codec:
  """All fields of a tokenization.

  Example:
    >>> codec = Codec((Field('event', (Range('eos', 0, 0),
    ...                                Range('pitch', 21, 108))),))
    >>> codec.id('pitch', 60), codec.event(41), codec.sizes
    (41, ('pitch', 60), (90,))
  """

  fields: tuple[Field, ...]

  @functools.cached_property
  def sizes(self) -> tuple[int, ...]:
    """Vocabulary size of each field."""
    return tuple(field.size for field in self.fields)

  def span(self, event: str, field: int = 0) -> tuple[int, int]:
    """Returns the first id of an event's range, and one past the last."""
    start = self.fields[field].starts[event]
    return start, start + self.fields[field].by_event[event].size

  def id(self, event: str, value: int = 0, field: int = 0) -> int:
    """Returns the id of one event; raises KeyError or ValueError."""
    part = self.fields[field].by_event[event]
    if not part.low <= value <= part.high:
      raise ValueError(f'{event} {value} not in {part.low}..{part.high}')
    return self.fields[field].starts[event] + value - part.low

  def ids(self, event: str, values: np.ndarray, field: int = 0) -> np.ndarray:
    """Returns the ids of many values of one event, as int32."""
    part = self.fields[field].by_event[event]
    values = np.asarray(values)
    if values.size and not (
      part.low <= values.min() <= values.max() <= part.high
    ):
      raise ValueError(
        f'{event} {values.min()}..{values.max()} not in {part.low}..{part.high}'
      )
    return (values + (self.fields[field].starts[event] - part.low)).astype(
      np.int32
    )

  def event(self, id_: int, field: int = 0) -> tuple[str, int]:
    """Returns the event and value of an id; ('pad', 0) for the reserved 0."""
    found = self.fields[field]
    if not 0 <= id_ < found.size:
      raise ValueError(f'id {id_} not in field {found.name!r}')
    if id_ == PAD:
      return 'pad', 0
    return found.events[id_], int(found.values[id_])

  def holds(self, event: str, ids: Any, field: int = 0) -> Any:
    """Returns which `ids` of a field are of an event, see `Field.holds`."""
    return self.fields[field].holds(event, ids)

  def check(self, ids: np.ndarray) -> np.ndarray:
    """Returns ids as an int array `[time, field]` that is within range.

    Raises:
      TokenError: Another shape or dtype (code `shape`), or an id outside the
        vocabulary of its field (code `range`).
    """
    ids = np.asarray(ids)
    width = len(self.fields)
    if ids.ndim != 2 or ids.shape[1] != width or ids.dtype.kind not in 'iu':
      raise errors.TokenError(
        f'ids are {ids.dtype} {list(ids.shape)}, expected integers of shape '
        f'[time, {width}]; add an axis, or use the tokenizer that made them',
        code='shape',
      )
    # Contiguous rows: numpy reduces the short axis a hundred times slower.
    rows = np.ascontiguousarray(ids.T)
    if ids.size and (rows.min() < 0 or (rows.max(axis=1) >= self.sizes).any()):
      wrong = (ids < 0) | (ids >= np.array(self.sizes))
      step, field = np.argwhere(wrong)[0].tolist()
      raise errors.TokenError(
        f'id {ids[step, field]} of step {step} is outside field '
        f'{self.fields[field].name!r} (0..{self.sizes[field] - 1}); use the '
        'tokenizer that made the ids',
        code='range',
      )
    return ids
