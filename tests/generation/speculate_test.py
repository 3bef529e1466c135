"""Guessing ahead gives what plain decoding gives, in fewer passes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.generation import constraints, speculate
from aurl_jax.generation.decode import Batch, Writer, decode
from aurl_jax.generation.errors import DecodeError, RequestError
from aurl_jax.generation.guidance import Guided
from aurl_jax.generation.sampling import Sampler
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from tests.generation import writers

TOKENIZER = Compound(voices=2, cells_per_beat=4)
TUNE = Notes.build(
  4,
  {
    'onset': np.arange(24) * 2,
    'duration': 2,
    'pitch': np.tile([60, 64, 67, 64, 62, 65, 69, 65], 3),
  },
)
PROMPT = TOKENIZER.encode(TUNE)[:-1]
GRID = VoiceGrid()
STEPS = 90


def writer_of(tokenizer, lead, temperature, rules=()):
  # An array: one program for all temperatures.
  sampler = Sampler(temperature=np.float32(temperature))
  return Writer(*small(tokenizer, lead), tokenizer.grammar, rules, sampler)


@functools.cache
def small(tokenizer, lead):
  return writers.small(tokenizer, lead=lead, metrical=16, positions='barwise')


def plain(writer, prompts, seed):
  return decode(
    writer.model,
    writer.params,
    writer.grammar,
    prompts,
    steps=STEPS,
    seed=seed,
    sampler=writer.sampler,
    constraints=writer.constraints,
  )


@pytest.mark.parametrize(
  ('tokenizer', 'lead'),
  [
    (GRID, 2),
    pytest.param(GRID, 0, marks=pytest.mark.slow),
    pytest.param(TOKENIZER, 3, marks=pytest.mark.slow),
  ],
)
def test_every_step_is_that_of_plain_decoding(tokenizer, lead):
  bos = tokenizer.bos()[None]
  # An untrained model would end at once.
  rule = constraints.bars(tokenizer, bos, 5, STEPS)
  saved = {}
  for temperature in (0, 0.4):
    writer = writer_of(tokenizer, lead, temperature, (rule,))
    (wanted,) = plain(writer, [bos], seed=3)
    batch = Batch.of([bos], STEPS, 3)
    ((found, passes),) = speculate.speculate(writer, batch, tokenizer.codec, 4)
    np.testing.assert_array_equal(found.ids, wanted.ids)
    assert found.ended
    assert found.legal
    saved[temperature] = len(found.ids) - 1 - passes
  # The likeliest ids of a model that has learnt nothing go round and round.
  assert saved[0] > 20
  assert saved[0.4] >= 0


def written(ids, lookup):
  seen = lookup.read(jnp.asarray(ids), jnp.int32(0))
  return [np.asarray(x) for x in lookup.guess(seen, 3)]


def test_a_guess_is_what_followed_where_most_was_the_same():
  lookup = speculate.Lookup(TOKENIZER.codec, 64)
  starts = TOKENIZER.bar_steps(PROMPT)
  guess, fits = written(PROMPT[: starts[1] + 3], lookup)
  # The second bar begins as the first one did, but that told its meter.
  assert not fits
  third = starts[2] + 3
  guess, fits = written(PROMPT[:third], lookup)
  assert fits
  np.testing.assert_array_equal(guess, PROMPT[starts[1] + 3 : starts[1] + 6])
  other = PROMPT[:third].copy()
  other[-1, 4] += 1
  assert not written(other, lookup)[1]
  # Another velocity is no other music.
  other = PROMPT[:third].copy()
  other[-1, 6] += 1
  assert written(other, lookup)[1]


def test_what_cannot_be_guessed_is_refused():
  writer = writer_of(GRID, 2, 0)
  bos = GRID.bos()[None]
  twins = Guided([bos], [bos], 2.0)
  with pytest.raises(RequestError, match='without guidance'):
    speculate.speculate(writer, Batch.of(twins, STEPS, 0), GRID.codec, 4)
  model, params = writers.small(GRID, pattern='bars')
  bars = Writer(model, params, GRID.grammar, (), Sampler())
  one = Batch.of([bos], 20, 0)
  with pytest.raises(RequestError, match='patterns full and window'):
    speculate.speculate(bars, one, GRID.codec, 4)


def test_a_broken_model_is_named():
  writer = writer_of(GRID, 2, 0.4)
  params = jax.tree.map(lambda x: x * np.nan, writer.params)
  broken = Writer(writer.model, params, writer.grammar, (), writer.sampler)
  batch = Batch.of([GRID.bos()[None]], STEPS, 3)
  with pytest.raises(DecodeError, match='NaN'):
    speculate.speculate(broken, batch, GRID.codec, 4)
