"""From latents to a piano roll, all cells at once.

Not autoregressive: the slots of a piece read each other both ways, each then
spreads over its cells, and a cell tells every pitch at once whether a note
begins, whether one sounds, and how loud it is (onsets beside frames as in
Hawthorne et al. 2018, "Onsets and Frames"). Attention is over the slots alone,
of which there are few, and the rest are wide products over cells. What it
writes is pitched notes, without drums, instruments, tempo or meter. Axes: `b`
batch, `s` slots, `c` cells, `p` pitches, `d` model width.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from aurl_jax.core.typing import Keys
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.encoder import both_ways, plain
from aurl_jax.models.hierarchy import Stack
from aurl_jax.models.latent import Latents
from aurl_jax.models.layers import INIT_SCALE, MLP, Linear, RMSNorm, normal

ROLLS = ('onset', 'sustain', 'velocity')
"""As of `tokens.sounds`, which no model imports."""
PITCHES = 128
_RARE = (-4.0, -3.0, 0.0)
"""Logits at the start: of a hundred cells and pitches few begin or sound (Lin
et al. 2017, section 4.1: else what is not there drowns the first steps)."""


class OneShot(nnx.Module):
  """Called with latents; gives logits of each of `ROLLS`."""

  def __init__(self, config: ModelConfig, beat: int, key: PRNGKeyArray) -> None:
    """Draws the parameters; `beat` is the cells of a beat."""
    read, slots, blocks, spread, cells, mlp, out = jax.random.split(key, 7)
    latent, d = config.latent, config.width
    self.cells = latent.beats * beat
    self.read = Linear(
      latent.slot + latent.piece, d, read, (latent.slot + latent.piece) ** -0.5
    )
    self.slot_embed = normal(slots, (latent.slots, d))
    self.stack = Stack(plain(config), latent.oneshot, blocks)
    self.norm = RMSNorm(d)
    self.spread = Linear(d, self.cells * d, spread, d**-0.5)
    self.cell_embed = normal(cells, (self.cells, d))
    self.mlp_norm = RMSNorm(d)
    self.mlp = MLP(plain(config), mlp)
    self.out_norm = RMSNorm(d)
    self.out = Linear(d, len(ROLLS) * PITCHES, out, INIT_SCALE)
    self.bias = nnx.Param(jnp.repeat(jnp.array(_RARE), PITCHES))
    self.config = config

  def __call__(
    self, latents: Latents, key: Keys | None = None
  ) -> dict[str, Float[Array, 'b c p']]:
    """Returns the logits of each cell and pitch, float32.

    The velocity is the logit of a share of 127.

    Args:
      latents: Of pieces.
      key: Of the dropout; None keeps everything.
    """
    dtype = jnp.dtype(self.config.dtype)
    b, s, _ = latents.slots.shape
    piece = latents.piece[:, None]
    piece = jnp.broadcast_to(piece, (b, s, piece.shape[-1]))
    told = jnp.concatenate([latents.slots, piece], axis=-1).astype(dtype)
    x = self.read(told) + self.slot_embed[...].astype(dtype)
    x = self.norm(both_ways(self.stack, x, jnp.ones((b, s), bool), key))
    x = self.spread(x).reshape(b, s, self.cells, -1)
    x = x + self.cell_embed[...].astype(dtype)
    x = x.reshape(b, s * self.cells, -1)
    x = x + self.mlp(self.mlp_norm(x))
    logits = self.out(self.out_norm(x)).astype(jnp.float32) + self.bias[...]
    parts = jnp.split(logits, len(ROLLS), axis=-1)
    return dict(zip(ROLLS, parts, strict=True))


def frames(
  decoder: OneShot,
  latents: Latents,
  used: Bool[Array, 'b s'],
  key: Keys | None = None,
) -> dict[str, Array]:
  """Returns what a decoder adds to a model's outputs.

  Args:
    decoder: Called with the latents.
    latents: Of pieces.
    used: The slots that each has.
    key: Of the dropout; None keeps everything.

  Returns:
    `frames/NAME`, the logits of each of `ROLLS`, and `roll/cells` bool [b, c],
    the cells of slots in use.
  """
  logits = decoder(latents, key)
  found = {f'frames/{name}': value for name, value in logits.items()}
  return found | {'roll/cells': jnp.repeat(used, decoder.cells, axis=1)}


def rolls(music: Mapping[str, Array]) -> dict[str, Array]:
  """Returns the rolls of the music itself as outputs `roll/NAME`."""
  return {f'roll/{name}': music[name] for name in ROLLS}
