"""Walks through grammar and constraints by chance, without any model."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.generation import constraints, ending, lines, wishes
from aurl_jax.generation.constraints import Rules
from aurl_jax.generation.guidance import Without


@functools.partial(jax.jit, static_argnames=('tokenizer', 'steps', 'fixed'))
def _walk(rules, keys, bias, tokenizer, steps, prompt, fixed):
  rules = (*rules, *fixed)
  grammar, fields = tokenizer.grammar, len(tokenizer.codec.fields)
  joined = Rules(grammar, rules)

  def advance(carry, key):
    state, stuck = carry
    step = jnp.zeros(fields, jnp.int32)
    over = joined.distance(state) <= 0
    for field in range(fields):
      legal = joined.legal(state, field, step)
      wanted = legal
      for rule, inner in zip(rules, state[1], strict=True):
        wanted &= rule.mask(inner, field, step)
      stuck += ~jnp.any(wanted) & ~over
      wanted = jnp.where(jnp.any(wanted), wanted, legal)
      noise = jax.random.gumbel(jax.random.fold_in(key, field), wanted.shape)
      noise += bias if field == 0 else 0
      chosen = jnp.argmax(jnp.where(wanted, noise, -jnp.inf))
      step = step.at[field].set(chosen.astype(jnp.int32))
    return (joined.advance(state, step), stuck), step

  def row(key):
    state = joined.init(jnp.int32(steps))
    reads = lambda state, step: (joined.advance(state, step), None)  # noqa: E731
    state, _ = jax.lax.scan(reads, state, prompt)
    carry = state, jnp.int32(0)
    count = steps - len(prompt)
    (_, stuck), ids = jax.lax.scan(advance, carry, jax.random.split(key, count))
    return ids, stuck

  return jax.vmap(row)(keys)


def walk(
  tokenizer,
  wish,
  bars,
  steps,
  *,
  rows=16,
  seed=0,
  prompt=None,
  more=0,
  given=None,
):
  """Returns ids of pieces drawn by chance, and how often each was stuck.

  Stuck is where the constraints leave nothing of what is legal. `more` is how
  much likelier notes are than another kind. Without a wish only the bars are
  asked for. Music that is given fills the bars, or is what is filled in to.
  """
  prompt = tokenizer.bos()[None] if prompt is None else prompt
  first = len(tokenizer.bar_steps(prompt))
  fills = given is not None and not given.forced
  length = None if fills else constraints.bars(tokenizer, prompt, bars, steps)
  if wish is None:
    rules = ending.paced(tokenizer, length.most, steps)
  else:
    rules = wishes.constraints(
      tokenizer,
      wish,
      bars,
      first=0 if given else first,
      given=given,
      prompt=len(prompt),
      steps=steps,
    )
  # As a composer tells it, which knows the meters of a wish.
  meters = () if wish is None else wishes.meters(tokenizer, wish, bars)
  before = 0 if given else first
  most = bars + first + 1
  rules = (*ending.within(tokenizer, most, meters, before), *rules)
  if fills:
    rules = (*lines.lines(tokenizer.codec, prompt), *rules)
  else:
    rules = (length, *rules)
  # No arrays, and so no pytrees.
  fixed = tuple(rule for rule in rules if isinstance(rule, Without))
  rules = tuple(rule for rule in rules if not isinstance(rule, Without))
  bias = np.zeros(tokenizer.codec.sizes[0])
  for name in ('note', 'program'):
    if name in tokenizer.codec.fields[0].starts:
      low, high = tokenizer.codec.span(name)
      bias[low:high] = more
  keys = jax.random.split(jax.random.key(seed), rows)
  ids, stuck = _walk(rules, keys, bias, tokenizer, steps, prompt, fixed)
  ids = np.asarray(ids)
  found = []
  for row in ids:
    whole = np.concatenate([prompt, row])
    used = int((whole[:, 0] != 0).sum())
    found.append(whole[:used])
  return found, np.asarray(stuck).tolist()
