"""Pictures of a latent space: what it holds, and what turning it does.

  map.png             pieces on the two axes along which their latents vary
                      most, coloured by what is known of the music
  kl.png              nats that each dim says of a piece, most first
  traversal.png       one piece, written with one dim moved: those that say
                      most, a row each, from -2 to 2 deviations of the data
  reconstruction.png  pieces above, what comes back from their latents below
  path.png            a way from one piece to another, by `slerp`

Dims of a slot move alike in all slots. Axes: `n` pieces, `s` slots, `z` dims.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from aurl_jax.core import files
from aurl_jax.core.errors import ConfigError
from aurl_jax.data.cache import fitting
from aurl_jax.deploy import mixing
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.evaluation import attributes, reconstruction
from aurl_jax.experiment import charts
from aurl_jax.experiment.latents import opened
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.music import panels
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import controls

MOVES = (-2.0, -1.0, 0.0, 1.0, 2.0)
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_PAIRS, _DIMS, _LEAST = 5, 5, 2


def write(
  run: str, out: str, *, split: str = 'valid', n: int = 256, seed: int = 0
) -> dict[str, Any]:
  """Writes the pictures of a run's latent space.

  Args:
    run: The run's folder.
    out: Folder for the pictures.
    split: Whose pieces are shown.
    n: Most pieces on the map.
    seed: Of the choice of pieces.

  Returns:
    `files`, `pieces`, `kl` (nats a piece) and `active`, dims of slots that say
    more than 0.01 nats.

  Raises:
    ConfigError: There is no run, no such split, or fewer than two pieces.
    CheckpointError: The run has no complete checkpoint.
  """
  space, cache = opened(pathlib.Path(run))
  if split not in cache:
    raise ConfigError(f'no split {split!r}; there are {", ".join(cache)}')
  context = space.composer.model.config.context
  ids = list(fitting(cache[split], context, seed))[:n]
  if len(ids) < _LEAST:
    raise ConfigError(
      f'{len(ids)} pieces of {split} fit the context of the model, and '
      f'pictures need {_LEAST}; take another split'
    )
  found = space.posterior(ids)
  pieces = [space.composer.tokenizer.decode(piece) for piece in ids]
  nats = told(found)
  pictures = {
    'map': charts.scatter(plane(found), known(pieces, space)),
    'kl': charts.bars({f'{k} latent': v for k, v in nats.items()}, 'nats'),
    'traversal': panels.draw(*traversal(space, found, nats)),
    'reconstruction': panels.draw(*pairs(space, found, pieces)),
    'path': panels.draw(*path(space, found)),
  }
  names = []
  for name, picture in pictures.items():
    files.write_atomic(pathlib.Path(out) / f'{name}.png', picture)
    names.append(str(pathlib.Path(out) / f'{name}.png'))
  return {
    'files': names,
    'pieces': len(ids),
    'kl': round(_total(found) / len(ids), 3),
    'active': int((nats['slot'] > 0.01).sum()),
  }


def _total(posterior: Posterior) -> float:
  return float(sum(x.sum() for x in jax.tree.leaves(_kl(posterior))))


def _kl(posterior: Posterior) -> Latents:
  """Returns the nats of each dim, as numpy arrays."""
  found = jax.tree.map(jnp.asarray, posterior).kl()
  nats: Latents = jax.tree.map(np.asarray, found)
  return nats


def told(posterior: Posterior) -> dict[str, Float[np.ndarray, ' z']]:
  """Returns the mean nats of each dim, of a slot in use and of the piece."""
  kl = _kl(posterior)
  used = np.asarray(posterior.used)
  found = {'slot': kl.slots.sum((0, 1)) / max(used.sum(), 1)}
  if kl.piece.shape[1]:
    found['piece'] = kl.piece.mean(0)
  return found


def plane(posterior: Posterior) -> Float[np.ndarray, 'n 2']:
  """Returns where pieces lie on the first two principal axes.

  Of the mean over a piece's slots and its own latent; each axis in its
  deviations.
  """
  used = np.asarray(posterior.used)[..., None]
  slots = np.asarray(posterior.mean.slots)
  middle = (slots * used).sum(1) / np.maximum(used.sum(1), 1)
  table = np.concatenate([middle, np.asarray(posterior.mean.piece)], axis=1)
  table = table - table.mean(0)
  axes = np.linalg.svd(table, full_matrices=False)[2][:2]
  found = np.zeros((len(table), 2))
  found[:, : len(axes)] = table @ axes.T
  return found / np.maximum(found.std(0), 1e-9)


def known(
  pieces: Sequence[Notes], space: LatentSpace
) -> dict[str, Float[np.ndarray, ' n']]:
  """Returns what colours the map: attributes, and the key as fifths from C."""
  table = attributes.table(list(pieces))
  found = {
    name: table[:, column]
    for column, name in enumerate(attributes.NAMES)
    if np.nanstd(table[:, column]) > 0
  }
  grid = space.composer.tokenizer.grid
  keys = [controls.of(notes, grid).piece.key for notes in pieces]
  found['fifths'] = np.array([_fifths(key) for key in keys], float)
  return found


def _fifths(key: int | None) -> float:
  """Returns how many fifths a key's signature is from that of C, -5..6."""
  if key is None:
    return float('nan')
  tonic = key % 12 + 3 * (key >= 12)
  return float((tonic * 7 + 5) % 12 - 5)


