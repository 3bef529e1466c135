"""Scales by name: which pitch classes belong to a key or a mode."""

import dataclasses
import functools
import re

from aurl_jax.core import errors
from aurl_jax.music import theory

STEPS: dict[str, tuple[int, ...]] = {
  'major': (0, 2, 4, 5, 7, 9, 11),
  'minor': (0, 2, 3, 5, 7, 8, 10, 11),
  'natural minor': (0, 2, 3, 5, 7, 8, 10),
  'harmonic minor': (0, 2, 3, 5, 7, 8, 11),
  'melodic minor': (0, 2, 3, 5, 7, 9, 11),
  'dorian': (0, 2, 3, 5, 7, 9, 10),
  'phrygian': (0, 1, 3, 5, 7, 8, 10),
  'lydian': (0, 2, 4, 6, 7, 9, 11),
  'mixolydian': (0, 2, 4, 5, 7, 9, 10),
  'locrian': (0, 1, 3, 5, 6, 8, 10),
  'major pentatonic': (0, 2, 4, 7, 9),
  'minor pentatonic': (0, 3, 5, 7, 10),
  'blues': (0, 3, 5, 6, 7, 10),
  'whole tone': (0, 2, 4, 6, 8, 10),
  'chromatic': tuple(range(12)),
}
"""Name -> semitones above the tonic. A minor key has the seventh degree of
both the natural and the harmonic scale."""
_ALIASES = {
  '': 'major',
  'maj': 'major',
  'ionian': 'major',
  'm': 'minor',
  'min': 'minor',
  'aeolian': 'natural minor',
  'pentatonic': 'major pentatonic',
}
_LETTERS = {'c': 0, 'd': 2, 'e': 4, 'f': 5, 'g': 7, 'a': 9, 'b': 11}
_SIGNS = {'#': 1, '♯': 1, 'b': -1, '♭': -1}


class ScaleError(errors.AurlError):
  """A name that is no scale."""

  def __init__(self, name: str, cause: str) -> None:
    super().__init__(
      f'scale {name!r} cannot be read: {cause}; write a tonic and one of '
      + ', '.join(STEPS)
      + ", such as 'D minor'",
      code='key',
    )


@dataclasses.dataclass(frozen=True)
class Scale:
  """A scale on a tonic.

  Attributes:
    tonic: Pitch class 0..11, 0 is C.
    kind: A key of `STEPS`.
  """

  tonic: int
  kind: str = 'major'

  @functools.cached_property
  def pitch_classes(self) -> frozenset[int]:
    """The pitch classes that belong to it."""
    return frozenset((self.tonic + step) % 12 for step in STEPS[self.kind])

  def __str__(self) -> str:
    return f'{theory.PITCH_CLASSES[self.tonic]} {self.kind}'


@functools.lru_cache(maxsize=1024)
def parse(name: str) -> Scale:
  """Reads the name of a key or a mode; without a mode it is major.

  Args:
    name: Such as 'D minor', 'Bb', 'F# harmonic minor', 'g mixolydian', 'Am'.

  Raises:
    ScaleError: It names no tonic, or no scale that is known.

  Example:
    >>> sorted(parse('G mixolydian').pitch_classes)
    [0, 2, 4, 5, 7, 9, 11]
    >>> str(parse('bb')), str(parse('Am'))
    ('B♭ major', 'A minor')
  """
  match = re.fullmatch(r'\s*([A-Ga-g])([#♯b♭]*)(.*?)\s*', name, re.DOTALL)
  if not match:
    raise ScaleError(name, 'it begins with no tonic A..G')
  kind = ' '.join(re.split(r'[\s_-]+', match[3].lower())).strip()
  kind = _ALIASES.get(kind, kind)
  if kind not in STEPS:
    raise ScaleError(name, f'{kind!r} is no scale')
  signs = sum(_SIGNS[sign] for sign in match[2])
  return Scale((_LETTERS[match[1].lower()] + signs) % 12, kind)
