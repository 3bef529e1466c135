"""The count table against a dictionary of counts, and against its limits."""

import collections
import dataclasses
import math

import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.training import baseline
from aurl_jax.training.baseline import CountTable, Lookup

# Ids of a small grid of two voices: bos, eos, rest, hold, then six pitches;
# field 1 of the first step is the pickup, 0..3 cells.
BOS, EOS, REST, HOLD, PITCH = 1, 2, 3, 4, 5
SIZE = 11
MEANING = np.array(
  [baseline.OTHER] * 3 + [baseline.REST, baseline.HOLD] + list(range(60, 66))
)
LOOKUP = Lookup(
  pitch=[MEANING, MEANING],
  event=[np.arange(SIZE)] * 2,
  bos=BOS,
  pickup=np.clip(np.arange(SIZE) - 1, 0, 3),
  pickup_field=1,
)


def _piece(seed, steps=40, pickup=0):
  random = np.random.default_rng(seed)
  choices = [REST, HOLD, HOLD, HOLD, *range(PITCH, SIZE)]
  cells = random.choice(choices, (steps, 2))
  first, last = [[BOS, 1 + pickup]], [[EOS, 0]]
  return np.concatenate([first, cells, last]).astype(np.int32)


def _contexts(ids):
  """Yields (voice, place, state), id of each target, cell by cell."""
  pickup = ids[0, 1] - 1
  states = ['unheard', 'unheard']
  for t in range(len(ids) - 1):
    for f in range(2):
      meaning = MEANING[ids[t, f]]
      if meaning != baseline.HOLD:
        named = {baseline.REST: 'silent', baseline.OTHER: 'unheard'}
        states[f] = named.get(int(meaning), int(meaning))
      if ids[t + 1, f]:
        yield (f, (t - pickup) % 4, states[f]), int(ids[t + 1, f])


def _index(context):
  voice, place, state = context
  return voice, place, {'silent': 128, 'unheard': 129}.get(state, state)


@pytest.fixture(scope='module')
def pieces():
  """Pieces with pickups of all lengths."""
  return [_piece(seed, pickup=seed % 4) for seed in range(12)]


def test_chances_are_the_mixture_that_the_docstring_describes(pieces):
  table = CountTable.fit(map(baseline.piece, pieces), LOOKUP)
  levels = [collections.Counter() for _ in range(3)]
  totals = [collections.Counter() for _ in range(3)]
  for ids in pieces:
    for (voice, place, state), event in _contexts(ids):
      keys = [(voice,), (voice, state), (voice, state, place)]
      for key, level, total in zip(keys, levels, totals, strict=True):
        level[key, event] += 1
        total[key] += 1
  for context, event in _contexts(pieces[3]):
    voice, place, state = context
    keys = [(voice,), (voice, state), (voice, state, place)]
    chance = 1 / (SIZE - 1)
    for k, key in enumerate(keys):
      strength = table.strengths[k]
      seen = levels[k][key, event] + strength * chance
      chance = seen / (totals[k][key] + strength)
    assert table.chances[(*_index(context), event)] == pytest.approx(chance)


def test_chances_sum_to_one_and_leave_out_the_reserved_id(pieces):
  table = CountTable.fit(map(baseline.piece, pieces), LOOKUP)
  np.testing.assert_allclose(table.chances.sum(-1), 1)
  assert (table.chances[..., 0] == 0).all()
  assert (table.chances[..., 1:] > 0).all()


def test_strengths_are_the_best_of_those_tried_on_left_out_events(pieces):
  """Leaves one event out by really fitting without it."""
  chosen = CountTable.fit(map(baseline.piece, pieces[:2]), LOOKUP).strengths
  events = [pair for ids in pieces[:2] for pair in _contexts(ids)]

  def left_out(strength):
    nats = 0.0
    for i, ((voice, _, _), event) in enumerate(events):
      rest = [
        e for j, ((v, _, _), e) in enumerate(events) if j != i and v == voice
      ]
      seen = rest.count(event) + strength / (SIZE - 1)
      nats -= math.log(seen / (len(rest) + strength))
    return nats

  scores = {s: left_out(s) for s in (0.25, 1.0, 8.0, 32.0, 128.0, chosen[0])}
  assert min(scores, key=scores.get) == chosen[0]


