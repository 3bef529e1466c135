import json
import logging
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core import checkpoint, manifest
from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import CheckpointError
from aurl_jax.core.retention import Keep


class Moments(NamedTuple):
  count: jax.Array
  mean: dict[str, jax.Array]


def make_state(seed: int = 0) -> dict[str, Any]:
  weights = jax.random.normal(jax.random.key(seed), (8, 4))
  return {
    'step': np.int32(seed),
    'params': {'layers': {'0': {'w': weights, 'b': jnp.zeros(4)}}},
    'opt': (Moments(jnp.int32(seed), {'w': weights * 2}), ()),
    'key': jax.random.key(seed),
    'half': jnp.full(3, seed, jnp.bfloat16),
  }


def raw(leaf: Any) -> np.ndarray:
  if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
    leaf = jax.random.key_data(leaf)
  return np.asarray(leaf)


def assert_same(left: Any, right: Any) -> None:
  assert jax.tree.structure(left) == jax.tree.structure(right)
  for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(raw(a), raw(b))


def fill(folder: pathlib.Path, *steps: int, keep: int = 10) -> None:
  with Checkpoints(folder, keep=keep) as checkpoints:
    for step in steps:
      checkpoints.save(step, make_state(step), {'batch': step * 10})


@pytest.fixture(scope='module')
def filled(tmp_path_factory) -> pathlib.Path:
  """Steps 1 and 2; copied, not changed, by the tests that damage it."""
  folder = tmp_path_factory.mktemp('filled') / 'checkpoints'
  fill(folder, 1, 2)
  return folder


@pytest.fixture
def damageable(filled, tmp_path) -> pathlib.Path:
  return shutil.copytree(filled, tmp_path / 'checkpoints')


def test_a_state_comes_back_with_its_structure_types_and_extra(filled):
  restored = Checkpoints(filled).restore(make_state())
  assert restored.step == 2
  assert restored.extra == {'batch': 20}
  assert_same(restored.state, make_state(2))
  older = Checkpoints(filled).restore(make_state(), step=1)
  assert_same(older.state, make_state(1))


def test_a_description_of_the_state_is_enough(filled):
  like = jax.eval_shape(make_state)
  restored = Checkpoints(filled).restore(like)
  assert_same(jax.tree.map(jnp.asarray, make_state(2)), restored.state)


def test_a_part_of_the_state_can_be_read(filled):
  like = {'params': make_state()['params']}
  restored = Checkpoints(filled).restore(like, partial=True)
  assert_same(restored.state, {'params': make_state(2)['params']})


def test_precision_follows_what_is_asked_for(filled):
  like = {'half': jax.ShapeDtypeStruct((3,), jnp.float32)}
  state = Checkpoints(filled).restore(like, partial=True).state
  assert state['half'].dtype == jnp.float32
  assert state['half'].tolist() == [2.0, 2.0, 2.0]


def test_python_numbers_come_back_as_such(tmp_path):
  state = {'epoch': 3, 'rate': 0.5, 'done': True, 'ids': np.arange(3)}
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, state, block=True)
    restored = checkpoints.restore({**state, 'epoch': 0, 'done': False}).state
  assert {k: type(v) for k, v in restored.items()} == {
    'epoch': int,
    'rate': float,
    'done': bool,
    'ids': np.ndarray,
  }
  assert (restored['epoch'], restored['rate'], restored['done']) == (
    3,
    0.5,
    True,
  )


def test_no_step_is_skipped_and_the_newest_are_kept(tmp_path):
  fill(tmp_path, *range(1, 7), keep=3)
  assert Checkpoints(tmp_path).steps() == [4, 5, 6]
  assert sorted(p.name for p in tmp_path.iterdir()) == ['4', '5', '6']
  for step in (4, 5, 6):
    restored = Checkpoints(tmp_path).restore(make_state(), step)
    assert_same(restored.state, make_state(step))


def test_the_last_the_best_and_every_third_stay(tmp_path):
  losses = {1: 0.9, 2: 0.3, 3: 0.8, 4: 0.7, 5: 0.6, 6: 0.5, 7: 0.4}
  keep = Keep(last=2, best=1, every=3, metric='loss')
  with Checkpoints(tmp_path, keep=keep) as checkpoints:
    for step, loss in losses.items():
      told = {'loss': loss, 'name': 'not a number'}
      checkpoints.save(step, make_state(step), metrics=told)
  assert sorted(p.name for p in tmp_path.iterdir()) == ['2', '3', '6', '7']
  found = Checkpoints(tmp_path)
  assert found.best('loss') == 2
  assert found.best('loss', 'max') == 3
  assert found.best('other') is None
  assert found.metrics(6) == {'loss': 0.5}
  assert_same(found.restore(make_state(), 2).state, make_state(2))


