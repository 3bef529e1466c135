"""Flags of `aurl generate`, as they become fields of a request."""

import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.cli import generate as generate_cli
from aurl_jax.experiment import generate
from aurl_jax.tokens import control_steps
from aurl_jax.tokens.controls import Controls, Levels


@pytest.fixture
def asked(monkeypatch):
  """What the verb asks for, instead of music."""
  found = []

  def to_folder(model, out, changes):
    found.append((model, out, changes))
    return {'rows': [], 'page': 'page'}

  monkeypatch.setattr(generate, 'to_folder', to_folder)
  return found


def test_bars_to_rewrite_and_what_stays(asked):
  words = ['--prompt', 'a.mid', '--rewrite', '4:8', '--given', 'melody']
  assert cli.main(['generate', 'm', *words, '--seed', '3', '--json']) == 0
  changes = {'prompt': 'a.mid', 'rewrite': (4, 8), 'given': 'melody', 'seed': 3}
  assert asked == [('m', 'out', changes)]


def test_controls_are_named_one_by_one(asked):
  words = ['key=7', 'density=6', 'family=0', 'family=16', 'style=2']
  flags = [word for each in words for word in ('--control', each)]
  assert cli.main(['generate', 'm', *flags, '--guidance', '2', '--json']) == 0
  controls = Controls(
    piece=Levels(key=7, density=6), instruments=(0, 16), style=2
  )
  assert asked[0][2] == {'controls': controls, 'guidance': 2.0}


def test_every_kind_of_control_has_a_name():
  assert generate_cli._CONTROLS == control_steps.KINDS


@pytest.mark.parametrize(
  ('flag', 'word'),
  [
    ('--rewrite', '4'),
    ('--rewrite', 'a:b'),
    ('--control', 'tempo=3'),
    ('--control', 'key=c'),
    ('--given', 'drums'),
  ],
)
def test_flags_that_say_nothing_are_refused(asked, flag, word, capsys):
  with pytest.raises(SystemExit) as caught:
    cli.main(['generate', 'm', flag, word])
  assert caught.value.code == 2
  assert word in capsys.readouterr().err
  assert not asked
