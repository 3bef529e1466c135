"""Checkpoints that are whole, or not there, and that notice when they rot.

  checkpoints/200/state/       Orbax: nested dicts of arrays, one a layer
  checkpoints/200/extra/       JSON: the data iterator's state and the like
  checkpoints/200/MANIFEST.json  digests of the files, and the step's metrics

Orbax writes into a temporary folder in the background, compressed by zstd.
When its files are complete, their manifest is added, and one rename makes the
step visible; a process killed before that leaves nothing that counts. Orbax
does not notice changed bytes, so a step is compared with its manifest before
it is read, and a damaged one gives way to the newest good one. Steps that
`retention.Keep` lets go are removed once a newer one is complete. No path is
read from it, so that a copy of the folder serves as well.
"""

import contextlib
import logging
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from aurl_jax.core import files, hosts, manifest, trees
from aurl_jax.core.errors import CheckpointError
from aurl_jax.core.retention import Keep, ranked

_TEMPORARY = '.orbax-checkpoint-tmp'
# Orbax stamps the commit into these after the manifest is made. Nothing that
# is restored is in them.
_STAMP = frozenset({'_CHECKPOINT_METADATA', 'commit_success.txt'})
# What is read, and so must hold nothing but what was written.
_READ = frozenset({'state', 'extra'})
# How tensorstore words the errors of a disk, which it raises as ValueError.
_FULL = ('ENOSPC', 'EDQUOT', 'EFBIG', 'No space left', 'File too large')
_READ_ONLY = ('EROFS', 'Read-only file system')

_log = logging.getLogger(__name__)


