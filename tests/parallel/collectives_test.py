import json
import subprocess
import sys
import textwrap

import pytest

from aurl_jax.core.errors import AurlError
from aurl_jax.parallel import collectives
from aurl_jax.parallel.collectives import Collective

HLO = """
HloModule jit_step, is_scheduled=true

%body (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %gather = f32[64,2]{1,0} all-gather(%x), channel_id=1, \
replica_groups=[2,4]<=[8], dimensions={0}
  ROOT %t = (s32[], f32[8]) tuple(%i, %y)
}

%cond (p: (s32[], f32[8])) -> pred[] {
  ROOT %less = pred[] compare(%a, %b), direction=LT
}

ENTRY %main (a: f32[8]) -> f32[8] {
  %reduce = (bf16[10]{0}, /*index=1*/f32[]) all-reduce(%a, %b), \
replica_groups={{0,1,2,3},{4,5,6,7}}, to_apply=%add
  %scatter = f32[6]{0} reduce-scatter(%c), \
replica_groups=mesh['axis_0'=2,'axis_1'=4] {'axis_1'}, to_apply=%add
  %product = f32[32,4]{1,0} all-reduce(%g), \
replica_groups=mesh['axis_0'=4,'axis_1'=1,'axis_2'=2], \
device_ids=([2,4]T(1,0)) {'axis_0'}, to_apply=%add
  %alone = f32[100]{0} all-reduce(%d), \
replica_groups=mesh['axis_0'=8,'axis_1'=1] {'axis_1'}, to_apply=%add
  %loop = (s32[], f32[8]) while(%t), condition=%cond, body=%body, \
backend_config={"known_trip_count":{"n":"3"}}
  %start = (f32[2]{0}, f32[16]{0}) all-gather-start(%e), \
replica_groups={{0,1,2,3,4,5,6,7}}, dimensions={0}
  %done = f32[16]{0} all-gather-done(%start)
  ROOT %move = f32[5]{0} collective-permute(%f), source_target_pairs={{0,1}}
}
"""


def test_every_kind_of_collective_is_read():
  assert set(collectives.collectives(HLO)) == {
    Collective('collective-permute', 20, 2),
    Collective('reduce-scatter', 24, 4),
    Collective('all-reduce', 24, 4),
    Collective('all-reduce', 512, 4),
    Collective('all-gather', 64, 8),
    Collective('all-gather', 512, 4, times=3),
  }


def test_bytes_are_those_of_the_best_algorithms():
  assert collectives.sent(HLO) == {
    'collective-permute': 20,
    'reduce-scatter': 3 * 24,
    'all-reduce': 2 * 3 / 4 * (24 + 512),
    'all-gather': 7 / 8 * 64 + 3 * 3 / 4 * 512,
  }


PROGRAM = """
  import json, sys
  import jax, jax.numpy as jnp
  from jax.sharding import NamedSharding, PartitionSpec as P
  from aurl_jax.parallel import collectives, mesh as mesh_lib, rules

  mesh_lib.host_devices(8)
  found = {}
  for name, axes in {'data': (8, 1), 'fsdp': (2, 4)}.items():
    config = mesh_lib.MeshConfig(data=axes[0], fsdp=axes[1])
    mesh = mesh_lib.make_mesh(config)
    put = lambda shape, *spec: jax.ShapeDtypeStruct(
      shape, jnp.float32, sharding=NamedSharding(mesh, P(*spec)))
    kernel, x = put((64, 32), 'fsdp'), put((1024, 64), ('data', 'fsdp'))
    loss = lambda kernel, x: jnp.square(
      rules.constrain_rows(jnp.sin(x @ kernel))).sum()
    with mesh_lib.use(mesh):
      step = jax.jit(jax.grad(loss), out_shardings=kernel.sharding)
      text = step.lower(kernel, x).compile().as_text()
    found[name] = collectives.sent(text)
  print(json.dumps(found))
"""


@pytest.fixture(scope='module')
def found():
  """Returns what a program of one matrix sends on eight devices, by mesh."""
  done = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(PROGRAM)],
    capture_output=True,
    text=True,
    timeout=300,
    check=True,
  )
  return json.loads(done.stdout.splitlines()[-1])


def test_data_parallel_reduces_each_gradient_once(found):
  assert found['data'] == {'all-reduce': 2 * 7 / 8 * 64 * 32 * 4}


def test_fsdp_gathers_what_it_split(found):
  # The matrix, for the forward pass: the backward one has no use for it.
  assert found['fsdp']['all-gather'] == 3 / 4 * 64 * 32 * 4
  # Over fsdp the whole gradient, over data each one's slice of it.
  whole = 64 * 32 * 4
  reduced = 2 * 3 / 4 * whole + 2 * 1 / 2 * whole / 4
  assert found['fsdp']['all-reduce'] == reduced


def test_groups_that_cannot_be_read_are_no_silent_zero():
  line = 'ENTRY %m (a: f32[8]) -> f32[8] {\n  %x = f32[8] all-reduce(%a), '
  with pytest.raises(AurlError, match='cannot read the groups'):
    collectives.collectives(line + 'replica_groups=new(8)\n}\n')
