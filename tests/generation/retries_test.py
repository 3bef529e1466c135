"""A row that fails is drawn anew by itself, and says so."""

import dataclasses

import jax
import numpy as np
import pytest

from aurl_jax.deploy import rows
from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import constraints, decode, retries, wishing
from aurl_jax.generation.decode import Batch, Sample, Writer
from aurl_jax.generation.errors import DecodeError
from aurl_jax.generation.frame import Kept
from aurl_jax.generation.guidance import Guided
from aurl_jax.generation.request import Request
from aurl_jax.generation.retries import Faults, Retry, Try
from aurl_jax.generation.sampling import Sampler
from aurl_jax.generation.wish import Wish
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from tests import recogniser
from tests.generation import writers

COMPOUND = Compound(voices=2, cells_per_beat=4, bar_beats=4)
BAD = 6
"""The place of a bar at which the model below gives no numbers."""
WISH = Wish(density=(2, 4), meter=(4, 4), polyphony=2)


@pytest.fixture(scope='module')
def sound():
  model, params = writers.small(COMPOUND, metrical=16)
  return Composer(model=model, params=params, tokenizer=COMPOUND)


@pytest.fixture(scope='module')
def broken(sound):
  """The same, but what has read a step at one place gives NaN."""

  def spoil(path, leaf):
    name = jax.tree_util.keystr(path)
    if 'metrical' not in name:
      return leaf
    return leaf.at[BAD].set(np.nan)

  params = jax.tree_util.tree_map_with_path(spoil, sound.params)
  assert any(np.isnan(leaf).any() for leaf in jax.tree.leaves(params))
  return dataclasses.replace(sound, params=params)


def request(**changes):
  return Request(**{'n': 8, 'bars': 2, 'steps': 60, 'wish': WISH, **changes})


def places(ids):
  """Where the steps of a piece stand in their bars, tempos among them."""
  events = [COMPOUND.codec.event(int(step[1]), 1) for step in ids if step[1]]
  return {value for name, value in events if name == 'position'}


def test_rows_without_numbers_are_drawn_anew_and_the_others_stay(sound, broken):
  asked = request(seed=4, retries=6)
  whole, found = sound.generate(asked), broken.generate(asked)
  failed = [BAD in places(piece.ids) for piece in whole]
  assert 0 < sum(failed) < len(failed)
  for before, piece, fails in zip(whole, found, failed, strict=True):
    assert recogniser.fault(COMPOUND, piece.ids.tolist()) == ''
    assert piece.seed == before.seed
    assert bool(piece.retries) == fails
    assert ('retries' in piece.report) == fails
    if not fails:
      assert piece.ids.tolist() == before.ids.tolist()
      continue
    assert {retry.reason for retry in piece.retries} == {'not_finite'}
    assert piece.kept['density'].broken == 0
    assert BAD not in places(piece.ids)
    last = piece.report['retries'][-1]
    assert last['temperature'] < 1
    assert last['top_p'] < 1
    assert 'tried' in piece.facts()
  again = broken.generate(asked)
  assert [p.ids.tolist() for p in again] == [p.ids.tolist() for p in found]


def test_what_fails_whatever_is_tried_is_an_error(broken):
  always = dataclasses.replace(WISH, rhythm=(BAD / 4,), density=(1, 1))
  with pytest.raises(DecodeError, match='NaN') as caught:
    broken.generate(request(wish=always))
  assert caught.value.code == 'not_finite'
  with pytest.raises(DecodeError, match='NaN'):
    broken.generate(request(seed=4, retries=0))


def test_of_tries_that_break_a_wish_the_best_is_kept(sound, monkeypatch):
  counts = iter([3, 1, 2])

  def judge(*_):
    return lambda notes: {
      'key': Kept(0.5, next(counts)),
      'key, weight 2': Kept(0, 9),
    }

  monkeypatch.setattr(wishing, 'judge', judge)
  (piece,) = sound.generate(request(n=1))
  assert piece.kept['key'].broken == 1
  assert [retry.reason for retry in piece.retries] == ['wish', 'wish']
  counts = iter([3, 0])
  (piece,) = sound.generate(request(n=1))
  assert [retry.reason for retry in piece.retries] == ['wish']
  assert piece.kept['key'].broken == 0


def most_at_once(piece):
  """Counted by what shares nothing with the package's count."""
  onset = piece.notes.onset.tolist()
  heard = set(zip(onset, piece.notes.pitch.tolist(), strict=True))
  return max(sum(at == when for at, _ in heard) for when in onset)


