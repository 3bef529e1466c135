"""Classes of form, of forms that textbooks name."""

import numpy as np
import pytest

from aurl_jax.studies.structure import forms
from aurl_jax.studies.structure.labels import Sections


def sections(letters, like=1.0, turned=None):
  count = len(letters)
  steps = np.zeros(count, np.int64)
  for place, step in (turned or {}).items():
    steps[place] = step
  likes = np.full(count, like)
  return Sections(8 * np.arange(count), tuple(letters), likes, steps)


@pytest.mark.parametrize(
  ('letters', 'expected'),
  [
    ('', 'empty'),
    ('A', 'single'),
    ('iAo', 'single'),
    ('ABCD', 'through-composed'),
    ('iABCo', 'through-composed'),
    ('AAAA', 'strophic'),
    ('AABB', 'binary'),
    ('ABA', 'ternary'),
    ('AABBA', 'ternary'),
    ('AABA', 'AABA'),
    ('iAABAo', 'AABA'),
    ('AABAAABA', 'AABA'),
    ('AABABA', 'AABA'),
    ('ABACA', 'rondo'),
    ('ABACADA', 'rondo'),
    ('iABxABBo', 'verse-chorus'),
    ('iAABBxAABBCBBo', 'verse-chorus'),
    ('ABCB', 'mixed'),
    ('ix', 'single'),
    ('aba', 'ternary'),
    ('abcb', 'mixed'),
    ('abab', 'verse-chorus'),
  ],
)
def test_forms_have_their_names(letters, expected):
  assert forms.classify(sections(letters)) == expected
  assert expected in forms.CLASSES


def test_returns_that_vary_are_variations():
  assert forms.classify(sections('AAAA', like=0.75)) == 'variations'


def test_a_sonata_brings_its_second_theme_home():
  home = {5: -5}
  assert forms.classify(sections('ABCDAB', turned=home)) == 'sonata-like'
  assert forms.classify(sections('ABCDAB')) != 'sonata-like'


def test_a_form_is_told_as_in_the_labels():
  assert forms.told(sections('iAB'), 20) == 'i8A8B4'
