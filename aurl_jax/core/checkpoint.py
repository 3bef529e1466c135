"""Checkpoints that are whole, or not there, and that notice when they rot.

  checkpoints/200/state/       Orbax: nested dicts of arrays, one a layer
  checkpoints/200/extra/       JSON: the data iterator's state and the like
  checkpoints/200/MANIFEST.json

Orbax writes into a temporary folder in the background. When its files are
complete, their manifest is added, and one rename makes the step visible; a
process killed before that leaves nothing that counts. Orbax does not notice
changed bytes, so a step is compared with its manifest before it is read, and
a damaged one gives way to the newest good one.
"""

import contextlib
import logging
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from orbax.checkpoint.checkpoint_managers import preservation_policy

from aurl_jax.core import files, manifest, trees
from aurl_jax.core.errors import CheckpointError

_TEMPORARY = '.orbax-checkpoint-tmp'
# Orbax stamps the time of the commit into it after the manifest is made.
_STAMP = frozenset({'_CHECKPOINT_METADATA'})
# How tensorstore words the errors of a full disk, which it raises as
# ValueError.
_FULL = ('ENOSPC', 'EDQUOT', 'EFBIG', 'No space left', 'File too large')

_log = logging.getLogger(__name__)


class Restored(NamedTuple):
  """What a checkpoint held: the step, the state and the JSON beside it."""

  step: int
  state: Any
  extra: dict[str, Any]


