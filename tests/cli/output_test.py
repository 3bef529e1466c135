"""What people read: numbers short, mappings in words, nothing empty."""

import pytest

from aurl_jax.cli import output


@pytest.mark.parametrize(
  ('value', 'shown'),
  [
    (6.333533351961622, '6.334'),
    (19907.0, '19,907'),
    (11071, '11,071'),
    (True, 'yes'),
    (['Violin 1', 'Cello'], 'Violin 1, Cello'),
    ('out/index.html', 'out/index.html'),
    ({'files': 30, 'ok': 29}, 'files 30, ok 29'),
    ({'train': {'pieces': 27}, 'valid': {'pieces': 1}}, 'train (pieces 27), v'),
  ],
)
def test_values_are_for_people(value, shown, capsys):
  output.facts({'told': value})
  assert shown in capsys.readouterr().out


@pytest.mark.parametrize('value', [None, '', (), [], {}])
def test_what_is_empty_is_left_out(value, capsys):
  output.facts({'empty': value, 'none': 0})
  shown = capsys.readouterr().out
  assert 'empty' not in shown
  assert shown.split() == ['none', '0']
