"""What is told of a piece's structure, which stands without the piece.

Axes: `m` bars, `s` sections, `k` bars or groups of bars.
"""

import dataclasses

import numpy as np

from aurl_jax.studies.structure import forms
from aurl_jax.studies.structure.curve import Climax
from aurl_jax.studies.structure.labels import Sections


@dataclasses.dataclass(frozen=True, eq=False)
class Finding:
  """What is told of a piece's structure.

  Attributes:
    seconds: [m + 1] float64, where bars begin and where the last one ends.
    sections: Their first bars, letters, likeness.
    form: One of `forms.CLASSES`.
    intensity: [m] float64, 0..1.
    climax: Of the intensity.
    matrix: [k, k] float32, how alike bars are, 0..1; of a piece of over 256
      bars so many are joined that there are at most 256 rows.
  """

  seconds: np.ndarray
  sections: Sections
  form: str
  intensity: np.ndarray
  climax: Climax
  matrix: np.ndarray

  def __len__(self) -> int:
    return len(self.seconds) - 1

  @property
  def told(self) -> str:
    """Letters and bars of the sections, e.g. `i4A8A8B8o4`."""
    return forms.told(self.sections, len(self))

  @property
  def spans(self) -> tuple[np.ndarray, np.ndarray]:
    """Where sections begin and end, [s] and [s] seconds."""
    ends = np.append(self.sections.starts, len(self))[1:]
    if not len(self):
      ends = ends[:0]
    return self.seconds[self.sections.starts], self.seconds[ends]

  @property
  def bars(self) -> np.ndarray:
    """How many bars each section has, [s] int64."""
    return np.diff(np.append(self.sections.starts, len(self)))[
      : len(self.sections.letters)
    ]