def test_a_step_is_removed_only_when_the_newer_one_is_complete(
  tmp_path, monkeypatch
):
  def fails(*_: object, **__: object) -> None:
    raise OSError(28, 'No space left on device')

  with Checkpoints(tmp_path, keep=1) as checkpoints:
    checkpoints.save(1, make_state(1), block=True)
    monkeypatch.setattr(manifest, 'write', fails)
    checkpoints.save(2, make_state(2))
    with pytest.raises(CheckpointError, match='no space'):
      checkpoints.wait()
    assert_same(checkpoints.restore(make_state()).state, make_state(1))
    monkeypatch.undo()
    checkpoints.save(2, make_state(2), block=True)
  assert [p.name for p in tmp_path.iterdir()] == ['2']


def test_a_removal_that_was_cut_short_is_completed(damageable):
  # As after a kill: the manifest goes first.
  (damageable / '1' / manifest.NAME).unlink()
  with Checkpoints(damageable, keep=5) as checkpoints:
    checkpoints.save(3, make_state(3))
  assert sorted(p.name for p in damageable.iterdir()) == ['2', '3']


def test_a_rotten_best_gives_way_to_the_next_best(tmp_path):
  with Checkpoints(tmp_path) as checkpoints:
    for step, loss in ((1, 0.2), (2, 0.1), (3, 0.3)):
      checkpoints.save(step, make_state(step), metrics={'loss': loss})
  flip(files_of(tmp_path / '2' / 'state')[0], 3)
  assert Checkpoints(tmp_path).best('loss') == 1


def test_a_rewound_step_can_be_done_otherwise(damageable):
  with Checkpoints(damageable) as checkpoints:
    checkpoints.save(3, make_state(3))
    assert checkpoints.latest(until=2) == 2
    assert checkpoints.latest(until=0) is None
    checkpoints.rewind(1)
    assert checkpoints.steps() == [1]
    checkpoints.save(2, make_state(22))
    assert_same(checkpoints.restore(make_state()).state, make_state(22))


def test_a_stray_file_beside_what_is_read_is_told_and_harms_nothing(
  damageable, caplog
):
  (damageable / '2' / 'notes.txt').write_text('the good one')
  restored = Checkpoints(damageable).restore(make_state())
  assert_same(restored.state, make_state(2))
  assert 'notes.txt' in caplog.text
  (damageable / '2' / 'state' / 'notes.txt').write_text('a trap')
  assert Checkpoints(damageable).restore(make_state()).step == 1


def test_what_is_no_step_is_left_alone(damageable):
  (damageable / 'keep').mkdir()
  (damageable / '2x').mkdir()
  (damageable / '77').write_text('a file')
  with Checkpoints(damageable) as checkpoints:
    assert checkpoints.latest() == 2
    checkpoints.save(3, make_state(3))
  names = {p.name for p in damageable.iterdir()}
  assert names == {'1', '2', '3', 'keep', '2x', '77'}


def test_a_moved_copy_serves_as_well(filled, tmp_path):
  moved = shutil.copytree(filled, tmp_path / 'far' / 'away')
  with Checkpoints(moved) as checkpoints:
    assert_same(checkpoints.restore(make_state()).state, make_state(2))
    checkpoints.save(3, make_state(3))
  told = {p.name for p in files_of(moved) if bytes(filled) in p.read_bytes()}
  # A word of Orbax for people, which nothing reads.
  assert told <= {'commit_success.txt'}


def test_donated_arrays_are_saved_as_they_were(tmp_path):
  # Large enough that the background write is still at it when the next
  # steps overwrite the buffers.
  add = jax.jit(lambda s: jax.tree.map(lambda x: x + 1, s), donate_argnums=0)
  state = {'a': jnp.zeros((700, 700)), 'b': jnp.zeros(400_000)}
  with Checkpoints(tmp_path, keep=9) as checkpoints:
    for step in range(4):
      checkpoints.save(step, state)
      for _ in range(3):
        state = add(state)
    checkpoints.wait()
    for step in range(4):
      saved = checkpoints.restore(state, step).state
      assert {
        float(f(v)) for v in saved.values() for f in (np.min, np.max)
      } == {3.0 * step}


def test_a_good_step_is_not_written_twice(damageable):
  before = (damageable / '2' / manifest.NAME).stat().st_mtime_ns
  with Checkpoints(damageable) as checkpoints:
    checkpoints.save(2, make_state(99))
  assert (damageable / '2' / manifest.NAME).stat().st_mtime_ns == before


