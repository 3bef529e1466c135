import hypothesis
import pytest
from hypothesis import strategies as st

from aurl_jax.music import scales

# Written out, not computed: what a theory book says of C, or of A.
KNOWN = {
  'C': 'C D E F G A B',
  'C major': 'C D E F G A B',
  'A minor': 'A B C D E F G G#',
  'Am': 'A B C D E F G G#',
  'A natural minor': 'A B C D E F G',
  'A harmonic minor': 'A B C D E F G#',
  'A melodic minor': 'A B C D E F# G#',
  'D dorian': 'D E F G A B C',
  'E phrygian': 'E F G A B C D',
  'F lydian': 'F G A B C D E',
  'G mixolydian': 'G A B C D E F',
  'B locrian': 'B C D E F G A',
  'C major pentatonic': 'C D E G A',
  'A minor pentatonic': 'A C D E G',
  'A blues': 'A C D D# E G',
  'C whole tone': 'C D E F# G# A#',
}
SHARPS = ['C', 'C#', 'D', 'D#', 'E', 'F', 'F#', 'G', 'G#', 'A', 'A#', 'B']


@pytest.mark.parametrize('name', KNOWN)
def test_scales_are_those_of_a_theory_book(name):
  expected = {SHARPS.index(tone) for tone in KNOWN[name].split()}
  assert scales.parse(name).pitch_classes == expected


@hypothesis.given(
  st.sampled_from('ABCDEFG'),
  st.text('#b♯♭', max_size=3),
  st.sampled_from(sorted(scales.STEPS)),
)
def test_names_are_read_whatever_their_case_and_spaces(letter, signs, kind):
  plain = scales.parse(f'{letter}{signs} {kind}')
  wide = scales.parse(f'  {letter.lower()}{signs}   {kind.upper()} ')
  assert plain == wide
  up = sum({'#': 1, '♯': 1}.get(sign, -1) for sign in signs)
  home = scales.parse(f'{letter} {kind}').pitch_classes
  assert plain.pitch_classes == {(tone + up) % 12 for tone in home}
  assert scales.parse(str(plain)) == plain


@hypothesis.given(st.text(max_size=12))
def test_any_text_is_a_scale_or_a_named_error(text):
  try:
    found = scales.parse(text)
  except scales.ScaleError as error:
    told = f'{error.code} {error}'
  else:
    told = 'key write a tonic'
    assert found.tonic in found.pitch_classes
  assert told.startswith('key')
  assert 'write a tonic' in told
