import json
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractMesh, AxisType
from jax.sharding import PartitionSpec as P

from aurl_jax.models import Model, ModelConfig
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.critic import Critic, CriticConfig
from aurl_jax.models.latent_critic import LatentCritic
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.parallel import rules
from aurl_jax.tokens.marks import COUNT, Marks
from tests.models.counting import Counting

MESH = AbstractMesh((2, 2, 2), mesh_lib.AXES, axis_types=(AxisType.Auto,) * 3)


def shapes(mlp='gelu', **changes):
  config = ModelConfig(
    width=8, heads=2, layers=2, context=8, head_width=4, mlp=mlp, **changes
  )
  return jax.eval_shape(
    Model.build(config, (7, 6), Counting.of((7, 6))).init, jax.random.key(0)
  )


OPTIONS = (
  {},
  {'kv_heads': 1, 'positions': 'relative'},
  {'pattern': 'bars'},
  {'metrical': 8, 'shared_pitch': True},
  {'pattern': 'hierarchy'},
  {'lead': 1},
  {'activations': 8},
  {'heard': 'harmony,section'},
  {
    'mode': 'vae',
    'latent': LatentConfig(slot=3, piece=2, slots=4, oneshot=1),
  },
)


@pytest.mark.parametrize('mlp', ['gelu', 'swiglu'])
@pytest.mark.parametrize('options', OPTIONS)
def test_every_parameter_is_matched_by_exactly_one_rule(mlp, options):
  for path, _ in jax.tree_util.tree_leaves_with_path(shapes(mlp, **options)):
    name = rules.path_name(path)
    assert len(rules.matching(name)) == 1, name


def test_critics_are_laid_out_by_the_same_rules_or_lie_whole():
  marks = Marks((bytes(4 * COUNT * 5), bytes(4 * COUNT * 6)))
  critic = Critic(CriticConfig(width=8, layers=1), (5, 6), None, marks)
  matcher = LatentCritic(LatentConfig(slot=3, piece=2, slots=4))
  whole = 0
  for one in (critic, matcher):
    tree = {'gan': jax.eval_shape(one.init, jax.random.key(0))['params']}
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    for place, (_, leaf) in zip(
      rules.placements(tree, MESH), leaves, strict=True
    ):
      found = rules.matching(place.path)
      assert len(found) <= 1, place.path
      if found:
        assert len(found[0][1]) in (0, leaf.ndim), place.path
      else:
        assert set(place.spec) <= {None}, place.path
        whole += 1
  assert whole


def test_every_rule_matches_a_parameter():
  trees = [shapes('swiglu', **options) for options in OPTIONS]
  leaves = jax.tree_util.tree_leaves_with_path(trees)
  paths = [rules.path_name(path) for path, _ in leaves]
  for rule in rules.RULES:
    assert any(rule in rules.matching(path) for path in paths), rule


def test_an_optimizer_s_moments_lie_where_their_parameters_do():
  params = shapes()
  state = {'params': params, 'opt': ({'mu': params}, {'count': jnp.zeros(())})}
  placed = rules.shardings(state, MESH)
  assert placed['opt'][0]['mu'] == placed['params']
  assert placed['opt'][1]['count'].spec == P()
  kernel = placed['params']['decoder']['layers']['1']['mlp']['wide']['kernel']
  assert kernel.spec == P('fsdp', 'tensor')


def test_an_axis_that_does_not_divide_is_replicated_and_noted():
  tables = {'embed': {'tables': {'0': jnp.zeros((7, 8))}}}
  (place,) = rules.placements(tables, MESH)
  assert place.spec == P(None, None)
  assert place.note == 'tensor 2 does not divide 7: replicated'
  assert place.note in rules.describe(tables, MESH)


def test_a_moment_of_another_rank_is_replicated_and_noted():
  path = {'v_row': {'mlp': {'wide': {'kernel': jnp.zeros(8)}}}}
  (place,) = rules.placements(path, MESH)
  assert place.spec == P()
  assert place.note == '1 axes, not the 2 of the parameter: replicated'


@pytest.mark.parametrize('mlp', ['gelu', 'swiglu'])
@pytest.mark.parametrize('options', OPTIONS)
def test_every_rule_names_all_axes_of_its_parameter_or_none(mlp, options):
  tree = shapes(mlp, **options)
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    (rule,) = rules.matching(rules.path_name(path))
    assert len(rule[1]) in (0, leaf.ndim), path


