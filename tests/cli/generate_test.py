"""Flags of `aurl generate`, as they become fields of a request."""

import argparse
import re

import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.cli import generate as generate_cli
from aurl_jax.experiment import generate
from aurl_jax.generation.remake import Arrange, Between, Like, Vary
from aurl_jax.generation.request import LINES
from aurl_jax.generation.wish import Wish
from aurl_jax.tokens import control_steps
from aurl_jax.tokens.controls import Controls, Levels


@pytest.fixture
def asked(monkeypatch):
  """What the verb asks for, instead of music."""
  found = []

  def to_folder(model, out, changes, *, quiet):
    del quiet
    found.append((model, out, changes))
    return {'rows': [], 'page': 'page'}

  monkeypatch.setattr(generate, 'to_folder', to_folder)
  return found


def test_bars_to_rewrite_and_what_stays(asked):
  words = ['--prompt', 'a.mid', '--rewrite', '4:8', '--given', 'melody']
  assert cli.main(['generate', 'm', *words, '--seed', '3', '--json']) == 0
  changes = {'prompt': 'a.mid', 'rewrite': (4, 8), 'given': 'melody', 'seed': 3}
  assert asked == [('m', 'out', changes)]


def test_a_form_goes_with_a_tempo_and_a_meter(asked):
  words = ['--form', 'AABA', '--minutes', '3', '--meter', '3/4']
  assert cli.main(['generate', 'm', *words, '--tempo', '84', '--json']) == 0
  changes = {'form': 'AABA', 'minutes': 3, 'meter': (3, 4), 'tempo': 84}
  assert asked == [('m', 'out', changes)]
  assert cli.main(['generate', 'm', '--tempo', '84', '--json']) == 0
  assert asked[1][2] == {'wish': (Wish(tempo=84.0),)}


def test_controls_are_named_one_by_one(asked):
  words = ['key=7', 'density=6', 'family=0', 'family=16', 'style=2']
  flags = [word for each in words for word in ('--control', each)]
  assert cli.main(['generate', 'm', *flags, '--guidance', '2', '--json']) == 0
  controls = Controls(
    piece=Levels(key=7, density=6), instruments=(0, 16), style=2
  )
  assert asked[0][2] == {'controls': controls, 'guidance': 2.0}


def test_families_have_names(asked, capsys):
  flags = ('--control', 'family=strings', '--control', 'family=Flute')
  cli.main(['generate', 'x', *flags, '--control', 'family=drums'])
  controls = Controls(instruments=(5, 9, 16))
  assert asked[0][2] == {'controls': controls}
  with pytest.raises(SystemExit):
    cli.main(['generate', 'x', '--control', 'family=kazoo'])
  assert "no instrument 'kazoo'" in capsys.readouterr().err


def test_controls_of_bars_are_told_in_turn(asked):
  words = ['density=3,,4x2', 'register=5', 'register=2x3,4']
  flags = [word for each in words for word in ('--control', each)]
  assert cli.main(['generate', 'm', *flags, '--json']) == 0
  bars = (
    Levels(density=3, register=2),
    Levels(register=2),
    Levels(density=4, register=2),
    Levels(density=4, register=4),
  )
  controls = Controls(piece=Levels(register=5), bars=bars)
  assert asked[0][2] == {'controls': controls}


def test_music_is_given_by_its_files(asked):
  words = ['--melody', 'a.mid', '--bass', 'b.mid', '--accompaniment', 'c.mid']
  assert cli.main(['generate', 'm', *words, '--json']) == 0
  changes = {'melody': 'a.mid', 'bass': 'b.mid', 'accompaniment': 'c.mid'}
  assert asked[0][2] == changes
  assert set(changes) == set(LINES)


def test_wishes_are_told_in_a_musicians_words(asked):
  words = [
    *('--bars', '16', '--key', 'D minor', '--chords', 'Am7 | D7 | %'),
    *('--instruments', 'piano,bass,drums', '--tempo', '96', '--meter', '3/4'),
    *('--polyphony', '4', '--density', '3-8', '--rhythm', '8', '--strict'),
    *('--range', 'flute=60-84', '--range', '40=55-90', '--each', '1'),
  ]
  assert cli.main(['generate', 'm', *words, '--json']) == 0
  wish = Wish(
    key='D minor',
    chords='Am7 | D7 | %',
    strict=True,
    instruments=('piano', 'bass', 'drums'),
    ranges=(('flute', (60, 84)), (40, (55, 90))),
    polyphony=4,
    each=1,
    density=(3, 8),
    rhythm='8',
    meter=(3, 4),
    tempo=96.0,
  )
  assert asked[0][2] == {'bars': 16, 'wish': (wish,)}


def test_a_rule_with_a_weight_is_a_wish_of_its_own(asked):
  words = [
    *('--key', 'C', '--chords', 'C | G', '--strict', '--density', '3-8'),
    *('--soft', 'chords=2', '--soft', 'density=0.5'),
  ]
  assert cli.main(['generate', 'm', *words, '--json']) == 0
  assert asked[0][2]['wish'] == (
    Wish(key='C'),
    Wish(chords='C | G', strict=True, weight=2.0),
    Wish(density=(3, 8), weight=0.5),
  )
  assert cli.main(['generate', 'm', '--key', 'C', '--soft', 'tempo=2']) == 2


