"""Numbers of rows that few programs are compiled for."""

import numpy as np


def power(count: int) -> int:
  """Returns the next power of two.

  Example:
    >>> [power(count) for count in (1, 2, 3, 8, 9)]
    [1, 2, 4, 8, 16]
  """
  return 1 << (count - 1).bit_length()


def padded(rows: np.ndarray, value: int) -> np.ndarray:
  """Returns rows, and behind them one or more of a value.

  Their number is one more than a power of two from eight on; the last one is
  of bars that no wish is about.

  Example:
    >>> padded(np.array([3, 4]), 0).tolist()
    [3, 4, 0, 0, 0, 0, 0, 0, 0]
  """
  room = 1 << max(3, (len(rows) - 1).bit_length())
  more = np.full((room + 1 - len(rows), *rows.shape[1:]), value, rows.dtype)
  return np.concatenate([rows, more])
