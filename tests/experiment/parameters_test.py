import jax
import numpy as np
import optax
import pytest

from aurl_jax.experiment import parameters
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.models import Model, ModelConfig
from aurl_jax.training import state as state_lib
from aurl_jax.training.averages import AverageConfig
from aurl_jax.training.options import StepConfig

CONFIG = ModelConfig(
  width=16, layers=3, heads=2, context=8, head_width=4, mlp='gelu'
)
D, M, F = 16, 64, 4


def state(optimizer, **options):
  model = Model.build(CONFIG, (7, 5))
  return state_lib.abstract(model, optimizer, options=StepConfig(**options))


def test_the_table_counts_the_parts_of_a_model():
  found = {part.name: part for part in parameters.parts(state(optax.adam(0.1)))}
  counts = {name: part.count for name, part in found.items()}
  assert counts == {
    'embed': (7 + 5) * D,
    'attention': 3 * 4 * D * D,
    'mlp': 3 * 2 * D * M,
    'norm': (2 * 3 + 1) * D,
    'head': 2 * D * F + F * D,
  }
  for part in found.values():
    assert part.bytes == 4 * part.count
    assert part.optimizer == 2 * part.bytes


def test_averages_count_beside_the_optimizer():
  options = {'averages': AverageConfig(ema=0.9, average_every=2)}
  for part in parameters.parts(state(optax.sgd(0.1), **options)):
    assert part.optimizer == 2 * part.bytes, part


def test_only_moments_of_a_kind_are_counted():
  for part in parameters.parts(state(optax.sgd(0.1))):
    assert part.optimizer == 0


@pytest.mark.parametrize(
  ('path', 'part'),
  [
    ('decoder/layers/0/attention/qkv_kernel', 'attention'),
    ('decoder/norm/scale', 'norm'),
    ('head/fields/1/out/kernel', 'head'),
    ('decoder/relative/table', 'relative'),
    ('a', 'a'),
  ],
)
def test_parts_have_the_names_of_their_paths(path, part):
  assert parameters.part_of(path) == part


def test_a_table_has_all_parts_and_their_sum():
  rows = [
    parameters.Part(name='mlp', count=3000, bytes=12_000, optimizer=24_000),
    parameters.Part(name='embed', count=9000, bytes=36_000, optimizer=72_000),
  ]
  lines = parameters.table(rows).splitlines()
  assert [line.split()[0] for line in lines] == ['part', 'embed', 'mlp', 'all']
  assert lines[1].split()[1:] == [
    '9,000', '75.0', '%', '36.0', 'kB', '72.0', 'kB',
  ]  # fmt: skip
  assert lines[3].split()[1:4] == ['12,000', '100.0', '%']
  assert len({len(line) for line in lines}) == 1


def test_what_is_kept_is_read_again(tmp_path):
  folder = Workdir(tmp_path)
  assert parameters.read(folder) == ()
  found = parameters.parts(state(optax.adam(0.1)))
  parameters.keep(found, folder)
  assert parameters.read(folder) == found


def test_bytes_are_those_of_one_device():
  leaf = jax.ShapeDtypeStruct((8, 4), np.float32)
  (part,) = parameters.parts({'params': {'mlp': leaf}, 'opt': {}})
  assert (part.count, part.bytes) == (32, 128)
