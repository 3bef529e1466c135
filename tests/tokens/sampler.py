"""Samples ids under a grammar's mask, and walks given ids through it.

An untrained model in small: logits are noise. `b` rows, `t` steps, `f`
fields, `v` ids of a field.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

_MIX = 0x7FEB352D
"""Multiplier of a hash of 32 bits (C. Wellons, "prospector"): noise that
costs less than jax.random where millions of numbers are asked for."""


def sample(tokenizer, seed, budgets, steps):
  """Returns int32 [b, t, f] and bool [b, t]: whether masks had an id left."""
  rows = np.random.default_rng(seed).integers(0, 2**32, len(budgets))
  ids, alive = _sample(
    tokenizer,
    jnp.asarray(rows, jnp.uint32),
    jnp.asarray(budgets, jnp.int32),
    steps,
  )
  return np.asarray(ids), np.asarray(alive)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _sample(tokenizer, seeds, budgets, steps):
  return jax.vmap(functools.partial(_row, tokenizer, steps))(seeds, budgets)


def _row(tokenizer, steps, seed, budget):
  codec, grammar = tokenizer.codec, tokenizer.grammar
  # Events are likelier or rarer row by row, so that rows differ: some have
  # many cut bars, some many voices. Large ranges must not hide small ones.
  taste = [
    (_uniform(jnp.arange(len(field.ranges) + 1), seed + f) ** 3 + 0.02)
    / np.array([1, *(part.size for part in field.ranges)])
    for f, field in enumerate(codec.fields)
  ]

  def step(state, number):
    partial = jnp.zeros(len(codec.fields), jnp.int32)
    alive = True
    for f, field in enumerate(codec.fields):
      mask = grammar.mask(state, f, partial)
      alive &= mask.any()
      here = seed + jnp.uint32(7919) * (number * len(codec.fields) + f + 1)
      noise = _uniform(jnp.arange(field.size), here)
      # The least of exponential numbers: a choice by weight.
      wait = -jnp.log(noise) / taste[f][field.kinds + 1]
      choice = jnp.where(mask, wait, jnp.inf).argmin().astype(jnp.int32)
      partial = partial.at[f].set(choice)
    return grammar.advance(state, partial), (partial, alive)

  state = grammar.init(budget)
  numbers = jnp.arange(steps, dtype=jnp.uint32)
  _, (ids, alive) = jax.lax.scan(step, state, numbers)
  return ids, alive


def _uniform(numbers, seed):
  """Returns float32 in (0, 1) of the shape of `numbers`."""
  x = numbers.astype(jnp.uint32) * jnp.uint32(0x9E3779B9) + seed
  for shift in (16, 15, 16):
    x = (x ^ (x >> shift)) * jnp.uint32(_MIX)
  return ((x >> 8).astype(jnp.float32) + 0.5) / 2**24


def accepts(tokenizer, ids, budget=None):
  """Returns bool [t]: whether each step may stand after those before it."""
  ids = np.asarray(ids, np.int32)
  # Few lengths, few compilations.
  length = max(64, 1 << (len(ids) - 1).bit_length())
  padded = np.pad(ids, ((0, length - len(ids)), (0, 0)))
  budget = len(ids) if budget is None else budget
  found = _walk(tokenizer, padded, budget)
  return np.asarray(found)[: len(ids)]


@functools.partial(jax.jit, static_argnums=0)
def _walk(tokenizer, ids, budget):
  grammar = tokenizer.grammar

  def step(state, row):
    fits = [
      grammar.mask(state, f, row.at[f:].set(0))[row[f]]
      for f in range(len(tokenizer.codec.fields))
    ]
    return grammar.advance(state, row), jnp.stack(fits).all()

  _, fits = jax.lax.scan(step, grammar.init(budget), ids)
  return fits


@functools.partial(jax.jit, static_argnums=(0, 2))
def mask(tokenizer, state, field, partial):
  """Returns the ids that may stand, bool [v]; compiled once a field."""
  return tokenizer.grammar.mask(state, field, partial)


@functools.partial(jax.jit, static_argnums=0)
def advance(tokenizer, state, step):
  """Returns the state after a step."""
  return tokenizer.grammar.advance(state, step)


def walk(tokenizer, steps, budget=100):
  """Returns the state after some steps."""
  state = tokenizer.grammar.init(budget)
  for step in steps:
    state = advance(tokenizer, state, jnp.asarray(step, jnp.int32))
  return state


def whole(tokenizer, row):
  """Returns a sampled row up to its EOS, as nested lists; all if none."""
  ends = np.flatnonzero(np.asarray(tokenizer.is_end(row)))
  return row[: ends[0] + 1 if len(ends) else None].tolist()
