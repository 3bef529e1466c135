"""Likelihood of a split under a run's model, and the table beside it."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from aurl_jax.core import checkpoint
from aurl_jax.data.cache import TokenCache
from aurl_jax.data.quarantine import Quarantine
from aurl_jax.experiment import build, data, keeping, sections
from aurl_jax.experiment.build import Parts
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.training import baseline as baseline_lib
from aurl_jax.training import evaluate as evaluate_lib


def run(
  config: Mapping[str, Any] | None,
  folder: Workdir,
  allow: tuple[str, ...] = (),
) -> dict[str, Any]:
  """Evaluates the model of a run on `valid` and `test`.

  That is the best one if the config selects, else the newest checkpoint.

  Returns:
    `step`, and for each split `SPLIT/loss` (nats an id), `SPLIT/perplexity`,
    `SPLIT/accuracy`, `SPLIT/tokens` and `SPLIT/nats/FIELD`.

  Raises:
    ConfigError: There is no run, or the config is of another one.
    CheckpointError: The run has no complete checkpoint.
  """
  values = folder.agree(config)
  parts = build.build(sections.parse(values, allow))
  cache = data.prepared(parts.run)
  with (
    mesh_lib.use(parts.mesh),
    checkpoint.Checkpoints(folder.checkpoints) as kept,
  ):
    step, params = keeping.Pick().params(kept, parts)
    result: dict[str, Any] = {'step': step}
    for split in ('valid', 'test'):
      if split in cache:
        found = judge(parts, cache, split)(params)
        result |= {f'{split}/{name}': value for name, value in found.items()}
  return result


def judge(
  parts: Parts,
  cache: TokenCache,
  split: str,
  limit: int = 0,
  noted: Quarantine | None = None,
) -> Callable[[Any], dict[str, float]]:
  """Returns a function from parameters to the figures of a split.

  Args:
    parts: The run's objects.
    cache: Its data.
    split: Which split.
    limit: Batches at most; 0 for all.
    noted: Where rotten pieces are noted; None refuses them.
  """

  def function(params: Any) -> dict[str, float]:
    return evaluate_lib.evaluate(
      parts.eval_step,
      params,
      itertools.islice(
        data.split_batches(parts.run, cache, split, parts.mesh, noted),
        limit or None,
      ),
      fields=parts.fields,
      mesh=parts.mesh,
    )

  return function


def baseline(parts: Parts, cache: TokenCache) -> dict[str, float]:
  """Returns `table/loss`, nats a voice-16th of a count table on `valid`.

  The table is fitted on `train`; both splits are read piece by piece, so it
  knows the place in the beat always, and the model, in rows, no more than it.

  Raises:
    ConfigError: The tokenization is no grid of voices.
  """
  table = baseline_lib.CountTable.fit(
    map(baseline_lib.piece, cache['train']),
    lookup(sections.voice_grid(parts.run)),
  )
  found = table.evaluate(map(baseline_lib.piece, cache['valid']))
  return {'table/loss': found['loss']}


def lookup(tokenizer: VoiceGrid) -> baseline_lib.Lookup:
  """Returns what the ids of a grid mean to the count table."""
  codec = tokenizer.codec
  pitch, event = [], []
  for field, size in enumerate(codec.sizes):
    meaning = np.full(size, baseline_lib.OTHER)
    meaning[codec.id('rest', field=field)] = baseline_lib.REST
    meaning[slice(*codec.span('hold', field))] = baseline_lib.HOLD
    meaning[slice(*codec.span('pitch', field))] = np.arange(128)
    pitch.append(meaning)
    # Only the hold of what sounds is ever possible: all count as one event.
    label = np.arange(size)
    label[meaning == baseline_lib.HOLD] = codec.span('hold', field)[0]
    event.append(np.unique(label, return_inverse=True)[1])
  pickup = np.zeros(codec.sizes[3], np.int64)
  span = codec.span('pickup', 3)
  pickup[slice(*span)] = np.arange(span[1] - span[0])
  return baseline_lib.Lookup(
    pitch=pitch,
    event=event,
    bos=codec.id('bos'),
    pickup=pickup,
    beat=tokenizer.grid.cells_per_beat,
  )
