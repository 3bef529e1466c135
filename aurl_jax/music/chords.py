"""Chord symbols: Harte and lead-sheet spellings, and a small vocabulary.

A symbol is read into the degrees that it sounds, and those are reduced to
one of 14 qualities: the triads and sevenths of the vocabularies of chord
recognition, the sixths, and the suspended chords. Ninths and beyond become
their seventh chord. Harte's grammar: Harte et al., "Symbolic representation
of musical chords", ISMIR 2005, section 4.
"""

import dataclasses
import functools
import re
from collections.abc import Iterable

from aurl_jax.core import errors

QUALITIES: dict[str, tuple[int, ...]] = {
  'maj': (0, 4, 7),
  'min': (0, 3, 7),
  'dim': (0, 3, 6),
  'aug': (0, 4, 8),
  '7': (0, 4, 7, 10),
  'maj7': (0, 4, 7, 11),
  'min7': (0, 3, 7, 10),
  'hdim7': (0, 3, 6, 10),
  'dim7': (0, 3, 6, 9),
  'minmaj7': (0, 3, 7, 11),
  'sus2': (0, 2, 7),
  'sus4': (0, 5, 7),
  'maj6': (0, 4, 7, 9),
  'min6': (0, 3, 7, 9),
}
"""Quality -> semitones above the root, in the order of the vocabulary."""

ROOTS = ('C', 'C#', 'D', 'Eb', 'E', 'F', 'F#', 'G', 'Ab', 'A', 'Bb', 'B')
"""The spelling that labels give to each pitch class."""

_DEGREES = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 11}
_LETTERS = {'C': 0, 'D': 2, 'E': 4, 'F': 5, 'G': 7, 'A': 9, 'B': 11}
_SHARPENS = {'#': 1, '♯': 1, '+': 1, 'x': 2, 'b': -1, '♭': -1, '-': -1}
_NO_CHORD = {'N', 'N.C.', 'NC', 'N.C', 'NO CHORD'}

_INTERVALS = ('1', 'b2', '2', 'b3', '3', '4', 'b5', '5', '#5', '6', 'b7', '7')
"""How labels name the bass, by semitones above the root."""


class ChordError(errors.AurlError):
  """A chord symbol that cannot be read."""

  def __init__(self, symbol: str, cause: str) -> None:
    super().__init__(
      f'chord symbol {symbol!r} cannot be read: {cause}; write it like '
      "'A:min7/b3', 'Am7', 'F#m7b5', 'G/B' or 'N'",
      code='chord',
    )


@dataclasses.dataclass(frozen=True)
class Chord:
  """A chord of the vocabulary, or no chord.

  Attributes:
    root: Pitch class 0..11 (0 is C), or None for no chord.
    quality: A key of `QUALITIES`; '' for no chord.
    bass: Pitch class of the lowest note; None stands for the root.
  """

  root: int | None = None
  quality: str = ''
  bass: int | None = None

  def label(self, *, bass: bool = True) -> str:
    """Returns the Harte label, such as 'A:min7/b3' or 'N'.

    Args:
      bass: Whether an inversion is told.
    """
    if self.root is None:
      return 'N'
    text = f'{ROOTS[self.root]}:{self.quality}'
    if bass and self.bass is not None and self.bass != self.root:
      text += f'/{_INTERVALS[(self.bass - self.root) % 12]}'
    return text

  def pitch_classes(self) -> frozenset[int]:
    """Returns the pitch classes that sound, a foreign bass among them."""
    if self.root is None:
      return frozenset()
    tones = {(self.root + step) % 12 for step in QUALITIES[self.quality]}
    return frozenset(tones if self.bass is None else tones | {self.bass})

  @property
  def index(self) -> int:
    """Position in the vocabulary of `SIZE` chords; the bass is left out."""
    if self.root is None:
      return 0
    return 1 + self.root * len(QUALITIES) + list(QUALITIES).index(self.quality)


SIZE = 1 + 12 * len(QUALITIES)
"""Chords of the vocabulary: no chord, then each root with each quality."""


def from_index(index: int) -> Chord:
  """Returns the chord at a position of the vocabulary.

  Raises:
    IndexError: Not in 0..`SIZE` - 1.

  Example:
    >>> from_index(parse('Am7').index).label()
    'A:min7'
  """
  if not 0 <= index < SIZE:
    raise IndexError(f'chord index {index} not in 0..{SIZE - 1}')
  if index == 0:
    return Chord()
  root, quality = divmod(index - 1, len(QUALITIES))
  return Chord(root, list(QUALITIES)[quality])


@functools.lru_cache(maxsize=4096)
def parse(symbol: str) -> Chord:
  """Reads a Harte or lead-sheet symbol.

  Args:
    symbol: Such as 'A:min7/b3', 'Am7', 'F#m7b5', 'Csus4', 'G/B', 'N.C.'.

  Raises:
    ChordError: It is neither; says which part was not understood.

  Example:
    >>> parse('F#m7b5').label(), parse('G/B').label()
    ('F#:hdim7', 'G:maj/3')
  """
  text = re.sub(r'^\((.*)\)$', r'\1', symbol.strip()).strip()
  if text.upper() in _NO_CHORD:
    return Chord()
  match = re.fullmatch(r'([A-G][#♯b♭x]*)(:?)(.*)', text, re.DOTALL)
  if not match:
    raise ChordError(symbol, 'it begins with no root A..G')
  root = _note(match[1])
  read = _harte if match[2] else _lead_sheet
  degrees, bass = read(symbol, root, match[3].strip())
  return Chord(root, _quality(degrees), None if bass == root else bass)


