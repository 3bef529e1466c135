from fractions import Fraction

import hypothesis
import pytest
from hypothesis import strategies as st

from aurl_jax.generation import rhythm
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.frame import Frame
from aurl_jax.music.grid import Grid

FRAME = Frame(grid=Grid(), rows=2, meters=((4, 4), (3, 8)))


@pytest.mark.parametrize(
  ('value', 'step'), [('4', 12), ('8', 6), ('8ths', 6), ('8t', 4), ('16T', 2)]
)
def test_note_values_are_their_multiples(value, step):
  for row, length in ((0, 48), (1, 18)):
    cells = rhythm.cells(value, FRAME, row)
    assert cells == frozenset(range(0, length, step))


@hypothesis.given(st.sets(st.integers(0, 47), min_size=1))
def test_places_are_the_cells_they_name(cells):
  places = tuple(float(Fraction(cell, 12)) for cell in cells)
  assert rhythm.cells(places, FRAME, 0) == cells


@hypothesis.given(st.text(max_size=5))
def test_any_text_is_a_value_or_an_error_of_ours(text):
  try:
    found = rhythm.cells(text, FRAME, 0)
  except RequestError:
    return
  assert (found is None) == (text == '')


@pytest.mark.parametrize(
  'places', [(4.0,), (), (-1.0,), (0.01,), '32nd', '5', '8d']
)
def test_what_is_no_place_of_the_bar_is_refused(places):
  with pytest.raises(RequestError) as caught:
    rhythm.cells(places, FRAME, 0)
  assert caught.value.code == 'rhythm'
