"""Versions of a piece and ways between two, by latents of a small model."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.remake import Between, Like, Vary
from aurl_jax.generation.request import Request
from aurl_jax.music import cut, time, transform
from tests.experiment import turnable
from tests.generation import writers
from tests.tokens import pieces


@pytest.fixture(scope='module')
def composer():
  return turnable.composer()


@pytest.fixture(scope='module')
def song(composer):
  """Eight bars: two, two others, and the same again."""
  parts = [
    composer.tokenizer.quantise(pieces.chorale(seed, bars=2))
    for seed in (1, 2, 1, 2)
  ]
  filled = [
    transform.clip_overlaps(cut.slice_bars(part, 0, 2)) for part in parts
  ]
  return cut.concatenate(filled)


def table(notes, start=0, end=1 << 40):
  """Notes that begin in a span, from its beginning on."""
  inside = (notes.onset >= start) & (notes.onset < end)
  rows = zip(
    (notes.onset[inside] - start).tolist(),
    notes.pitch[inside].tolist(),
    notes.duration[inside].tolist(),
    strict=True,
  )
  return sorted(rows)


def test_no_strength_gives_the_piece_back(composer):
  given = pieces.chorale(3, bars=5, bpm=97)
  (piece,) = composer.generate(Request(remake=Vary(given, 0.0)))
  assert piece.notes == given
  assert piece.report['varied'] == {
    'strength': 0.0,
    'notes_kept': 1.0,
    'bars': [],
    'melody': [],
  }
  assert piece.report['grammatical']


@pytest.fixture(scope='module')
def versions(composer, song):
  return {
    strength: composer.generate(
      composer.request(remake=Vary(song, strength), n=4, seed=2, retries=0)
    )
    for strength in (0.3, 0.6, 1.0)
  }


def kept(before, after):
  """Counted by hand: the share of notes that stand where they stood."""
  rows = [(o, p) for o, p, _ in table(after)]
  found = 0
  for onset, pitch, _ in table(before):
    if (onset, pitch) in rows:
      rows.remove((onset, pitch))
      found += 1
  return found / len(before)


def test_likeness_falls_with_strength(composer, song, versions):
  held = composer.tokenizer.quantise(song)
  means = [1.0]
  for found in versions.values():
    for piece in found:
      told = piece.report['varied']['notes_kept']
      assert told == pytest.approx(kept(held, piece.notes), abs=1e-4)
    means.append(np.mean([p.report['varied']['notes_kept'] for p in found]))
  assert all(a > b for a, b in itertools.pairwise(means))
  # What is new at one strength is new at any greater one.
  for few, more in zip(versions[0.3], versions[0.6], strict=True):
    told = [set(p.report['varied']['bars']) for p in (few, more)]
    assert told[0] <= told[1]
  assert all(
    p.report['varied']['bars'] == list(range(1, 9)) for p in versions[1.0]
  )


def test_bars_that_are_not_written_stay_and_so_does_the_form(
  composer, song, versions
):
  held = composer.tokenizer.quantise(song)
  starts = [*time.bar_starts(held).tolist(), 8 * 16]
  for found in versions.values():
    for piece in found:
      new = {bar - 1 for bar in piece.report['varied']['bars']}
      for bar in set(range(8)) - new:
        span = starts[bar], starts[bar + 1]
        assert [(o, p) for o, p, _ in table(piece.notes, *span)] == [
          (o, p) for o, p, _ in table(held, *span)
        ]
      for bar in range(4):
        one, two = (
          [(o, p) for o, p, _ in table(piece.notes, starts[b], starts[b + 1])]
          for b in (bar, bar + 4)
        )
        assert one == two
      if new:
        assert piece.notes.meters.tolist() == held.meters.tolist()
        assert piece.notes.tempos.tolist() == held.tempos.tolist()
      assert piece.grammatical


def test_a_seed_gives_its_version_alone(composer, song, versions):
  asked = composer.request(remake=Vary(song, 0.6), seed=5, retries=0)
  (alone,) = composer.generate(asked)
  together = next(p for p in versions[0.6] if p.seed == 5)
  assert alone.midi() == together.midi()


def test_a_way_begins_and_ends_with_what_the_latents_hold(composer, song):
  other = pieces.chorale(9, bars=9, bpm=140)
  asked = Between(song, other)
  found = composer.generate(composer.request(remake=asked, n=3, retries=0))
  told = [piece.report['between'] for piece in found]
  assert [each['share'] for each in told] == [0.0, 0.5, 1.0]
  space = LatentSpace(composer)
  for piece, given in ((found[0], song), (found[2], other)):
    held = composer.tokenizer.quantise(given)
    for bar in range(0, 8, 2):
      part = cut.slice_bars(held, bar, bar + 2, held=True)
      (alone,) = space.decode(space.encode([part]), steps=34)
      wanted = [(o, p) for o, p, _ in table(alone.notes, 0, 32)]
      heard = table(piece.notes, 16 * bar, 16 * bar + 32)
      same = len(set(wanted) & {(o, p) for o, p, _ in heard})
      assert same >= 0.8 * len(wanted)
  tempos = [6e7 / piece.notes.tempos['microseconds'][0] for piece in found]
  assert tempos == pytest.approx([100, (100 * 140) ** 0.5, 140], rel=0.01)
  (middle,) = composer.generate(composer.request(remake=asked, retries=0))
  assert middle.report['between']['share'] == 0.5


def test_what_has_nothing_between_is_refused(composer, song):
  waltz = pieces.chorale(1, bars=4, meter=(3, 4))
  with pytest.raises(RequestError, match=r'bar 1 .* in 4/4, .* in 3/4'):
    composer.check(Request(remake=Between(song, waltz)))
  model, params = writers.model_of('grid')
  plain = Composer(
    model=model, params=params, tokenizer=writers.TOKENIZERS['grid']
  )
  with pytest.raises(RequestError, match=r'none; take pop_dials, or train'):
    plain.check(Request(remake=Between(song, song)))
  with pytest.raises(RequestError, match=r'no latents, and does not infill'):
    plain.check(Request(remake=Vary(song)))
  with pytest.raises(RequestError, match='cannot read the music to vary'):
    composer.check(Request(remake=Vary(writers.piece().notes)))


def test_what_is_made_as_a_whole_cannot_be_streamed(composer, song):
  with pytest.raises(RequestError, match='cannot be streamed'):
    list(composer.stream(Request(remake=Vary(song))))


def test_latents_like_a_reference_come_near_to_it(composer):
  reference = pieces.chorale(4, bars=2)
  wanted = LatentSpace(composer).encode([reference]).slots
  away = []
  for likeness in (0.0, 0.4, 0.8, 1.0):
    asked = Request(like=Like(reference, likeness), n=4, bars=2)
    told = composer._latents(composer.settled(asked))
    away.append(np.linalg.norm(told.slots - wanted))
  assert away == sorted(away, reverse=True)
  assert away[-1] == pytest.approx(0, abs=1e-4)
  drawn = [composer.priors.sample(1, seed).slots for seed in range(4)]
  plain = composer._latents(
    composer.settled(Request(like=Like(reference, 0.0), n=4, bars=2))
  )
  np.testing.assert_allclose(plain.slots, np.concatenate(drawn), atol=1e-4)


def test_a_reference_tells_meter_and_tempo(composer):
  waltz = pieces.chorale(4, bars=2, meter=(3, 4), bpm=77)
  asked = composer.settled(Request(like=Like(waltz), bars=2))
  assert asked.meter == (3, 4)
  assert asked.tempo == pytest.approx(77, rel=0.01)
  own = composer.settled(Request(like=Like(waltz), meter=(4, 4), tempo=120))
  assert (own.meter, own.tempo) == ((4, 4), 120)
  (piece,) = composer.generate(
    composer.request(like=Like(waltz), bars=2, retries=0)
  )
  assert piece.notes.meters[['numerator', 'denominator']].tolist() == [(3, 4)]
  with pytest.raises(RequestError, match='has its own; leave out what is'):
    composer.check(Request(like=Like(waltz), prompt=waltz))


def test_without_a_prior_the_standard_normal_is_drawn(composer):
  bare = dataclasses.replace(composer, priors=None)
  reference = pieces.chorale(4, bars=2)
  asked = bare.settled(Request(like=Like(reference, 0.5), n=2, bars=2))
  told = bare._latents(asked)
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(told))
