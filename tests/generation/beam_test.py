"""Beam search against all sequences there are, scored by full forwards."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.generation import beam as beam_lib
from aurl_jax.generation.beam import Beam
from aurl_jax.generation.decode import Batch, Writer, decode
from aurl_jax.generation.errors import DecodeError, RequestError
from aurl_jax.generation.guidance import Guided
from aurl_jax.generation.sampling import Sampler
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model

BOS, EOS, EVENTS, VALUES = 1, 2, (3, 4), (1, 2, 3)
SIZES, STEPS = (5, 4), 5
ALL = 4 * 300
"""More beginnings than there are at any field of any step."""


@dataclasses.dataclass(frozen=True)
class Toy:
  """BOS, up to three events of a value each, EOS."""

  def init(self, budget):
    return jnp.stack([jnp.int32(budget), jnp.int32(0)])

  def mask(self, state, field, partial):
    left, last = state
    over = last == EOS
    if field == 0:
      ids = jnp.arange(5)
      event = (ids >= 3) & (left > 1) & (last > 0)
      legal = event | ((ids == EOS) & (last > 0)) | ((ids == BOS) & (last == 0))
      return jnp.where(over, ids == 0, legal)
    return (jnp.arange(4) > 0) == (partial[0] >= 3)

  def advance(self, state, step):
    last = jnp.where(step[0] == 0, EOS, step[0])
    return jnp.stack([state[0] - 1, last])

  def distance(self, state):
    return jnp.where(state[1] == EOS, 0, 1 + (state[1] == 0))


@dataclasses.dataclass(frozen=True)
class Trap:
  """Behind event 4 only what no field allows, and never value 2."""

  def init(self):
    return jnp.int32(0)

  def mask(self, state, field, partial):
    if field == 0:
      return (state != 4) | (jnp.arange(5) < 0)
    return jnp.arange(4) != 2

  def advance(self, state, step):
    return step[0]


def sequences():
  """All legal ids, padded to as many steps."""
  steps = list(itertools.product(EVENTS, VALUES))
  for count in range(4):
    for events in itertools.product(steps, repeat=count):
      whole = [(BOS, 0), *events, (EOS, 0)]
      yield whole + [(0, 0)] * (STEPS - len(whole))


@functools.cache
def everything(lead):
  """A model, the log-probability of each sequence behind its BOS, and what
  is told of each field of a next step, by what comes before it."""
  config = ModelConfig(
    width=16, layers=1, heads=2, context=8, head_width=8, lead=lead
  )
  model = Model.build(config, SIZES)
  params = model.init(jax.random.key(lead))
  params = jax.tree.map(lambda x: 9 * x if x.ndim > 1 else x, params)
  ids = np.array(list(sequences()), np.int32)
  targets = np.roll(ids, -1, 1)
  targets[:, -1] = 0
  segments = (ids[..., 0] > 0).astype(np.int32)
  positions = np.tile(np.arange(STEPS, dtype=np.int32), (len(ids), 1))
  inputs = map(jnp.asarray, (ids, segments, positions, targets))
  logits = jax.jit(model.apply)(params, *inputs).logits
  scores, told = {}, {}
  for row, whole in enumerate(sequences()):
    total = 0.0
    for at in range(1, sum(1 for step in whole if step[0])):
      for field, raw in enumerate(logits):
        raw = np.asarray(raw[row, at - 1], np.float64)
        logs = raw - np.log(np.exp(raw).sum())
        told[(*whole[:at], whole[at][:field])] = logs
        total += logs[whole[at][field]]
    scores[tuple(whole)] = total
  return model, params, scores, told


def search(lead, beam, rules=()):
  model, params, *_ = everything(lead)
  writer = Writer(model, params, Toy(), rules, Sampler())
  batch = Batch.of([np.array([(BOS, 0)])], STEPS, 0)
  return beam_lib._search(writer, batch, beam)[0]


def padded(piece):
  rows = [tuple(step) for step in piece.tolist()]
  return tuple(rows + [(0, 0)] * (STEPS - len(rows)))


def steps_of(sequence):
  return sum(1 for step in sequence if step[0]) - 1


@pytest.mark.parametrize(('lead', 'length'), [(0, 0.0), (0, 1.0), (1, 1.0)])
def test_a_beam_wide_enough_finds_all_pieces_in_their_order(lead, length):
  scores = everything(lead)[2]
  found = search(lead, Beam(width=ALL, length=length))
  worth = {s: total / steps_of(s) ** length for s, total in scores.items()}
  wanted = sorted(worth, key=lambda s: -worth[s])
  assert padded(found[0].sample.ids) == wanted[0]
  assert {padded(one.sample.ids) for one in found} == set(wanted)
  for one in found:
    sequence = padded(one.sample.ids)
    np.testing.assert_allclose(one.score, scores[sequence], atol=1e-4)
    np.testing.assert_allclose(one.mean, worth[sequence], atol=1e-4)
    assert one.sample.ended
    assert one.sample.legal
  means = [one.mean for one in found]
  assert means == sorted(means, reverse=True)


@pytest.mark.parametrize('lead', [0, 1])
def test_a_narrow_beam_says_what_its_pieces_are_worth(lead):
  scores = everything(lead)[2]
  found = search(lead, Beam(width=3, length=0))
  assert len(found) == 3
  for one in found:
    wanted = scores[padded(one.sample.ids)]
    np.testing.assert_allclose(one.score, wanted, atol=1e-4)
  assert found[0].score <= max(scores.values()) + 1e-4


def broken(sequence):
  """How often a sequence was left nothing by `Trap`; None if it breaks it."""
  times = 0
  for before, (kind, value) in itertools.pairwise(sequence):
    if kind == 0:
      continue
    times += before[0] == 4
    if value == 2:
      return None
  return times


def test_what_keeps_the_rules_wins_over_what_is_likelier():
  scores = everything(0)[2]
  found = search(0, Beam(width=ALL), (Trap(),))
  may = [whole for whole in scores if broken(whole) is not None]
  mean = {whole: scores[whole] / steps_of(whole) for whole in may}
  worth = {w: mean[w] - 1000 * broken(w) / steps_of(w) for w in may}
  assert {padded(one.sample.ids) for one in found} == set(may)
  for one in found:
    wanted = worth[padded(one.sample.ids)]
    np.testing.assert_allclose(one.mean, wanted, atol=2e-3)
  best = padded(found[0].sample.ids)
  assert best == max(worth, key=worth.get)
  # What is likeliest runs into the trap.
  assert broken(max(mean, key=mean.get)) > broken(best) == 0


def groups_of_one(groups, diversity):
  """What groups of one beginning each find, choosing in turn."""
  told = everything(0)[3]
  found = [((BOS, 0),)] * groups
  while any(whole[-1][0] != EOS for whole in found):
    parts = [() for _ in found]
    for field in (0, 1):
      taken = []
      for group, whole in enumerate(found):
        if whole[-1][0] == EOS:
          continue
        ids = (EOS, *EVENTS) if len(whole) < STEPS - 1 else (EOS,)
        if field:
          ids = (0,) if parts[group] == (EOS,) else VALUES
        logs = told[(*whole, parts[group])]
        worth = {
          id_: logs[id_] - diversity * taken.count(id_) * (id_ > 0)
          for id_ in ids
        }
        taken.append(max(worth, key=worth.get))
        parts[group] += (taken[-1:][0],)
    found = [
      whole if whole[-1][0] == EOS else (*whole, part)
      for whole, part in zip(found, parts, strict=True)
    ]
  return found


def test_width_one_is_greedy_also_with_twins():
  model, params, *_ = everything(1)
  bos, event = (BOS, 0), (EVENTS[0], VALUES[0])
  prompts = [np.array([bos, event]), np.array([bos, event, event])]
  asked = Guided(prompts, [np.array([bos])] * 2, 3.0)
  greedy = Sampler(temperature=0)
  writer = Writer(model, params, Toy(), (), greedy)
  wanted = decode(model, params, Toy(), asked, steps=8, sampler=greedy)
  found = beam_lib.search(writer, Batch.of(asked, 8, 0), Beam(width=1))
  for one, other in zip(found, wanted, strict=True):
    np.testing.assert_array_equal(one[0].sample.ids, other.ids)


@pytest.mark.parametrize('diversity', [0.0, 0.7, 50.0])
def test_groups_differ_as_far_as_they_are_asked_to(diversity):
  found = search(0, Beam(width=1, groups=4, diversity=diversity, length=0))
  wanted = set(groups_of_one(4, diversity))
  assert len(wanted) == {0.0: 1, 50.0: 4}.get(diversity, len(wanted))
  scores = everything(0)[2]
  for one in found:
    # Others are less liked, but worth what they are.
    wanted.remove(tuple(map(tuple, one.sample.ids.tolist())))
    np.testing.assert_allclose(
      one.score, scores[padded(one.sample.ids)], atol=1e-4
    )
  assert not wanted


def test_what_cannot_be_searched_is_refused():
  with pytest.raises(RequestError, match='groups of at least 1'):
    Beam(width=0)
  model, params, *_ = everything(0)
  writer = Writer(model, params, Toy(), (), Sampler())
  batch = Batch.of([np.array([(BOS, 0)])], STEPS, 0)
  with pytest.raises(RequestError, match='at most 64 beginnings'):
    beam_lib.search(writer, batch, Beam(width=65))
  wrong = Batch.of([np.array([(BOS, 0), (BOS, 0)])], STEPS, 0)
  with pytest.raises(RequestError, match='no legal beginning'):
    beam_lib.search(writer, wrong, Beam(width=2))
  nothing = jax.tree.map(lambda x: x * np.nan, params)
  with pytest.raises(DecodeError, match='NaN'):
    beam_lib.search(
      dataclasses.replace(writer, params=nothing), batch, Beam(width=2)
    )
