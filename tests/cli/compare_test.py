"""`aurl compare`, as a person and as a machine call it."""

import json

from aurl_jax.cli import __main__ as cli
from tests.experiment import folders


def test_it_says_where_the_page_is_and_what_differs(tmp_path, capsys):
  runs = [str(folders.make(tmp_path / 'one').root)]
  changed = folders.make(tmp_path / 'two', changes=['train.batch_size=4'])
  runs.append(str(changed.root))
  out = tmp_path / 'page.html'
  words = ['compare', *runs, '--out', str(out), '--n', '0']
  assert cli.main([*words, '--json']) == 0
  assert json.loads(capsys.readouterr().out) == {
    'page': str(out),
    'runs': ['one', 'two'],
    'differences': ['train.batch_size'],
  }
  assert out.read_text().startswith('<!doctype html>')
  assert cli.main(words) == 0
  assert 'train.batch_size' in capsys.readouterr().out


def test_a_folder_that_is_no_run_ends_with_2(tmp_path, capsys):
  run = str(folders.make(tmp_path / 'one').root)
  other = str(tmp_path / 'other')
  assert cli.main(['compare', run, other]) == 2
  assert other in capsys.readouterr().err
