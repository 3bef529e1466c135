"""Letters of sections, of songs whose letters are known."""

import numpy as np
import pytest

from aurl_jax.studies.structure import labels, views
from tests.studies.structure import songs


def told(form, turned=None, bars=8):
  count = len(form) * bars
  notes = songs.song(form, bars, turned)
  seen = views.see(notes, songs.BAR * np.arange(count + 1))
  return labels.label(seen, np.array(songs.starts(form, bars)))


@pytest.mark.parametrize(
  ('form', 'expected'),
  [
    ('AABA', 'AABA'),
    ('-ABAB-', 'aABABa'),
    ('-AB', 'iAB'),
    ('AB-', 'ABo'),
    ('A-B', 'AxB'),
    ('CAC', 'ABA'),
  ],
)
def test_letters_are_those_of_the_song(form, expected):
  assert ''.join(told(form).letters) == expected


def test_a_return_tells_how_high_it_is():
  found = told('ABAB', {2: 2, 3: -3})
  assert found.letters == ('A', 'B', 'A', 'B')
  assert found.turned.tolist() == [0, 0, 2, -3]
  assert found.like == pytest.approx([1, 1, 1, 1])


def test_sections_of_other_lengths_may_be_alike():
  notes = songs.song('AA')
  seen = views.see(notes, songs.BAR * np.arange(17))
  found = labels.label(seen, np.array([0, 8, 15]))
  assert found.letters[:2] == ('A', 'A')
  assert labels.likeness(seen[0:8], seen[8:10]) == (0.0, 0)


def test_letters_do_not_run_out():
  names = labels._named(np.arange(60), np.ones(60, bool))
  assert len(set(names)) == 60
  assert 'X' not in names
