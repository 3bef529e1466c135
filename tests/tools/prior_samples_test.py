"""`tools/prior_samples.py`: which sets it compares, and by what."""

import json
import types

import numpy as np
import pytest

from aurl_jax.evaluation import overlap
from aurl_jax.models.latent import Latents
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.grid import VoiceGrid
from tests.tokens import pieces


@pytest.fixture(scope='module')
def tool(load_tool):
  return load_tool('prior_samples')


class Space:
  """Reconstructs all of what it encodes; its priors draw what is told."""

  def __init__(self, priors):
    kinds = dict.fromkeys(priors)
    self.drawn = priors
    self.asked = []
    self.composer = types.SimpleNamespace(
      tokenizer=VoiceGrid(), priors=types.SimpleNamespace(kinds=kinds)
    )

  def encode(self, music):
    self.kept = [VoiceGrid().decode(ids) for ids in music]
    return Latents(slots='own', piece=None)

  def prior(self, n, seed, *, kind):
    self.asked.append((kind, n, seed))
    return Latents(slots=kind, piece=None)

  def decode(self, latents):
    music = {'own': self.kept, 'standard': self.kept[::-1]} | self.drawn
    return [
      types.SimpleNamespace(notes=notes) for notes in music[latents.slots]
    ]


def flat(pitch):
  """Two bars of one pitch, each beat."""
  columns = {'onset': np.arange(8) * 4, 'duration': 4, 'pitch': pitch}
  return Notes.build(4, columns)


def test_each_set_is_compared_with_pieces_that_are_in_none(tool):
  music = [VoiceGrid().encode(pieces.chorale(s, bars=2)) for s in range(9)]
  space = Space({'flow': [flat(61), flat(61)]})
  found = tool.report(space, music, n=2, seed=4)
  assert space.asked == [('standard', 2, 4), ('flow', 2, 4)]
  assert list(found) == ['pieces', 'reconstructions', 'standard', 'flow']
  # What comes back whole is as near as the pieces, and its order is nothing.
  assert found['pieces'] == found['reconstructions'] == found['standard']
  assert found['reconstructions']['off'] == 0
  assert found['flow']['off'] > 0.1
  assert found['flow']['notes_a_beat'] == 1.0
  assert found['flow']['beats_a_note'] == 1.0
  decode = VoiceGrid().decode
  others = [decode(ids) for ids in music[2:]]
  both = overlap.overlaps([decode(ids) for ids in music[:2]], others)
  for name in tool.FEATURES:
    mean = (both[name].one + both[name].other) / 2
    assert found['pieces'][name] == pytest.approx(mean, abs=1e-4)
  json.dumps(found)


def test_the_largest_difference_is_told(tool):
  one = dict.fromkeys(tool.FEATURES, 0.8)
  other = one | {'groove': 1.0, 'density': 0.64}
  assert tool.off(one, other) == 0.25
  assert tool.off(other, one) == 0.25
  assert tool.off(one, one) == 0


def test_a_folder_without_a_run_is_an_error(assert_wants_a_run):
  assert_wants_a_run('prior_samples')
