"""The adversarial half of a step of `vae_gan`.

The generator writes a reconstruction of each row (`models.replay`), or of a
share of the rows what it makes of draws of the standard normal, with the dials
of the music beside them; the critic learns on them and on the music, in several
steps on parts of the rows; then, while the gate is open, the first part is
replayed and what the critic says of it flows into the decoder. Latents are
constants there: the encoder learns by the evidence lower bound alone (Larsen et
al. 2016, algorithm 1), unless a critic of latents teaches it, too. Each such
gradient is made as long as the decoder's (or the encoder's) own, times a
weight. Axes: `b` rows, `t` steps.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from aurl_jax.core import random
from aurl_jax.core.typing import Keys
from aurl_jax.models import latent as latent_lib
from aurl_jax.models.critic import SCALES, Reading, Variables, Verdict
from aurl_jax.parallel import rowwise
from aurl_jax.training import critic as critic_lib
from aurl_jax.training import gradients
from aurl_jax.training.gan import Gan, GanState, stepped
from aurl_jax.training.losses import Sums
from aurl_jax.training.matching import Matching
from aurl_jax.training.state import TrainState
from aurl_jax.training.terms import Rows

_DECODER = r'(^|/)decoder/'
_PAIRS = 'ratio/gan/'
"""Begins the names of pairs, a sum and its divisor, in the metrics."""


class Played(NamedTuple):
  """What a game adds to a step.

  Attributes:
    grads: Gradients of the summed loss, with the adversarial ones.
    gan: The part `gan` of the state after the step.
    sums: For the metrics.
    finite: Whether the critics' gradients are finite.
  """

  grads: Any
  gan: GanState
  sums: Sums
  finite: Bool[Array, '']


class Game:
  """A generator and its critic, for steps on a mesh."""

  def __init__(self, gan: Gan, mesh: jax.sharding.Mesh | None) -> None:
    """Takes what all steps share.

    Args:
      gan: The objects.
      mesh: Where state and batches lie; None for one device.
    """
    self._gan, self._mesh = gan, mesh
    self._config, self._model = gan.config, gan.replay.model
    self._matching = None if gan.matcher is None else Matching(gan, mesh)

  def __call__(
    self, state: TrainState, batch: Rows, grads: Any, count: Array
  ) -> Played:
    """Returns what becomes of gradients and critic in a step.

    Args:
      state: Before it.
      batch: All rows.
      grads: Of the generator's own losses, summed over ids.
      count: These ids.
    """
    gan, step = state['gan'], state['step']
    key = random.fold(jax.random.wrap_key_data(state['key']), 'gan', step)
    keys = random.by_row(key, len(batch['ids']))
    rows = self.written(state['params'], batch, keys, step)
    dealt = gradients.parts((rows, keys), self._config.steps)
    sums: Sums = {}
    finite = jnp.bool_(True)
    for number, part in enumerate(dealt):
      due = (step * len(dealt) + number) % self._config.penalty_every == 0
      gan, more, norm = self._critic_step(gan, part, due)
      sums = _added(sums, more)
      finite &= jnp.isfinite(norm)
    if self._matching is not None:
      gan, more, norm = self._matching.critic_step(gan, (rows, keys))
      sums, finite = sums | more, finite & jnp.isfinite(norm)
    grads, more = self._taught(state, gan, dealt[0], grads, count)
    return Played(grads, self._counted(gan), sums | more, finite)

  def written(
    self, params: Any, batch: Rows, keys: Keys, step: Array
  ) -> dict[str, Any]:
    """Returns rows as critics see them, and what is made of each.

    Args:
      params: Of the generator.
      batch: Rows.
      keys: One a row.
      step: Steps done, for the length of the pieces.

    Returns:
      `ids` and `segments` of the music, `made` of it, `drawn`, whether that is
      of drawn latents and no reconstruction, `used`, the slots of each row,
      and `real`, whether there is any music in it.
    """
    most = self._config.length(step, batch['ids'].shape[1])
    seen = jnp.arange(batch['ids'].shape[1]) < most
    whole = {
      'ids': jnp.where(seen[:, None], batch['ids'], 0),
      'segments': jnp.where(seen, batch['segments'], 0),
    }
    write = rowwise.by_rows(self._write, self._mesh)
    made: dict[str, Any] = write((params, most), (whole, keys))
    return whole | made | {'real': whole['segments'].any(axis=1)}

  def verdicts(
    self, variables: Variables, rows: Rows
  ) -> tuple[Verdict, Verdict]:
    """Returns the verdicts on music and on what was made of it."""
    of_ids, made = self._gan.critic.of_ids, rows['made']
    real = of_ids(variables, rows['ids'], rows['segments'])
    return real, of_ids(variables, made.ids, made.segments)

  def _write(
    self, same: tuple[Any, Array], rows: tuple[Rows, Keys]
  ) -> dict[str, Any]:
    (params, most), (batch, keys) = same, rows
    found = self._model.posterior(params, batch['ids'], batch['segments'])
    replay, steps = self._gan.replay, batch['ids'].shape[1]
    latents = found.sample(random.fold_rows(keys, 'latents'))
    chance = jax.vmap(jax.random.uniform)(random.fold_rows(keys, 'drawn'))
    drawn = chance < self._config.drawn
    if self._config.drawn:
      other = random.fold_rows(keys, 'other')
      latents = latent_lib.redrawn(latents, found.dials, drawn, other)
    noise = replay.noise(random.fold_rows(keys, 'noise'), steps)
    made = replay.write(params, latents, noise, most)
    return {'made': made, 'used': found.used, 'drawn': drawn}

  def _critic_step(
    self, gan: GanState, part: tuple[Rows, Keys], due: Bool[Array, '']
  ) -> tuple[GanState, Sums, Float[Array, '']]:
    """Returns the state after a step of the critic, and its gradient's norm."""
    work = rowwise.over_rows(self._critic_gradient, self._mesh)
    variables = gan['critic']
    grads, sums = work((variables, due), part)
    after, opt, norm = stepped(
      self._gan.optimizer, variables, gan['opt'], grads, sums.pop('rows')
    )
    critic = self._gan.critic.iterated(after)
    return gan | {'critic': critic, 'opt': opt}, sums, norm

  def _critic_gradient(
    self, same: tuple[Variables, Array], part: tuple[Rows, Keys]
  ) -> tuple[Any, Sums]:
    (variables, due), (rows, keys) = same, part
    critic, made = self._gan.critic, rows['made']

    def loss(params: Any) -> tuple[Array, Sums]:
      now = variables | {'params': params}
      pairs = (
        (rows['ids'], rows['segments']),
        (made.ids, made.segments),
      )
      real, fake = (
        critic.read(now, critic.one_hot(ids), ids, segments)
        for ids, segments in pairs
      )
      seen = critic.verdict(now, real), critic.verdict(now, fake)
      each = critic_lib.critic_loss(self._config.loss, *seen)
      each = each + self._penalty(now, (real, fake), keys, due)
      total = jnp.where(rows['real'], each, 0).sum()
      return total, _told(*seen, each, rows['real'])

    grads, sums = jax.grad(loss, has_aux=True)(variables['params'])
    return grads, sums

  def _penalty(
    self,
    variables: Variables,
    pair: tuple[Reading, Reading],
    keys: Keys,
    due: Bool[Array, ''],
  ) -> Float[Array, ' b']:
    """Returns the weighted penalty of each row, zeros where none is due."""
    real, fake = pair
    config = self._config
    share = jax.vmap(jax.random.uniform)(random.fold_rows(keys, 'penalty'))

    def found(real: Reading, fake: Reading) -> Array:
      judge = self._gan.critic.verdict
      score = lambda x: judge(variables, real._replace(x=x)).score  # noqa: E731
      if config.loss == 'hinge':
        return critic_lib.r1(score, jax.lax.stop_gradient(real.x))
      # Steps that either has; bars of the music, then of the other.
      both = Reading(
        real.x, real.real | fake.real, jnp.where(real.real, real.bar, fake.bar)
      )
      score = lambda x: judge(variables, both._replace(x=x)).score  # noqa: E731
      return critic_lib.gradient_penalty(score, real.x, fake.x, share)

    nothing = lambda *_: jnp.zeros(len(keys))  # noqa: E731
    if not config.penalty:
      return nothing()
    times = config.penalty * config.penalty_every
    return times * jax.lax.cond(due, found, nothing, real, fake)

  def _taught(
    self,
    state: TrainState,
    gan: GanState,
    part: tuple[Rows, Keys],
    grads: Any,
    count: Array,
  ) -> tuple[Any, Sums]:
    """Returns the gradients with what the critics teach, and sums."""
    weight, params = self._gan.weight(gan), state['params']
    lessons = [(self._lesson, gan['critic'], weight, _DECODER, '')]
    if self._matching is not None:
      lessons.append(self._matching.lesson(state, gan))
    sums: Sums = {f'{_PAIRS}on': _pair(weight > 0)}
    for lesson, variables, weight, pattern, name in lessons:
      work = rowwise.over_rows(lesson, self._mesh)
      other, found = _if(weight > 0, work, (params, variables), part)
      rows = jnp.maximum(found.pop('rows'), 1)
      other = jax.tree.map(lambda x, rows=rows: x / rows, other)
      own = jax.tree.map(lambda x: x / jnp.maximum(count, 1), grads)
      ratio = critic_lib.gradient_ratio(own, other, pattern)
      scale = jnp.where(weight > 0, weight * ratio * count, 0)
      grads = jax.tree.map(
        lambda x, y, scale=scale: x + scale * y, grads, other
      )
      sums[f'{_PAIRS}{name}weight'] = _pair(weight)
      sums[f'{_PAIRS}{name}gradient_ratio'] = jnp.stack(
        [jnp.where(weight > 0, ratio, 0), jnp.float32(weight > 0)]
      )
      sums |= found
    return grads, sums

  def _lesson(
    self, same: tuple[Any, Variables], part: tuple[Rows, Keys]
  ) -> tuple[Any, Sums]:
    """Returns what the critic teaches the generator on rows, summed up."""
    (params, variables), (rows, _) = same, part
    critic, made = self._gan.critic, rows['made']
    real = critic.of_ids(variables, rows['ids'], rows['segments'])

    def loss(params: Any) -> tuple[Array, Array]:
      soft = self._gan.replay.soft(params, made, self._config.temperature)
      reading = critic.read(variables, soft, made.ids, made.segments)
      fake = critic.verdict(variables, reading)
      alike = critic_lib.feature_loss(real, fake)
      alike = jnp.where(rows['drawn'], 0, alike)
      each = critic_lib.generator_loss(fake) + self._config.features * alike
      counted = lambda x: jnp.where(rows['real'], x, 0).sum()  # noqa: E731
      return counted(each), counted(alike)

    grads, alike = jax.grad(loss, has_aux=True)(params)
    count = lambda x: x.sum().astype(jnp.float32)  # noqa: E731
    pairs = count(rows['real'] & ~rows['drawn'])
    return grads, {
      'rows': count(rows['real']),
      f'{_PAIRS}features': jnp.stack([alike, pairs]),
    }

  def _counted(self, gan: GanState) -> GanState:
    """Returns the state with its counters after a good step."""
    open_ = gan['open'] > 0
    on = self._gan.weight(gan) > 0
    return gan | {'since': gan['since'] + open_, 'on': gan['on'] + on}


