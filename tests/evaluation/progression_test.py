"""Chances of chords: sums, sums by hand, and pieces left out."""

import fractions
import itertools
import math
import random

import pytest

from aurl_jax.evaluation import progression
from aurl_jax.music import chords as chords_lib
from aurl_jax.music.notes import Notes

F = fractions.Fraction
WORDS = ('I:maj', 'IV:maj', 'V:7', 'VI:min')
DEGREES = (
  'I', 'bII', 'II', 'bIII', 'III', 'IV', '#IV', 'V', 'bVI', 'VI', 'bVII', 'VII',
)  # fmt: skip


def some(seed, count=6, length=8):
  rng = random.Random(seed)
  return [
    [tuple(rng.choice(WORDS) for _ in range(length))] for _ in range(count)
  ]


def judged(pieces, word, before, order):
  """Witten and Bell's chance by lists and fractions."""
  all_words = len(chords_lib.QUALITIES) * 12
  chance = F(1, all_words)
  for known in range(order):
    context = before[len(before) - known :] if known else ()
    after = []
    for tokens in itertools.chain.from_iterable(pieces):
      row = [''] * (order - 1) + list(tokens)
      after += [
        row[i]
        for i in range(order - 1, len(row))
        if tuple(row[i - known : i]) == context
      ]
    if after:
      kinds = len(set(after))
      chance = (after.count(word) + kinds * chance) / (len(after) + kinds)
  return chance


@pytest.mark.parametrize('order', [1, 2, 3])
def test_chances_are_those_of_witten_and_bell(order):
  pieces = some(1)
  model = progression.fit(pieces, order)
  contexts = [('', ''), ('', 'I:maj'), ('V:7', 'I:maj'), ('II:dim', 'V:7')]
  for before in contexts:
    for word in (*WORDS, 'II:dim'):
      wanted = judged(pieces, word, before[2 - (order - 1) :], order)
      found = (
        model.chance(word, before) if order > 1 else model.chance(word, ())
      )
      assert found == pytest.approx(float(wanted))


def test_all_chords_together_are_certain():
  model = progression.fit(some(2))
  every = [f'{d}:{q}' for d in DEGREES for q in chords_lib.QUALITIES]
  assert len(every) == progression.CHORDS
  for before in (('', ''), ('I:maj', 'V:7'), ('II:dim', 'II:dim')):
    total = sum(model.chance(word, before) for word in every)
    assert total == pytest.approx(1)


def test_a_piece_of_the_corpus_is_left_out():
  pieces = some(3)
  model = progression.fit(pieces)
  for number, piece in enumerate(pieces):
    others = progression.fit(pieces[:number] + pieces[number + 1 :])
    found = model.nats(piece, own=True)
    assert found == pytest.approx(others.nats(piece))
    assert found > model.nats(piece)


def test_nats_are_means_over_chords():
  pieces = some(4)
  model = progression.fit(pieces)
  tokens = ('I:maj', 'V:7', 'I:maj')
  wanted = [
    judged(pieces, word, before, 3)
    for word, before in zip(
      tokens, [('', ''), ('', 'I:maj'), ('I:maj', 'V:7')], strict=True
    )
  ]
  wanted = -sum(math.log(x) for x in wanted) / 3
  assert model.nats([tokens]) == pytest.approx(wanted)
  assert model.nats([tokens, tokens]) == pytest.approx(wanted)


def test_no_chord_has_no_cost():
  model = progression.fit([])
  assert math.isnan(model.nats([]))
  assert model.nats([('I:maj',)]) == pytest.approx(math.log(progression.CHORDS))
  assert progression.of(Notes.build(4)) == []
  with pytest.raises(ValueError, match='1 chord or more'):
    progression.fit([], 0)


def test_chords_are_heard_in_any_key():
  def cadence(up):
    onset = [0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 12, 12, 12]
    pitch = [48, 64, 67, 53, 60, 65, 69, 55, 59, 62, 48, 64, 67]
    return Notes.build(
      1, {'onset': onset, 'duration': 4, 'pitch': [p + up for p in pitch]}
    )

  (found,) = progression.of(cadence(0))
  assert [w.partition(':')[0] for w in found] == ['I', 'IV', 'V', 'I']
  assert progression.of(cadence(5)) == [found]
