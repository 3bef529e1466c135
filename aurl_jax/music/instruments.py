"""Instruments by name, and the pitches that they can play.

Ranges are sounding ones, of good players: those of the orchestra as books of
orchestration give them (Adler, "The Study of Orchestration", say; not compared
page by page), the others as wide as the instruments of their General MIDI
family are built.
Synthesisers play everything that a piano does.
"""

from collections.abc import Mapping

from aurl_jax.core import errors
from aurl_jax.music import theory

DRUMS = 128
"""Stands for the drums among the programs."""
Range = tuple[int, int]
"""Lowest and highest MIDI pitch."""

_PIANO: Range = (21, 108)
FAMILIES: tuple[tuple[str, int, Range], ...] = (
  ('piano', 0, _PIANO),
  ('chromatic percussion', 11, (45, 108)),
  ('organ', 16, (24, 108)),
  ('guitar', 24, (40, 88)),
  ('bass', 33, (28, 67)),
  ('strings', 48, (28, 103)),
  ('ensemble', 48, (28, 103)),
  ('brass', 61, (26, 86)),
  ('reed', 65, (34, 94)),
  ('pipe', 73, (60, 108)),
  ('synth lead', 80, _PIANO),
  ('synth pad', 88, _PIANO),
  ('synth effects', 96, _PIANO),
  ('ethnic', 104, (36, 96)),
  ('percussive', 114, (36, 96)),
  ('sound effects', 120, (0, 127)),
)
"""Of each family of General MIDI its name, the program that the name alone
stands for, and its range."""
OWN: Mapping[int, Range] = {
  9: (79, 108),  # glockenspiel
  11: (53, 89),  # vibraphone
  12: (45, 96),  # marimba
  13: (65, 108),  # xylophone
  40: (55, 103),  # violin
  41: (48, 91),  # viola
  42: (36, 76),  # cello
  43: (28, 67),  # contrabass
  46: (23, 104),  # harp
  47: (38, 60),  # timpani
  52: (40, 84),  # choir
  53: (40, 84),
  56: (54, 86),  # trumpet
  57: (40, 77),  # trombone
  58: (26, 65),  # tuba
  60: (35, 77),  # horn
  68: (58, 93),  # oboe
  69: (52, 84),  # English horn
  70: (34, 75),  # bassoon
  71: (50, 94),  # clarinet
  72: (74, 108),  # piccolo
  73: (60, 98),  # flute
}
"""Program -> a range narrower than its family's."""
_SINGLE = (
  *range(32, 44),  # basses and solo strings
  47,
  *range(56, 61),  # trumpet to horn
  *range(64, 80),  # reeds and pipes
  *range(109, 112),  # bagpipe, fiddle, shanai
)
"""Programs of instruments that play one note at a time, by rule."""
_DRUM_RANGE: Range = (35, 81)
"""The drums that General MIDI names."""
_SHORT = {
  'drum': DRUMS,
  'drums': DRUMS,
  'guitar': 24,
  'bass': 33,
  'double bass': 43,
  'sax': 65,
  'saxophone': 65,
  'choir': 52,
  'horn': 60,
  'harp': 46,
  'synth': 80,
}


class InstrumentError(errors.AurlError):
  """A name that is no instrument."""


def program(name: str | int) -> int:
  """Returns the General MIDI program of an instrument, 128 of the drums.

  Args:
    name: Of a program (`Cello`), of a family (`strings`), `drums`, or the
      number itself; upper and lower case are the same.

  Raises:
    InstrumentError: There is no such instrument (code `instruments`).

  Example:
    >>> program('cello'), program('Piano'), program('drums'), program(3)
    (42, 0, 128, 3)
  """
  if isinstance(name, int):
    if 0 <= name <= DRUMS:
      return name
    raise _unknown(name)
  wanted = ' '.join(name.lower().split())
  short = _SHORT | {family: number for family, number, _ in FAMILIES}
  if wanted in short:
    return short[wanted]
  names = [known.lower() for known in theory.PROGRAMS]
  if wanted in names:
    return names.index(wanted)
  if wanted and (
    near := [number for number, known in enumerate(names) if wanted in known]
  ):
    return near[0]
  raise _unknown(name)


def family(name: str | int) -> int:
  """Returns the family of General MIDI of an instrument, 16 of the drums.

  Args:
    name: As of `program`; that of a family is the family itself.

  Raises:
    InstrumentError: There is no such instrument (code `instruments`).

  Example:
    >>> family('strings'), family('cello'), family('drums')
    (5, 5, 16)
  """
  if isinstance(name, str):
    wanted = ' '.join(name.lower().split())
    families = [known for known, _, _ in FAMILIES]
    if wanted in families:
      return families.index(wanted)
  return program(name) // theory.FAMILY


def title(number: int) -> str:
  """Returns the name of a program, `drums` of 128."""
  return 'drums' if number == DRUMS else theory.PROGRAMS[number]


def playable(number: int) -> Range:
  """Returns the range of a program, or of the drums.

  Example:
    >>> playable(program('flute')), playable(program('piano'))
    ((60, 98), (21, 108))
  """
  if number == DRUMS:
    return _DRUM_RANGE
  return OWN.get(number, FAMILIES[number // theory.FAMILY][2])


def single(number: int) -> bool:
  """Returns whether an instrument plays single lines: winds, basses, bows.

  Bowed strings can do more, for a while; a part for them is a line by rule.

  Example:
    >>> single(program('oboe')), single(program('cello')), single(0)
    (True, True, False)
  """
  return number in _SINGLE


def _unknown(name: str | int) -> InstrumentError:
  families = ', '.join(family for family, _, _ in FAMILIES)
  return InstrumentError(
    f'no instrument {name!r}; name one of General MIDI, a family ({families}), '
    'drums, or a program 0..127',
    code='instruments',
  )
