import itertools
import json
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core import config
from aurl_jax.core.errors import AurlError, ConfigError
from aurl_jax.tokens import bpe as lib
from aurl_jax.tokens.bpe import Bpe
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi
from aurl_jax.tokens.tokenizer import save
from tests import recogniser
from tests.tokens import judge, pieces, sampler

pytest.importorskip('tokenizers')
SEEDS = st.integers(0, 2**32 - 1)
BASES = [Remi(cells_per_beat=4, voices=4), Performance(velocity_bins=4)]


def learn(base, merges=30):
  music = [pieces.chorale(seed) for seed in range(12)]
  corpus = [base.encode(notes) for notes in music]
  return lib.train(base, corpus, merges=merges, longest=5)


TOKENIZERS = [learn(base) for base in BASES]


def merged_slowly(tokenizer, ids):
  """Merges the first pair of all, wherever it stands, until none is left."""
  spelled = [(id_,) for id_ in range(tokenizer.base.codec.sizes[0])]
  rank = {}
  for number, (left, right) in enumerate(tokenizer.merges):
    text = spelled[left] + spelled[right]
    if text not in spelled:
      spelled.append(text)
    rank.setdefault((left, right), (number, spelled.index(text)))
  cuts = {0, 1, len(ids) - 1, *tokenizer.base.bar_steps(ids).tolist()}
  words, out = [], []
  for at, id_ in enumerate(ids[:, 0].tolist()):
    if at in cuts:
      words.append([])
    words[-1].append(id_)
  for word in words:
    while True:
      pairs = [rank.get(pair) for pair in itertools.pairwise(word)]
      found = [(pair, at) for at, pair in enumerate(pairs) if pair]
      if not found:
        break
      (_, id_), at = min(found)
      word[at : at + 2] = [id_]
    out += word
  return out


@pytest.mark.parametrize('tokenizer', TOKENIZERS)
@hypothesis.settings(max_examples=8)
@hypothesis.given(seed=SEEDS)
def test_round_trip_gives_what_the_base_keeps(tokenizer, seed):
  for notes in (pieces.piece(seed), pieces.chorale(seed)):
    ids = tokenizer.encode(notes)
    base = tokenizer.base.encode(notes)
    assert (tokenizer.expand(ids) == base).all()
    assert tokenizer.decode(ids) == judge.rounded(tokenizer.base, notes)
    assert tokenizer.quantise(notes) == judge.rounded(tokenizer.base, notes)
    assert recogniser.fault(tokenizer, ids.tolist()) == ''


@pytest.mark.parametrize('tokenizer', TOKENIZERS)
def test_merges_as_a_slow_merger_does_and_shortens(tokenizer):
  for seed in range(5):
    base = tokenizer.base.encode(pieces.chorale(seed))
    ids = tokenizer.merge(base)
    assert ids[:, 0].tolist() == merged_slowly(tokenizer, base)
    assert len(ids) < 0.9 * len(base)
    starts = [len(tokenizer.expand(ids[:i])) for i in range(len(ids))]
    bars = set(tokenizer.base.bar_steps(base).tolist())
    expected = [i for i, start in enumerate(starts) if start in bars]
    assert tokenizer.bar_steps(ids).tolist() == expected


@pytest.mark.parametrize('tokenizer', TOKENIZERS)
def test_samples_are_legal_and_end_within_their_budget(tokenizer):
  budgets = np.random.default_rng(0).integers(2, 25, 60)
  ids, alive = sampler.sample(tokenizer, 0, budgets, 24)
  assert alive.all()
  whole = [sampler.whole(tokenizer, row) for row in ids]
  assert [recogniser.fault(tokenizer, row) for row in whole] == [''] * 60
  lengths = np.array([len(row) for row in whole])
  assert (lengths <= budgets).all()
  low, high = tokenizer.codec.span('merged')
  assert ((ids >= low) & (ids < high)).sum() > 10


@pytest.mark.parametrize('tokenizer', TOKENIZERS)
def test_music_is_legal_and_torn_music_as_the_recogniser_says(tokenizer):
  legal = 0
  for seed in range(12):
    ids = tokenizer.encode(pieces.chorale(seed, bars=1))
    assert sampler.accepts(tokenizer, ids, budget=1000).all()
    torn = judge.shuffled(ids, seed)
    ends = bool(tokenizer.is_end(torn[-1]))
    accepted = sampler.accepts(tokenizer, torn, budget=1000).all() and ends
    assert accepted == (recogniser.fault(tokenizer, torn.tolist()) == '')
    legal += accepted
  assert legal < 10


@pytest.mark.parametrize('tokenizer', TOKENIZERS)
def test_is_plain_json(tokenizer):
  again = config.build(json.loads(json.dumps(save(tokenizer))), 'tokenizer')
  assert again == tokenizer
  notes = pieces.chorale(40)
  assert (again.encode(notes) == tokenizer.encode(notes)).all()


def test_equal_expansions_are_one_id():
  base = BASES[1]
  a, b, c = 10, 11, 12
  size = base.codec.sizes[0]
  pairs = ((a, b), (b, c), (size, c), (a, size + 1))
  tokenizer = Bpe(base=base, merges=pairs)
  assert tokenizer.codec.sizes == (size + 3,)
  assert tokenizer.expansions[size + 2] == (a, b, c)


@pytest.mark.parametrize('pair', [(1, 9), (9, 2), (9, 400)])
def test_merges_are_of_ids_that_exist(pair):
  with pytest.raises(ConfigError, match='merge'):
    Bpe(base=Performance(), merges=(pair,))


def test_without_merges_it_is_the_base():
  tokenizer = Bpe(base=BASES[0])
  assert tokenizer.codec == BASES[0].codec
  ids = BASES[0].encode(pieces.chorale(1))
  assert (tokenizer.merge(ids) == ids).all()
  assert sampler.accepts(tokenizer, ids).all()


def test_a_missing_library_is_told(monkeypatch):
  monkeypatch.setitem(sys.modules, 'tokenizers', None)
  fresh = Bpe(base=BASES[0], merges=TOKENIZERS[0].merges)
  ids = TOKENIZERS[0].encode(pieces.chorale(1))
  # Reading needs nothing.
  assert len(fresh.decode(ids))
  with pytest.raises(AurlError, match=r'aurl-jax\[bpe\]') as caught:
    fresh.encode(pieces.chorale(1))
  assert caught.value.code == 'no_tokenizers'
