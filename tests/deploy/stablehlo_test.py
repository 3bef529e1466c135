import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import bundle, stablehlo
from aurl_jax.deploy.stablehlo import Sizes
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.tokens.places import Places
from tests.deploy import exported

pytest.importorskip('flatbuffers', reason='the extra export is not installed')
SIZES = Sizes(prompt=4, room=24)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  home = tmp_path_factory.mktemp('stablehlo')
  own = exported.save(home / 'bundle', 'lead')
  rows = exported.rows('lead')
  return own, stablehlo.write(home / 'out', own, rows, SIZES), home / 'out'


def test_programs_say_what_their_model_says_for_any_batch(made):
  _, manifest, folder = made
  assert manifest['parity']['largest'] < 1e-4
  assert manifest['parity']['agreement'] == 1.0
  # Three rows were read, and now one.
  found = stablehlo.load(folder)(exported.rows('lead', 1, 3))
  assert found[0].shape[:2] == (1, 3)


def test_a_prompt_is_read_at_once_as_step_by_step(made):
  _, _, folder = made
  programs = stablehlo.load(folder)
  rows = jnp.asarray(exported.rows('lead', 2, 6))
  start = jnp.zeros(2, jnp.int32)
  hidden, _ = programs.prefill(rows[:, :4], start, rows[:, 1:5])
  given = jnp.zeros((2, 4, 7), jnp.int32).at[:, -1].set(rows[:, 0])
  after = jnp.zeros_like(given).at[:, -1].set(rows[:, 1])
  other, cache = programs.prefill(given, start + 3, after)
  for step in range(1, 4):
    other, cache = programs.step(
      cache, rows[:, step], jnp.int32(3 + step), rows[:, step + 1]
    )
  np.testing.assert_allclose(hidden, other, rtol=1e-4, atol=1e-5)


def test_programs_are_for_all_platforms_and_take_the_weights(made):
  _, manifest, folder = made
  assert manifest['model']['platforms'] == ['cpu', 'cuda', 'tpu']
  sizes = {path.name: path.stat().st_size for path in folder.glob('*.bin')}
  # Weights lie beside the programs, not in each.
  assert max(sizes.values()) < 300_000
  call = stablehlo.jax.export.deserialize(
    bytearray((folder / 'step.bin').read_bytes())
  )
  assert call.platforms == ('cpu', 'cuda', 'tpu')


def test_altered_programs_are_not_run(made, tmp_path):
  _, _, folder = made
  for path in folder.iterdir():
    (tmp_path / path.name).write_bytes(path.read_bytes())
  # What the manifest does not list is not even read.
  (tmp_path / 'more.bin').write_bytes(b'no program')
  stablehlo.load(tmp_path)
  (tmp_path / 'step.bin').write_bytes(b'other')
  with pytest.raises(BundleError, match=r'step\.bin') as caught:
    stablehlo.load(tmp_path)
  assert caught.value.code == 'altered'


@pytest.mark.parametrize(
  'sizes', [Sizes(prompt=0), Sizes(prompt=70), Sizes(room=65)]
)
def test_sizes_that_do_not_fit_are_refused(made, tmp_path, sizes):
  with pytest.raises(BundleError, match='context of 64') as caught:
    stablehlo.write(tmp_path / 'out', made[0], None, sizes)
  assert caught.value.code == 'export'


def test_the_bundle_is_left_as_it_was(made):
  assert bundle.load(made[0]).model.config.attention == 'auto'


@pytest.mark.slow
@pytest.mark.parametrize(
  'changes',
  [
    {'positions': 'musical', 'width': 64},
    {'positions': 'relative'},
  ],
  ids=str,
)
def test_positions_that_onnx_does_not_know_are_exported(changes, tmp_path):
  tokenizer = exported.COMPOUND
  values = {'width': 32, 'layers': 1, 'heads': 2, 'context': 64} | changes
  config = ModelConfig(head_width=8, **values)
  model = Model.build(config, tokenizer.codec.sizes, Places.of(tokenizer))
  composer = exported.Composer(
    model=model, params=model.init(jax.random.key(0)), tokenizer=tokenizer
  )
  own = bundle.save(tmp_path / 'bundle', composer)
  rows = exported.rows('plain')
  found = stablehlo.write(tmp_path / 'out', own, rows, SIZES)['parity']
  assert found['largest'] < 1e-4
  assert found['agreement'] == 1.0


@pytest.mark.parametrize('pattern', ['bars', 'hierarchy'])
def test_what_is_not_exported_is_named(pattern, tmp_path):
  config = ModelConfig(width=16, layers=1, heads=2, context=64, pattern=pattern)
  tokenizer = exported.COMPOUND
  model = Model.build(config, tokenizer.codec.sizes, Places.of(tokenizer))
  composer = exported.Composer(
    model=model, params=model.init(jax.random.key(0)), tokenizer=tokenizer
  )
  own = bundle.save(tmp_path / 'bundle', composer)
  with pytest.raises(BundleError, match=f"'{pattern}' are not exported") as e:
    stablehlo.write(tmp_path / 'out', own, None, SIZES)
  assert e.value.code == 'export'
