import json
import os
import subprocess
import sys

import numpy as np
import pytest

from aurl_jax.generation import decode as decode_lib
from aurl_jax.generation.decode import decode, lengths
from aurl_jax.generation.errors import DecodeError, RequestError
from aurl_jax.generation.sampling import Sampler
from tests import recogniser
from tests.generation import writers

GREEDY = Sampler(temperature=0)


def first(name):
  return writers.TOKENIZERS[name].bos()[None]


def run(name, prompts, **options):
  model, params = writers.model_of(name)
  grammar = writers.TOKENIZERS[name].grammar
  return decode(model, params, grammar, prompts, **options)


@pytest.mark.parametrize('name', writers.TOKENIZERS)
def test_a_thousand_pieces_are_grammatical_and_end_in_their_budget(name):
  tokenizer = writers.TOKENIZERS[name]
  budgets = np.random.default_rng(0).integers(8, 97, 1000).tolist()
  budgets[0] = 96
  pieces = run(name, [first(name)] * 1000, steps=budgets, seed=1)
  faults = {recogniser.fault(tokenizer, p.ids.tolist()) for p in pieces}
  assert faults == {''}
  assert all(piece.ended and piece.legal for piece in pieces)
  assert all(
    len(p.ids) <= budget for p, budget in zip(pieces, budgets, strict=True)
  )
  # They are music and differ; an untrained model ends half of them at once.
  assert np.mean([len(tokenizer.decode(p.ids)) for p in pieces]) > 2
  assert len({p.ids.tobytes() for p in pieces}) > 400


@pytest.mark.parametrize('name', ['grid', 'compound'])
def test_greedy_equals_a_loop_over_full_forwards(name):
  tokenizer = writers.TOKENIZERS[name]
  model, params = writers.model_of(name, width=32, layers=2)
  whole = decode(
    model, params, tokenizer.grammar, [first(name)], steps=40, seed=3
  )[0].ids
  prompts = [whole[:1], whole[:4], whole[:13]]
  steps = [24, 30, 33]
  pieces = decode(
    model, params, tokenizer.grammar, prompts, steps=steps, sampler=GREEDY
  )
  for prompt, budget, piece in zip(prompts, steps, pieces, strict=True):
    wanted = writers.greedy(model, params, tokenizer.grammar, prompt, budget)
    np.testing.assert_array_equal(piece.ids, wanted)


def test_a_seed_gives_the_same_piece_in_any_batch():
  name = 'remi'
  pieces = run(name, [first(name)] * 9, steps=60, seed=5)
  again = run(name, [first(name)] * 9, steps=60, seed=5)
  alone = run(name, [first(name)], steps=60, seed=7)
  mixed = run(name, [pieces[0].ids[:9], first(name)], steps=60, seed=6)
  for one, two in zip(pieces, again, strict=True):
    np.testing.assert_array_equal(one.ids, two.ids)
  np.testing.assert_array_equal(alone[0].ids, pieces[2].ids)
  # Beside a longer prompt, and so padded on the left.
  np.testing.assert_array_equal(mixed[1].ids, pieces[2].ids)
  assert len({piece.ids.tobytes() for piece in pieces}) > 3


def test_a_cache_that_grows_changes_nothing(monkeypatch):
  name = 'grid'
  plain = run(name, [first(name)] * 2, steps=120, seed=2)
  monkeypatch.setattr(decode_lib, '_LARGE', 0)
  grown = run(name, [first(name)] * 2, steps=120, seed=2)
  assert lengths(1, 120, 1) == (32, 64, 96, 128)
  for one, two in zip(plain, grown, strict=True):
    np.testing.assert_array_equal(one.ids, two.ids)


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
    '    [tokenizer.bos()[None]] * 5, steps=40, seed=4)\n'
    'print(json.dumps([p.ids.tolist() for p in pieces]))\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code],
    env=os.environ | {'JAX_NUM_CPU_DEVICES': '3', 'JAX_PLATFORMS': 'cpu'},
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  )
  pieces = run('grid', [first('grid')] * 5, steps=40, seed=4)
  found = json.loads(done.stdout.splitlines()[-1])
  assert found == [piece.ids.tolist() for piece in pieces]


def test_a_shape_is_compiled_once():
  run('grid', [first('grid')] * 5, steps=40, seed=4)
  before = decode_lib._compiled.cache_info().currsize
  pieces = run('grid', [first('grid')] * 8, steps=33, sampler=Sampler())
  assert decode_lib._compiled.cache_info().currsize == before
  assert len(pieces) == 8


def test_illegal_prompts_are_refused_with_their_step():
  tokenizer = writers.TOKENIZERS['remi']
  bos, eos = tokenizer.bos()[0], tokenizer.codec.id('eos')
  bar = tokenizer.codec.id('bar')
  wrong = np.array([[bos], [bar], [bar]], np.int32)
  with pytest.raises(RequestError, match=r'prompt 1 .*step 2 of 3') as caught:
    run('remi', [first('remi'), wrong], steps=40)
  assert caught.value.code == 'prompt'
  with pytest.raises(RequestError, match='empty'):
    run('remi', [wrong[:0]], steps=40)
  done = run('remi', [np.array([[bos], [eos]], np.int32)], steps=40)[0]
  assert (len(done.ids), done.ended) == (2, True)


@pytest.mark.parametrize(('length', 'steps'), [(9, 9), (9, 5), (1, 1)])
def test_too_few_steps_are_refused(length, steps):
  whole = run('grid', [first('grid')], steps=40, seed=3)[0].ids
  with pytest.raises(RequestError, match=f'{steps} steps are too few') as found:
    run('grid', [whole[:length]], steps=steps)
  assert found.value.code == 'steps'


def test_budgets_must_fit_the_prompts():
  with pytest.raises(RequestError, match='2 prompts, but steps for 1'):
    run('grid', [first('grid')] * 2, steps=[40])


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_broken_weights_are_an_error_not_music(bad):
  model, params = writers.model_of('grid')
  scale = params['decoder']['norm']['scale']
  broken = params | {
    'decoder': params['decoder'] | {'norm': {'scale': scale.at[3].set(bad)}}
  }
  grammar = writers.TOKENIZERS['grid'].grammar
  for sampler in (GREEDY, Sampler()):
    with pytest.raises(DecodeError, match='NaN') as caught:
      decode(model, broken, grammar, [first('grid')], steps=40, sampler=sampler)
    assert caught.value.code == 'not_finite'


def test_chance_is_even_and_does_not_depend_on_how_much_is_drawn():
  short, long = (decode_lib.chance(9, (n, 3)) for n in (5, 4000))
  np.testing.assert_array_equal(short, long[:5])
  assert long.dtype == np.float32
  assert 0 <= long.min() < long.max() < 1
  counts = np.histogram(long, bins=20, range=(0, 1))[0]
  assert abs(counts - 600).max() < 6 * np.sqrt(600)