def test_a_batch_is_split_by_rows():
  mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig(data=1))
  batch = {'ids': np.arange(6).reshape(2, 3)}
  placed = rules.place_batch(batch, mesh)
  assert placed['ids'].sharding.spec == P(('data', 'fsdp'))
  np.testing.assert_array_equal(placed['ids'], batch['ids'])


def test_rows_are_not_constrained_without_a_mesh():
  x = jnp.ones((3, 2))
  assert rules.constrain_rows(x) is x


STEPS = """
  import json, sys
  import jax, jax.numpy as jnp, numpy as np, optax
  from aurl_jax.models import Model, ModelConfig
  from aurl_jax.parallel import mesh as mesh_lib, rules

  config = mesh_lib.MeshConfig(**json.loads(sys.argv[1]))
  mesh_lib.host_devices(8)
  mesh = mesh_lib.make_mesh(config)
  model = Model.build(
    ModelConfig(width=16, heads=2, layers=2, context=16, head_width=8,
                dropout=0.1), (10, 6))
  optimizer = optax.adamw(1e-2)
  rng = np.random.default_rng(0)
  ids = rng.integers(1, 6, (8, 16, 2)).astype(np.int32)
  segments = np.repeat([[1] * 9 + [2] * 5 + [0] * 2], 8, axis=0)
  positions = np.repeat([[*range(9), *range(5), 0, 0]], 8, axis=0)
  arrays = ids, segments.astype(np.int32), positions.astype(np.int32)

  def create():
    params = model.init(jax.random.key(0))
    return params, optimizer.init(params)

  def step(state, batch, key):
    params, moments = state
    ids, segments, positions = batch
    targets = jnp.roll(ids, -1, axis=1)
    def loss(params):
      return -model.log_probs(
        params, ids, segments, positions, targets, key).mean()
    value, grads = jax.value_and_grad(loss)(params)
    updates, moments = optimizer.update(grads, moments, params)
    return (optax.apply_updates(params, updates), moments), value

  with mesh_lib.use(mesh):
    places = rules.shardings(jax.eval_shape(create), mesh)
    state = jax.jit(create, out_shardings=places)()
    batch = rules.place_batch(arrays, mesh)
    jitted = jax.jit(step, donate_argnums=0, out_shardings=(places, None))
    losses = []
    for i in range(20):
      state, value = jitted(state, batch, jax.random.key(i))
      losses.append(float(value))
  kernel = state[0]['decoder']['layers']['0']['mlp']['wide']['kernel']
  shard = kernel.addressable_shards[0].data.shape
  print(json.dumps({'losses': losses, 'shard': shard}))
"""


def losses_on(**config):
  done = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(STEPS), json.dumps(config)],
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  )
  result = json.loads(done.stdout.splitlines()[-1])
  return result['losses'], result['shard']


def test_one_device_and_eight_give_equal_losses():
  single, whole = losses_on(data=1)
  split, part = losses_on(data=2, fsdp=2, tensor=2)
  assert (whole, part) == ([16, 64], [8, 32])
  assert single[-1] < single[0]
  np.testing.assert_allclose(split, single, rtol=1e-5)


def test_a_single_process_reads_the_whole_batch():
  assert rules.share(mesh_lib.make_mesh(mesh_lib.MeshConfig())) == (0, 1)


@pytest.mark.parametrize(
  ('owners', 'shares'),
  [
    # Each process has rows of its own: data or fsdp over hosts.
    ([[0], [1], [2]], [(0, 3), (1, 3), (2, 3)]),
    ([[0, 0], [0, 0], [1, 1], [1, 1]], [(0, 2), (1, 2)]),
    # The order of the mesh counts, not that of the processes.
    ([[1], [0]], [(1, 2), (0, 2)]),
    # Tensor over hosts: two processes of the same rows.
    ([[0, 1]], [(0, 1), (0, 1)]),
    ([[0, 1], [2, 3]], [(0, 2), (0, 2), (1, 2), (1, 2)]),
    # No slices: interleaved, or of two sizes.
    ([[0], [1], [0], [1]], [(0, 1), (0, 1)]),
    ([[0], [0], [1]], [(0, 1), (0, 1)]),
    ([[0], [1], [1], [2]], [(0, 1)] * 3),
  ],
)
def test_processes_read_the_rows_that_their_devices_hold(owners, shares):
  owners = np.array(owners)
  assert [rules.slice_of(owners, p) for p in range(len(shares))] == shares
