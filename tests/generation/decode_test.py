"""Shapes repeat between the tests on purpose: compiling is their time."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.generation import constraints
from aurl_jax.generation import decode as decode_lib
from aurl_jax.generation.decode import decode, lengths
from aurl_jax.generation.errors import DecodeError, RequestError
from aurl_jax.generation.guidance import Guided
from aurl_jax.generation.sampling import Sampler
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents
from tests import recogniser
from tests.generation import writers

GREEDY = Sampler(temperature=0)
ALONE, BESIDE = 120, 70


def first(name='grid'):
  return writers.TOKENIZERS[name].bos()[None]


def run(prompts, name='grid', **options):
  model, params = writers.model_of(name)
  grammar = writers.TOKENIZERS[name].grammar
  return decode(model, params, grammar, prompts, **options)


def beside(prompt, steps, **options):
  """Decodes a prompt of 9 to 16 steps, then a piece without one."""
  return run([prompt, first()], steps=[steps, BESIDE], **options)


@pytest.fixture(scope='module')
def piece():
  return run([first()], steps=ALONE, seed=3)[0].ids


@pytest.mark.parametrize(
  'name',
  [
    pytest.param(name, marks=[pytest.mark.slow] * (name != 'compound'))
    for name in writers.TOKENIZERS
  ],
)
def test_a_thousand_pieces_are_grammatical_and_end_in_their_budget(name):
  tokenizer = writers.TOKENIZERS[name]
  budgets = np.random.default_rng(0).integers(8, 97, 1000).tolist()
  budgets[::64] = [96] * len(budgets[::64])
  pieces = run([first(name)] * 1000, name, steps=budgets, seed=1)
  faults = {recogniser.fault(tokenizer, p.ids.tolist()) for p in pieces}
  assert faults == {''}
  assert all(p.ended and p.legal for p in pieces)
  sizes = [len(p.ids) for p in pieces]
  assert all(n <= most for n, most in zip(sizes, budgets, strict=True))
  # They are music and differ; an untrained model ends half of them at once.
  assert np.mean([len(tokenizer.decode(p.ids)) for p in pieces]) > 2
  assert len({p.ids.tobytes() for p in pieces}) > 300


def test_greedy_equals_a_loop_over_full_forwards(piece):
  model, params = writers.model_of('grid')
  grammar = writers.TOKENIZERS['grid'].grammar
  prompts = [piece[:1], piece[:4], piece[:13]]
  steps = [24, 30, 33]
  found = run(prompts, steps=steps, sampler=GREEDY)
  for prompt, budget, one in zip(prompts, steps, found, strict=True):
    wanted = writers.greedy(model, params, grammar, prompt, budget)
    np.testing.assert_array_equal(one.ids, wanted)


@pytest.mark.slow
def test_a_model_of_bars_is_decoded_as_its_full_forwards_say(piece):
  changes = {'pattern': 'hierarchy', 'metrical': 20, 'shared_pitch': True}
  model, params = writers.model_of('grid', **changes)
  grammar = writers.TOKENIZERS['grid'].grammar
  prompts, steps = [piece[:1], piece[:13]], [40, 33]
  found = decode(model, params, grammar, prompts, steps=steps, sampler=GREEDY)
  for prompt, budget, one in zip(prompts, steps, found, strict=True):
    wanted = writers.greedy(model, params, grammar, prompt, budget)
    np.testing.assert_array_equal(one.ids, wanted)


@pytest.mark.slow
def test_what_is_told_early_is_drawn_early():
  changes = {'lead': 4, 'metrical': 48, 'shared_pitch': True}
  model, params = writers.model_of('compound', **changes)
  grammar = writers.TOKENIZERS['compound'].grammar
  longer = decode(model, params, grammar, [first('compound')], steps=30)[0].ids
  prompts, steps = [first('compound'), longer[:9]], [26, 33]
  found = decode(model, params, grammar, prompts, steps=steps, sampler=GREEDY)
  for prompt, budget, one in zip(prompts, steps, found, strict=True):
    wanted = writers.greedy(model, params, grammar, prompt, budget)
    np.testing.assert_array_equal(one.ids, wanted)


def test_each_piece_heeds_its_own_latents():
  latent = LatentConfig(slot=4, piece=2, slots=8)
  model, params = writers.model_of('grid', mode='vae', latent=latent)
  grammar = writers.TOKENIZERS['grid'].grammar
  rng = np.random.default_rng(0)
  told = Latents(
    slots=9 * rng.normal(size=(3, 8, 4)).astype(np.float32),
    piece=9 * rng.normal(size=(3, 2)).astype(np.float32),
  )

  def write(latents):
    prompts = [first()] * len(latents.piece)
    asked = Guided(prompts, latents=latents)
    return decode(model, params, grammar, asked, steps=40, sampler=GREEDY)

  together = write(told)
  for row in range(3):
    alone = write(
      Latents(slots=told.slots[row:][:1], piece=told.piece[row:][:1])
    )
    np.testing.assert_array_equal(together[row].ids, alone[0].ids)
  assert len({one.ids.tobytes() for one in together}) == 3
  with pytest.raises(ConfigError, match=r'latents of slots'):
    write(Latents(slots=told.slots[:, :5], piece=told.piece))


def test_a_seed_gives_the_same_piece_in_any_batch(piece):
  many = run([first()] * 64, steps=96, seed=5)
  again = run([first()] * 64, steps=96, seed=5)
  for one, two in zip(many, again, strict=True):
    np.testing.assert_array_equal(one.ids, two.ids)
  assert len({one.ids.tobytes() for one in many}) > 50
  # Beside a longer prompt, and so padded on the left, with fewer steps.
  other = beside(piece[:9], 60, seed=6)[1].ids[: BESIDE - 20]
  np.testing.assert_array_equal(other, many[2].ids[: len(other)])
  alone = run([first()], steps=ALONE, seed=7)[0].ids[:70]
  np.testing.assert_array_equal(alone, many[2].ids[: len(alone)])


def test_a_cache_that_grows_changes_nothing(monkeypatch, piece):
  monkeypatch.setattr(decode_lib, '_LARGE', 0)
  assert lengths(1, ALONE, 1) == (32, 64, 96, 128)
  grown = run([first()], steps=ALONE, seed=3)[0].ids
  np.testing.assert_array_equal(grown, piece)


def test_rows_over_several_devices_and_under_a_mesh_are_the_same():
  code = (
    'import jax, json, numpy as np\n'
    'from tests.generation import writers\n'
    'from aurl_jax.generation.decode import decode\n'
    'from aurl_jax.parallel import mesh\n'
    'model, params = writers.model_of("grid")\n'
    'tokenizer = writers.TOKENIZERS["grid"]\n'
    'assert len(jax.devices()) == 3\n'
    'with mesh.use(mesh.make_mesh(mesh.MeshConfig(data=1, fsdp=3))):\n'
    '  pieces = decode(model, params, tokenizer.grammar,\n'
    '    [tokenizer.bos()[None]] * 5, steps=96, seed=4)\n'
    'print(json.dumps([p.ids.tolist() for p in pieces]))\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code],
    env=os.environ | {'JAX_NUM_CPU_DEVICES': '3', 'JAX_PLATFORMS': 'cpu'},
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  )
  pieces = run([first()] * 64, steps=96, seed=4)[:5]
  found = json.loads(done.stdout.splitlines()[-1])
  assert found == [one.ids.tolist() for one in pieces]


def test_more_bars_need_no_other_program():
  grid = writers.TOKENIZERS['grid']
  found = {}
  before = decode_lib._compiled.cache_info().misses
  for count in (1, 2, 3):
    wanted = constraints.bars(grid, first(), count, 120)
    piece = run([first()], steps=120, constraints=(wanted,))[0]
    found[count] = len(grid.bar_steps(piece.ids))
  assert found == {1: 1, 2: 2, 3: 3}
  assert decode_lib._compiled.cache_info().misses <= before + 1


def test_a_shape_is_compiled_once(piece):
  before = decode_lib._compiled.cache_info()
  again = run([first()], steps=ALONE - 1, seed=9)[0]
  after = decode_lib._compiled.cache_info()
  assert (after.misses, after.hits) == (before.misses, before.hits + 1)
  assert not np.array_equal(again.ids, piece)


def test_illegal_prompts_are_refused_with_their_step(piece):
  wrong = np.concatenate([piece[:8], piece[:1]])
  with pytest.raises(RequestError, match=r'prompt 0 .*step 8 of 9') as caught:
    beside(wrong, 60)
  assert caught.value.code == 'prompt'
  with pytest.raises(RequestError, match='empty'):
    run([piece[:0]], steps=40)


def test_a_prompt_that_has_ended_stays_as_it_is(piece):
  over = np.concatenate([piece[:8], piece[-1:]])
  done = beside(over, 60)[0]
  assert done.ended
  np.testing.assert_array_equal(done.ids, over)


@pytest.mark.parametrize('steps', [9, 5])
def test_too_few_steps_are_refused(piece, steps):
  with pytest.raises(RequestError, match=f'{steps} steps are too few') as found:
    beside(piece[:9], steps)
  assert found.value.code == 'steps'
  assert len(beside(piece[:9], 10)[0].ids) == 10


def test_budgets_must_fit_the_prompts():
  with pytest.raises(RequestError, match='2 prompts, but steps for 1'):
    run([first()] * 2, steps=[40])


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_broken_weights_are_an_error_not_music(bad):
  model, params = writers.model_of('grid')
  scale = params['decoder']['norm']['scale']
  broken = params | {
    'decoder': params['decoder'] | {'norm': {'scale': scale.at[3].set(bad)}}
  }
  grammar = writers.TOKENIZERS['grid'].grammar
  with pytest.raises(DecodeError, match='NaN') as caught:
    decode(model, broken, grammar, [first()], steps=ALONE)
  assert caught.value.code == 'not_finite'


def test_chance_is_even_and_does_not_depend_on_how_much_is_drawn():
  short, long = (decode_lib.chance(9, (n, 3)) for n in (5, 4000))
  np.testing.assert_array_equal(short, long[:5])
  assert long.dtype == np.float32
  assert 0 <= long.min() < long.max() < 1
  counts = np.histogram(long, bins=20, range=(0, 1))[0]
  assert abs(counts - 600).max() < 6 * np.sqrt(600)


def test_prompts_may_be_padded_to_a_width_and_give_the_same_pieces():
  model, params = writers.model_of('compound')
  tokenizer = writers.TOKENIZERS['compound']
  writer = decode_lib.Writer(model, params, tokenizer.grammar, (), Sampler())
  batch = decode_lib.Batch.of([tokenizer.bos()[None]] * 2, 30, 4)
  wide = dataclasses.replace(batch, least=40)
  assert (batch.width, wide.width, wide.room) == (1, 64, 93)
  assert wide.part(slice(0, 1)).width == 64
  for one, other in zip(
    decode_lib.write(writer, batch),
    decode_lib.write(writer, wide),
    strict=True,
  ):
    np.testing.assert_array_equal(one.ids, other.ids)
