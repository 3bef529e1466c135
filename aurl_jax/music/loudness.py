"""How loud sound is, and sounds made as loud as each other.

Integrated loudness by ITU-R BS.1770-4, "Algorithms to measure audio programme
loudness and true-peak audio level", 2015: two filters (a head, and what ears
hear less of), mean squares of 400 ms, and two gates. The recommendation has the
filters' coefficients at 48 kHz only; here they come from the analogue filters
that they are of, at any rate. Axes: `n` samples, `c` channels (1 or 2).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import signal

TARGET = -23.0
"""LUFS; of EBU R 128, which leaves room for peaks."""
CEILING = -1.0
"""dB of full scale that no sample goes beyond."""
QUIETEST = -70.0
"""LUFS below which a block is silence."""
_OFFSET = -0.691
_GATE = -10.0
_BLOCK, _STEP = 0.4, 0.1
"""Seconds."""
_SHELF = (1681.974450955533, 3.999843853973347, 0.7071752369554196)
_PASS = (38.13547087602444, 0.5003270373238773)
"""Hz, dB and Q of the shelf; Hz and Q of the high pass. Those which give the
coefficients of the recommendation at 48 kHz."""


def integrated(sound: Float[np.ndarray, 'n c'], rate: int) -> float:
  """Returns the loudness, LUFS; -inf of silence.

  Sound below 400 ms is one block.

  Args:
    sound: Samples -1..1, one column a channel.
    rate: Samples a second, 8,000 at least.

  Raises:
    ValueError: There are no samples, more than two channels, or a lower rate.

  Example:
    >>> clock = np.arange(48_000) / 48_000
    >>> round(integrated(np.sin(2 * np.pi * 997 * clock)[:, None], 48_000), 2)
    -3.01
  """
  if not len(sound) or sound.shape[1] not in (1, 2) or rate < 8000:
    raise ValueError(
      f'{sound.shape} samples at {rate} Hz: give one or two channels at 8 kHz '
      'or more'
    )
  heard = np.asarray(sound, np.float64)
  for up, down in filters(rate):
    heard = signal.lfilter(up, down, heard, axis=0)
  power = _blocks((heard**2).sum(1), rate)
  loud = power[_level(power) > QUIETEST]
  if not len(loud):
    return -math.inf
  loud = loud[_level(loud) > _level(loud.mean()) + _GATE]
  return float(_level(loud.mean()))


def filters(rate: int) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
  """Returns both filters as (numerator, denominator), [3] each."""
  hertz, gain, q = _SHELF
  turn = math.tan(math.pi * hertz / rate)
  high = 10 ** (gain / 20)
  band = high**0.4996667741545416
  scale = 1 + turn / q + turn**2
  up = np.array(
    [
      high + band * turn / q + turn**2,
      2 * (turn**2 - high),
      high - band * turn / q + turn**2,
    ]
  )
  down = np.array([scale, 2 * (turn**2 - 1), 1 - turn / q + turn**2])
  hertz, q = _PASS
  turn = math.tan(math.pi * hertz / rate)
  scale_pass = 1 + turn / q + turn**2
  down_pass = np.array([scale_pass, 2 * (turn**2 - 1), 1 - turn / q + turn**2])
  return (
    (up / scale, down / scale),
    (np.array([1.0, -2.0, 1.0]), down_pass / scale_pass),
  )


def gains(
  sounds: Sequence[Float[np.ndarray, '_ _']],
  rate: int,
  target: float | int = TARGET,
) -> tuple[list[float], float]:
  """Returns what each sound is to be multiplied by, and how loud all are then.

  Where the target would bring a peak beyond the ceiling, it is lowered for all.

  Args:
    sounds: Two sounds or more, of one rate.
    rate: Samples a second.
    target: LUFS.

  Raises:
    ValueError: One of them is silent.
  """
  loud = [integrated(sound, rate) for sound in sounds]
  silent = [number for number, found in enumerate(loud) if found == -math.inf]
  if silent:
    raise ValueError(f'sound {silent[0]} is silent; it cannot be made louder')
  peaks = [20 * math.log10(float(np.abs(sound).max())) for sound in sounds]
  room = [
    found + CEILING - peak for found, peak in zip(loud, peaks, strict=True)
  ]
  common = min(float(target), *room)
  return [10 ** ((common - found) / 20) for found in loud], common


def _blocks(power: np.ndarray, rate: int) -> np.ndarray:
  """Returns mean squares of blocks that overlap by three quarters."""
  length, step = round(_BLOCK * rate), round(_STEP * rate)
  if len(power) < length:
    return power.mean(keepdims=True)
  sums = np.concatenate([[0.0], np.cumsum(power)])
  first = np.arange(0, len(power) - length + 1, step)
  return (sums[first + length] - sums[first]) / length


def _level(power: Any) -> Any:
  return _OFFSET + 10 * np.log10(np.maximum(power, 1e-30))
