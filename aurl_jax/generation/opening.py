"""The steps that a piece of a given meter and tempo begins with.

Whatever the tokenization, they are those that two pieces share which have
nothing but meter and tempo in common.
"""

import numpy as np
from jaxtyping import Int

from aurl_jax.generation.errors import RequestError
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import DEFAULT_METER, DEFAULT_TEMPO, Notes, Track
from aurl_jax.tokens.bpe import Bpe
from aurl_jax.tokens.tokenizer import Tokenizer

_MICROS_A_MINUTE = 60_000_000
_VOICES = 4
"""Tracks of the two pieces: what the strictest tokenization asks for."""


def opening(
  tokenizer: Tokenizer,
  meter: tuple[int, int] | None = None,
  tempo: float | int | None = None,
) -> Int[np.ndarray, 't f']:
  """Returns the steps to begin with, from BOS.

  Args:
    tokenizer: What writes them.
    meter: Numerator and denominator; None leaves it to the model, or, where
      the first step or the tempo needs one, takes the default, 4/4.
    tempo: Quarter notes a minute; the nearest bin is taken. None as above.

  Raises:
    RequestError: The tokenization has no such meter or tempo.

  Example:
    >>> from aurl_jax.tokens.remi import Remi
    >>> remi = Remi()
    >>> ids = opening(remi, meter=(3, 4), tempo=90)
    >>> [remi.codec.event(i)[0] for i in ids[:, 0].tolist()]
    ['bos', 'bar', 'meter', 'position', 'tempo']
  """
  if isinstance(tokenizer, Bpe):
    # What is shared is told by single ids, which stay in its vocabulary.
    return opening(tokenizer.base, meter, tempo)
  first = tokenizer.bos()[None]
  if meter is None and tempo is None:
    return first
  _check_told(tokenizer, meter=meter, tempo=tempo)
  _check(tokenizer.grid, meter, tempo)
  usual, pace = _defaults(tokenizer)
  micros = round(_MICROS_A_MINUTE / tempo) if tempo else None
  pieces = [
    _music(meter or usual, micros or other, program)
    for program, other in ((0, 400_000), (40, 700_000))
  ]
  shared = _shared(*(tokenizer.encode(piece) for piece in pieces))
  if len(shared):
    return shared
  # The first step tells the tempo too: it takes the default.
  pieces = [_music(meter or usual, pace, program) for program in (0, 40)]
  return _shared(*(tokenizer.encode(piece) for piece in pieces))


def _defaults(tokenizer: Tokenizer) -> tuple[tuple[int, int], int]:
  """Returns meter and tempo of a piece that begins with the plain BOS."""
  ids = tokenizer.encode(_music(DEFAULT_METER, DEFAULT_TEMPO, 0))
  ids[0] = tokenizer.bos()
  notes = tokenizer.decode(ids)
  meter = notes.meters[['numerator', 'denominator']][0].tolist()
  return meter, int(notes.tempos['microseconds'][0])


def _music(meter: tuple[int, int], micros: int, program: int) -> Notes:
  """Returns one chord of four voices, all of which the program changes."""
  voice = np.arange(_VOICES)
  return Notes.build(
    4,
    {
      'onset': 0,
      'duration': 4,
      'pitch': 90 - program - 7 * voice,
      'track': voice,
    },
    tracks=[Track(program=program + i) for i in range(_VOICES)],
    meters=[(0, *meter)],
    tempos=[(0, micros)],
  )


def _shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """Returns the steps that both begin with."""
  length = min(len(a), len(b))
  same = (a[:length] == b[:length]).all(axis=1)
  return a[: length if same.all() else int(np.argmin(same))]


def _check_told(tokenizer: Tokenizer, **asked: object) -> None:
  events = {event for field in tokenizer.codec.fields for event in field.starts}
  for name, value in asked.items():
    if value is not None and name not in events:
      raise RequestError(
        f'this tokenization tells no {name}; ask without one',
        code=name,
      )


def _check(
  grid: Grid, meter: tuple[int, int] | None, tempo: float | int | None
) -> None:
  if meter is not None and tuple(meter) not in grid.meters:
    raise RequestError(
      f'meter {meter[0]}/{meter[1]} is not in the vocabulary; it has '
      + ', '.join(f'{n}/{d}' for n, d in grid.meters),
      code='meter',
    )
  slowest, fastest = _MICROS_A_MINUTE / grid.tempos[[0, -1]]
  if tempo is not None and not slowest - 1 <= tempo <= fastest + 1:
    raise RequestError(
      f'tempo {tempo} is not in {slowest:.0f}..{fastest:.0f} quarter notes a '
      'minute',
      code='tempo',
    )