def nearest(symbol: str) -> Chord | None:
  """Returns `parse(symbol)`, else the triad it begins with, else None.

  For symbols of unknown additions: 'Cmin(weird)' is still C minor.
  """
  for end in range(len(symbol), 0, -1):
    try:
      return parse(symbol[:end])
    except ChordError:
      continue
  return None


def unreadable(symbols: Iterable[str]) -> tuple[str, ...]:
  """Returns those symbols that `parse` refuses, in order."""

  def fails(symbol: str) -> bool:
    try:
      parse(symbol)
    except ChordError:
      return True
    return False

  return tuple(symbol for symbol in symbols if fails(symbol))


def transpose(symbol: str, semitones: int) -> str:
  """Returns a symbol with root and bass moved up, spelled like `ROOTS`.

  What is no chord stays as it is.

  Example:
    >>> transpose('Am7/G', 2), transpose('Bb:maj7/3', -1), transpose('N', 3)
    ('Bm7/A', 'A:maj7/3', 'N')
  """

  def moved(match: re.Match[str]) -> str:
    return match[1] + ROOTS[(_note(match[2]) + semitones) % 12]

  if symbol.upper() in _NO_CHORD:
    return symbol
  symbol = re.sub(r'^(\(?)([A-G][#♯b♭]*)', moved, symbol)
  return re.sub(r'(/\s*)([A-Ga-g][#♯b♭+]*)(?=\)?$)', moved, symbol)


def _note(text: str) -> int:
  """Returns the pitch class of a letter with accidentals."""
  step = sum(_SHARPENS[sign] for sign in text[1:])
  return (_LETTERS[text[0].upper()] + step) % 12


def _degree(text: str) -> tuple[int, int]:
  """Returns (number 1..13, accidental) of a degree such as 'b7' or '#11'."""
  number = text.lstrip('#b♯♭')
  signs = text[: len(text) - len(number)]
  return int(number), sum(_SHARPENS[sign] for sign in signs)


_HARTE = {
  '': '1 3 5',
  'maj': '1 3 5',
  'min': '1 b3 5',
  'dim': '1 b3 b5',
  'aug': '1 3 #5',
  'maj7': '1 3 5 7',
  'min7': '1 b3 5 b7',
  '7': '1 3 5 b7',
  'dim7': '1 b3 b5 bb7',
  'hdim7': '1 b3 b5 b7',
  'minmaj7': '1 b3 5 7',
  'maj6': '1 3 5 6',
  '6': '1 3 5 6',
  'min6': '1 b3 5 6',
  '9': '1 3 5 b7 9',
  'maj9': '1 3 5 7 9',
  'min9': '1 b3 5 b7 9',
  '11': '1 3 5 b7 9 11',
  'maj11': '1 3 5 7 9 11',
  'min11': '1 b3 5 b7 9 11',
  '13': '1 3 5 b7 9 11 13',
  'maj13': '1 3 5 7 9 11 13',
  'min13': '1 b3 5 b7 9 11 13',
  'sus2': '1 2 5',
  'sus4': '1 4 5',
  '5': '1 5',
  '1': '1',
}
_DEGREE = r'[#b♯♭]*(?:1[0-3]|[1-9])'
_HARTE_FORM = re.compile(
  rf'(?P<short>[a-z]*\d*)(?:\((?P<list>[^()]*)\))?(?:/(?P<bass>{_DEGREE}))?'
)


def _harte(symbol: str, root: int, text: str) -> tuple[dict[int, int], int]:
  """Returns the degrees and the bass of what follows Harte's colon."""
  match = _HARTE_FORM.fullmatch(text)
  if not match or match['short'] not in _HARTE:
    raise ChordError(symbol, f'{text!r} is no Harte chord')
  # A bare list names all degrees; after a shorthand it adds and omits.
  short = match['short'] or ('1' if match['list'] else '')
  degrees = dict(map(_degree, _HARTE[short].split()))
  for item in filter(None, re.split(r'[,\s]+', match['list'] or '')):
    if not re.fullmatch(rf'\*?{_DEGREE}', item):
      raise ChordError(symbol, f'{item!r} is no degree')
    number, sharpen = _degree(item.lstrip('*'))
    if item.startswith('*'):
      degrees.pop(number, None)
    else:
      degrees[number] = sharpen
  return degrees, _bass(root, match['bass'])


def _bass(root: int, degree: str | None) -> int:
  if degree is None:
    return root
  number, sharpen = _degree(degree)
  return (root + _DEGREES[(number - 1) % 7 + 1] + sharpen) % 12


