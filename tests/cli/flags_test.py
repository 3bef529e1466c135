"""Flags that several verbs have."""

import argparse

import pytest

from aurl_jax.cli import flags


def parsed(*words):
  parser = argparse.ArgumentParser()
  flags.add_turn(parser)
  return parser.parse_args(words).turn


def test_dials_are_turned_by_numbers():
  assert parsed() is None
  words = ('--turn', 'density=+2', '--turn', 'register=-0.5')
  assert parsed(*words) == [('density', 2.0), ('register', -0.5)]


@pytest.mark.parametrize('word', ['density', '=2', 'density=', 'density=much'])
def test_what_is_no_turn_is_told(word, capsys):
  with pytest.raises(SystemExit):
    parsed('--turn', word)
  assert f'{word!r} is no NAME=FAR' in capsys.readouterr().err


@pytest.mark.parametrize('word', ['density=nan', 'density=inf'])
def test_turns_are_finite(word, capsys):
  with pytest.raises(SystemExit):
    parsed('--turn', word)
  assert 'such as density=+2' in capsys.readouterr().err
