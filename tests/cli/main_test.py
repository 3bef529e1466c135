"""The command line: its help, its exit codes, its errors."""

import json

import pytest

from aurl_jax.cli import __main__ as cli


@pytest.mark.parametrize('verb', cli.VERBS)
def test_every_verb_has_help_with_an_example(verb, capsys):
  with pytest.raises(SystemExit) as caught:
    cli.main([verb, '--help'])
  shown = capsys.readouterr().out
  assert caught.value.code == 0
  assert f'aurl {verb} ' in shown.split('Examples:')[1] + ' '
  assert '--json' in shown


def test_usage_errors_end_with_2(capsys):
  for words in ([], ['sing'], ['inspect'], ['tokens', 'x', '--bins', '3']):
    with pytest.raises(SystemExit) as caught:
      cli.main(words)
    assert caught.value.code == 2
  assert 'usage: aurl' in capsys.readouterr().err


def test_without_a_verb_all_of_them_are_told(capsys):
  with pytest.raises(SystemExit) as caught:
    cli.main([])
  assert caught.value.code == 2
  told = capsys.readouterr().err
  for verb, what in cli.VERBS.items():
    assert verb in told
    assert what in told


def test_bad_input_ends_with_2_and_names_the_file(tmp_path, capsys):
  missing = tmp_path / 'none.mid'
  assert cli.main(['tokens', str(missing)]) == 2
  assert str(missing) in capsys.readouterr().err
  assert cli.main(['tokens', str(missing), '--json']) == 2
  told = json.loads(capsys.readouterr().out)
  assert str(missing) in told['error']['message']
  assert told['error']['code']


def test_data_that_is_not_there_is_told_first(tmp_path, capsys):
  run, gone = tmp_path / 'run', tmp_path / 'gone'
  words = ['train', '--data', str(gone), '--workdir', str(run)]
  assert cli.main(words) == 2
  assert f'{gone} does not exist' in capsys.readouterr().err
  assert not run.exists()


def test_version(capsys):
  with pytest.raises(SystemExit) as caught:
    cli.main(['--version'])
  assert caught.value.code == 0
  assert capsys.readouterr().out[0].isdigit()
