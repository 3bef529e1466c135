"""Excerpts of music as sound that gives nothing away but the music.

All are rendered by one synthesiser, begin with their first note, are as loud as
each other and fade out. Axes: `n` samples, `c` channels.
"""

import io
import wave
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aurl_jax.core.errors import DataError
from aurl_jax.music import cut, loudness, sound, time
from aurl_jax.music.notes import Notes

_FADE_IN, _FADE_OUT = 0.005, 0.75
_SHORTEST = 0.4
"""Seconds: a block of loudness."""


class Clip(NamedTuple):
  """An excerpt.

  Attributes:
    wav: Its WAV file, 16 bits.
    seconds: How long it is.
    loudness: LUFS.
  """

  wav: bytes
  seconds: float
  loudness: float


def excerpt(
  notes: Notes, *, seconds: float | int, bars: tuple[int, int] | None = None
) -> Notes:
  """Returns the part of a piece that is heard, from its first note on.

  Args:
    notes: The piece.
    seconds: At most so long.
    bars: First and last bar, counted from 1; None begins with the first note.

  Raises:
    DataError: There is no note in it (code `silent`), or the piece has no such
      bars (code `bars`).
  """
  if bars is not None:
    try:
      notes = cut.slice_bars(notes, bars[0] - 1, bars[1], held=True)
    except cut.TransformError as error:
      raise DataError(f'{error}; choose other --bars', code='bars') from error
  if not len(notes):
    raise DataError('there is no note in the excerpt', code='silent')
  notes = cut.slice_ticks(notes, int(notes.onset.min()), None)
  end = int(time.seconds_to_ticks(notes, seconds))
  return cut.slice_ticks(notes, 0, max(1, end))


def render(
  pieces: Sequence[Notes],
  *,
  seconds: float | int,
  plain: bool = False,
  told: Callable[[int, int], None] | None = None,
) -> tuple[list[Clip], str]:
  """Returns excerpts as sound, all as loud as each other.

  Args:
    pieces: The excerpts, two at least.
    seconds: Where they have faded out, at the latest.
    plain: Whether to take the plain synthesiser in any case.
    told: Is told how many are rendered, of how many.

  Returns:
    The clips, and the synthesiser's name.

  Raises:
    DataError: One of them is silent, or below 0.4 s (code `silent`).
  """
  made = []
  for notes in pieces:
    made.append(sound.render(notes, seconds=seconds, plain=plain))
    if told is not None:
      told(len(made), len(pieces))
  if len({each.by for each in made}) > 1:
    # One that sounds of another synthesiser would be told by that.
    made = [
      sound.render(notes, seconds=seconds, plain=True) for notes in pieces
    ]
  read = [samples(each.wav) for each in made]
  rate = read[0][1]
  heard = [_faded(found, rate, seconds) for found, _ in read]
  for number, found in enumerate(heard):
    if len(found) < _SHORTEST * rate or not found.any():
      raise DataError(
        f'excerpt {number} is silent or below {_SHORTEST} s; choose other '
        'music',
        code='silent',
      )
  gains, common = loudness.gains(heard, rate)
  return [
    Clip(_wav(found * gain, rate), len(found) / rate, common)
    for found, gain in zip(heard, gains, strict=True)
  ], made[0].by


def samples(wav: bytes) -> tuple[Float[np.ndarray, 'n c'], int]:
  """Returns a WAV file of 16 bits as samples -1..1, and its rate."""
  with wave.open(io.BytesIO(wav)) as file:
    count, rate = file.getnchannels(), file.getframerate()
    raw = np.frombuffer(file.readframes(file.getnframes()), '<i2')
  return raw.reshape(-1, count).astype(np.float64) / 32768, rate


def _faded(
  found: np.ndarray, rate: int, seconds: float | int
) -> Float[np.ndarray, 'n c']:
  """Returns sound from where it begins to where it ends, with fades."""
  sounding = np.flatnonzero(np.abs(found).max(1) > 1e-4)
  if not len(sounding):
    return found[:0]
  found = found[sounding[0] : sounding[-1] + 1][: round(seconds * rate)]
  left = np.arange(len(found))
  rise = np.minimum(1, left / (_FADE_IN * rate))
  fall = np.minimum(1, left[::-1] / (min(_FADE_OUT, seconds / 4) * rate))
  return found * (rise * np.sin(fall * np.pi / 2))[:, None]


def _wav(found: np.ndarray, rate: int) -> bytes:
  file = io.BytesIO()
  with wave.open(file, 'wb') as target:
    target.setnchannels(found.shape[1])
    target.setsampwidth(2)
    target.setframerate(rate)
    whole = np.clip(np.rint(found * 32768), -32768, 32767)
    target.writeframes(whole.astype('<i2').tobytes())
  return file.getvalue()