def traversal(
  space: LatentSpace,
  posterior: Posterior,
  nats: Mapping[str, Float[np.ndarray, ' z']],
) -> tuple[list[list[Notes]], list[list[str]]]:
  """Returns the first piece with dims moved, a row a dim, and titles."""
  first: Latents = jax.tree.map(lambda x: np.asarray(x)[:1], posterior.mean)
  dims = np.argsort(-nats['slot'])[:_DIMS].tolist()
  used = np.asarray(posterior.used)
  spread = np.asarray(posterior.mean.slots)[used].std(0)
  moved = []
  for dim in dims:
    for by in MOVES:
      slots = np.array(first.slots)
      slots[..., dim] += by * spread[dim]
      moved.append(dataclasses.replace(first, slots=slots))
  joined = jax.tree.map(lambda *x: np.concatenate(x), *moved)
  written = [piece.notes for piece in space.decode(joined)]
  width = len(MOVES)
  rows = [written[i : i + width] for i in range(0, len(written), width)]
  titles = [[f'dim {dim}: {by:+.0f} sd' for by in MOVES] for dim in dims]
  return rows, titles


def pairs(
  space: LatentSpace, posterior: Posterior, pieces: Sequence[Notes]
) -> tuple[list[list[Notes]], list[list[str]]]:
  """Returns pieces, and what comes back of them, and titles."""
  shown = list(pieces[:_PAIRS])
  some: Latents = jax.tree.map(
    lambda x: np.asarray(x)[: len(shown)], posterior.mean
  )
  back = [piece.notes for piece in space.decode(some)]
  scores = [
    reconstruction.note_f1(found, wanted)
    for found, wanted in zip(back, shown, strict=True)
  ]
  above = [f'piece {number}' for number in range(1, len(shown) + 1)]
  below = [f'from its latents: F1 {score:.2f}' for score in scores]
  return [shown, back], [above, below]


def path(
  space: LatentSpace, posterior: Posterior
) -> tuple[list[list[Notes]], list[list[str]]]:
  """Returns pieces on the way from the first to the second, and titles."""
  one, other = (
    jax.tree.map(lambda x, at=at: np.asarray(x)[at : at + 1], posterior.mean)
    for at in (0, 1)
  )
  steps = [mixing.between(one, other, share) for share in SHARES]
  joined = jax.tree.map(lambda *x: np.concatenate(x), *steps)
  written = [piece.notes for piece in space.decode(joined)]
  return [written], [[f'{share:.0%}' for share in SHARES]]