_LEAD_BASS = re.compile(r'(.*)/\s*(?:([A-Ga-g][#♯b♭+]*)|([#b♯♭]*\d+))', re.S)
_LEAD_PARTS = re.compile(
  r'(?P<base>hdim|half-?dim|ø|Ø|minor|min|mi|major|maj|Maj|MAJ|ma(?!j|dd)|M[Aa](?!j)'
  r'|dim|o|°|aug|\+|M|Δ|\^|m|-)?'
  r'(?P<major>maj|Maj|ma(?!j)|M|Δ|\^|/?maj|\((?:maj|Maj|M)(?=7\)))?'
  r'(?P<number>6/9|69|13|11|9|7|6|5|4|2)?\)?'
  r'(?P<rest>.*)',
  re.DOTALL,
)
_LEAD_EXTRA = re.compile(
  r'[(),\s]*(?:(?P<sus>sus)(?P<susn>[24]?)|(?P<no>no|omit)(?P<non>[35])'
  r'|(?P<alt>alt)|(?P<add>add)?(?P<sign>[#b♯♭+-]*)(?P<n>1[0-3]|[2-9])'
  r'|(?P<aug>\+|aug))[(),\s]*'
)
_BASES = {
  'min': ('minor', 'min', 'mi', 'm', '-'),
  'maj': ('major', 'maj', 'Maj', 'MAJ', 'ma', 'Ma', 'MA', 'M', 'Δ', '^'),
  'dim': ('dim', 'o', '°'),
  'aug': ('aug', '+'),
  'hdim': ('hdim', 'half-dim', 'halfdim', 'ø', 'Ø'),
}
_BASE = {name: base for base, names in _BASES.items() for name in names}
_TRIADS = {'maj': (0, 0), 'min': (-1, 0), 'dim': (-1, -1), 'aug': (0, 1)}


def _lead_sheet(
  symbol: str, root: int, text: str
) -> tuple[dict[int, int], int]:
  """Returns the degrees and the bass of what follows the root."""
  bass = root
  slash = _LEAD_BASS.fullmatch(text)
  if slash and not (slash[3] == '9' and slash[1].endswith('6')):
    text = slash[1].strip()
    bass = _note(slash[2]) if slash[2] else _bass(root, slash[3])
  match = _LEAD_PARTS.fullmatch(text)
  assert match  # every part is optional and the rest takes anything
  degrees = _stacked(
    _BASE.get(match['base'] or '', ''), match['major'], match['number'] or ''
  )
  if match['base'] in ('Δ', '^') and not match['number']:
    degrees[7] = 0
  position, rest = 0, match['rest']
  while position < len(rest):
    extra = _LEAD_EXTRA.match(rest, position)
    if not extra:
      raise ChordError(symbol, f'{rest[position:]!r} was not understood')
    _apply(degrees, extra)
    position = extra.end()
  return degrees, bass


def _stacked(base: str, major: str | None, number: str) -> dict[int, int]:
  """Returns the degrees of a triad with the thirds stacked on it."""
  if number == '5' and not base:
    return {1: 0, 5: 0}
  third, fifth = _TRIADS['dim' if base == 'hdim' else base or 'maj']
  degrees = {1: 0, 3: third, 5: fifth}
  if number in ('6', '69', '6/9'):
    degrees[6] = 0
  elif number in ('7', '9', '11', '13') or base == 'hdim':
    flat = -2 if base == 'dim' else -1
    degrees[7] = 0 if major or base == 'maj' else flat
  elif number in ('2', '4') and base != 'min':
    del degrees[3]
    degrees[int(number)] = 0
  elif major:
    degrees[7] = 0
  return degrees


def _apply(degrees: dict[int, int], extra: re.Match[str]) -> None:
  """Changes degrees by one suffix: a suspension, omission or alteration."""
  if extra['sus']:
    degrees.pop(3, None)
    degrees[int(extra['susn'] or 4)] = 0
  elif extra['no']:
    degrees.pop(int(extra['non']), None)
  elif extra['aug']:
    degrees[5] = 1
  elif extra['n']:
    number = int(extra['n'])
    sharpen = sum(_SHARPENS[sign] for sign in extra['sign'])
    if extra['add'] or extra['sign'] or number not in (7, 9, 11, 13):
      degrees[number] = sharpen
    else:
      degrees.setdefault(7, -1)


def _quality(degrees: dict[int, int]) -> str:
  """Returns the quality of the vocabulary nearest to the degrees."""
  third, fifth = degrees.get(3), degrees.get(5, 0)
  if third is None:
    if 4 in degrees:
      return 'sus4'
    return 'sus2' if 2 in degrees else 'maj'
  if third < 0 and fifth < 0:
    return {-1: 'hdim7', -2: 'dim7'}.get(degrees.get(7, 1), 'dim')
  if third >= 0 and fifth > 0:
    return 'aug'
  minor = third < 0
  if 7 in degrees:
    if degrees[7] == 0:
      return 'minmaj7' if minor else 'maj7'
    return 'min7' if minor else '7'
  if degrees.get(6) == 0:
    return 'min6' if minor else 'maj6'
  return 'min' if minor else 'maj'
