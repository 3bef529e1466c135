"""`aurl listen`, as people and as machines call it."""

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.listening.answers import Answers
from tests.cli.watch_test import _HEEDING
from tests.listening import listeners, songs


@pytest.fixture(scope='module')
def home(tmp_path_factory):
  home = tmp_path_factory.mktemp('listen')
  for name, seed in (('a', 0), ('b', 50), ('people', 90)):
    songs.folder(home, name, 3, seed=seed)
  words = ['listen', 'new', '--kind', 'mos', '--plain', '--seconds', '1']
  words += ['--system', f'a={home}/a', '--system', f'b={home}/b']
  words += ['--reference', f'{home}/people', '--pairs', '2', '--bars', '1-2']
  (home / 'consent.txt').write_text('I agree.\n')
  words += ['--consent', str(home / 'consent.txt')]
  assert cli.main([*words, '--out', str(home / 'test')]) == 0
  return home


def said(capsys):
  return json.loads(capsys.readouterr().out)


def test_a_plan_is_a_table(capsys):
  words = ['listen', 'plan', '--effect', '0.8', '--trials', '4']
  assert cli.main([*words, '--trials', '12', '--json']) == 0
  rows = said(capsys)
  assert [row['trials'] for row in rows] == [4, 12]
  assert rows[0]['listeners'] > rows[1]['listeners']
  for row in rows:
    assert row['power'] >= 0.8
    # Two clips of 12 seconds and an answer.
    assert row['minutes'] == round(row['trials'] * 32 / 60, 1)
    assert abs(row['power'] - row['simulated']) < 0.05
  assert cli.main(words) == 0
  assert '4 ' in capsys.readouterr().out
  assert cli.main(['listen', 'plan', '--effect', '0.3']) == 2
  assert '0.5' in capsys.readouterr().err
  mos = ['listen', 'plan', '--kind', 'mos', '--effect', '1', '--trials', '8']
  assert cli.main([*mos, '--json']) == 0
  assert said(capsys)[0]['listeners'] < 12


def test_a_test_is_made_taken_and_analysed(home, capsys):
  capsys.readouterr()
  assert cli.main(['listen', 'analyze', str(home / 'test')]) == 2
  assert 'none is through' in capsys.readouterr().err
  kept = Answers.open_in(home / 'test')
  assert kept.test.consent == 'I agree.'

  def answer(trial, urls):
    del urls
    if trial.check:
      return trial.right
    return {'a': '4', 'b': '2', 'reference': '5'}[trial.pair.split('/')[0]]

  for _ in range(6):
    listeners.listen(kept, answer)
  words = ['listen', 'analyze', str(home / 'test'), '--out', str(home / 'told')]
  assert cli.main([*words, '--json']) == 0
  report = said(capsys)
  assert report['results']['means']['a'] == [4.0, 4.0, 4.0]
  assert report['results']['contrasts']['a - b']['p'] == 2 / 64
  stored = json.loads((home / 'told/report.json').read_text())
  assert stored == {k: v for k, v in report.items() if k != 'page'}
  assert cli.main(words) == 0
  shown = capsys.readouterr().out
  assert 'a - b' in shown
  assert 'report.html' in shown


def test_a_test_is_served_until_it_is_interrupted(home):
  words = [sys.executable, '-c', _HEEDING, 'listen', 'serve', '--json']
  words += ['--port', '0', str(home / 'test')]
  with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
    try:
      address = json.loads(server.stdout.readline())['address']
      with urllib.request.urlopen(f'{address}api/test', timeout=30) as answer:
        assert json.load(answer)['kind'] == 'mos'
      server.send_signal(signal.SIGINT)
      assert server.wait(30) == 0
    finally:
      server.kill()


def test_a_test_is_exported(home, capsys):
  capsys.readouterr()
  words = ['listen', 'export', str(home / 'test'), '--out', str(home / 'web')]
  assert cli.main([*words, '--json']) == 0
  assert said(capsys)['pages'] == 2


def test_mirex_both_ways(home, capsys):
  capsys.readouterr()
  source = str(home / 'a' / 'piece_0.mid')
  prompt, back = str(home / 'prompt.json'), str(home / 'back.mid')
  words = ['listen', 'mirex', source, '--out', prompt, '--form', 'prompt']
  assert cli.main([*words, '--no-pickup', '--json']) == 0
  assert said(capsys) == {'out': prompt, 'notes': 16}
  notes = json.loads((home / 'prompt.json').read_text())['prompt']
  assert notes[0]['start'] == 16
  assert cli.main(['listen', 'mirex', prompt, '--out', back, '--json']) == 0
  assert said(capsys)['notes'] == 16
  assert cli.main(['listen', 'mirex', prompt, '--out', prompt]) == 2
  assert '--form' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('words', 'message'),
  [
    (['--system', 'a'], 'NAME=DIR'),
    (['--system', 'a=x', '--system', 'a=y'], 'each name once'),
    (['--system', 'a=x', '--bars', '4'], 'FIRST-LAST'),
    (['--system', 'a=x', '--bars', '4-2'], 'FIRST-LAST'),
    (['--system', 'a=x', '--consent', '/nowhere.txt'], '/nowhere.txt'),
  ],
)
def test_flags_that_say_nothing_are_refused(words, message, tmp_path, capsys):
  out = ['--out', str(tmp_path / 'test')]
  assert cli.main(['listen', 'new', *words, *out]) == 2
  assert message in capsys.readouterr().err


def test_a_folder_that_is_no_test(tmp_path, capsys):
  for action in ('serve', 'analyze'):
    assert cli.main(['listen', action, str(tmp_path), '--json']) == 2
    assert said(capsys)['error']['code'] == 'no_test'