def _not_of_orbax(record: logging.LogRecord) -> bool:
  """Keeps what Orbax logs of a failure, pages of it, from the console."""
  return 'orbax' not in pathlib.PurePath(record.pathname).parts


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

  def __init__(self, folder: files.StrPath, keep: int | Keep = 3) -> None:
    """Opens a folder, which need not exist.

    Args:
      folder: Where the steps lie.
      keep: Which steps stay; a number means so many of the newest.
    """
    self.folder = pathlib.Path(folder).absolute()
    self._keep = Keep(last=keep) if isinstance(keep, int) else keep
    self._manager: ocp.CheckpointManager | None = None
    self._saving: int | None = None
    self._metrics: dict[str, float] = {}

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
    metrics: Mapping[str, Any] | None = None,
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
      metrics: What is known of the step, for `best` and `Keep`; other than
        numbers are left out.

    Raises:
      CheckpointError: This save, or the one before, failed (`disk_full` if
        no space is left, `read_only`: nothing of it stays), or newer steps
        exist.
    """
    self.wait()
    if self._clear_way(step):
      return
    args = ocp.args.Composite(
      state=ocp.args.PyTreeSave(trees.to_nested(state)),
      extra=ocp.args.JsonSave(dict(extra or {})),
    )
    with self._clean_failure(step):
      self._saving, self._metrics = step, _numbers(metrics or {})
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
    self._prune()

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

  def metrics(self, step: int) -> dict[str, float]:
    """Returns what `save` was told of a step; nothing if it is damaged."""
    return _numbers(manifest.facts(self.folder / str(step)).get('metrics', {}))

  def latest(self, until: int | None = None) -> int | None:
    """Returns the newest good step, or None; warns of damaged ones.

    Args:
      until: Newer steps than this are left out; None takes all.
    """
    return self._first_good(
      step
      for step in reversed(self._folders())
      if until is None or step <= until
    )

  def best(self, metric: str, mode: str = 'min') -> int | None:
    """Returns the best good step by a metric that `save` was given, or None.

    Args:
      metric: Its name, such as `valid/loss`.
      mode: `min` or `max`.
    """
    found = {step: self.metrics(step) for step in self.steps()}
    return self._first_good(ranked(found, metric, mode))

  def rewind(self, step: int) -> None:
    """Removes all steps after `step`, so that they can be done otherwise."""
    self.wait()
    if jax.process_index() == 0:
      for other in self._folders():
        if other > step:
          self._remove(other)
    self._drop_manager()
    hosts.agree(0)

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
    elif wrong := manifest.problem(self.folder / str(step), _READ):
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

  def _first_good(self, steps: Iterable[int]) -> int | None:
    """Returns the first good one, as the first process sees it."""
    mine = steps if jax.process_index() == 0 else ()
    (found,) = hosts.agree(next(filter(self._good, mine), -1))
    return None if found < 0 else found

  def _good(self, step: int) -> bool:
    """Whether a step can be used; warns if it cannot, or is not clean."""
    folder = self.folder / str(step)
    if wrong := manifest.problem(folder, _READ):
      _log.warning(
        'checkpoint %d of %s is passed over: %s', step, self.folder, wrong
      )
      return False
    if strays := manifest.strays(folder, _STAMP):
      _log.warning(
        'checkpoint %d of %s holds files that are not its own, which are '
        'not read: %s',
        step,
        self.folder,
        ', '.join(strays),
      )
    return True

  def _prune(self) -> None:
    """Removes what need not stay, now that a newer step is complete."""
    if jax.process_index():
      return
    found = {step: self.metrics(step) for step in self.steps()}
    kept = self._keep.kept(found)
    # Older folders without a manifest are removals that were cut short.
    for step in self._folders():
      if step < max(found, default=0) and step not in kept:
        self._remove(step)

  def _clear_way(self, step: int) -> bool:
    """Removes bad steps from `step` on; returns whether it is there, good."""
    good, removed = -1, 0
    for other in self._folders() if jax.process_index() == 0 else ():
      if other < step:
        continue
      if wrong := manifest.problem(self.folder / str(other), _READ):
        _log.warning('checkpoint %d is removed: %s', other, wrong)
        self._remove(other)
        removed += 1
      else:
        good = other
    good, removed = hosts.agree(good, removed)
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
    """Removes a step, whole or not; it stops counting at once."""
    folder = self.folder / str(step)
    with contextlib.suppress(OSError):
      (folder / manifest.NAME).unlink()
    for path in (folder, *self.folder.glob(f'{step}{_TEMPORARY}*')):
      shutil.rmtree(path, ignore_errors=True)

  def _open(self) -> ocp.CheckpointManager:
    """Returns Orbax's manager; opening it removes what a crash left."""
    if self._manager is None:
      # Whatever fails is raised here, and said once.
      logging.getLogger('absl').addFilter(_not_of_orbax)
      options = ocp.CheckpointManagerOptions(
        preservation_policy=preservation_policy.PreserveAll(),
        cleanup_tmp_directories=True,
        async_options=ocp.AsyncOptions(
          post_finalization_callback=self._seal,
          # Else threads of a failed save wait for folders that will never
          # be, and the process for them, ten minutes after its last word.
          create_directories_asynchronously=False,
        ),
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

  def _abandon_manager(self) -> None:
    """Lets go of a manager that has failed, and may fail again to say so."""
    manager, self._manager = self._manager, None
    for _ in range(2):
      with contextlib.suppress(OSError, ValueError, RuntimeError):
        if manager is not None:
          manager.close()

  def _seal(self) -> None:
    """Adds the manifest; Orbax calls it before the rename that publishes."""
    (work,) = self.folder.glob(f'{self._saving}{_TEMPORARY}*')
    # In the background this costs nothing, and older steps go after it.
    files.sync(work)
    facts = {'metrics': self._metrics}
    manifest.write(work, leave_out=_STAMP, facts=facts)

  @contextlib.contextmanager
  def _clean_failure(self, step: int) -> Iterator[None]:
    """Removes what a failed save left, and says why it failed."""
    try:
      yield
    except (OSError, ValueError, RuntimeError) as error:
      self._saving = None
      self._abandon_manager()
      if jax.process_index() == 0:
        self._remove(step)
      if isinstance(error, CheckpointError):
        raise
      code, reason = _cause(error)
      raise CheckpointError(
        f'checkpoint {step} of {self.folder} was not saved: {reason}',
        code=code,
      ) from error


def _cause(error: Exception) -> tuple[str, str]:
  """Returns the code of a failed save, and why it failed."""
  said = str(error)
  if getattr(error, 'code', '') == 'disk_full' or _any(_FULL, said):
    return 'disk_full', 'no space is left; free some'
  if _any(_READ_ONLY, said):
    return 'read_only', 'the file system is read-only; make it writable'
  return 'not_saved', said


def _any(words: Iterable[str], text: str) -> bool:
  return any(word in text for word in words)


def _numbers(record: Mapping[str, Any]) -> dict[str, float]:
  return {
    name: float(value)
    for name, value in record.items()
    if isinstance(value, int | float | np.number)
  }


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
