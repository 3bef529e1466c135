"""Likelihood of a split under a run's model, and the table beside it."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from aurl_jax.core import checkpoint
from aurl_jax.core.typing import Batch
from aurl_jax.data.cache import TokenCache
from aurl_jax.data.objective import TOLD
from aurl_jax.data.quarantine import Quarantine
from aurl_jax.experiment import build, data, keeping, learning, sections
from aurl_jax.experiment.build import Parts
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.training import baseline as baseline_lib
from aurl_jax.training import evaluate as evaluate_lib
from aurl_jax.training import telemetry


def run(
  config: Mapping[str, Any] | None,
  folder: Workdir,
  allow: tuple[str, ...] = (),
) -> dict[str, Any]:
  """Evaluates the model of a run on `valid` and `test`.

  That is the best one if the config selects, else the newest checkpoint.

  Returns:
    `step`, and for each split `SPLIT/loss` (nats an id), `SPLIT/perplexity`,
    `SPLIT/accuracy`, `SPLIT/tokens` and `SPLIT/nats/FIELD`; the first three
    of each other objective of the mixture as `SPLIT/bars/loss` and so on.

  Raises:
    ConfigError: There is no run, or the config is of another one.
    CheckpointError: The run has no complete checkpoint.
  """

  def all_of(parts: Parts, cache: TokenCache, params: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for split in ('valid', 'test'):
      if split in cache:
        found = judge(parts, cache, split)(params)
        result |= {f'{split}/{name}': value for name, value in found.items()}
    return result

  return _of_run(config, folder, allow, all_of)


def _of_run(
  config: Mapping[str, Any] | None,
  folder: Workdir,
  allow: tuple[str, ...],
  figures: Callable[[Parts, TokenCache, Any], dict[str, Any]],
) -> dict[str, Any]:
  """Returns the step of a run's model, and figures of it."""
  values = folder.agree(config)
  parts = build.build(sections.parse(values, allow))
  cache = data.prepared(parts.run)
  with (
    mesh_lib.use(parts.mesh),
    checkpoint.Checkpoints(folder.checkpoints) as kept,
  ):
    step, params = keeping.Pick().params(kept, parts)
    return {'step': step} | figures(parts, cache, params)


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
  run = parts.run
  kinds = learning.judged(run.objective)
  causal = _over(parts, cache, split, limit, noted)
  others = {
    kind: _over(parts, cache, split, limit, noted, kind) for kind in kinds
  }

  def function(params: Any) -> dict[str, float]:
    found = causal(params)
    for kind, judged in others.items():
      values = judged(params)
      found |= {f'{kind}/{name}': values[name] for name in _OF_OBJECTIVES}
    if run.model.has_latents:
      some = _some(parts, cache, split, limit, noted)
      found |= telemetry.measure(parts.telemetry_step, params, some, parts.mesh)
    return found

  return function


def held_out(
  parts: Parts, cache: TokenCache, noted: Quarantine | None = None
) -> Iterable[Batch]:
  """Returns the batches of `valid` that a run is judged by on its way."""
  limit = parts.run.train.evaluate_batches
  return _some(parts, cache, 'valid', limit, noted)


def _some(
  parts: Parts,
  cache: TokenCache,
  split: str,
  limit: int,
  noted: Quarantine | None,
) -> Iterable[Batch]:
  batches = data.split_batches(parts.run, cache, split, parts.mesh, noted)
  return itertools.islice(batches, limit or None)


_OF_OBJECTIVES = ('loss', 'perplexity', 'accuracy')


def _over(
  parts: Parts,
  cache: TokenCache,
  split: str,
  limit: int,
  noted: Quarantine | None,
  kind: str = '',
) -> Callable[[Any], dict[str, float]]:
  """Returns a function to the figures of one objective; '' is causal."""
  run = parts.run
  mixture = None
  if kind:
    mixture = learning.alone(
      run.objective, run.tokenizer, kind, run.model.heard_names
    )

  def function(params: Any) -> dict[str, float]:
    return evaluate_lib.evaluate(
      parts.eval_step,
      params,
      itertools.islice(
        data.split_batches(run, cache, split, parts.mesh, noted, mixture),
        limit or None,
      ),
      fields=parts.fields,
      mesh=parts.mesh,
      with_ids=kind in TOLD,
    )

  return function


def sides(
  parts: Parts, cache: TokenCache, split: str, limit: int = 0
) -> Callable[[Any], dict[str, float]]:
  """Returns a function that compares bars given both sides, and the left.

  Both are likelihoods of the same ids: what stood in bars taken out, but for
  the bar lines. Given both sides, as the bars are infilled; given the left
  alone, as they are continued.

  Args:
    parts: The run's objects.
    cache: Its data.
    split: Which split.
    limit: Batches of each at most; 0 for all.

  Returns:
    A function from parameters to `both/loss` and `left/loss` (nats an id),
    `gain` (left less both) and `ids`, how many of them.

  Raises:
    ConfigError: The tokenizer has no steps for infilling.
  """
  judged = {
    side: _over(parts, cache, split, limit, None, side) for side in TOLD
  }

  def function(params: Any) -> dict[str, float]:
    found = {side: values(params) for side, values in judged.items()}
    losses = {f'{side}/loss': found[side]['loss'] for side in TOLD}
    gain = losses['left/loss'] - losses['both/loss']
    return losses | {'gain': gain, 'ids': found['both']['ids']}

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
