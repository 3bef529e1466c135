"""The fitted numbers of the studies: a small JSON file beside the code.

`tools/fit_studies.py` writes it, from the training songs of POP909 alone.
"""

import functools
import json
import pathlib

import numpy as np

PATH = pathlib.Path(__file__).with_name('weights.json')


def load(name: str) -> np.ndarray:
  """Returns one array of the file, float64, read-only.

  Raises:
    KeyError: There is no such array.
  """
  array = np.array(_stored()[name], np.float64)
  array.setflags(write=False)
  return array


@functools.cache
def _stored() -> dict[str, list[float]]:
  return json.loads(PATH.read_text())