def test_a_step_before_the_newest_is_refused(damageable):
  with (
    Checkpoints(damageable) as checkpoints,
    pytest.raises(CheckpointError, match='checkpoint 2, newer than 1'),
  ):
    checkpoints.save(1, make_state())
  assert Checkpoints(damageable).steps() == [1, 2]


def test_an_empty_or_missing_folder_is_named(tmp_path):
  checkpoints = Checkpoints(tmp_path / 'none')
  assert checkpoints.latest() is None
  with pytest.raises(CheckpointError, match='no complete checkpoint') as caught:
    checkpoints.restore(make_state())
  assert caught.value.code == 'no_checkpoint'
  with pytest.raises(CheckpointError, match='at least one'):
    Checkpoints(tmp_path, keep=0)


def flip(path: pathlib.Path, bit: int) -> None:
  data = bytearray(path.read_bytes())
  data[bit // 8] ^= 1 << bit % 8
  path.write_bytes(data)


def files_of(step: pathlib.Path) -> list[pathlib.Path]:
  return sorted(p for p in step.rglob('*') if p.is_file() and p.stat().st_size)


def test_one_flipped_bit_in_any_file_never_gives_wrong_weights(
  damageable, caplog
):
  chance = random.Random(0)
  step, passed_over = damageable / '2', set()
  for path in files_of(step):
    whole = path.read_bytes()
    flip(path, chance.randrange(8 * len(whole)))
    caplog.clear()
    restored = Checkpoints(damageable).restore(make_state())
    assert_same(restored.state, make_state(restored.step))
    assert restored.extra == {'batch': 10 * restored.step}
    if restored.step == 1:
      passed_over.add(path)
      assert 'is passed over' in caplog.text
    path.write_bytes(whole)
  # What Orbax adds after the manifest holds nothing that is restored.
  stamps = {step / '_CHECKPOINT_METADATA', step / 'commit_success.txt'}
  assert passed_over >= set(files_of(step)) - stamps


def test_a_deleted_file_falls_back_and_an_explicit_step_is_refused(damageable):
  victim = files_of(damageable / '2' / 'state')[0]
  victim.unlink()
  assert Checkpoints(damageable).restore(make_state()).step == 1
  with pytest.raises(CheckpointError, match=f'{victim.name} is missing') as e:
    Checkpoints(damageable).restore(make_state(), step=2)
  assert e.value.code == 'damaged'
  with pytest.raises(CheckpointError, match='never completed'):
    Checkpoints(damageable).restore(make_state(), step=7)


def test_training_goes_on_over_a_damaged_step(damageable, caplog):
  flip(files_of(damageable / '2' / 'state')[-1], 12)
  with Checkpoints(damageable) as checkpoints:
    assert checkpoints.restore(make_state()).step == 1
    checkpoints.save(2, make_state(22), {'batch': 0})
    restored = checkpoints.restore(make_state())
  assert restored.step == 2
  assert_same(restored.state, make_state(22))
  assert 'checkpoint 2 is removed' in caplog.text


def test_a_manifest_of_another_kind_is_no_manifest(damageable):
  path = damageable / '2' / manifest.NAME
  content = json.loads(path.read_text())
  for bad in (b'', b'[]', b'\xff', json.dumps(content | {'version': 9})):
    path.write_bytes(bad.encode() if isinstance(bad, str) else bad)
    assert Checkpoints(damageable).latest() == 1


def test_another_model_is_refused_with_the_difference(filled):
  like = make_state()
  like['params']['layers']['0']['w'] = jnp.zeros((8, 6))
  like['params']['layers']['1'] = {'w': jnp.zeros(2)}
  del like['half']
  with pytest.raises(CheckpointError) as caught:
    Checkpoints(filled).restore(like)
  message = str(caught.value)
  assert caught.value.code == 'other_tree'
  for row in (
    'params.layers.0.w: stored float (8, 4), expected float (8, 6)',
    'params.layers.1.w: stored nothing, expected float (2,)',
    'half: stored float (3,), expected nothing',
  ):
    assert row in message


def test_many_differences_are_cut_short(filled):
  like = {f'x{n}': jnp.zeros(1) for n in range(30)}
  with pytest.raises(CheckpointError, match=r'and \d+ more'):
    Checkpoints(filled).restore(like)


def run_python(code: str, *args: object, **kwargs: Any) -> subprocess.Popen:
  env = {k: v for k, v in os.environ.items() if not k.startswith('COV')}
  return subprocess.Popen(
    [sys.executable, '-c', textwrap.dedent(code), *map(str, args)],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env=env | kwargs,
  )


_HANGING_SAVE = """
  import sys, time
  import jax.numpy as jnp
  from aurl_jax.core import checkpoint, manifest

  def announce_and_hang():
    print('now', flush=True)
    time.sleep(100)

  def hang(write):
    def wrapped(*args, **kwargs):
      if sys.argv[2] == 'before':
        announce_and_hang()
      write(*args, **kwargs)
      announce_and_hang()
    return wrapped

  checkpoints = checkpoint.Checkpoints(sys.argv[1])
  checkpoints.save(1, {'w': jnp.full(50_000, 1.0)}, block=True)
  manifest.write = hang(manifest.write)
  checkpoints.save(2, {'w': jnp.full(50_000, 2.0)})
  time.sleep(100)
"""


@pytest.mark.parametrize('moment', ['before', 'after'])
def test_kill_during_a_save_leaves_no_half_step(tmp_path, moment):
  child = run_python(_HANGING_SAVE, tmp_path, moment)
  assert child.stdout is not None
  assert child.stdout.readline() == 'now\n', child.communicate()[1]
  os.kill(child.pid, signal.SIGKILL)
  child.communicate()
  assert len(list(tmp_path.glob('2*tmp*'))) == 1
  like = {'w': jax.ShapeDtypeStruct((50_000,), jnp.float32)}
  with Checkpoints(tmp_path) as checkpoints:
    restored = checkpoints.restore(like)
    assert restored.step == 1
    assert set(np.asarray(restored.state['w']).tolist()) == {1.0}
    checkpoints.save(2, {'w': jnp.full(50_000, 2.0)})
    assert checkpoints.restore(like).step == 2
  assert sorted(p.name for p in tmp_path.iterdir()) == ['1', '2']


_ENDLESS_SAVES = """
  import sys
  import jax.numpy as jnp
  from aurl_jax.core import checkpoint

  checkpoints = checkpoint.Checkpoints(sys.argv[1], keep=2)
  first = (checkpoints.latest() or 0) + 1
  for step in range(first, first + 10_000):
    checkpoints.save(step, {'w': jnp.full(200_000, step)}, {'step': step})
    print(step, flush=True)
"""


@pytest.mark.slow
def test_kill_at_any_time_leaves_the_newest_whole_step(tmp_path):
  chance = random.Random(1)
  like = {'w': jax.ShapeDtypeStruct((200_000,), jnp.int32)}
  for _ in range(6):
    child = run_python(_ENDLESS_SAVES, tmp_path)
    assert child.stdout is not None
    saved = 0
    for _ in range(chance.randrange(3, 8)):
      saved = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    restored = Checkpoints(tmp_path).restore(like)
    # The save of a step starts when the one before is complete.
    assert restored.step >= saved - 1
    assert restored.extra == {'step': restored.step}
    assert set(np.asarray(restored.state['w']).tolist()) == {restored.step}


_FULL_DISK = """
  import resource, signal, sys
  import jax
  import jax.numpy as jnp
  from aurl_jax.core import checkpoint, errors

  signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  checkpoints = checkpoint.Checkpoints(sys.argv[1])
  checkpoints.save(1, {'w': jnp.zeros(300_000)}, block=True)
  noise = {'w': jax.random.normal(jax.random.key(0), (300_000,))}
  for block in (True, False):
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))
    try:
      checkpoints.save(2, noise, block=block)
      checkpoints.wait()
    except errors.CheckpointError as error:
      print(error.code, '|', error)
  print(checkpoints.latest())
  resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
  checkpoints.save(2, noise)
  checkpoints.close()
  print(checkpoints.latest())
"""


def test_a_full_disk_is_said_and_leaves_nothing_half_written(tmp_path):
  child = run_python(_FULL_DISK, tmp_path)
  out, err = child.communicate()
  told = out.splitlines()
  assert child.returncode == 0, err
  assert [line.split(' | ')[0] for line in told] == [
    'disk_full',
    'disk_full',
    '1',
    '2',
  ]
  assert 'checkpoint 2 of' in told[0]
  assert 'no space is left' in told[0]
  assert sorted(p.name for p in tmp_path.iterdir()) == ['1', '2']


def test_a_failure_of_the_manifest_is_a_failure_of_the_save(
  tmp_path, monkeypatch
):
  def fails(*_: object, **__: object) -> None:
    raise OSError(28, 'No space left on device')

  with Checkpoints(tmp_path) as checkpoints:
    with monkeypatch.context() as patch:
      patch.setattr(manifest, 'write', fails)
      checkpoints.save(1, make_state())
      with pytest.raises(CheckpointError, match='no space is left') as caught:
        checkpoints.wait()
    assert caught.value.code == 'disk_full'
    assert list(tmp_path.iterdir()) == []
    checkpoints.save(1, make_state(), block=True)
    assert checkpoints.steps() == [1]


def test_other_failures_keep_their_reason(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(CheckpointError, match='was not saved') as caught:
    Checkpoints(tmp_path / 'file').save(1, make_state(), block=True)
  assert caught.value.code == 'not_saved'


_OTHER_DEVICES = """
  import sys
  import jax
  jax.config.update('jax_num_cpu_devices', 4)
  import jax.numpy as jnp
  import numpy as np
  from jax.sharding import NamedSharding, PartitionSpec as P
  from aurl_jax.core import checkpoint

  mesh = jax.make_mesh((2, 2), ('data', 'tensor'),
                       axis_types=(jax.sharding.AxisType.Auto,) * 2)
  how = NamedSharding(mesh, P('data', 'tensor'))
  values = jnp.arange(32, dtype=jnp.float32).reshape(8, 4)
  with checkpoint.Checkpoints(sys.argv[1]) as checkpoints:
    like = {'w': jax.ShapeDtypeStruct((8, 4), jnp.float32, sharding=how)}
    w = checkpoints.restore(like).state['w']
    assert w.sharding == how and len(w.addressable_shards) == 4
    np.testing.assert_array_equal(w, values)
    checkpoints.save(2, {'w': w + 1})
"""


def test_a_state_moves_between_numbers_of_devices(tmp_path):
  values = np.arange(32, dtype=np.float32).reshape(8, 4)
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, {'w': jnp.asarray(values)})
  child = run_python(_OTHER_DEVICES, tmp_path)
  _, err = child.communicate()
  assert child.returncode == 0, err
  like = {'w': jax.ShapeDtypeStruct((8, 4), jnp.float32)}
  restored = Checkpoints(tmp_path).restore(like)
  assert restored.step == 2
  assert restored.state['w'].devices() == {jax.devices()[0]}
  np.testing.assert_array_equal(restored.state['w'], values + 1)


_TWO_PROCESSES = """
  import sys
  import jax
  jax.config.update('jax_cpu_collectives_implementation', 'gloo')
  jax.distributed.initialize('localhost:' + sys.argv[2], 2, int(sys.argv[3]))
  import jax.numpy as jnp
  import numpy as np
  from jax.sharding import NamedSharding, PartitionSpec as P
  from aurl_jax.core import checkpoint

  mesh = jax.make_mesh((2,), ('data',),
                       axis_types=(jax.sharding.AxisType.Auto,))
  how = NamedSharding(mesh, P('data'))
  w = jax.make_array_from_callback(
      (8,), how, lambda index: np.arange(8.0, dtype=np.float32)[index])
  with checkpoint.Checkpoints(sys.argv[1]) as checkpoints:
    checkpoints.save(1, {'w': w}, {'batch': 1})
    checkpoints.save(2, {'w': w}, {'batch': 2})
    restored = checkpoints.restore({'w': w})
    (shard,) = restored.state['w'].addressable_shards
    print(restored.step, restored.extra, np.asarray(shard.data).tolist())
"""


@pytest.mark.slow
def test_two_processes_save_and_agree_on_the_step(tmp_path):
  import socket

  with socket.socket() as probe:
    probe.bind(('localhost', 0))
    port = probe.getsockname()[1]
  children = [run_python(_TWO_PROCESSES, tmp_path, port, i) for i in (0, 1)]
  outs = [child.communicate(timeout=120) for child in children]
  assert [child.returncode for child in children] == [0, 0], outs
  assert [out.splitlines()[-1] for out, _ in outs] == [
    "2 {'batch': 2} [0.0, 1.0, 2.0, 3.0]",
    "2 {'batch': 2} [4.0, 5.0, 6.0, 7.0]",
  ]
  like = {'w': jax.ShapeDtypeStruct((8,), jnp.float32)}
  assert Checkpoints(tmp_path).restore(like).state['w'].tolist() == list(
    range(8)
  )


def test_progress_is_logged_at_debug_only(tmp_path, caplog):
  caplog.set_level(logging.DEBUG, checkpoint.__name__)
  fill(tmp_path, 1)
  ours = [r for r in caplog.records if r.name == checkpoint.__name__]
  assert [(r.levelno, r.getMessage()) for r in ours] == [
    (logging.DEBUG, 'checkpoint 1 is complete')
  ]