def test_pieces_with_too_many_notes_at_once_are_drawn_anew(sound):
  before = sound.generate(request(seed=3))
  counts = [most_at_once(piece) for piece in before]
  assert min(counts) == 1 < max(counts)
  mended = 0
  for piece, count in zip(before, counts, strict=True):
    (new,) = sound.generate(request(n=1, seed=piece.seed, crowd=1, retries=4))
    if count == 1:
      assert new.retries == ()
      assert new.ids.tolist() == piece.ids.tolist()
      continue
    assert {retry.reason for retry in new.retries} == {'crowd'}
    assert most_at_once(new) == 1 or len(new.retries) == 4
    mended += most_at_once(new) == 1
  assert mended


def test_a_chord_that_was_given_crowds_nothing():
  room = 2
  count = room + 3
  columns = {'onset': [0] * count, 'duration': [1] * count}
  given = Notes.build(4, {**columns, 'pitch': list(range(60, 60 + count))})
  assert rows.crowded(request(crowd=room), given) == 3
  assert rows.crowded(request(crowd=room, prompt=given), given) == 0
  assert rows.crowded(request(), given) == 0


@dataclasses.dataclass(frozen=True)
class Made:
  name: str
  retries: tuple = ()


def test_only_rows_that_failed_are_tried_as_often_as_they_may():
  first = [
    Try(Made('good'), Faults()),
    Try(None, Faults(not_finite=1)),
    Try(Made('short'), Faults(stalled=2, wish=5)),
    Try(Made('wrong'), Faults(wish=1)),
  ]
  tries = []

  def again(rows, attempt):
    tries.append((rows, attempt))
    new = {1: Faults(stalled=attempt), 2: Faults(stalled=3), 3: Faults()}
    how = Retry('', 10 * attempt, 0.5, 0.9)
    return [(Try(Made(f'{r}.{attempt}'), new[r]), how) for r in rows]

  found = retries.mend(first, [3, 2, 1, 3], again)
  assert tries == [([1, 2, 3], 1), ([1], 2)]
  assert [piece.name for piece in found] == ['good', '1.1', 'short', '3.1']
  reasons = [[how.reason for how in piece.retries] for piece in found]
  assert reasons == [[], ['not_finite', 'stalled'], ['stalled'], ['wish']]
  assert [how.seed for how in found[1].retries] == [10, 20]


def test_a_try_is_cooler_than_the_one_before_and_greed_is_left():
  tries = [retries.safer(Sampler(top_p=0.92), k) for k in (1, 2, 3)]
  assert np.all(np.diff([one.temperature for one in tries]) < 0)
  assert [round(one.top_p, 2) for one in tries] == [0.92, 0.9, 0.85]
  assert 0 < retries.safer(Sampler(temperature=0), 1).temperature < 1
  seeds = {retries.seed_of(seed, k) for seed in range(50) for k in (1, 2)}
  assert len(seeds) == 100
  assert min(seeds) >= 0
  # A request may have any of them.
  assert Request(seed=max(seeds)).seed == max(seeds)


def test_what_lacks_bars_has_stalled(sound):
  bos = COMPOUND.bos()[None]
  length = constraints.bars(COMPOUND, bos, 2, 60)
  writer = Writer(sound.model, {}, COMPOUND.grammar, (length,), Sampler())
  ids = np.zeros((3, bos.shape[1]), np.int32)
  ids[:, 0] = COMPOUND.codec.id('bos'), *[COMPOUND.codec.id('bar')] * 2
  lacking = Sample(ids=ids, ended=True, legal=True)
  # Of the two bars one has begun, and the line behind them is missing.
  assert retries.stalled(writer, lacking) == 1
  whole = np.concatenate([ids, ids[-1:]])
  done = Sample(ids=whole, ended=True, legal=True)
  assert retries.stalled(writer, done) == 0
  assert retries.stalled(writer, dataclasses.replace(done, ended=False)) == 1


def test_a_row_without_numbers_stops_none_of_its_batch():
  latent = LatentConfig(slot=4, piece=2, slots=8)
  model, params = writers.model_of('grid', mode='vae', latent=latent)
  grid = writers.TOKENIZERS['grid']
  rng = np.random.default_rng(0)
  told = Latents(
    slots=rng.normal(size=(3, 8, 4)).astype(np.float32),
    piece=rng.normal(size=(3, 2)).astype(np.float32),
  )
  writer = Writer(model, params, grid.grammar, (), Sampler())

  def write(latents):
    asked = Guided([grid.bos()[None]] * 3, latents=latents)
    return decode.write(writer, Batch.of(asked, 40, 0))

  sound = write(told)
  slots = told.slots.copy()
  slots[1] = np.nan
  found = write(dataclasses.replace(told, slots=slots))
  assert [sample.finite for sample in found] == [True, False, True]
  for row in (0, 2):
    assert found[row].ids.tolist() == sound[row].ids.tolist()
