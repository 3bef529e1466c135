"""The verbs that train, write and pack, as people and machines call them."""

import json

import numpy as np
import pytest

import aurl_jax
from aurl_jax.cli import __main__ as cli
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


def tune(number):
  """Returns 32 beats of a scale of its own."""
  pitch = 50 + (np.arange(32) * (number + 1)) % 24
  columns = {'onset': np.arange(32) * 480, 'duration': 480, 'pitch': pitch}
  return Notes.build(480, columns)


@pytest.fixture(scope='module')
def home(tmp_path_factory):
  home = tmp_path_factory.mktemp('home')
  (home / 'songs').mkdir()
  for number in range(14):
    midi.write(tune(number), home / 'songs' / f'{number}.mid')
  (home / 'songs' / 'broken.mid').write_bytes(b'no music')
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('AURL_CACHE', str(home / 'cache'))
    yield home


@pytest.fixture(scope='module')
def run(home):
  """A run of four steps, started with a page and a folder."""
  folder = home / 'run'
  words = ['--config', 'tiny:test', '--data', str(home / 'songs')]
  changes = ['train.steps=4', 'mesh.data=1', 'model.context=96', 'generate.n=1']
  for change in changes:
    words += ['--set', change]
  assert cli.main(['train', *words, '--workdir', str(folder)]) == 0
  return folder


def said(capsys):
  """Returns the one JSON document on stdout."""
  return json.loads(capsys.readouterr().out)


def steps(run):
  lines = (run / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line)['step'] for line in lines]


def test_a_run_is_made_longer_without_naming_its_page_again(run, capsys):
  before = json.loads((run / 'config.json').read_text())
  words = ['train', '--workdir', str(run), '--set', 'train.steps=6', '--json']
  assert cli.main(words) == 0
  assert said(capsys)['steps'] == 6
  assert steps(run) == [1, 2, 3, 4, 5, 6]
  after = json.loads((run / 'config.json').read_text())
  # What --json keeps from the console is not kept from later calls.
  assert after == before | {'train': before['train'] | {'steps': 6}}


def test_a_folder_is_free_after_a_start_that_failed(home, capsys):
  folder = home / 'failed'
  words = ['train', '--config', 'tiny:test', '--workdir', str(folder)]
  assert cli.main([*words, '--data', str(home / 'nowhere')]) == 2
  assert 'nowhere' in capsys.readouterr().err
  assert not (folder / 'config.json').exists()


def test_generate_writes_files_and_says_where(run, home, capsys):
  out = home / 'out'
  words = ['generate', str(run), '--out', str(out), '--seed', '3', '--json']
  assert cli.main([*words, '--steps', '60']) == 0
  found = said(capsys)
  assert found['page'] == str(out / 'index.html')
  assert [row[0] for row in found['rows']] == ['piece_1.mid']
  assert midi.read(out / 'piece_1.mid').issues == ()
  assert cli.main(['generate', str(run), '--temperature', '-1']) == 2


def test_bundle_makes_a_folder_that_loads(run, home, capsys):
  out = home / 'bundle'
  assert cli.main(['bundle', str(run), '--out', str(out)]) == 0
  assert str(out) in capsys.readouterr().out
  assert len(aurl_jax.load(out).generate(aurl_jax.Request(n=2, steps=40))) == 2
  assert cli.main(['generate', str(home / 'songs')]) == 2
  assert 'holds neither a run nor a bundle' in capsys.readouterr().err


def test_a_run_is_not_taken_for_a_damaged_bundle(run):
  with pytest.raises(aurl_jax.core.errors.BundleError, match='is a run'):
    aurl_jax.load(run)


def test_prepare_counts_and_names_what_it_leaves_out(home, capsys):
  out = home / 'prepared'
  words = ['prepare', str(home / 'songs'), '--out', str(out)]
  assert cli.main([*words, '--tokenizer', 'remi', '--json']) == 0
  assert said(capsys)['counts']['files'] == 15
  named = (out / 'files.jsonl').read_text()
  assert 'broken.mid' in named
  assert cli.main([*words, '--tokenizer', 'remi']) == 0
  assert cli.main([*words, '--tokenizer', 'rem']) == 2
  assert "did you mean 'remi'?" in capsys.readouterr().err


def test_tokens_name_the_file_they_cannot_hold(home, capsys):
  path = str(home / 'songs' / '0.mid')
  assert cli.main(['tokens', path, '--json']) == 0
  assert said(capsys)['file'] == path
  assert cli.main(['tokens', path, '--tokenizer', 'grid']) == 2
  assert path in capsys.readouterr().err


def test_names_that_are_no_text_are_printed_all_the_same(tmp_path, capsys):
  path = tmp_path / 'caf\udce9.mid'
  midi.write(tune(1), path)
  assert cli.main(['inspect', str(path), '--json']) == 0
  assert said(capsys)['file'] == str(path)
  assert cli.main(['inspect', str(path)]) == 0
  assert 'caf' in capsys.readouterr().out
