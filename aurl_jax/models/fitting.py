"""Whether a config, a vocabulary and the places of a tokenizer fit together."""

from typing import Any

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.config import ModelConfig


def check(
  config: ModelConfig, vocabulary: tuple[int, ...], places: Any
) -> None:
  """Raises ConfigError unless a model can be made of them.

  Args:
    config: Hyperparameters.
    vocabulary: Number of ids of each field.
    places: Of the tokenizer, or None.
  """
  if config.needs_places and places is None:
    raise ConfigError(
      f'model.positions: {config.positions!r} with model.pattern '
      f'{config.pattern!r}, model.metrical {config.metrical} and '
      f'model.shared_pitch {config.shared_pitch} needs to know where '
      'steps stand in the music; pass Model.build the Places of the '
      "tokenizer, or set 'rope', 'full', 0 and False",
      code='model_config',
    )
  _check_heard(config, places)
  if config.lead >= len(vocabulary):
    raise ConfigError(
      f'model.lead: {config.lead} fields are told early, but a step of '
      f'this tokenizer has {len(vocabulary)}; leave at least one, or '
      'set it to 0',
      code='model_config',
    )
  latent = config.latent
  if (latent.dials or latent.oneshot) and places.sounds is None:
    name = 'dials' if latent.dials else 'oneshot'
    raise ConfigError(
      f'model.latent.{name}: this tokenizer tells a note in several steps, '
      'of which no attributes and no rolls are computed; take compound or '
      'grid, or leave the dials empty and oneshot at 0',
      code='model_config',
    )
  by_bars = config.pattern in ('bars', 'hierarchy')
  if by_bars and places.infill:
    raise ConfigError(
      f'model.pattern: {config.pattern!r} reads bars in their order, '
      'but what this tokenizer fills in stands behind its context; set '
      "tokenizer.infill=False, or model.pattern 'full'",
      code='model_config',
    )


def _check_heard(config: ModelConfig, places: Any) -> None:
  if not config.heard:
    return
  known = [name for name, _ in places.heard]
  names = config.heard_names
  strange = [name for name in names if name not in known]
  if strange:
    raise ConfigError(
      f'model.heard: this tokenization tells no {", ".join(strange)}, so that '
      f'there are no labels of it; it has: {", ".join(known) or "none"} '
      '(tokenizer.controls=True and studied=True tell them all)',
      code='model_config',
    )
  if len(set(names)) < len(names):
    raise ConfigError(
      f'model.heard: {config.heard!r} names a kind twice; name each once',
      code='model_config',
    )
