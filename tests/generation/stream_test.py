"""Streams: what comes step by step is what a plain decode gives."""

import jax
import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import stream
from aurl_jax.generation.decode import MOST_ROWS, Batch, Writer
from aurl_jax.generation.errors import DecodeError, RequestError
from aurl_jax.generation.request import Request
from aurl_jax.generation.sampling import Sampler
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from tests.generation import writers
from tests.tokens import pieces

TOKENIZER = Compound(voices=2, cells_per_beat=4, controls=True)
BARS = (Levels(density=2), Levels(register=6))


@pytest.fixture(scope='module')
def composer():
  model, params = writers.small(TOKENIZER, lead=3, metrical=16)
  return Composer(model=model, params=params, tokenizer=TOKENIZER)


def joined(parts):
  rows = zip(*parts, strict=True)
  return [np.concatenate(row).tolist() for row in rows]


@pytest.mark.parametrize(
  ('every', 'more'),
  [
    pytest.param(1, {}, marks=pytest.mark.slow),
    (7, {'guidance': 2.0, 'controls': Controls(bars=BARS)}),
    (100, {'prompt': pieces.chorale(1, bars=1)}),
  ],
)
def test_a_stream_has_the_ids_of_a_plain_decode(composer, every, more):
  request = Request(n=3, bars=2, steps=90, seed=4, **more)
  whole = [piece.ids.tolist() for piece in composer.generate(request)]
  parts = list(composer.stream(request, every))
  for part in parts:
    assert [row.dtype for row in part] == [np.int32] * 3
    assert max(len(row) for row in part) <= every
  told = joined(parts)
  begun = len(whole[0]) - len(told[0])
  assert begun > 0
  for row, ids in zip(told, whole, strict=True):
    assert row == ids[begun:]
  # Those that end sooner get nothing more.
  lengths = [len(row) for row in told]
  assert len(parts) == -(-max(lengths) // every)


def test_what_cannot_be_streamed_is_refused_before_anything_is_written(
  composer,
):
  with pytest.raises(RequestError, match='every 0'):
    composer.stream(Request(), every=0)
  many = Request(n=MOST_ROWS + 1)
  with pytest.raises(RequestError, match=f'not {MOST_ROWS + 1} rows'):
    composer.stream(many)
  writer = Writer(
    composer.model, composer.params, TOKENIZER.grammar, (), Sampler()
  )
  bos = TOKENIZER.bos()
  batch = Batch.of([np.stack([bos, bos])], 20, 0)
  with pytest.raises(RequestError, match='no legal beginning'):
    next(stream.stream(writer, batch))


def test_a_broken_model_is_named(composer):

  params = jax.tree.map(lambda x: x * np.nan, composer.params)
  broken = Composer(model=composer.model, params=params, tokenizer=TOKENIZER)
  with pytest.raises(DecodeError, match='NaN'):
    list(broken.stream(Request(bars=1, steps=40)))
