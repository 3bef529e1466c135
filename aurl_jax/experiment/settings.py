"""The sections that belong to an experiment as a whole, typed.

Data, length and rhythm of training, what is logged and which checkpoints stay.
Sections that configure one room have their dataclass in that room.
"""

import dataclasses

from aurl_jax.core.errors import CheckpointError, ConfigError
from aurl_jax.core.retention import Keep
from aurl_jax.data import gather
from aurl_jax.data.piece import Options
from aurl_jax.data.preprocess import Preprocess
from aurl_jax.data.quality import Filter
from aurl_jax.training.averages import AverageConfig
from aurl_jax.training.guard import GuardConfig
from aurl_jax.training.options import StepConfig
from aurl_jax.training.scaling import ScalingConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Where the music comes from and how it becomes rows.

  Attributes:
    source: `chorales` (the embedded corpus) or a folder of MIDI files.
    batching: `pack`, `pad` or `crop`, as in `data.batching`, or `bucket`, as
      in `data.buckets`.
    buckets: Contexts of the buckets, such as `64,128,256`; '' takes the
      model's, halved thrice.
    context: Steps of a row of training, at most; 0 for those of the model. A
      model is judged by rows of its own context.
    bucket_rows: Rows of every bucket are a multiple of this; 0 takes
      `train.batch_size`.
    workers: Processes that make batches ahead; 0 for none.
    max_bad: Percent of the pieces that may rot before the run stops.
    splits: Name of a frozen table of splits; '' goes by the set's own, or by
      the digest of the music.
    preprocess: What is done to each piece; see `data.preprocess`.
    quality: Limits of a good piece; see `data.quality`.
    duplicates: `keep`, or leave out `exact` ones, or `near` ones, too.
    controls: Which are told of each piece, for tokenizers that have them:
      `none`, those of the `piece`, of its `bars`, too, or `studied`, with
      what the studies hear of it.
    excerpt: Bars that pieces are cut into, each a piece then; 0 for whole
      pieces. For models of short pieces (`data.excerpts`).
  """

  source: str = 'chorales'
  batching: str = 'pack'
  buckets: str = ''
  context: int = 0
  bucket_rows: int = 0
  workers: int = 0
  max_bad: float = 1.0
  splits: str = ''
  preprocess: Preprocess = dataclasses.field(default_factory=Preprocess)
  quality: Filter = dataclasses.field(default_factory=Filter)
  duplicates: str = 'keep'
  controls: str = 'none'
  excerpt: int = 0

  def __post_init__(self) -> None:
    if self.batching not in gather.MODES:
      raise ConfigError(
        f'data.batching is {self.batching!r}; choose pack, pad, crop or bucket'
      )
    if min(self.bucket_rows, self.workers, self.context) < 0:
      raise ConfigError(
        'data.bucket_rows, data.workers and data.context must be 0 or more'
      )
    if not 0 <= self.max_bad <= 100:
      raise ConfigError(f'data.max_bad {self.max_bad} is not a percentage')
    _ = self.options, self.contexts

  @property
  def contexts(self) -> tuple[int, ...]:
    """The contexts of `buckets`."""
    try:
      return tuple(int(word) for word in self.buckets.split(',') if word)
    except ValueError as error:
      raise ConfigError(
        f'data.buckets {self.buckets!r} are not numbers with commas between'
      ) from error

  @property
  def options(self) -> Options:
    """The part that `data.piece` reads."""
    return Options(
      preprocess=self.preprocess,
      quality=self.quality,
      duplicates=self.duplicates,
      controls=self.controls,
      excerpt=self.excerpt,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
  """How long to train, and what happens how often.

  In steps; 0 is never, but for the last step, which is always logged and
  kept.

  Attributes:
    steps: Optimiser steps in all.
    begin_from: A run, a bundle or a shipped name whose parameters this run
      begins with; '' draws its own.
    batch_size: Rows of a step, over all processes and accumulated parts.
    accumulate: Parts that a batch is split into, one after the other.
    log_every: Steps between records of `metrics.jsonl`.
    evaluate_every: Steps between passes over the validation split.
    evaluate_batches: Batches of such a pass at most; 0 takes the split.
    checkpoint_every: Steps between checkpoints; the last step has one too.
    sample_every: Steps between samples; the end has some in any case.
    label_smoothing: Share of the target spread over all ids, 0..1.
    adversarial: How far embeddings are moved against the model, over their
      norm; 0 for not at all. Twice the time of a step.
    ema: Decay of a moving average of the parameters, which then is what is
      evaluated, sampled and exported; 0 for none.
    average_every: Steps between the parameters of an even average, which
      comes before `ema`; 0 for none.
    average_from: Steps before its first.
    spike: Mean absolute deviations above the mean from which on a loss or a
      gradient is a spike, and its step skipped; 0 for never.
    rollback_after: Bad steps in a row (not finite, or spikes) after which
      training goes back to the checkpoint before them and on with the
      batches behind them; 0 for never.
    rollbacks: Times that it may; then the run ends with an error.
    loss_scale: Scale of the loss at the start, for `model.dtype` float16.
    loss_scale_steps: Good steps after which it doubles.
  """

  steps: int = 1000
  begin_from: str = ''
  batch_size: int = 16
  accumulate: int = 1
  log_every: int = 20
  evaluate_every: int = 200
  evaluate_batches: int = 0
  checkpoint_every: int = 200
  sample_every: int = 0
  label_smoothing: float = 0.0
  adversarial: float = 0.0
  ema: float = 0.0
  average_every: int = 0
  average_from: int = 0
  spike: float = 0.0
  rollback_after: int = 10
  rollbacks: int = 3
  loss_scale: float = 32768.0
  loss_scale_steps: int = 2000

  def __post_init__(self) -> None:
    try:
      _ = self.step_options('float16')
    except ConfigError as error:
      raise ConfigError(f'train.{error}', code=error.code) from error
    if min(self.steps, self.batch_size, self.accumulate) < 1:
      raise ConfigError(
        'train.steps, train.batch_size and train.accumulate must be positive'
      )
    for name in ('log', 'evaluate', 'checkpoint', 'sample'):
      if getattr(self, f'{name}_every') < 0:
        raise ConfigError(f'train.{name}_every must be 0 (never) or more')
    if self.evaluate_batches < 0:
      raise ConfigError('train.evaluate_batches must be 0 (all) or more')
    if not 0 <= self.label_smoothing < 1:
      raise ConfigError(
        f'train.label_smoothing {self.label_smoothing} is not in [0, 1)'
      )
    if self.batch_size % self.accumulate:
      raise ConfigError(
        f'train.accumulate {self.accumulate} does not divide '
        f'train.batch_size {self.batch_size}'
      )

  def step_options(self, dtype: str) -> StepConfig:
    """Returns the part that `training.steps` and `training.state` read.

    Args:
      dtype: What the model computes in; only float16 has its loss scaled.
    """
    return StepConfig(
      accumulate=self.accumulate,
      label_smoothing=self.label_smoothing,
      adversarial=self.adversarial,
      guard=GuardConfig(
        spike=self.spike,
        rollback_after=self.rollback_after,
        rollbacks=self.rollbacks,
      ),
      averages=AverageConfig(
        ema=self.ema,
        average_every=self.average_every,
        average_from=self.average_from,
      ),
      scaling=ScalingConfig(
        loss_scale=self.loss_scale if dtype == 'float16' else 0.0,
        loss_scale_steps=self.loss_scale_steps,
      ),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoggingConfig:
  """Who is told: people on the console, machines in files.

  Attributes:
    console: Progress on the terminal.
    tensorboard: Event files under `tb/`.
    wandb: Weights & Biases, offline unless `WANDB_MODE` says otherwise.
    trackio: trackio, in a database in the run's folder.
    keep_checkpoints: Newest checkpoints to keep.
    baseline: Fit the count table of `training.baseline` and print it beside
      the model (four-voice grids only).
    page: End by writing samples, their rolls and one page.
    profile_at: Step after which the profiler traces; 0 only when asked.
    profile_steps: Steps of a trace.
  """

  console: bool = True
  tensorboard: bool = True
  wandb: bool = False
  trackio: bool = False
  keep_checkpoints: int = 3
  baseline: bool = False
  page: bool = True
  profile_at: int = 0
  profile_steps: int = 10

  def __post_init__(self) -> None:
    if self.keep_checkpoints < 1:
      raise ConfigError('logging.keep_checkpoints must be at least 1')
    if self.profile_at < 0 or self.profile_steps < 1:
      raise ConfigError(
        'logging.profile_at must be 0 (never) or more, and '
        'logging.profile_steps at least 1'
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
  """Which checkpoints stay, and which model a run hands back.

  The newest `logging.keep_checkpoints` stay in any case.

  Attributes:
    keep_best: The best so many by `metric` stay as well. With 1 or more, or
      with `patience`, each new best is saved when it is found, and the best
      model is what the run ends with, samples and bundles.
    keep_every: Checkpoints of steps that this divides stay; 0 for none.
    metric: What judges a model: a name of the records.
    mode: Whether a small (`min`) or a large value (`max`) is good.
    patience: Evaluations in a row without a gain that end training; 0 never.
    min_delta: A gain must be larger than this to count for `patience`.
  """

  keep_best: int = 0
  keep_every: int = 0
  metric: str = 'valid/loss'
  mode: str = 'min'
  patience: int = 0
  min_delta: float = 0.0

  def __post_init__(self) -> None:
    for name in ('keep_best', 'keep_every', 'patience', 'min_delta'):
      if not getattr(self, name) >= 0:
        raise ConfigError(f'checkpoint.{name} must be 0 or more')
    try:
      self.keep(last=1)
    except CheckpointError as error:
      raise ConfigError(f'checkpoint: {error}') from error

  @property
  def selects(self) -> bool:
    """Whether a run hands back its best model, not its last."""
    return self.keep_best > 0 or self.patience > 0

  def keep(self, last: int) -> Keep:
    """Returns what stays, beside the newest `last`."""
    return Keep(
      last=last,
      best=max(self.keep_best, int(self.patience > 0)),
      every=self.keep_every,
      metric=self.metric,
      mode=self.mode,
    )
