"""The sections of a run's config, typed, and the checks between them.

A section that configures one room has its dataclass in that room (`model`:
`ModelConfig`, `mesh`: `MeshConfig`, `optimizer`: `OptimizerConfig`); those of
the experiment as a whole have theirs in `experiment.settings`. `parse` checks
everything before anything is built.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from aurl_jax.core import config as config_lib
from aurl_jax.core.errors import ConfigError
from aurl_jax.core.retention import Keep
from aurl_jax.data import gather
from aurl_jax.data.augment import AugmentConfig
from aurl_jax.data.curriculum import Curriculum
from aurl_jax.data.objective import ObjectiveConfig
from aurl_jax.experiment import learning
from aurl_jax.experiment.learning import LossSection
from aurl_jax.experiment.settings import (
  CheckpointConfig,
  DataConfig,
  LoggingConfig,
  TrainConfig,
)
from aurl_jax.experiment.writing import GenerateConfig
from aurl_jax.generation.errors import RequestError
from aurl_jax.models.config import ModelConfig
from aurl_jax.parallel.mesh import MeshConfig
from aurl_jax.tokens import tokenizer as tokenizer_lib
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.tokenizer import Tokenizer
from aurl_jax.training.elbo import ElboConfig
from aurl_jax.training.gan import GanConfig
from aurl_jax.training.optimizer import OptimizerConfig
from aurl_jax.training.options import StepConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
  """A whole run: one frozen dataclass a section."""

  seed: int
  data: DataConfig
  tokenizer: Tokenizer
  augment: AugmentConfig
  model: ModelConfig
  mesh: MeshConfig
  optimizer: OptimizerConfig
  train: TrainConfig
  checkpoint: CheckpointConfig
  generate: GenerateConfig
  logging: LoggingConfig
  curriculum: Curriculum
  objective: ObjectiveConfig
  loss: LossSection
  elbo: ElboConfig
  gan: GanConfig

  @property
  def row_unit(self) -> int:
    """What the rows of every batch are a multiple of."""
    own = self.data.bucket_rows if self.data.batching == 'bucket' else 0
    return own or self.train.batch_size

  @property
  def parts(self) -> tuple[int, ...]:
    """Into how many parts a batch is dealt, in one way or another."""
    critic = self.model.mode == 'vae_gan'
    return (self.train.accumulate, *([self.gan.steps] if critic else []))

  @property
  def at_once(self) -> int:
    """What devices have to divide: rows of all parts are multiples of it."""
    return math.gcd(*(self.row_unit // count for count in self.parts))

  @property
  def rows(self) -> gather.Options:
    """How the rows of training batches are filled."""
    return {
      'batch_size': self.train.batch_size,
      'context': min(
        self.data.context or self.model.context, self.model.context
      ),
      'seed': self.seed,
      'mode': self.data.batching,
      'buckets': self.data.contexts,
      'bucket_rows': self.data.bucket_rows,
      'curriculum': self.curriculum,
      'objective': learning.mixture(
        self.objective, self.tokenizer, self.model.heard_names
      ),
    }

  @property
  def step_options(self) -> StepConfig:
    """What a training step does."""
    return dataclasses.replace(
      self.train.step_options(self.model.dtype),
      **self.loss.options(self.tokenizer),
      elbo=self.elbo,
    )

  @property
  def keep(self) -> Keep:
    """Which checkpoints stay."""
    return self.checkpoint.keep(self.logging.keep_checkpoints)


SECTIONS: dict[str, type] = {
  'data': DataConfig,
  'augment': AugmentConfig,
  'curriculum': Curriculum,
  'model': ModelConfig,
  'mesh': MeshConfig,
  'optimizer': OptimizerConfig,
  'train': TrainConfig,
  'checkpoint': CheckpointConfig,
  'generate': GenerateConfig,
  'logging': LoggingConfig,
  'objective': ObjectiveConfig,
  'loss': LossSection,
  'elbo': ElboConfig,
  'gan': GanConfig,
}
"""Section -> its dataclass; `tokenizer` names its own."""
_LATER = (
  'augment',
  'curriculum',
  'checkpoint',
  'objective',
  'loss',
  'elbo',
  'gan',
)


def parse(config: Mapping[str, Any], allow: tuple[str, ...] = ()) -> RunConfig:
  """Returns the typed config; fails before anything is built.

  Args:
    config: Plain sections, as a page or `config.json` gives them.
    allow: Modules outside `aurl_jax` that may be named.

  Raises:
    ConfigError: An unknown or missing section or key, a value of a wrong
      type or range, or sections that do not fit each other.
  """
  known = ('seed', 'tokenizer', *SECTIONS)
  # Older runs were stored before these sections were there.
  config = {name: {} for name in _LATER} | dict(config)
  config_lib.check_keys(config, known, 'config')
  missing = [name for name in known if name not in config]
  if missing:
    raise ConfigError(
      f'the config lacks {", ".join(missing)}; start the page from '
      'configs/base.py, which has every section'
    )
  parts: dict[str, Any] = {
    name: config_lib.from_section(cls, config[name], name)
    for name, cls in SECTIONS.items()
  }
  tokenizer = config_lib.build(config['tokenizer'], 'tokenizer', allow)
  seed = config['seed']
  if not (isinstance(seed, int) and 0 <= seed < 1 << 32):
    raise ConfigError(f'seed must be a whole number in 0..2^32-1, not {seed}')
  run = RunConfig(seed=seed, tokenizer=tokenizer, **parts)
  check(run)
  return run


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a config with the defaults of the keys that it does not have.

  Raises:
    ConfigError: A section has an unknown key or a wrong value.
  """
  whole = {
    name: dataclasses.asdict(
      config_lib.from_section(cls, config.get(name, {}), name)
    )
    for name, cls in SECTIONS.items()
  }
  if 'tokenizer' in config:
    whole['tokenizer'] = _whole_tokenizer(config['tokenizer'])
  return dict(config) | whole