def test_loss_is_the_mean_surprise_of_all_targets(pieces):
  table = CountTable.fit(map(baseline.piece, pieces[:8]), LOOKUP)
  found = table.evaluate(map(baseline.piece, pieces[8:]))
  events = [pair for ids in pieces[8:] for pair in _contexts(ids)]
  nats = [-math.log(table.chances[(*_index(c), e)]) for c, e in events]
  assert found['loss'] == pytest.approx(sum(nats) / len(nats))
  alto = [n for n, (c, _) in zip(nats, events, strict=True) if c[0] == 1]
  assert found['nats/1'] == pytest.approx(sum(alto) / len(alto))
  assert found['tokens'] == sum(len(ids) - 1 for ids in pieces[8:])


def test_packing_and_padding_change_nothing(pieces):
  table = CountTable.fit(map(baseline.piece, pieces), LOOKUP)
  width = max(map(len, pieces))
  ids = np.zeros((2, 2 * width + 5, 2), np.int32)
  segments = np.zeros(ids.shape[:2], np.int32)
  for row in range(2):
    start = 0
    for number in (1, 2):
      piece = pieces[2 * row + number]
      ids[row, start : start + len(piece)] = piece
      segments[row, start : start + len(piece)] = number
      start += len(piece)
  packed = table.evaluate([{'ids': ids, 'segments': segments}])
  alone = table.evaluate(map(baseline.piece, pieces[1:5]))
  assert packed == pytest.approx(alone)


def test_a_piece_that_begins_out_of_view_has_no_place_and_nothing_heard():
  cut = np.array([[HOLD, HOLD], [PITCH, REST], [HOLD, PITCH]], np.int32)
  table = CountTable.fit([baseline.piece(_piece(0))], LOOKUP)
  surprise = -np.log(
    [
      table.chances[0, 4, 129, PITCH],
      table.chances[0, 4, 60, HOLD],
      table.chances[1, 4, 129, REST],
      table.chances[1, 4, 128, PITCH],
    ]
  )
  found = table.evaluate([baseline.piece(cut)])
  assert found['loss'] == pytest.approx(surprise.mean())


def test_regular_music_is_predicted_from_its_place_in_the_beat():
  cells = np.full((400, 2), HOLD)
  cells[::4] = PITCH
  ids = np.concatenate([[[BOS, 1]], cells, [[EOS, 0]]]).astype(np.int32)
  table = CountTable.fit([baseline.piece(ids)], LOOKUP)
  assert table.evaluate([baseline.piece(ids)])['loss'] < 0.05


def test_ids_of_one_event_are_counted_as_one(pieces):
  """Holds with ids of their own, one for each cell of the beat, are holds."""
  split = dataclasses.replace(
    LOOKUP,
    pitch=[np.append(MEANING, [baseline.HOLD] * 3)] * 2,
    event=[np.append(np.arange(SIZE), [HOLD] * 3)] * 2,
  )

  def renamed(ids):
    names = np.array([HOLD, SIZE, SIZE + 1, SIZE + 2])[np.arange(len(ids)) % 4]
    return np.where(ids == HOLD, names[:, None], ids)

  plain = CountTable.fit(map(baseline.piece, pieces[:8]), LOOKUP)
  other = CountTable.fit(
    (baseline.piece(renamed(p)) for p in pieces[:8]), split
  )
  assert other.evaluate(
    [baseline.piece(renamed(p)) for p in pieces[8:]]
  ) == pytest.approx(plain.evaluate(map(baseline.piece, pieces[8:])))


def test_nothing_to_count_says_so():
  with pytest.raises(DataError, match='split is empty'):
    CountTable.fit([], LOOKUP)
  table = CountTable.fit([baseline.piece(_piece(0))], LOOKUP)
  with pytest.raises(DataError, match='split is empty'):
    table.evaluate([])
