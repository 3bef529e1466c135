"""The records of a run: who takes them, and what they are made of."""

import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from aurl_jax.core import config as config_lib
from aurl_jax.core import logline, trackers
from aurl_jax.core.tensorboard import TensorBoardWriter
from aurl_jax.core.writers import JsonlWriter, LogWriter, Media, hand_out
from aurl_jax.data import gather, passes
from aurl_jax.data.cache import TokenCache
from aurl_jax.experiment.build import Parts
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.generation import export
from aurl_jax.generation.piece import Piece
from aurl_jax.models import flops
from aurl_jax.music import audio
from aurl_jax.parallel import devices
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.training import callbacks as callbacks_lib
from aurl_jax.training import profile as profile_lib
from aurl_jax.training import records as records_lib

_log = logging.getLogger(__name__)
_TOLD = (
  'loss',
  'accuracy',
  'learning_rate',
  'tokens_per_second',
  'valid/loss',
  'valid/accuracy',
)
"""What the first line of a log entry tells of a record; files have it all."""
_HEARD = 30.0
"""Seconds of a sample that TensorBoard gets, to keep its files small."""


def writers(
  parts: Parts, folder: Workdir, values: Mapping[str, Any]
) -> list[Any]:
  """Returns who takes the records, in this order; nobody on other hosts.

  Args:
    parts: The run's objects.
    folder: Its folder.
    values: Its config, as trackers show it.

  Raises:
    ConfigError: A tracker is asked for that is not installed.
  """
  if jax.process_index():
    return []
  wanted = parts.run.logging
  result: list[Any] = [JsonlWriter(folder.metrics)]
  if wanted.tensorboard:
    shown = config_lib.to_json(values)
    result.append(TensorBoardWriter(folder.root / 'tb', shown))
  flat = config_lib.flatten(values)
  if wanted.wandb:
    result.append(trackers.WandbWriter(folder.root, flat))
  if wanted.trackio:
    result.append(trackers.TrackioWriter(folder.root, flat))
  result.append(LogWriter(total=parts.run.train.steps, shown=_TOLD))
  return result


def log(
  parts: Parts, cache: TokenCache, writers: Sequence[Any]
) -> tuple[records_lib.System, callbacks_lib.Log]:
  """Returns the callbacks that make a record and hand it out."""
  train = parts.run.train
  system = records_lib.System(
    every=train.log_every, position=position(parts, cache)
  )
  count = sum(x.size for x in jax.tree.leaves(parts.abstract_state()['params']))
  derive = records_lib.Flops(
    per_token=flops.per_token(parts.run.model, count),
    peak=devices.peak_of_all(),
  )
  return system, callbacks_lib.Log(
    every=train.log_every,
    writers=writers,
    fields=parts.fields,
    derive=derive,
  )


def position(
  parts: Parts, cache: TokenCache
) -> Callable[[Any], dict[str, int]]:
  """Returns a function from the data iterator's state to `data/...`.

  `epoch` of `epochs` and `batch` of `batches` count from 1. `files` are the
  pieces that were read so far, anew in each epoch; `augmented` those of them
  that were open to augmentation: all, where some change of `augment` is on
  and has a chance at some time, else none. What was drawn for a piece, which
  may be no change at all, stays on the devices.
  """
  read = passes.Passes(gather.timeline(cache['train'], parts.run.rows))
  augment = parts.run.augment
  chances = (getattr(augment, f'{name}_chance') for name in augment.changes)
  is_open = any(chance.first or chance.last for chance in chances)

  def function(state: Any) -> dict[str, int]:
    if not isinstance(state, Mapping) or not state.get('next_index'):
      return {}
    found = read.at(state['next_index'])
    return {
      'data/epoch': found.epoch,
      'data/epochs': max(found.epoch, read.epochs(parts.run.train.steps)),
      'data/batch': found.batch,
      'data/batches': found.batches,
      'data/files': found.pieces,
      'data/augmented': found.pieces if is_open else 0,
    }

  return function


def sampler(
  parts: Parts, folder: Workdir, writers: Sequence[Any]
) -> Callable[[Any, int], list[str]]:
  """Returns what writes samples of parameters after so many steps.

  The function returns the paths of the MIDI files, inside the run's folder.
  """

  def function(params: Any, step: int) -> list[str]:
    pieces = _played(parts, params)
    if not pieces:
      return []
    out = folder.samples / f'step_{step}'
    export.write(out, pieces, title=f'After {step} steps')
    hand_out(writers, step, media(pieces))
    return _paths(folder, out, len(pieces))

  return function


def last_samples(
  parts: Parts, folder: Workdir, writers: Sequence[Any], params: Any
) -> pathlib.Path | None:
  """Writes what the trained model plays.

  Returns:
    The path of its page; None on all processes but the first.
  """
  pieces = _played(parts, params)
  if not pieces:
    return None
  page = export.write(folder.samples, pieces)
  hand_out(writers, parts.run.train.steps, media(pieces))
  paths = _paths(folder, folder.samples, len(pieces))
  told = logline.Details(samples=tuple(paths))
  _log.info('the trained model plays', extra={'details': told})
  return page


def _played(parts: Parts, params: Any) -> list[Piece]:
  """Returns pieces; all processes call it, the first one has them."""
  composer = parts.composer(params)
  if jax.process_index():
    return []
  with mesh_lib.use(mesh_lib.alone()):
    return list(composer.generate(parts.run.generate.request()))


def _paths(folder: Workdir, out: pathlib.Path, count: int) -> list[str]:
  files = [out / f'piece_{number}.mid' for number in range(1, count + 1)]
  return [path.relative_to(folder.root).as_posix() for path in files]


def media(pieces: Sequence[Piece]) -> list[Media]:
  """Returns pieces to see, to hear and to read of."""
  return [
    Media(
      name=f'piece_{number}',
      image=piece.plot(),
      audio=audio.wav(audio.render(piece.notes, seconds=_HEARD)),
      text=', '.join(f'{name} {value}' for name, value in piece.report.items()),
    )
    for number, piece in enumerate(pieces, 1)
  ]


def profile(parts: Parts, folder: Workdir) -> profile_lib.Profile:
  """Returns the profiler that waits to be asked, in the first process."""
  wanted = parts.run.logging
  return profile_lib.Profile(
    folder=folder.root / 'profile',
    request=folder.root / 'profile.now',
    start=wanted.profile_at,
    steps=wanted.profile_steps,
    enabled=jax.process_index() == 0,
  )
