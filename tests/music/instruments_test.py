import hypothesis
import pytest
from hypothesis import strategies as st

from aurl_jax.music import instruments, theory


@pytest.mark.parametrize(
  ('name', 'program'),
  [
    ('piano', 0),
    ('Acoustic Grand Piano', 0),
    ('bass', 33),
    ('Contrabass', 43),
    ('  double   BASS', 43),
    ('strings', 48),
    ('violin', 40),
    ('sax', 65),
    ('drums', 128),
    (73, 73),
  ],
)
def test_instruments_are_found_by_name(name, program):
  assert instruments.program(name) == program


@pytest.mark.parametrize('name', ['kazoo', '', -1, 129])
def test_what_is_no_instrument_is_named(name):
  with pytest.raises(instruments.InstrumentError, match='no instrument'):
    instruments.program(name)


@hypothesis.given(st.integers(0, 127))
def test_every_program_has_a_name_and_a_range(program):
  assert instruments.program(theory.PROGRAMS[program]) == program
  low, high = instruments.playable(program)
  assert 0 <= low < high <= 127
  assert instruments.title(program) == theory.PROGRAMS[program]


def test_ranges_are_those_of_the_open_strings_and_of_the_keyboard():
  # The lowest strings of violin, viola, cello, contrabass; A0 to C8.
  lowest = [instruments.playable(n)[0] for n in (40, 41, 42, 43)]
  assert lowest == [55, 48, 36, 28]
  assert instruments.playable(0) == (21, 108)
  assert instruments.playable(24)[0] == 40


def test_each_family_stands_for_one_of_its_eight_programs():
  # General MIDI has sixteen families of eight programs; strings alone stand for
  # the ensemble of them, as people mean it.
  names = [name for name, _, _ in instruments.FAMILIES]
  places = [program // 8 for _, program, _ in instruments.FAMILIES]
  assert len(set(names)) == 16
  places[names.index('strings')] -= 1
  assert places == list(range(16))
