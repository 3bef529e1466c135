"""`Plan`: how much an engine writes at once, and how much may wait."""

import dataclasses

from aurl_jax.core.errors import ConfigError

_RANGES: dict[str, tuple[float, float]] = {
  'slots': (1, 1024),
  'room': (32, 1 << 16),
  'rows': (1, 1024),
  'waiting': (1, 100_000),
  'each': (1, 100_000),
  'apart': (1, 1000),
  'lanes': (1, 64),
  'seconds': (0.01, 86_400),
  'apart_seconds': (0.01, 86_400),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """The numbers of an engine.

  Attributes:
    slots: Rows that are written at once in the smallest room; a room four
      times as large has a quarter of them.
    room: Steps of the smallest room, prompt included; rows that grow longer
      move on. None takes what the tokenization asks for (`joining.room`).
    rows: Rows (pieces, drafts among them) that one request may have.
    waiting: Rows that may wait or be written in all; more are refused.
    each: Of these, those of one client.
    apart: Requests that may wait to be written as a whole: pieces of a form,
      variations, beams.
    lanes: Kinds of rows and rooms that are kept at once; each has memory of
      its own.
    seconds: That a request may take, by default and at most.
    apart_seconds: The same, of those that are written as a whole.

  Raises:
    ConfigError: A number out of its range.
  """

  slots: int = 64
  room: int | None = None
  rows: int = 64
  waiting: int = 512
  each: int = 256
  apart: int = 16
  lanes: int = 12
  seconds: float | int = 120.0
  apart_seconds: float | int = 900.0

  def __post_init__(self) -> None:
    for name, (low, high) in _RANGES.items():
      value = getattr(self, name)
      if value is not None and not low <= value <= high:
        raise ConfigError(
          f'{name} must be in {low:g}..{high:g}, not {value!r}',
          code='plan',
        )
