"""In which order listeners meet trials, so that order favours nothing.

Orders are rows of Williams squares ("Experimental designs balanced for the
estimation of residual effects of treatments", Australian Journal of Scientific
Research 1949): over all rows each trial stands in each place, and after each
other trial, equally often. Two listeners share a row, the second with both
sides of each pair exchanged. Axes: `t` trials.
"""

from typing import NamedTuple

import numpy as np


class Order(NamedTuple):
  """What a listener meets.

  Attributes:
    trials: Indices of the trials, in order.
    flipped: Whether the sides of each trial are exchanged, by its index.
  """

  trials: tuple[int, ...]
  flipped: tuple[bool, ...]


def rows(count: int) -> np.ndarray:
  """Returns all orders of some trials, `[count or 2 * count, count]`.

  Example:
    >>> rows(4).tolist()
    [[0, 3, 1, 2], [1, 0, 2, 3], [2, 1, 3, 0], [3, 2, 0, 1]]
  """
  zigzag = [0]
  for step in range(1, count):
    zigzag.append((step // 2) if step % 2 == 0 else count - (step + 1) // 2)
  square = (np.array(zigzag) + np.arange(count)[:, None]) % count
  if count % 2:
    square = np.concatenate([square, square[:, ::-1]])
  return square


def of(number: int, count: int, seed: int) -> Order:
  """Returns the order of the listener of that number, from 0.

  Which trial has which place in the square, and which rows come first, is drawn
  by the seed; so are the sides, half of them each way, up to one.
  """
  rng = np.random.default_rng(seed)
  names = rng.permutation(count)
  square = rows(count)
  row = rng.permutation(len(square))[number // 2 % len(square)]
  sides = np.arange(count) % 2 == 1
  # A pair of listeners draws anew, each time from where the last one ended.
  rng = np.random.default_rng([seed, number // 2])
  flipped = rng.permutation(sides) ^ (number % 2 == 1)
  trials = tuple(int(names[place]) for place in square[row])
  return Order(trials, tuple(bool(side) for side in flipped))
