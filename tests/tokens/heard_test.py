"""Controls as labels, against a reading of the ids in plain Python."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.tokens import controls, heard
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from tests.tokens import pieces

CASES = [
  Remi(controls=True, studied=True),
  Compound(controls=True, studied=True),
]


def some(**most):
  """Draws levels, each told or open."""
  each = {k: st.none() | st.integers(0, v) for k, v in most.items()}
  return st.fixed_dictionaries(each).map(lambda found: Levels(**found))


levels = some(key=23, density=5, section=15, harmony=168, contour=8)
told = st.tuples(
  some(key=23), st.none() | st.integers(0, 11), st.lists(levels, max_size=5)
).map(
  lambda found: Controls(
    piece=found[0], form=found[1], instruments=(0, 2), bars=tuple(found[2])
  )
)
names = st.permutations(['section', 'harmony', 'contour', 'key', 'form']).map(
  lambda found: tuple(found[:3])
)


def plainly(tokenizer, ids, kinds):
  """Returns the steps that stay and their labels, step by step."""
  stays, rows, bars = [], [], []
  for step in ids.tolist():
    events = [
      tokenizer.codec.event(id_, f) if id_ else ('', 0)
      for f, id_ in enumerate(step)
    ]
    if events[0][0] == 'bar' or not bars:
      bars.append({})
    name, value = next(
      (pair for pair in events if pair[0] in kinds), (None, None)
    )
    if name:
      bars[-1][name] = value
    stays.append(name is None)
    rows.append(len(bars) - 1)
  labels = [
    [bars[row].get(kind, bars[0].get(kind, -1)) for kind in kinds]
    for row in rows
  ]
  return stays, labels


@pytest.mark.parametrize('tokenizer', CASES)
@hypothesis.given(told, names, st.integers(0, 50))
def test_labels_are_those_of_the_bar(tokenizer, given, kinds, seed):
  ids = tokenizer.encode(pieces.chorale(seed, bars=4), given)
  stays, labels = heard.split(tokenizer.codec, ids, kinds)
  wanted = plainly(tokenizer, ids, kinds)
  assert stays.tolist() == wanted[0]
  assert labels.tolist() == wanted[1]
  back = tokenizer.read_controls(ids[stays])
  for kind in set(kinds) - {'form'}:
    assert all(getattr(level, kind) is None for level in back.bars)


def test_the_label_of_a_state_is_that_of_the_step_behind_it():
  labels = np.array([[3], [4], [5]], np.int32)
  assert heard.following(labels).tolist() == [[4], [5], [-1]]
  assert heard.following(labels[:0]).shape == (0, 1)


def test_kinds_are_those_that_a_vocabulary_tells():
  found = dict(heard.kinds(CASES[1].codec))
  assert found['harmony'] == 169
  assert found['contour'] == len(controls.CONTOURS)
  assert 'family' not in found
  bare = dict(heard.kinds(Compound(controls=True).codec))
  assert set(found) - set(bare) == set(controls.STUDIED)
  assert heard.kinds(VoiceGrid().codec) == heard.kinds(Remi().codec) == ()
