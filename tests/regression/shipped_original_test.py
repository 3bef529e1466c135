"""The shipped index of chorales, against the chorales that it is made of."""

import numpy as np
import pytest

import aurl_jax
from aurl_jax.experiment import data, pages, sections
from aurl_jax.music.notes import Notes
from tests.evaluation import copying


@pytest.fixture(scope='module')
def composer():
  return aurl_jax.load('chorale')


@pytest.fixture(scope='module')
def training(shared_data, tmp_path_factory, composer):
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('AURL_DATA', str(shared_data))
    patch.setenv('AURL_CACHE', str(tmp_path_factory.mktemp('cache')))
    run = sections.parse(pages.load(pages.find('chorale')))
    split = data.prepared(run, quiet=True)['train']
  decode = composer.tokenizer.decode
  names = [entry['name'] for entry in split.pieces]
  return dict(zip(names, map(decode, split), strict=True))


def test_the_index_is_of_the_training_split(composer, training):
  assert set(composer.index.pieces) == set(training)
  assert all(composer.index.report(p).share == 1 for p in training.values())


@pytest.mark.parametrize('seed', range(4))
def test_planted_copies_are_told(composer, training, seed):
  rng = np.random.default_rng(seed)
  name = sorted(training)[int(rng.integers(len(training)))]
  voice, first, count = seed, int(rng.integers(0, 6)), 25
  line = copying.rows(training[name])[voice][first : first + count]
  onset, pitch = np.array(line).T
  # Leaps of a tritone and more, which no chorale has in a row, around it.
  leaps = 60 + 7 * (np.arange(20) % 5)
  before = np.arange(20) * 3
  shift = int(before[-1]) + int(rng.integers(1, 9))
  copied = onset - onset[0] + shift
  behind = copied[-1] + 3 + before
  notes = Notes.build(
    4,
    {
      'onset': np.concatenate([before, copied, behind]),
      'pitch': np.concatenate([leaps, pitch + 3, leaps]),
      'duration': 1,
    },
  )
  most, places = copying.longest(notes, training)
  assert most >= min(count, len(line))
  run = composer.index.report(notes).run
  assert run.notes == most
  told = {(n, up) for _, _, n, _, up in places}
  assert (run.source.piece, run.source.semitones) in told
  begins = {onset for _, onset, _, _, _ in places}
  assert run.bar in {1 + onset // 16 for onset in begins}


def test_it_writes_no_run_of_twelve_notes(composer, training):
  request = composer.request(bars=8, seed=3, original=12)
  (piece,) = composer.generate(request)
  assert piece.grammatical
  assert piece.report['broken'] == {'original': 0}
  assert copying.longest(piece.notes, training)[0] < 12
