import itertools

import pytest

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.form import MOST, WORDS, Form, Section


@pytest.mark.parametrize(
  ('text', 'sections'),
  [
    ('AABA', [('A', 8), ('A', 8), ('B', 8), ('A', 8)]),
    ('i4A8b4X2x1o3', [
      ('i', 4), ('A', 8), ('b', 4), ('X', 2), ('x', 1), ('o', 3),
    ]),
    (' i A16 | B, o ', [('i', 4), ('A', 16), ('B', 8), ('o', 4)]),
    ('intro verse chorus:16 pre-chorus outro=2', [
      ('i', 4), ('A', 8), ('B', 16), ('P', 8), ('o', 2),
    ]),
    ('verse12', [('A', 12)]),
  ],
)  # fmt: skip
def test_texts_are_read(text, sections):
  form = Form.parse(text)
  assert [tuple(section) for section in form.sections] == sections
  assert form.bars == sum(bars for _, bars in sections)
  assert list(form.starts) == [
    0, *itertools.accumulate(bars for _, bars in sections[:-1])
  ]  # fmt: skip
  assert Form.parse(str(form)) == form


@pytest.mark.parametrize(
  ('text', 'cause'),
  [
    ('', 'no sections'),
    ('4A', "'4A' is neither"),
    ('A8-B8', 'neither letters'),
    ('A0', 'section A has no bars'),
    ('A200 B201', f'401 bars, and {MOST} is the most'),
    ('intro vers outro', "'vers' is no section"),
  ],
)
def test_what_tells_no_form_is_refused_with_a_remedy(text, cause):
  with pytest.raises(RequestError, match=cause) as error:
    Form.parse(text)
  assert error.value.code == 'form'
  assert 'AABA' in str(error.value)


def test_cases_and_single_letters():
  for label in 'ABCiox':
    section = Section(label, 4)
    assert section.melody == (label in 'ABC')
    assert section.recalls == (label in 'ABC')
  assert Section('b', 4).recalls
  assert not Section('X', 4).recalls
  assert set(WORDS.values()) == set('iABCPxo')


@pytest.mark.parametrize('text', ['AABA', 'i4A8B8o3', 'A4b6', 'io', 'A8o4'])
@pytest.mark.parametrize('wanted', [1, 20, 65, 90.5])
def test_no_other_number_of_times_is_nearer(text, wanted):
  form = Form.parse(text)
  long = form.lasting(wanted)
  middle = str(form).removeprefix('i4')
  for end in ('o3', 'o4'):
    middle = middle.removesuffix(end)
  head, tail = str(form).split(middle) if middle else (str(form), '')
  options = [Form.parse(head + middle * n + tail) for n in range(1, 12)]
  least = min(abs(option.bars - wanted) for option in options)
  assert abs(long.bars - wanted) == least
  assert str(long) in map(str, options)
