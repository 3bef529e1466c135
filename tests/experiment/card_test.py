"""What a card says of where its music is from."""

import os

import pytest

from aurl_jax.experiment import card


@pytest.mark.parametrize(
  ('place', 'table', 'told'),
  [
    ('/home/me/groove', 'groove', 'CC BY 4.0'),
    ('/home/me/mine', 'pop909', 'MIT'),
    ('chorales', '', 'public domain'),
    ('/home/me/openscore_lieder', 'all', 'CC0'),
    ('/home/me/mine', 'all', 'state it here'),
    # A folder's name alone says nothing of what is in it.
    ('/home/me/groove', '', 'state it here'),
  ],
)
def test_each_source_has_its_licence(place, table, told):
  assert told in card._source(place, table)
  assert '/home' not in card._source(place, table)


def test_places_of_a_machine_are_not_told():
  both = os.pathsep.join(['/home/me/songs', '/home/me/drums'])
  assert card._place(both) == f'songs{os.pathsep}drums'
