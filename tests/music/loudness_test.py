"""Loudness against the recommendation's tables and EBU's signals."""

import math

import numpy as np
import pytest

from aurl_jax.music import loudness


def sine(level, seconds, rate=48_000, hertz=1000.0, channels=2):
  clock = np.arange(round(seconds * rate)) / rate
  tone = 10 ** (level / 20) * np.sin(2 * np.pi * hertz * clock)
  return np.tile(tone[:, None], (1, channels))


def test_the_filters_are_those_of_the_recommendation_at_48_khz():
  (shelf, rest), (high, last) = loudness.filters(48_000)
  # ITU-R BS.1770-4, tables 1 and 2.
  assert shelf == pytest.approx(
    [1.53512485958697, -2.69169618940638, 1.19839281085285], abs=1e-9
  )
  assert rest == pytest.approx([1, -1.69065929318241, 0.73248077421585])
  assert high.tolist() == [1, -2, 1]
  assert last == pytest.approx([1, -1.99004745483398, 0.99007225036621])


@pytest.mark.parametrize('rate', [16_000, 44_100, 48_000])
def test_997_hz_at_full_scale_is_3_lu_below(rate):
  # The recommendation, annex 1: one channel of 997 Hz at 0 dB reads -3.01.
  told = loudness.integrated(sine(0, 2, rate, 997.0, channels=1), rate)
  assert told == pytest.approx(-3.01, abs=0.05 if rate > 16_000 else 0.15)


@pytest.mark.parametrize(
  ('parts', 'expected'),
  [
    # EBU Tech 3341, test cases 1 to 5.
    ([(-23, 20)], -23),
    ([(-33, 20)], -33),
    ([(-36, 10), (-23, 60), (-36, 10)], -23),
    ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
    ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
  ],
)
def test_ebus_signals(parts, expected):
  sound = np.concatenate([sine(*part) for part in parts])
  assert loudness.integrated(sound, 48_000) == pytest.approx(expected, abs=0.1)


def test_sounds_become_as_loud_as_each_other_below_the_ceiling():
  rng = np.random.default_rng(0)
  sounds = [
    sine(-12, 1.0, 16_000, 440.0, 1),
    0.02 * rng.standard_normal((20_000, 1)).clip(-3, 3),
    sine(-30, 0.3, 16_000, 3000.0, 1),
  ]
  found, common = loudness.gains(sounds, 16_000)
  assert common == loudness.TARGET
  for sound, gain in zip(sounds, found, strict=True):
    told = loudness.integrated(sound * gain, 16_000)
    assert told == pytest.approx(-23, abs=0.01)


def test_a_peak_lowers_all():
  click = np.zeros((16_000, 1))
  click[::4000] = 0.5
  sounds = [click, sine(-20, 1.0, 16_000, 440.0, 1)]
  found, common = loudness.gains(sounds, 16_000, -10)
  assert common < -10
  for sound, gain in zip(sounds, found, strict=True):
    assert abs(sound * gain).max() <= 10 ** (-1 / 20) + 1e-9
    told = loudness.integrated(sound * gain, 16_000)
    assert told == pytest.approx(common, abs=0.01)


def test_silence_and_nonsense():
  assert loudness.integrated(np.zeros((16_000, 1)), 16_000) == -math.inf
  with pytest.raises(ValueError, match='sound 1 is silent'):
    loudness.gains([sine(-20, 1, 16_000), np.zeros((9000, 2))], 16_000)
  for sound, rate in (
    (np.zeros((0, 1)), 16_000),
    (np.zeros((9, 3)), 16_000),
    (np.zeros((9, 1)), 4000),
  ):
    with pytest.raises(ValueError, match='channels'):
      loudness.integrated(sound, rate)
