"""Runs that begin with the parameters of a bundle or of another run."""

import logging

import jax
import numpy as np
import pytest

from aurl_jax.cli.__main__ import main
from aurl_jax.core.errors import BundleError, ConfigError
from aurl_jax.core.writers import read_jsonl
from aurl_jax.experiment import (
  beginning,
  build,
  bundle,
  evaluate,
  generate,
  pages,
  sections,
  train,
)
from aurl_jax.experiment.workdir import Workdir
from tests.integration import victim


@pytest.fixture(scope='module')
def home(tmp_path_factory):
  """Returns a folder with songs, a trained run and a bundle of it."""
  home = tmp_path_factory.mktemp('home')
  victim.songs(home / 'songs')
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('AURL_CACHE', str(home / 'cache'))
    train.run(page(home, 'train.ema=0.5'), Workdir(home / 'run'))
    bundle.from_run(str(home / 'run'), str(home / 'bundle'))
    yield home


def page(home, *overrides):
  settings = victim.SETTINGS | {
    'data.source': home / 'songs',
    'train.steps': 6,
  }
  texts = [f'{name}={value}' for name, value in settings.items()]
  return pages.load(pages.find('tiny:test'), [*texts, *overrides])


def parts_of(home, *overrides):
  return build.build(sections.parse(page(home, *overrides)))


def flat(tree):
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  return {jax.tree_util.keystr(path): np.asarray(x) for path, x in leaves}


def assert_same(left, right):
  left, right = flat(left), flat(right)
  assert left.keys() == right.keys()
  for name, array in left.items():
    np.testing.assert_array_equal(array, right[name], err_msg=name)


@pytest.mark.parametrize('kind', ['run', 'bundle'])
def test_parameters_and_average_are_the_others_and_the_rest_is_fresh(
  home, kind
):
  parts = parts_of(
    home, f'train.begin_from={home / kind}', 'train.ema=0.9', 'seed=5'
  )
  begun, fresh = beginning.state(parts), parts.fresh_state()
  trained = generate.from_run(Workdir(home / 'run')).params
  assert_same(begun['params'], trained)
  assert_same(begun['ema'], trained)
  for name in fresh.keys() - {'params', 'ema'}:
    assert_same(begun[name], fresh[name])
  drawn = flat(fresh['params'])
  assert any(
    np.any(array != drawn[name])
    for name, array in flat(begun['params']).items()
  )


def test_without_another_model_all_is_fresh(home):
  parts = parts_of(home)
  assert_same(beginning.state(parts), parts.fresh_state())


def test_a_run_learns_on_from_where_the_other_stood(home, tmp_path):
  untrained = train.run(page(home, 'train.steps=1'), Workdir(tmp_path / 'a'))
  begun = train.run(
    page(home, 'train.steps=1', f'train.begin_from={home / "bundle"}'),
    Workdir(tmp_path / 'b'),
  )
  assert begun['valid/loss'] < untrained['valid/loss']
  card = Workdir(tmp_path / 'b').card.read_text()
  assert 'train.begin_from = "bundle"' in card
  assert str(home) not in card


def test_another_context_is_no_other_model(home):
  longer = parts_of(
    home, 'model.context=64', f'train.begin_from={home / "bundle"}'
  )
  trained = generate.from_run(Workdir(home / 'run')).params
  assert_same(beginning.state(longer)['params'], trained)


def test_what_the_other_lacks_is_drawn_and_named(home, caplog):
  parts = parts_of(
    home, 'model.metrical=48', f'train.begin_from={home / "bundle"}'
  )
  with caplog.at_level(logging.INFO):
    begun = beginning.state(parts)
  assert 'drawn anew: metrical_embed' in caplog.text
  fresh = parts.fresh_state()['params']['metrical_embed']
  np.testing.assert_array_equal(begun['params']['metrical_embed'], fresh)
  trained = generate.from_run(Workdir(home / 'run')).params
  assert_same(
    {k: v for k, v in begun['params'].items() if k != 'metrical_embed'}, trained
  )


@pytest.mark.parametrize(
  ('change', 'words'),
  [
    ('model.width=32', r'another model.*\(.*16.*\) there.*32.*--from'),
    ('tokenizer.cells_per_beat=8', r'other ids.*cells_per_beat.*--from'),
  ],
)
def test_another_model_is_refused_with_what_differs(home, change, words):
  parts = parts_of(home, change, f'train.begin_from={home / "bundle"}')
  with pytest.raises(ConfigError, match=f'(?s){words}') as info:
    beginning.state(parts)
  assert info.value.code == 'other_model'


def test_no_such_model(home):
  parts = parts_of(home, 'train.begin_from=nowhere')
  with pytest.raises(BundleError, match=r'nowhere.*chorale'):
    beginning.state(parts)


@pytest.mark.parametrize('kind', ['run', 'bundle'])
def test_a_page_is_built_like_the_other(home, kind):
  base = pages.load(pages.find('base'))
  values = beginning.like(base, str(home / kind))
  like = page(home)
  assert values['model']['width'] == 16 != base['model']['width']
  own = {**like['model'], 'attention': values['model']['attention']}
  assert values['model'] == own
  assert sections.parse(values).tokenizer == sections.parse(like).tokenizer
  assert values['data'] == base['data']
  assert values['train'] == base['train'] | {'begin_from': str(home / kind)}


def test_the_command_line_begins_goes_on_and_refuses_another(
  home, tmp_path, capsys
):
  words = [
    *('train', '--config', 'tiny:test', '--data', str(home / 'songs')),
    *('--workdir', str(tmp_path / 'mine'), '--from', str(home / 'bundle')),
  ]
  for name, value in victim.SETTINGS.items():
    if not name.startswith('model'):
      words += ['--set', f'{name}={value}']
  assert main([*words, '--set', 'train.steps=2']) == 0
  stored = Workdir(tmp_path / 'mine').read_config()
  assert stored['model']['width'] == 16
  assert stored['train']['begin_from'] == str(home / 'bundle')
  assert main([*words, '--set', 'train.steps=3']) == 0
  capsys.readouterr()
  other = [str(home / 'run') if w == str(home / 'bundle') else w for w in words]
  assert main(other) == 2
  assert 'train.begin_from' in capsys.readouterr().err


def test_the_other_is_judged_before_the_first_step(home, tmp_path):
  folder = Workdir(tmp_path / 'run')
  change = f'train.begin_from={home / "bundle"}'
  result = train.run(page(home, change, 'train.steps=1'), folder)
  first = read_jsonl(folder.metrics)[0]
  assert first['step'] == 0
  assert result['before/valid/loss'] == first['valid/loss']
  # What the other run said of itself in the end, of the same pieces.
  own = evaluate.run(None, Workdir(home / 'run'))
  assert first['valid/loss'] == pytest.approx(own['valid/loss'], rel=1e-5)
  again = train.run(page(home, change, 'train.steps=2'), folder)
  assert again['before/valid/loss'] == result['before/valid/loss']
  assert again['valid/loss'] != result['valid/loss']


@pytest.mark.parametrize('name', ['chorale', 'pop', 'pop_dials'])
def test_each_shipped_model_goes_on_without_a_page(name, tmp_path):
  values = beginning.like(pages.load(pages.find(beginning.page(name))), name)
  run = sections.parse(values)
  assert run.train.begin_from == name
  assert run.data.controls == ('bars' if name == 'pop' else 'none')
  assert run.objective.infills == (name == 'pop')
