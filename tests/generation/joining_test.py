"""How much room rows that join are given."""

import dataclasses

import jax
import pytest

from aurl_jax.generation import decode, joining
from aurl_jax.generation.guidance import Guided
from aurl_jax.generation.sampling import Sampler
from tests.generation import writers
from tests.tokens import pieces


@pytest.mark.parametrize('context', [8, 33, 41, 64, 100, 129, 640, 2048])
def test_no_row_reaches_the_top(context):
  widest = 0
  for steps in range(1, context + 1):
    width = joining.padded_width(steps)
    assert width >= steps
    # All that a context still takes behind the prompt.
    widest = max(widest, width + context - steps)
  assert joining.top(context) == widest + 1
  assert joining.sizes(context)[-1] == joining.top(context)


@pytest.mark.parametrize('context', [40, 128, 300, 640, 2048])
def test_prompts_are_as_wide_as_the_model_reads(context):
  known = set(joining.widths(context))
  for steps in range(1, context):
    width = joining.width_in(context, steps)
    # All but the padding of one block of 32 is read.
    assert steps <= width <= max(context + 31, joining.padded_width(1))
    assert width <= joining.padded_width(steps)
    assert width in known


def test_long_prompts_of_an_odd_context_are_read():
  tokenizer = writers.TOKENIZERS['grid']
  model, params = writers.small(tokenizer)
  config = dataclasses.replace(model.config, context=300)
  model = dataclasses.replace(model, config=config)
  prompt = tokenizer.encode(pieces.chorale(0, bars=17))[:265]
  writer = decode.Writer(model, params, tokenizer.grammar, (), Sampler())
  batch = decode.Batch(Guided([prompt]), [300], [0])
  found = joining.entry(writer, batch)
  ids = found.batch.rows(1, joining.top(300)).prompts
  assert (len(prompt), ids.shape[1]) == (265, found.width)

  def read(ids):
    return model.prefill(params, model.init_cache(1, found.width), ids)[0]

  hidden = jax.eval_shape(read, ids)
  assert hidden.shape == (1, model.config.width)


@pytest.mark.parametrize('steps', [4, 12, 16, 24, 48])
def test_four_bars_go_on_from_four_in_the_smallest_room(steps):
  prompt, more = 4 * steps + 1, 4 * steps
  room = joining.room(steps)
  # The step that ends a piece, too.
  assert joining.padded_width(prompt) + more + 1 <= room
  assert room < joining.padded_width(prompt) + more + 16


@pytest.mark.parametrize('steps', [1, 8, 9, 24, 40, 65, 72, 73])
def test_rows_are_as_wide_as_is_told(steps):
  model, params = writers.model_of('compound')
  tokenizer = writers.TOKENIZERS['compound']
  prompt = tokenizer.encode(pieces.chorale(0, bars=8))[:steps]
  writer = decode.Writer(model, params, tokenizer.grammar, (), Sampler())
  batch = decode.Batch(Guided([prompt]), [model.config.context], [0])
  found = joining.entry(writer, batch)
  assert found.width == joining.padded_width(steps)
  rows = found.batch.rows(1, joining.top(model.config.context))
  assert rows.prompts.shape[1] == found.width