def test_wishes_of_bars_in_turn_stand_between_commas(asked):
  words = [
    *('--key', 'C, G', '--density', '3-,4,0-2', '--meter', '3/4,4/4'),
    *('--rhythm', '8,0 1.5,2.5', '--polyphony', '2,3', '--tempo', '80,90.5'),
  ]
  assert cli.main(['generate', 'm', *words, '--json']) == 0
  wish = Wish(
    key=('C', 'G'),
    density=((3, None), (4, 4), (0, 2)),
    meter=((3, 4), (4, 4)),
    rhythm=('8', (0.0, 1.5), (2.5,)),
    polyphony=(2, 3),
    tempo=(80.0, 90.5),
  )
  assert asked[0][2] == {'wish': (wish,)}


def test_bars_to_infill_are_counted_from_one(asked):
  for word, span in (('5-8', (4, 8)), ('3', (2, 3))):
    words = ['--continue', 'a.mid', '--infill', word]
    assert cli.main(['generate', 'm', *words, '--json']) == 0
    assert asked.pop()[2] == {'prompt': 'a.mid', 'rewrite': span}


def test_what_was_kept_is_printed(monkeypatch, capsys):
  told = {'rows': [], 'page': 'p', 'wishes': [('notes of C', 'always')]}
  monkeypatch.setattr(generate, 'to_folder', lambda *_, quiet: told)
  assert cli.main(['generate', 'm', '--key', 'C']) == 0
  assert 'notes of C' in capsys.readouterr().out


def test_the_guide_tells_every_flag_and_no_other(repository):
  text = (repository / 'docs' / 'HOW_TO_GENERATE.md').read_text()
  section = text.split('## From the command line')[1].split('## From Python')[0]
  rows = [row for row in section.splitlines() if row.startswith('| `')]
  told = set(re.findall(r'--[a-z][a-z-]*', ' '.join(rows)))
  parser = argparse.ArgumentParser()
  generate_cli.add_arguments(parser)
  flags = {flag for action in parser._actions for flag in action.option_strings}
  assert told == {flag for flag in flags if flag.startswith('--')} - {
    '--help'
  } | {'--json'}


def test_every_kind_of_control_has_a_name():
  assert generate_cli._CONTROLS == control_steps.KINDS
  of_bars = set(Levels._fields) - {'key'}
  assert set(generate_cli._OF_BARS) == of_bars


@pytest.mark.parametrize(
  ('flag', 'word'),
  [
    ('--rewrite', '4'),
    ('--rewrite', 'a:b'),
    ('--control', 'tempo=3'),
    ('--control', 'key=c'),
    ('--control', 'key=3,4'),
    ('--control', 'density=3xa,4'),
    ('--control', 'density='),
    ('--given', 'drums'),
    ('--infill', '0-3'),
    ('--infill', '8-5'),
    ('--density', 'a-8'),
    ('--meter', '3'),
    ('--polyphony', 'many'),
    ('--range', '60-84'),
    ('--tempo', 'fast'),
    ('--soft', 'strict=2'),
    ('--soft', 'key=much'),
  ],
)
def test_flags_that_say_nothing_are_refused(asked, flag, word, capsys):
  with pytest.raises(SystemExit) as caught:
    cli.main(['generate', 'm', flag, word])
  assert caught.value.code == 2
  assert word in capsys.readouterr().err
  assert not asked


def test_other_music_becomes_values_of_a_request(asked):
  words = ['--continue', 'x.mid', '--infill', '5-8', '--like', 'y.mid']
  words += ['--likeness', '0.9', '--n', '8', '--seed', '1']
  assert cli.main(['generate', 'm', *words, '--json']) == 0
  assert asked[0][2] == {
    'prompt': 'x.mid',
    'rewrite': (4, 8),
    'like': Like('y.mid', 0.9),
    'n': 8,
    'seed': 1,
  }
  assert cli.main(['generate', 'm', '--vary', 'a.mid', '--json']) == 0
  assert asked[1][2] == {'remake': Vary('a.mid')}
  words = ['--between', 'a.mid', 'b.mid', '--orchestrate', 'violin, cello']
  assert cli.main(['generate', 'm', *words, '--humanise', '--json']) == 0
  assert asked[2][2] == {
    'remake': Between('a.mid', 'b.mid'),
    'arrange': Arrange(instruments=('violin', 'cello'), human=1.0),
  }


@pytest.mark.parametrize(
  ('words', 'told'),
  [
    (['--strength', '0.5'], 'give --vary FILE, too'),
    (['--likeness', '0.5'], 'give --like FILE, too'),
    (['--like', 'a.mid', '--likeness', '2'], 'likeness must be in 0..1'),
    (['--vary', 'a', '--between', 'a', 'b'], 'ask for one of them'),
    (['--orchestrate', 'kazoo'], 'no instrument'),
  ],
)
def test_what_of_other_music_cannot_be_is_refused(asked, capsys, words, told):
  assert cli.main(['generate', 'm', *words]) == 2
  assert told in capsys.readouterr().err
  assert asked == []