def _whole_tokenizer(section: Any) -> Any:
  """Returns the section of a tokenizer with all its options."""
  try:
    built = config_lib.build(section, 'tokenizer')
  except ConfigError:
    # A user's own, which was allowed where it was built: as it is told.
    return section
  return tokenizer_lib.save(built) | {'name': section['name']}


def check(run: RunConfig) -> None:
  """Raises ConfigError where sections do not fit each other."""
  learning.check_controls(run.data.controls, run.tokenizer)
  learning.check_latents(run.model, run.data.batching, run.loss, run.objective)
  learning.check_heard(run.model, run.loss, run.data.controls)
  if run.model.activations:
    raise ConfigError(
      f'model.activations: {run.model.activations} is of models that `aurl '
      'quantise` has made, which are not trained; set it to 0',
      code='model_config',
    )
  learning.check_gan(run.gan, run.model, run.train)
  # The buckets, if there are any, must fit context and batch.
  gather.shapes(run.rows)
  _ = run.step_options
  steps = run.generate.steps or run.model.context
  if steps > run.model.context:
    raise ConfigError(
      f'generate.steps {steps} exceed model.context {run.model.context}'
    )
  need = run.generate.bars * run.generate.steps_per_bar
  if need > steps:
    limit = 'generate.steps' if run.generate.steps else 'model.context'
    raise ConfigError(
      f'generate.bars {run.generate.bars} × generate.steps_per_bar '
      f'{run.generate.steps_per_bar} = {need} steps do not fit '
      f'{limit} {steps}; ask for fewer bars or give the model a longer context'
    )
  if run.logging.baseline:
    voice_grid(run)
  if run.checkpoint.selects and not run.train.evaluate_every:
    raise ConfigError(
      'checkpoint.keep_best and checkpoint.patience go by evaluations; set '
      'train.evaluate_every'
    )
  try:
    run.generate.request()
  except RequestError as error:
    raise ConfigError(f'generate: {error}') from error


def voice_grid(run: RunConfig) -> VoiceGrid:
  """Returns the tokenizer, which must be the one that `baseline` counts.

  Raises:
    ConfigError: The tokenization is no grid of voices.
  """
  if isinstance(run.tokenizer, VoiceGrid):
    return run.tokenizer
  raise ConfigError(
    'logging.baseline needs the tokenizer aurl_jax.tokens.grid:VoiceGrid; '
    'set it to False'
  )


def check_devices(run: RunConfig, rows: int) -> None:
  """Raises ConfigError if the batch cannot be spread over the devices.

  Args:
    run: The config.
    rows: Devices along the mesh axes that split the batch.
  """
  unit, parts = run.row_unit, run.parts
  if any(unit % count for count in parts) or run.at_once % rows:
    name = 'data.bucket_rows' if run.data.bucket_rows else 'train.batch_size'
    dealt = ' and in '.join(map(str, parts))
    raise ConfigError(
      f'{name} {unit} (in {dealt} parts) is not divisible by the {rows} '
      'devices of mesh.data × mesh.fsdp'
    )
