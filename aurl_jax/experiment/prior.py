"""Fits a prior to the latents of a run, and says what it is worth."""

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import BundleError, ConfigError
from aurl_jax.data.cache import TokenSplit, fitting
from aurl_jax.deploy import conditions as conditions_lib
from aurl_jax.deploy import priors as priors_lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.deploy.priors import AGGREGATE, KINDS, Learned, Priors
from aurl_jax.experiment import data, generate, sections
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.models.aggregate import AggregatePrior
from aurl_jax.models.densities import normal_log_prob
from aurl_jax.models.latent import Latents
from aurl_jax.models.prior import Prior, PriorConfig
from aurl_jax.music import cut, transform
from aurl_jax.tokens.tokenizer import Tokenizer
from aurl_jax.training import prior as fit_lib
from aurl_jax.training.prior import Encoded, FitConfig

LIMIT = 20_000
"""Most pieces of a split that are encoded."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
  """What prior is fitted to what.

  Attributes:
    kind: One of `deploy.priors.KINDS`.
    conditions: Kinds that it knows; see `deploy.conditions`.
    copies: Of each piece of `train`, transposed at random as far as the run's
      `augment.transpose` goes; 0 takes the pieces alone, as does a run that
      did not transpose.
    components: Of an aggregate; 0 for all pieces.
    network: Changes to `PriorConfig` beyond its defaults.
    fit: How a prior is learned.
  """

  kind: str = 'autoregressive'
  conditions: tuple[str, ...] = ()
  copies: int = 6
  components: int = 1024
  network: dict[str, Any] = dataclasses.field(default_factory=dict)
  fit: FitConfig = dataclasses.field(default_factory=FitConfig)

  def __post_init__(self) -> None:
    if self.kind not in KINDS:
      raise ConfigError(
        f'kind {self.kind!r} is none of {", ".join(KINDS)}', code='prior'
      )
    for name in ('copies', 'components'):
      if getattr(self, name) < 0:
        raise ConfigError(f'{name} must be 0 or more', code='prior')
    conditions_lib.classes(self.conditions)


def fit(run: str, task: Task | None = None) -> dict[str, Any]:
  """Fits a prior to what a run encodes its data as, and keeps it in the run.

  A prior of the same kind is replaced; those of other kinds stay.

  Args:
    run: The run's folder.
    task: What is fitted; None takes the defaults.

  Returns:
    `kind`, `file`, `pieces` (encoded, copies among them), `step` of the best
    evaluation, and the figures of `judge` on `valid`.

  Raises:
    ConfigError: There is no run, or its model has no latents.
    CheckpointError: The run has no complete checkpoint.
  """
  task, folder = task or Task(), Workdir(pathlib.Path(run))
  config = sections.parse(folder.read_config())
  space = LatentSpace(generate.bare(folder))
  cache = data.prepared(config, quiet=True)
  reach = config.augment.transpose if task.copies else 0
  copies = task.copies if reach else 0
  seed = task.fit.seed
  music = pieces(cache['train'], config.model.context, seed)
  copied = music + transposed(music, config.tokenizer, copies, reach, seed)
  train = encoded(space, copied, task.conditions)
  judged = pieces(cache['valid'], config.model.context, seed)
  valid = encoded(space, judged, task.conditions)
  result: dict[str, Any] = {'kind': task.kind, 'pieces': len(copied)}
  if task.kind == AGGREGATE:
    prior: Learned | AggregatePrior = _aggregate(task, train)
  else:
    prior, result['step'] = _learned(task, space, train, valid)
  kept = _kept(folder, space.composer).has(task.kind, prior)
  files.write_atomic(folder.prior, priors_lib.to_bytes(kept))
  return result | {'file': str(folder.prior)} | judge(kept, space, judged)


def judge(
  priors: Priors, space: LatentSpace, music: Sequence[np.ndarray]
) -> dict[str, float]:
  """Returns what latents of pieces cost under each prior.

  Args:
    priors: Those of the model.
    space: The model.
    music: Ids of pieces that no prior has seen.

  Returns:
    `entropy`, nats a slot of the posteriors, and for `standard` and each kind
    `KIND/nats`, nats a slot of samples of theirs; `KIND/told` likewise where a
    learned prior is told the conditions of each piece. Less the entropy, they
    are the divergence from the prior.
  """
  posterior = space.posterior(music)
  figures = {
    'entropy': fit_lib.entropy(posterior),
    'standard/nats': fit_lib.nats(_standard, posterior),
  }
  for kind, prior in priors.kinds.items():
    figures[f'{kind}/nats'] = fit_lib.nats(_plain(prior), posterior)
    if isinstance(prior, Learned) and prior.names:
      told = _conditions(space.composer.tokenizer, music, prior.names)
      figures[f'{kind}/told'] = fit_lib.nats(_plain(prior, told), posterior)
  return figures


def pieces(split: TokenSplit, context: int, seed: int) -> list[np.ndarray]:
  """Returns ids of a split's pieces that fit, at most `LIMIT`, at random.

  Raises:
    ConfigError: None fits.
  """
  found = list(itertools.islice(fitting(split, context, seed), LIMIT))
  if not found:
    raise ConfigError(
      f'no piece of {split.name} is as short as the context of the model, '
      f'{context} steps; set data.excerpt',
      code='no_pieces',
    )
  return found


def transposed(
  music: Sequence[np.ndarray],
  tokenizer: Tokenizer,
  copies: int,
  reach: int,
  seed: int,
) -> list[np.ndarray]:
  """Returns copies of pieces, each moved at random, never by nothing.

  Copies that would leave the range of pitches, or be longer, are left out.

  Args:
    music: Ids.
    tokenizer: Of these.
    copies: Of each piece.
    reach: Most semitones.
    seed: Of the moves.
  """
  rng, shape = np.random.default_rng([seed, 1]), (copies, len(music))
  sizes = rng.integers(1, max(1, reach) + 1, shape)
  moves = sizes * (2 * rng.integers(0, 2, shape) - 1)
  found = []
  for row in moves.tolist():
    for ids, move in zip(music, row, strict=True):
      try:
        moved = transform.transpose(tokenizer.decode(ids), move)
      except cut.TransformError:
        continue
      again = tokenizer.encode(moved)
      found += [again] if len(again) <= len(ids) else []
  return found


def encoded(
  space: LatentSpace, music: Sequence[np.ndarray], names: Sequence[str]
) -> Encoded:
  """Returns the posteriors of pieces and the conditions that they meet."""
  told = _conditions(space.composer.tokenizer, music, names)
  return Encoded(space.posterior(music), told)


def _conditions(
  tokenizer: Tokenizer, music: Sequence[np.ndarray], names: Sequence[str]
) -> np.ndarray:
  """Returns conditions of pieces, int32 [n, c]."""
  if not names:
    return np.zeros((len(music), 0), np.int32)
  grid = tokenizer.grid
  return np.stack(
    [conditions_lib.of(tokenizer.decode(ids), grid, names) for ids in music]
  )


def _aggregate(task: Task, train: Encoded) -> AggregatePrior:
  return AggregatePrior.of(
    train.posterior,
    task.components,
    seed=task.fit.seed,
    condition=train.condition,
    names=task.conditions,
    classes=conditions_lib.classes(task.conditions),
  )


def _learned(
  task: Task, space: LatentSpace, train: Encoded, valid: Encoded
) -> tuple[Learned, int]:
  """Returns a learned prior and the step of its best evaluation."""
  config = PriorConfig(
    latent=space.composer.model.config.latent,
    kind=task.kind,
    names=task.conditions,
    classes=conditions_lib.classes(task.conditions),
    **task.network,
  )
  prior = Prior(config)
  found = fit_lib.fit(prior, train, valid, task.fit)
  return Learned(prior, found.params), found.step


def _kept(folder: Workdir, composer: Composer) -> Priors:
  """Returns the priors of a run that are of this model, or none."""
  own = priors_lib.fingerprint(composer.params)
  try:
    found = generate.with_priors(composer, folder).priors
  except BundleError:
    # What is damaged is made again.
    found = None
  return found or Priors(kinds={}, default='', encoder=own)


def _standard(latents: Latents, used: Any) -> Any:
  zero = jnp.zeros((1, 1, 1))
  slots = normal_log_prob(latents.slots, zero, zero)
  piece = normal_log_prob(latents.piece, zero[0], zero[0])
  return jnp.where(used, slots, 0).sum(-1) + piece


def _plain(
  prior: Learned | AggregatePrior, told: Any = None
) -> Callable[[Latents, Any], Any]:
  """Returns the log density of latents; `told` is for a learned prior."""
  if isinstance(prior, AggregatePrior):
    return lambda latents, used: prior.log_prob(latents, used)
  log_prob = jax.jit(prior.prior.log_prob)
  return lambda latents, used: log_prob(prior.params, latents, used, told)
