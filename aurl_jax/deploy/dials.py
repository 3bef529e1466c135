"""Dials of a latent space: attributes that are dims, read and turned.

A model with `model.latent.dials` is told the attributes of each slot in the
first dims of its latent (`tokens.sounds`). An excerpt's attributes follow
from those of its slots; a dial is turned in standard deviations of the excerpts
that it was fitted on. Where it counts (density, syncopation), slots get whole
numbers, and the next one what is left of a slot: a model that has only read
whole numbers takes a little more in each slot for nothing more (error
diffusion, Floyd & Steinberg 1976). Elsewhere all slots move alike.

Few notes sound less together than many: what a dial takes along is held back
by turning the other one, too, as far as was measured (`holds`). Axes: `n`
pieces, `s` slots, `z` dims of a slot's latent.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from aurl_jax.core import files
from aurl_jax.core.errors import ConfigError
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.tokens.sounds import SCALES

COUNTED = ('density', 'syncopation')
"""Attributes that are whole numbers over the beats of a slot."""


@dataclasses.dataclass(frozen=True)
class Dials:
  """What can be turned, and how far one standard deviation is.

  Attributes:
    deviations: Attribute -> standard deviation over excerpts, in its own unit
      (`evaluation.attributes`), in the order of the dims.
    beats: Of a slot.
    holds: Attribute -> other attribute -> how far the other's dial is turned,
      for each deviation that the first one's is (`experiment.dials`).
  """

  deviations: Mapping[str, float]
  beats: int = 1
  holds: Mapping[str, Mapping[str, float]] = dataclasses.field(
    default_factory=dict
  )

  @classmethod
  def fit(cls, latent: LatentConfig, posterior: Posterior) -> 'Dials':
    """Returns the dials of a model, measured on excerpts of its data.

    Args:
      latent: Of the model.
      posterior: Of two excerpts or more, as of `LatentSpace.posterior`.

    Raises:
      ConfigError: The model has no dials, or there is one excerpt (code
        `dials`).
    """
    names = names_of(latent)
    if len(posterior.used) < 2:
      raise ConfigError(
        f'dials are measured on two pieces or more, not {len(posterior.used)}',
        code='dials',
      )
    found = _read(names, posterior)
    return cls(
      {name: float(np.nanstd(found[name])) for name in names}, latent.beats
    )

  def read(self, posterior: Posterior) -> dict[str, Float[np.ndarray, 'n']]:
    """Returns the attributes of pieces, in their own units.

    Slots without a pitch have no say in the register; it is `nan` where no
    slot has one.

    Args:
      posterior: As of `LatentSpace.posterior`.
    """
    return _read(tuple(self.deviations), posterior)

  def turn(self, latents: Latents, **by: float) -> Latents:
    """Returns latents with dials turned.

    Args:
      latents: Of any pieces.
      **by: Attribute -> how far, in standard deviations of the data.

    Raises:
      ConfigError: There is no such dial (code `dials`), or it is turned to
        what is no finite number.

    Example:
      >>> middle = Latents(slots=np.zeros((1, 4, 2)), piece=np.zeros((1, 0)))
      >>> turned = Dials({'density': 0.5}).turn(middle, density=3.0)
      >>> turned.slots[..., 0].tolist()
      [[1.0, 0.5, 1.0, 0.5]]
    """
    names, slots = list(self.deviations), np.array(latents.slots, np.float32)
    for name, far in self._with_holds(by).items():
      if far:
        dim = names.index(name)
        move = far * self.deviations[name]
        slots[..., dim] = self._moved(name, slots[..., dim], move)
    return dataclasses.replace(latents, slots=slots)

  def _with_holds(self, by: Mapping[str, float]) -> dict[str, float]:
    """Returns how far each dial is turned, those that hold back among them."""
    found = dict.fromkeys(self.deviations, 0.0)
    for name, far in by.items():
      if name not in found:
        raise ConfigError(
          f'no dial {name!r}; this model has {", ".join(found)}', code='dials'
        )
      if not np.isfinite(far):
        raise ConfigError(
          f'dial {name!r} cannot be turned by {far}; say how many standard '
          'deviations, such as 2 or -1.5',
          code='dials',
        )
      found[name] += far
      for other, share in self.holds.get(name, {}).items():
        found[other] += share * far
    return found

  def _moved(
    self, name: str, told: Float[np.ndarray, 'n s'], move: float
  ) -> Float[np.ndarray, 'n s']:
    """Returns the dims of an attribute, moved in its own unit."""
    middle, width = SCALES[name]
    wanted = told * width + middle + move
    if name in COUNTED:
      wanted = diffused(wanted * self.beats) / self.beats
    moved: np.ndarray = (wanted - middle) / width
    return moved

  @property
  def told(self) -> dict[str, Any]:
    """The dials as JSON; `of` inverts it."""
    told = {'beats': self.beats, 'deviations': dict(self.deviations)}
    holds = {name: dict(others) for name, others in self.holds.items()}
    return told | ({'holds': holds} if holds else {})

  @classmethod
  def of(cls, told: Any, where: str, latent: LatentConfig) -> 'Dials':
    """Returns the dials that `told` told.

    Args:
      told: That, or something damaged.
      where: Where it is from, for the error.
      latent: Of the model that they are of.

    Raises:
      ConfigError: It holds no dials, or others than the model's (code
        `dials`).
    """
    names = names_of(latent)
    try:
      found = {str(k): float(v) for k, v in told['deviations'].items()}
      beats = int(told['beats'])
      holds = {
        str(name): {str(k): float(v) for k, v in others.items()}
        for name, others in told.get('holds', {}).items()
      }
    except (ValueError, AttributeError, TypeError, KeyError) as error:
      raise ConfigError(
        f'{where} holds no dials: {error}; fit them again', code='dials'
      ) from error
    same = tuple(found) == names and beats == latent.beats
    shares = [(k, v) for others in holds.values() for k, v in others.items()]
    same = same and {*holds, *(name for name, _ in shares)} <= found.keys()
    numbers = [*found.values(), *(share for _, share in shares)]
    if not same or not np.isfinite(numbers).all():
      raise ConfigError(
        f'{where} has dials {", ".join(found)} a slot of {beats} beats, the '
        f'model {", ".join(names)} of {latent.beats}; fit them again',
        code='dials',
      )
    return cls(found, beats, holds)

  def save(self, path: files.StrPath) -> None:
    """Writes the dials as JSON."""
    files.write_atomic(path, json.dumps(self.told) + '\n')

  @classmethod
  def load(cls, path: files.StrPath, latent: LatentConfig) -> 'Dials':
    """Returns dials that `save` wrote; raises as `of`."""
    with open(path, encoding='utf-8') as file:
      text = file.read()
    try:
      told = json.loads(text)
    except ValueError as error:
      raise ConfigError(
        f'{path} holds no dials: {error}; fit them again', code='dials'
      ) from error
    return cls.of(told, str(path), latent)


def diffused(wanted: Float[np.ndarray, 'n s']) -> Float[np.ndarray, 'n s']:
  """Returns whole numbers from 0 on, whose sums go along with what is wanted.

  Each is the nearest to what is wanted there and is left of those before it;
  what a number below 0 would take, the next ones give.

  Example:
    >>> diffused(np.array([[0.4, 0.4, 0.4, 1.4, -1.0, 2.0]])).tolist()
    [[0.0, 1.0, 0.0, 2.0, 0.0, 1.0]]
  """
  found, left = np.zeros_like(wanted), np.zeros(len(wanted))
  for slot in range(wanted.shape[1]):
    left = left + wanted[:, slot]
    found[:, slot] = np.maximum(np.floor(left + 0.5), 0)
    left = left - found[:, slot]
  return found


def names_of(latent: LatentConfig) -> tuple[str, ...]:
  """Returns the dials of a model, in the order of the dims.

  Raises:
    ConfigError: It has none (code `dials`).
  """
  if not latent.dial_names:
    raise ConfigError(
      'this model has no dials; train one with model.latent.dials='
      "'density,register', say",
      code='dials',
    )
  return latent.dial_names


def _read(
  names: Sequence[str], posterior: Posterior
) -> dict[str, Float[np.ndarray, 'n']]:
  """Returns what dims of slots say of whole pieces."""
  slots, used = np.asarray(posterior.mean.slots), np.asarray(posterior.used)
  told = {
    name: SCALES[name][0] + SCALES[name][1] * slots[..., dim].astype(float)
    for dim, name in enumerate(names)
  }
  weight = {name: used.astype(float) for name in names}
  if {'polyphony', 'register'} <= told.keys():
    weight['register'] = weight['register'] * told['polyphony'].clip(0)
  with np.errstate(invalid='ignore'):
    return {
      name: (told[name] * weight[name]).sum(1) / weight[name].sum(1)
      for name in names
    }
