"""The priors that a model carries, and the file `prior.safetensors` of them.

The file holds arrays alone, sealed (`deploy.sealed`). Its header has the
configs of the priors, and which encoder they are of. A run has it in its
folder, a bundle among its files.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from aurl_jax.core import config as config_lib
from aurl_jax.core import trees
from aurl_jax.core.errors import AurlError, BundleError, ConfigError
from aurl_jax.deploy import conditions, sealed
from aurl_jax.models.aggregate import AggregatePrior
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.models.prior import KINDS as LEARNED
from aurl_jax.models.prior import Prior, PriorConfig

NAME = 'prior.safetensors'
FORMAT = 1
"""Of the file; one of a later format is refused."""
AGGREGATE = 'aggregate'
KINDS = (AGGREGATE, *LEARNED)
"""What may be carried; the standard normal needs nothing."""
_READ_BY_ENCODER = ('embed', 'encoder', 'metrical_embed')


@dataclasses.dataclass(frozen=True)
class Learned:
  """A learned prior and its parameters.

  Attributes:
    prior: Which density.
    params: As of `Prior.init`.
  """

  prior: Prior
  params: Any

  @property
  def names(self) -> tuple[str, ...]:
    """What conditions it knows."""
    return self.prior.config.names

  def sample(self, key: Any, n: int, condition: Any = None) -> Latents:
    """Returns latents of `n` pieces that meet a condition, int [c]."""
    return self.prior.sample(self.params, key, n, condition)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Priors:
  """The priors that a model carries.

  Attributes:
    kinds: Any of `KINDS`.
    default: Which of them is meant where none is named.
    encoder: `fingerprint` of the parameters of the model that they are of.
  """

  kinds: Mapping[str, Learned | AggregatePrior]
  default: str
  encoder: str

  def sample(
    self,
    n: int,
    seed: int = 0,
    *,
    kind: str = '',
    condition: Mapping[str, int | str] | None = None,
  ) -> Latents:
    """Returns latents of `n` pieces, as numpy arrays.

    Args:
      n: How many.
      seed: Of the draws.
      kind: Which prior; '' takes the default.
      condition: Classes that they shall be of; see `deploy.conditions`.

    Raises:
      ConfigError: There is no such prior, or condition.
    """
    if (kind or self.default) not in self.kinds:
      raise ConfigError(
        f'the model carries no prior {kind!r}, but {", ".join(self.kinds)}; '
        f'fit it with `aurl prior RUN --kind {kind}`',
        code='prior',
      )
    prior = self.kinds[kind or self.default]
    told = conditions.ids(prior.names, condition or {})
    drawn = prior.sample(jax.random.key(seed), n, told)
    return jax.tree.map(np.asarray, drawn)

  def has(self, kind: str, prior: Learned | AggregatePrior) -> 'Priors':
    """Returns these with one more, or another, which is the default then."""
    kinds = {**self.kinds, kind: prior}
    return dataclasses.replace(self, kinds=kinds, default=kind)


def fingerprint(params: Mapping[str, Any]) -> str:
  """Returns what tells encoders apart, also in bundles of float16.

  Latents mean something to one encoder alone: a prior of another is noise.
  """
  parts = {n: params[n] for n in _READ_BY_ENCODER if n in params}
  hashed = hashlib.sha256()
  for path, leaf in sorted(trees.flatten(parts)):
    with np.errstate(over='ignore'):
      rounded = np.asarray(jax.device_get(leaf)).astype(np.float16)
    hashed.update('/'.join(path).encode() + rounded.tobytes())
  return hashed.hexdigest()


def to_bytes(priors: Priors) -> bytes:
  """Returns the content of a file; `from_bytes` inverts it."""
  arrays: dict[str, np.ndarray] = {}
  told: dict[str, Any] = {}
  for kind, prior in priors.kinds.items():
    config, tree = _parts(prior)
    told[kind] = config
    for path, leaf in trees.flatten(trees.to_nested(tree)):
      name = '/'.join((kind, *path))
      arrays[name] = np.ascontiguousarray(jax.device_get(leaf))
  header = {
    'format': FORMAT,
    'default': priors.default,
    'encoder': priors.encoder,
    'priors': json.loads(config_lib.to_json(told)),
  }
  return sealed.seal(arrays, header)


def from_bytes(data: bytes, where: str, latent: LatentConfig) -> Priors:
  """Returns the priors of a file.

  Args:
    data: Its content.
    where: What it is called in messages.
    latent: Of the model that they have to be of.

  Raises:
    BundleError: The file is damaged (code `altered`), of another format, or
      of a model of other latents (`other_model`).
  """
  remedy = 'fit the prior again with `aurl prior`'
  header, arrays = sealed.unseal(data, where, FORMAT, remedy)
  nested = trees.of_paths(arrays)
  try:
    kinds = {
      kind: _whole(kind, config, nested.get(kind, {}))
      for kind, config in header['priors'].items()
    }
  except (AurlError, KeyError, AttributeError, TypeError) as error:
    raise BundleError(
      f'{where}: its priors cannot be: {error}; fit them again with '
      '`aurl prior`',
      code='format',
    ) from error
  for kind, prior in kinds.items():
    _check_latents(where, kind, prior, latent)
  return Priors(
    kinds=kinds, default=header['default'], encoder=header['encoder']
  )


def _parts(prior: Learned | AggregatePrior) -> tuple[dict[str, Any], Any]:
  """Returns the config of a prior and the tree of its arrays."""
  if isinstance(prior, Learned):
    return dataclasses.asdict(prior.prior.config), prior.params
  config = {'names': prior.names, 'classes': prior.classes}
  whole = {'posterior': prior.posterior, 'condition': prior.condition}
  # What has no numbers is not kept.
  tree = jax.tree.map(lambda x: x if np.size(x) else None, whole)
  return config | {'pieces': len(prior.condition)}, tree


def _whole(
  kind: str, config: dict[str, Any], arrays: dict[str, Any]
) -> Learned | AggregatePrior:
  """Returns a prior of its parts, checked against each other."""
  if kind == AGGREGATE:
    return _aggregate(config, arrays)
  made = config_lib.from_section(PriorConfig, config, 'prior')
  if made.kind != kind:
    raise ConfigError(f'what is called {kind!r} is {made.kind!r}')
  prior = Prior(made)
  like = jax.eval_shape(prior.init, jax.random.key(0))
  trees.check_same(arrays, like, 'the prior')
  return Learned(prior, arrays)


def _aggregate(
  config: dict[str, Any], arrays: dict[str, Any]
) -> AggregatePrior:
  rows, stored = config['pieces'], arrays['posterior']
  used = stored['used']
  empty = {
    'slots': np.zeros((*used.shape, 0), np.float32),
    'piece': np.zeros((rows, 0), np.float32),
  }
  names, classes = tuple(config['names']), tuple(config['classes'])
  return AggregatePrior(
    posterior=Posterior(
      mean=Latents(**(empty | stored['mean'])),
      log_variance=Latents(**(empty | stored['log_variance'])),
      used=used,
    ),
    condition=arrays.get('condition', np.zeros((rows, len(names)), np.int32)),
    names=names,
    classes=classes,
  )


def _check_latents(
  where: str, kind: str, prior: Learned | AggregatePrior, latent: LatentConfig
) -> None:
  """Raises BundleError if a prior is of latents of other shapes."""
  wanted = latent.slots, latent.slot, latent.piece
  if isinstance(prior, Learned):
    own = prior.prior.config.latent
    found = own.slots, own.slot, own.piece
  else:
    mean = prior.posterior.mean
    found = (*mean.slots.shape[1:], mean.piece.shape[-1])
  if found != wanted:
    raise BundleError(
      f'{where}: its {kind} prior is of {found[0]} slots of {found[1]} dims '
      f'and {found[2]} of the piece, the model has {wanted}; fit it again',
      code='other_model',
    )