def _told(
  real: Verdict, fake: Verdict, each: Array, counted: Bool[Array, ' b']
) -> Sums:
  """Returns what metrics tell of verdicts, and the number of `rows`."""
  count = counted.sum().astype(jnp.float32)
  loss = jnp.stack([jnp.where(counted, each, 0).sum(), count])
  told = {f'{_PAIRS}{k}': x for k, x in figures(real, fake, counted).items()}
  return told | {f'{_PAIRS}loss': loss, 'rows': count}


def figures(
  real: Verdict, fake: Verdict, counted: Bool[Array, ' b']
) -> dict[str, Float[Array, '2']]:
  """Returns figures of verdicts, each a sum and its divisor.

  `accuracy`, and of each scale the mean score, `real/note` and so on for
  music, `made/note` for what was made.

  Args:
    real: On music.
    fake: On what was made.
    counted: Which rows hold any.
  """
  count = counted.sum().astype(jnp.float32)
  told = {'accuracy': critic_lib.right(real.score, fake.score, counted)}
  for side, verdict in (('real', real), ('made', fake)):
    for name, scale in zip(SCALES, verdict.scales, strict=True):
      total = jnp.where(counted, scale.mean, 0).sum()
      told[f'{side}/{name}'] = jnp.stack([total, count])
  return told


def _if(
  due: Bool[Array, ''], work: Callable[..., Any], *args: Any
) -> tuple[Any, Sums]:
  """Returns what work gives where it is due, else zeros of the same form."""
  like = jax.eval_shape(work, *args)
  nothing = lambda *_: jax.tree.map(  # noqa: E731
    lambda x: jnp.zeros(x.shape, x.dtype), like
  )
  found: tuple[Any, Sums] = jax.lax.cond(due, work, nothing, *args)
  return found


def _pair(value: Array) -> Float[Array, '2']:
  return jnp.stack([jnp.float32(value), jnp.float32(1)])


def _added(sums: Sums, more: Sums) -> Sums:
  return {name: sums.get(name, 0) + value for name, value in more.items()}
