"""Roman numerals of chords in a local key.

A chord whose tones fit is a step of the key, with the figures of its
inversion; a dominant of another step is written as applied to it (`V65/V`);
what is left is a step with an accidental. Steps of minor are those of the
harmonic scale's chords: VI and VII stand on the low steps, vii° on the raised
one, as in the RomanText of Tymoczko, Gotham, Cuthbert and Ariza, "The RomanText
format", ISMIR 2019. Qualities that are no step of the key say so themselves.
"""

from aurl_jax.music.chords import QUALITIES, Chord

_STEPS = (
  ('I', 'bII', 'II', 'bIII', 'III', 'IV', '#IV', 'V', 'bVI', 'VI', 'bVII',
   'VII'),
  ('I', 'bII', 'II', 'III', '#III', 'IV', '#IV', 'V', 'VI', '#VI', 'VII',
   '#VII'),
)  # fmt: skip
"""Semitones above the tonic -> step, in major and in minor."""
_TRIADS = ('', '6', '64')
_SEVENTHS = ('7', '65', '43', '42')
_MARKS = {'dim': 'o', 'dim7': 'o', 'hdim7': 'ø', 'aug': '+'}
_LOWER = frozenset({'min', 'min7', 'dim', 'dim7', 'hdim7', 'minmaj7', 'min6'})
_OTHERS = {
  'sus2': '[sus2]',
  'sus4': '[sus4]',
  'maj6': '[add6]',
  'min6': '[add6]',
}
_MAJOR_SCALE = frozenset({0, 2, 4, 5, 7, 9, 11})
_MINOR_SCALE = frozenset({0, 2, 3, 5, 7, 8, 10})
_TARGETS = (
  {2: 'ii', 4: 'iii', 5: 'IV', 7: 'V', 9: 'vi'},
  {3: 'III', 5: 'iv', 7: 'V', 8: 'VI', 10: 'VII'},
)
"""What dominants are applied to: semitones -> step."""


def numeral(chord: Chord, key: int) -> str:
  """Returns the numeral of a chord in a key 0..23; 'N' for no chord.

  Example:
    >>> from aurl_jax.music.chords import parse
    >>> [numeral(parse(text), 0) for text in
    ...  ('C', 'Dm7/F', 'D7', 'G7/B', 'Bdim', 'Ab', 'F#dim7')]
    ['I', 'ii65', 'V7/V', 'V65', 'viio', 'bVI', 'viio7/V']
  """
  if chord.root is None:
    return 'N'
  minor, tonic = divmod(key, 12)
  above = (chord.root - tonic) % 12
  figures = _figures(chord)
  target = _applied(chord.quality, above, minor)
  if target:
    step, at = target
    return _write(step, chord.quality, figures) + '/' + _TARGETS[minor][at]
  step = _STEPS[minor][above]
  if minor and above == 11 and chord.quality in _LOWER:
    step = 'VII'
  return _write(step, chord.quality, figures, _diatonic(chord, above, minor))


def _figures(chord: Chord) -> str:
  """Returns the figured bass; a foreign bass counts as none."""
  assert chord.root is not None
  tones = QUALITIES[chord.quality]
  seventh = len(tones) == 4 and not chord.quality.endswith('6')
  names = _SEVENTHS if seventh else _TRIADS
  bass = chord.root if chord.bass is None else chord.bass
  step = (bass - chord.root) % 12
  place = tones.index(step) if step in tones else 0
  return names[place] if place < len(names) else ''


def _applied(quality: str, above: int, minor: int) -> tuple[str, int] | None:
  """Returns ('V' or 'VII', its target) of an applied dominant, if it is one."""
  targets = _TARGETS[minor]
  scale = _MINOR_SCALE if minor else _MAJOR_SCALE
  tones = {(above + step) % 12 for step in QUALITIES[quality]}
  if tones <= scale | ({11} if minor else set()):
    return None
  if quality in ('maj', '7'):
    at = (above + 5) % 12
    return ('V', at) if at in targets else None
  if quality in ('dim', 'dim7', 'hdim7'):
    at = (above + 1) % 12
    return ('VII', at) if at in targets else None
  return None


def _diatonic(chord: Chord, above: int, minor: int) -> bool:
  """Whether the seventh is the key's own, which needs no sign."""
  scale = _MINOR_SCALE if minor else _MAJOR_SCALE
  return (above + QUALITIES[chord.quality][-1]) % 12 in scale


def _write(step: str, quality: str, figures: str, own: bool = True) -> str:
  """Returns step, mark and figures.

  A seventh that the key does not have is told: 'Imaj7' in minor.
  """
  text = step
  if quality in _LOWER:
    signs = step[: len(step) - len(step.lstrip('b#'))]
    text = signs + step[len(signs) :].lower()
  text += _MARKS.get(quality, '')
  if quality in ('maj7', 'minmaj7') and not own:
    text += 'maj'
  elif quality in ('7', 'min7') and not own:
    text += 'b'
  return text + figures + _OTHERS.get(quality, '')
