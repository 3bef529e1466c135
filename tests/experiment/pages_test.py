"""Pages: what a command line makes of them."""

import dataclasses
import textwrap

import jax
import pytest

from aurl_jax.configs import base, sizes
from aurl_jax.core import config as config_lib
from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import pages, sections, workdir
from aurl_jax.models import Model
from aurl_jax.tokens import bpe, remi
from aurl_jax.tokens import tokenizer as tokenizer_lib


@pytest.fixture
def page(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(
    textwrap.dedent("""
      from aurl_jax.configs import base

      def get_config(variant='prod'):
        config = base.get_config(variant)
        config.model.update(width=24, heads=3)
        return config
    """)
  )
  return path


def test_a_page_of_ones_own_inherits_the_base(page):
  config = pages.load(str(page))
  assert (config['model']['width'], config['model']['heads']) == (24, 3)
  assert config['train']['batch_size'] == 16


def test_shipped_pages_are_found_by_name_by_path_and_with_a_variant():
  by_name = pages.load(pages.find('tiny'))
  assert pages.load(pages.find('configs/tiny.py')) == by_name
  assert pages.load(pages.find('base:test'))['train']['steps'] == 20
  assert pages.load(pages.find('base'))['train']['steps'] != 20


def test_overrides_are_typed_by_the_page(page):
  overrides = ['model.width=48', 'optimizer.learning_rate=1', 'seed=7']
  config = pages.load(str(page), overrides)
  assert config['model']['width'] == 48
  assert config['optimizer']['learning_rate'] == 1.0
  assert isinstance(config['optimizer']['learning_rate'], float)
  assert config['seed'] == 7


@pytest.mark.parametrize(
  ('words', 'said'),
  [
    (['--config=tiny', '--config.modle.width=3'], "'model.width'"),
    (['--config=tiny', '--config.model.widht=3'], "'model.width'"),
    (['--config=tiny', '--config.model.width=wide'], 'model.width=wide'),
    (['--config=tiny', '--confg.seed=3'], 'confg.seed'),
    (['--config=tiny:fast'], 'dev, test, prod'),
    (['--config=quickstrat'], 'quickstart'),
    (['--config=tiny', 'extra'], 'extra'),
    (['--config=tiny', '--mode=play'], 'mode'),
  ],
)
def test_mistakes_are_named(words, said):
  with pytest.raises(ConfigError) as caught:
    pages.parse(words)
  assert said in str(caught.value)


def test_a_key_without_a_value_is_named():
  asked = ['train.steps', 'data.source=here']
  with pytest.raises(ConfigError, match=r'--set train\.steps: .* no value'):
    pages.load(pages.find('tiny'), asked)
  with pytest.raises(ConfigError, match=r'--set train\.steps: .* no value'):
    pages.override(pages.load(pages.find('tiny')), asked)


def test_another_class_does_not_get_what_the_page_told_the_first():
  grid = 'aurl_jax.tokens.grid:VoiceGrid'
  config = pages.load('tiny', [f'tokenizer.name={grid}'])
  assert config['tokenizer'] == {'name': grid}
  remi = 'aurl_jax.tokens.remi:Remi'
  both = [f'tokenizer.name={remi}', 'tokenizer.velocity_bins=8']
  assert pages.load('tiny', both)['tokenizer'] == {
    'name': remi,
    'velocity_bins': 8,
  }
  # A choice by name is no class: what stands beside it stays.
  optimizer = pages.load('tiny', ['optimizer.name=lion'])['optimizer']
  assert optimizer['warmup_steps'] == 5


def test_the_base_page_has_every_key_there_is():
  config = pages.load(pages.find('base'))
  for section, cls in sections.SECTIONS.items():
    assert set(config[section]) == {f.name for f in dataclasses.fields(cls)}


def test_flags_without_a_page_change_the_stored_config(tmp_path):
  stored = pages.load('tiny', ['data.source=/music', 'train.steps=3'])
  changed = pages.override(stored, ['train.steps=8'])
  assert changed['train']['steps'] == 8
  assert changed['data'] == stored['data']
  with pytest.raises(ConfigError, match=r"'train\.steps'"):
    pages.override(stored, ['train.stps=8'])
  workdir.Workdir(tmp_path).store(stored)
  for words in ([f'--workdir={tmp_path}'], ['--workdir', str(tmp_path)]):
    asked = pages.parse([*words, '--config.train.steps=8'])
    assert asked.config == changed
    assert asked.workdir == tmp_path


def test_help_shows_the_flags_on_stdout(capsys):
  with pytest.raises(SystemExit) as caught:
    pages.parse(['--help'])
  assert caught.value.code == 0
  shown = capsys.readouterr().out
  for word in ('--config', '--workdir', '--mode', '--allow'):
    assert word in shown


def test_a_page_that_is_no_python_is_named(tmp_path):
  path = tmp_path / 'broken.py'
  path.write_text('def get_config(:')
  with pytest.raises(ConfigError, match='cannot read the page'):
    pages.load(str(path))


def test_main_flags():
  asked = pages.parse(
    ['--config=tiny', '--workdir=runs/x', '--mode=evaluate', '--allow=mine']
  )
  assert str(asked.workdir) == 'runs/x'
  assert (asked.mode, asked.allow) == ('evaluate', ('mine',))
  assert pages.parse(['--workdir=runs/x']).config is None
  assert pages.parse([]).workdir is None


@pytest.mark.parametrize(
  ('size', 'millions'),
  [('tiny', 2), ('small', 12), ('base', 100), ('large', 350)],
)
def test_sizes_are_as_they_are_called(size, millions):
  run = sections.parse(sizes.get_config(size).to_dict())
  model = Model.build(run.model, run.tokenizer.codec.sizes)
  params = jax.eval_shape(model.init, jax.random.key(0))
  count = sum(leaf.size for leaf in jax.tree.leaves(params))
  assert count == pytest.approx(millions * 1e6, rel=0.1)
  assert run.model.context == 2048


def test_an_unknown_size_is_answered_with_those_there_are():
  with pytest.raises(LookupError, match='tiny, small, base, large'):
    sizes.apply(base.get_config(), 'huge')


def test_a_section_may_lie_in_a_file(page, tmp_path):
  kept = tmp_path / 'merged.json'
  merged = bpe.Bpe(base=remi.Remi(cells_per_beat=4), merges=((5, 6), (7, 8)))
  kept.write_text(config_lib.to_json(tokenizer_lib.save(merged)))
  config = pages.load(str(page), [f'tokenizer.name=@{kept}'])
  config['augment'] |= {'transpose': 0}
  assert sections.parse(config).tokenizer == merged
  with pytest.raises(ConfigError, match=r'tokenizer\.name: no section .*gone'):
    pages.load(str(page), [f'tokenizer.name=@{tmp_path}/gone.json'])