class Checkpoints:
  """The checkpoints of one run, in one folder.

  One process a host opens it; with several hosts all of them make the same
  calls, on a folder that they share. Use it as a context manager, or call
  `close`, so that the last save is complete.
  """

  def __init__(self, folder: files.StrPath, keep: int = 3) -> None:
    """Opens a folder, which need not exist.

    Args:
      folder: Where the steps lie.
      keep: How many of the newest steps stay.
    """
    if keep < 1:
      raise CheckpointError(f'must keep at least one checkpoint, not {keep}')
    self.folder = pathlib.Path(folder).absolute()
    self._keep = keep
    self._manager: ocp.CheckpointManager | None = None
    self._saving: int | None = None

  def __enter__(self) -> 'Checkpoints':
    return self

  def __exit__(self, *_: object) -> None:
    self.close()

  def save(
    self,
    step: int,
    state: Any,
    extra: Mapping[str, Any] | None = None,
    block: bool = False,
  ) -> None:
    """Saves a step in the background, once the one before is complete.

    The arrays are copied before this returns, so they may be donated. A
    step that is there already, and good, stays as it is. Damaged or
    unfinished ones that stand in the way are removed.

    Args:
      step: Steps done; above all good steps of the folder.
      state: Pytree of arrays and numbers.
      extra: What JSON can hold, such as the state of the data iterator.
      block: Whether to wait until the step is on the disk.

    Raises:
      CheckpointError: This save, or the one before, failed (`disk_full` if
        no space is left: nothing of it stays), or newer steps exist.
    """
    self.wait()
    if self._clear_way(step):
      return
    args = ocp.args.Composite(
      state=ocp.args.PyTreeSave(trees.to_nested(state)),
      extra=ocp.args.JsonSave(dict(extra or {})),
    )
    with self._clean_failure(step):
      self._saving = step
      if not self._open().save(step, args=args, force=True):
        raise CheckpointError(f'Orbax refused to save step {step}')
    if block:
      self.wait()

  def wait(self) -> None:
    """Returns when the save in flight, if any, is complete.

    Raises:
      CheckpointError: It failed; see `save`.
    """
    if self._manager is None or self._saving is None:
      return
    step = self._saving
    with self._clean_failure(step):
      self._manager.wait_until_finished()
      self._manager.check_for_errors()
    self._saving = None
    _log.debug('checkpoint %d is complete', step)

  def close(self) -> None:
    """Completes the save in flight and lets go of the folder."""
    try:
      self.wait()
    finally:
      self._drop_manager()

  def steps(self) -> list[int]:
    """Returns the steps that were completed, oldest first, unverified."""
    return [
      step
      for step in self._folders()
      if (self.folder / str(step) / manifest.NAME).is_file()
    ]

  def latest(self) -> int | None:
    """Returns the newest good step, or None; warns of damaged ones."""
    found = self._newest_good() if jax.process_index() == 0 else None
    (step,) = _agree(-1 if found is None else found)
    return None if step < 0 else step

  def restore(
    self, like: Any, step: int | None = None, partial: bool = False
  ) -> Restored:
    """Returns a checkpoint, verified, on the devices that `like` names.

    Args:
      like: Pytree of arrays or `jax.ShapeDtypeStruct` with the structure,
        shapes and shardings to restore to; the checkpoint may come from
        another number of devices. Without a sharding, the first device;
        numpy arrays and Python numbers come back as such.
      step: The step to read; the newest good one by default.
      partial: Whether `like` may leave out parts of the stored state.

    Raises:
      CheckpointError: There is none (`no_checkpoint`), the given step is
        damaged (`damaged`), or it is of another model (`other_tree`, with
        the names and shapes that differ).
    """
    self.wait()
    if step is None:
      step = self.latest()
      if step is None:
        raise CheckpointError(
          f'{self.folder} holds no complete checkpoint', code='no_checkpoint'
        )
    elif wrong := manifest.problem(self.folder / str(step)):
      raise CheckpointError(
        f'checkpoint {step} of {self.folder} cannot be used: {wrong}; '
        f'complete ones: {self.steps()}',
        code='damaged',
      )
    return self._read(step, like, partial)

  def _read(self, step: int, like: Any, partial: bool) -> Restored:
    folder = self.folder / str(step)
    handler = ocp.PyTreeCheckpointHandler()
    stored = handler.metadata(folder / 'state').tree
    trees.check_same(stored, like, f'checkpoint {folder}', partial)
    leaves = jax.tree_util.tree_flatten_with_path(like)[0]
    wanted = {trees.names(path): leaf for path, leaf in leaves}
    described = {path: trees.describe(leaf) for path, leaf in wanted.items()}
    hows = {path: _restore_args(leaf) for path, leaf in wanted.items()}
    args = ocp.args.PyTreeRestore(
      trees.nest(described),
      restore_args=trees.nest(hows),
      partial_restore=True,
    )
    state = handler.restore(folder / 'state', args=args)
    extra = ocp.JsonCheckpointHandler().restore(folder / 'extra')
    return Restored(step, trees.from_nested(state, like), extra)

  def _folders(self) -> list[int]:
    if not self.folder.is_dir():
      return []
    entries = [path.name for path in self.folder.iterdir() if path.is_dir()]
    return sorted(int(name) for name in entries if name.isdecimal())

  def _newest_good(self) -> int | None:
    for step in reversed(self._folders()):
      wrong = manifest.problem(self.folder / str(step))
      if not wrong:
        return step
      _log.warning(
        'checkpoint %d of %s is passed over: %s', step, self.folder, wrong
      )
    return None

  def _clear_way(self, step: int) -> bool:
    """Removes bad steps from `step` on; returns whether it is there, good."""
    good, removed = -1, 0
    for other in self._folders() if jax.process_index() == 0 else ():
      if other < step:
        continue
      if wrong := manifest.problem(self.folder / str(other)):
        _log.warning('checkpoint %d is removed: %s', other, wrong)
        self._remove(other)
        removed += 1
      else:
        good = other
    good, removed = _agree(good, removed)
    if removed:
      self._drop_manager()
    if good > step:
      raise CheckpointError(
        f'{self.folder} holds checkpoint {good}, newer than {step}; '
        'go on from that one, or use another folder',
        code='newer_step',
      )
    return good == step

  def _remove(self, step: int) -> None:
    """Removes what there is of a step that does not count."""
    for path in self.folder.glob(f'{step}{_TEMPORARY}*'):
      shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(self.folder / str(step), ignore_errors=True)

  def _open(self) -> ocp.CheckpointManager:
    """Returns Orbax's manager; opening it removes what a crash left."""
    if self._manager is None:
      options = ocp.CheckpointManagerOptions(
        preservation_policy=preservation_policy.LatestN(self._keep),
        cleanup_tmp_directories=True,
        async_options=ocp.AsyncOptions(post_finalization_callback=self._seal),
      )
      handlers = {
        'state': ocp.PyTreeCheckpointHandler(),
        'extra': ocp.JsonCheckpointHandler(),
      }
      self._manager = ocp.CheckpointManager(
        self.folder, item_handlers=handlers, options=options
      )
    return self._manager

  def _drop_manager(self) -> None:
    manager, self._manager = self._manager, None
    if manager is not None:
      manager.close()

  def _seal(self) -> None:
    """Adds the manifest; Orbax calls it before the rename that publishes."""
    (work,) = self.folder.glob(f'{self._saving}{_TEMPORARY}*')
    manifest.write(work, leave_out=_STAMP)

  @contextlib.contextmanager
  def _clean_failure(self, step: int) -> Iterator[None]:
    """Removes what a failed save left, and says why it failed."""
    try:
      yield
    except (OSError, ValueError, RuntimeError) as error:
      self._saving = None
      self._drop_manager()
      if jax.process_index() == 0:
        self._remove(step)
      if isinstance(error, CheckpointError):
        raise
      full = any(word in str(error) for word in _FULL)
      full = full or getattr(error, 'code', '') == 'disk_full'
      reason = 'no space is left; free some' if full else str(error)
      raise CheckpointError(
        f'checkpoint {step} of {self.folder} was not saved: {reason}',
        code='disk_full' if full else 'not_saved',
      ) from error


def _agree(*values: int) -> list[int]:
  """Returns what the first process found, on all of them."""
  if jax.process_count() == 1:
    return list(values)
  told = multihost_utils.broadcast_one_to_all(np.array(values, np.int32))
  return [int(value) for value in told]


def _restore_args(like: Any) -> ocp.RestoreArgs:
  """Returns how Orbax shall make the array that `like` describes."""
  described = trees.describe(like)
  if isinstance(like, np.ndarray | np.generic | bool | int | float):
    return ocp.RestoreArgs(restore_type=np.ndarray, dtype=described.dtype)
  sharding = described.sharding
  if sharding is None:
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  return ocp.ArrayRestoreArgs(
    sharding=sharding,
    global_shape=described.shape,
    dtype=described.dtype,
  )
