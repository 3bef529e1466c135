"""Training leaves an index; bundles, requests and the command line know it."""

import json

import pytest

from aurl_jax.cli.__main__ import main
from aurl_jax.core.errors import ConfigError
from aurl_jax.data.cache import TokenCache
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.experiment import (
  bundle,
  data,
  generate,
  original,
  sections,
)
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.generation.request import Request
from aurl_jax.music import midi
from aurl_jax.tokens.performance import Performance
from tests.evaluation import copying
from tests.integration import victim

SETTINGS = victim.SETTINGS | {'train.steps': 2, 'train.checkpoint_every': 2}


@pytest.fixture(scope='module')
def home(tmp_path_factory):
  home = tmp_path_factory.mktemp('home')
  with victim.trained(home, SETTINGS):
    yield home


@pytest.fixture(scope='module')
def cache(home):
  run = sections.parse(Workdir(home / 'run').read_config())
  return run, data.prepared(run, quiet=True)


def names(cache):
  return {entry['name'] for entry in cache['train'].pieces}


def said(words, capsys):
  capsys.readouterr()
  assert main([*words, '--json']) == 0
  return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_training_leaves_an_index_of_its_split(home, cache):
  run, prepared = cache
  index = original.kept(Workdir(home / 'run'))
  assert set(index.pieces) == names(prepared)
  assert index.cells_per_beat == run.tokenizer.grid.cells_per_beat
  for split, share in (('train', 1), ('valid', 0)):
    for ids in prepared[split]:
      assert index.report(run.tokenizer.decode(ids)).share == share


def test_files_are_told_by_the_command_line(home, cache, tmp_path, capsys):
  _, prepared = cache
  stolen = sorted(names(prepared))[0]
  path = home / 'songs' / stolen
  run, here = str(home / 'run'), str(tmp_path / 'it')
  own = tmp_path / 'own.mid'
  midi.write(copying.tune(5), own)
  bundle.from_run(run, here)
  for model in (run, here):
    first, second = said(['original', model, str(path), str(own)], capsys)
    assert first['file'] == str(path)
    assert first['run'] == {
      'notes': 48,
      'bar': 1,
      'track': 0,
      'source': {'piece': stolen, 'bar': 1, 'semitones': 0},
    }
    assert second['run'] is None
  assert main(['original', run, str(path)]) == 0
  shown = capsys.readouterr().out
  assert '100 %' in shown
  assert f'48 notes from bar 1: {stolen}, bar 1' in shown


def test_an_index_is_made_again(home, tmp_path, capsys):
  folder = Workdir(home / 'run')
  before = folder.index.read_bytes()
  folder.index.unlink()
  run, path = str(folder.root), str(home / 'songs' / '0.mid')
  assert generate.from_run(folder).index is None
  assert main(['original', run, path]) == 2
  assert 'aurl original RUN' in capsys.readouterr().err
  (made,) = said(['original', run, '--notes', '8'], capsys)
  assert made['notes'] == 8
  assert made['bytes'] == folder.index.stat().st_size
  assert generate.from_run(folder).index.notes == 8
  said(['original', run], capsys)
  assert folder.index.read_bytes() == before
  assert main(['original', run, path, '--notes', '8']) == 2
  assert main(['original', run, '--notes', '2']) == 2
  assert 'notes be 4 or more' in capsys.readouterr().err


def test_pieces_are_held_to_be_original(home, capsys):
  run = str(home / 'run')
  words = ['generate', run, '--steps', '24', '--out', str(home / 'out')]
  (told,) = said([*words, '--original', '16'], capsys)
  assert told['wishes'] == [
    ['no long run of notes from the training music', 'always']
  ]
  assert main([*words, '--original', '3']) == 2
  assert 'less than 12' in capsys.readouterr().err
  composer = generate.from_run(Workdir(home / 'run'))
  (piece,) = composer.generate(Request(steps=24, original=12))
  assert piece.report['original'] == piece.originality.as_dict()


def test_a_bundle_gets_the_index_of_a_page(home, tmp_path):
  folder = Workdir(home / 'run')
  out = str(tmp_path / 'it')
  bundle.from_run(str(folder.root), out)
  with_index = bundle_lib.load(out)
  (tmp_path / 'it' / 'originality.safetensors').unlink()
  told = json.loads((tmp_path / 'it' / 'digests.json').read_text())
  del told['originality.safetensors']
  (tmp_path / 'it' / 'digests.json').write_text(json.dumps(told))
  assert bundle_lib.load(out).index is None
  config = folder.read_config()
  facts = original.into_bundle(out, config)
  assert facts['pieces'] == len(with_index.index.pieces)
  assert bundle_lib.load(out).index.filter == with_index.index.filter
  config['tokenizer'] |= {'cells_per_beat': 6}
  with pytest.raises(ConfigError, match='another tokenizer than the page'):
    original.into_bundle(out, config)


def test_what_is_large_or_has_no_cells_is_left(home, cache, tmp_path, caplog):
  run, prepared = cache
  folder = Workdir(tmp_path)
  original.leave(folder, prepared, Performance())
  assert not folder.index.exists()
  with pytest.raises(ConfigError, match='Performance tells no cells'):
    original.of(prepared, Performance())
  manifest = {'splits': {'train': {'notes': original.MOST + 1}}}
  large = TokenCache(
    folder=prepared.folder, manifest=manifest, splits=prepared.splits
  )
  original.leave(folder, large, run.tokenizer)
  assert not folder.index.exists()
  assert 'aurl original' in caplog.text
