"""Dials: what they read, how they turn, what they refuse."""

import dataclasses
import json

import numpy as np
import pytest

from aurl_jax.core import files
from aurl_jax.core.errors import BundleError, ConfigError
from aurl_jax.deploy import bundle
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.dials import Dials, diffused
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.evaluation import attributes
from aurl_jax.models.config import LatentConfig
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.grid import VoiceGrid
from tests.generation import writers
from tests.tokens import pieces

NAMES = ('register', 'density', 'polyphony')
LATENT = LatentConfig(slot=6, slots=8, dials=','.join(NAMES), blur=0.5)


def space_of(latent):
  model, params = writers.model_of('grid', mode='vae', latent=latent)
  return LatentSpace(
    Composer(model=model, params=params, tokenizer=VoiceGrid())
  )


@pytest.fixture(scope='module')
def space():
  return space_of(LATENT)


@pytest.fixture(scope='module')
def music():
  return [pieces.chorale(seed, bars=2) for seed in range(5)]


def decoded(music):
  """Attributes of what ids can hold, the judge's way, and silence at the end.

  Slots are whole beats; so is the time that the judge counts.
  """
  tokenizer = VoiceGrid()
  notes = [tokenizer.decode(tokenizer.encode(piece)) for piece in music]
  table = attributes.table(notes)
  beats = np.array([n.end / n.ticks_per_beat for n in notes])
  share = beats / np.ceil(beats)
  found = dict(zip(attributes.NAMES, table.T, strict=True))
  return {k: v if k == 'register' else v * share for k, v in found.items()}


def test_they_read_what_the_notes_have(space, music):
  dials = Dials.fit(LATENT, space.posterior(music))
  read, wanted = dials.read(space.posterior(music)), decoded(music)
  assert tuple(read) == NAMES
  for name in NAMES:
    np.testing.assert_allclose(read[name], wanted[name], rtol=1e-4)
    assert dials.deviations[name] == pytest.approx(wanted[name].std(), rel=1e-3)


def test_beats_in_which_notes_sound_on_are_told_of():
  latent = LatentConfig(slot=5, slots=8, dials='density,polyphony,syncopation')
  model, params = writers.model_of('compound', mode='vae', latent=latent)
  tokenizer = writers.TOKENIZERS['compound']
  space = LatentSpace(Composer(model=model, params=params, tokenizer=tokenizer))
  # A bar's last note sounds on through the next one, whose accent it misses.
  notes = Notes.build(
    2, {'onset': [0, 7, 8], 'duration': [2, 9, 1], 'pitch': [60, 64, 67]}
  )
  posterior = space.posterior([notes])
  assert posterior.used.tolist() == [[True] * 8]
  read = Dials(dict.fromkeys(latent.dial_names, 1.0)).read(posterior)
  # 3 notes, 12 half beats of 16, and a strength of 2, over 8 beats.
  assert read['density'].tolist() == pytest.approx([3 / 8])
  assert read['polyphony'].tolist() == pytest.approx([12 / 16])
  assert read['syncopation'].tolist() == pytest.approx([2 / 8])


def test_a_turn_moves_what_it_says_and_nothing_else(space, music):
  dials = Dials.fit(LATENT, space.posterior(music))
  found = space.posterior(music)
  before = dials.read(found)
  turned = dials.turn(found.mean, register=1.5)
  moved = turned.slots - found.mean.slots
  assert np.ptp(moved[..., 0]) < 1e-5
  assert not moved[..., 1:].any()
  after = dials.read(dataclasses.replace(found, mean=turned))
  step = after['register'] - before['register']
  wanted = 1.5 * dials.deviations['register']
  np.testing.assert_allclose(step, wanted, rtol=1e-3)
  np.testing.assert_array_equal(after['polyphony'], before['polyphony'])
  still = dials.turn(found.mean, register=0.0, density=0.0)
  np.testing.assert_array_equal(still.slots, found.mean.slots)


@pytest.mark.parametrize('by', [-40.0, -1.0, 0.7, 3.0])
def test_what_counts_is_turned_to_whole_numbers(space, music, by):
  dials = Dials.fit(LATENT, space.posterior(music))
  mean = space.encode(music)
  turned = dials.turn(mean, density=by)
  # (x - 4) / 2 onsets in a slot of one beat.
  before, after = (2 * x.slots[..., 1] + 4 for x in (mean, turned))
  np.testing.assert_allclose(after, after.round(), atol=1e-5)
  assert after.min() > -1e-5
  goal = before.sum(1) + 8 * by * dials.deviations['density']
  wanted = np.maximum(goal, 0)
  assert np.abs(after.sum(1) - wanted).max() < (0.501 if by > 0 else 4)
  others = [0, 2, 3, 4, 5]
  np.testing.assert_array_equal(
    turned.slots[..., others], mean.slots[..., others]
  )


def test_what_a_dial_takes_along_is_held_back(space, music):
  dials = Dials.fit(LATENT, space.posterior(music))
  holding = dataclasses.replace(dials, holds={'register': {'polyphony': -0.5}})
  mean = space.encode(music)
  one = holding.turn(mean, register=2.0, polyphony=0.25)
  other = dials.turn(mean, register=2.0, polyphony=-0.75)
  np.testing.assert_allclose(one.slots, other.slots, atol=1e-6)
  # The other one's own turn is its own.
  one, other = (d.turn(mean, polyphony=1.0) for d in (holding, dials))
  np.testing.assert_array_equal(one.slots, other.slots)


def test_what_is_left_goes_on_to_the_next():
  found = diffused(
    np.array([[0.4, 0.4, 0.4, -2.0, 2.0, 1.0], [3, 0, 1, 2, 0, 5]])
  )
  # 0.4, 0.8 (takes 1), 0.2, -1.8 (none), 0.2, 1.2.
  assert found.tolist() == [[0, 1, 0, 0, 0, 1], [3, 0, 1, 2, 0, 5]]


def test_they_are_kept(space, music, tmp_path):
  dials = Dials.fit(LATENT, space.posterior(music))
  for holds in ({}, {'density': {'polyphony': -0.5}}):
    kept = dataclasses.replace(dials, holds=holds)
    kept.save(tmp_path / 'dials.json')
    assert Dials.load(tmp_path / 'dials.json', LATENT) == kept


def test_a_bundle_brings_them_along(space, music, tmp_path):
  dials = Dials.fit(LATENT, space.posterior(music))
  with pytest.raises(ConfigError, match=r'register, density, .* bundle'):
    space.turn(space.standard(1), density=1.0)
  composer = dataclasses.replace(space.composer, dials=dials)
  folder = bundle.save(tmp_path / 'it', composer)
  found = LatentSpace(bundle.load(folder))
  assert found.dials == dials
  told = space.standard(2)
  one, other = found.turn(told, density=1.0), dials.turn(told, density=1.0)
  np.testing.assert_array_equal(one.slots, other.slots)
  config = json.loads((folder / 'config.json').read_text())
  del config['dials']['deviations']['register']
  (folder / 'config.json').write_text(json.dumps(config))
  digests = json.loads((folder / 'digests.json').read_text())
  digests['config.json'] = files.digest((folder / 'config.json').read_bytes())
  (folder / 'digests.json').write_text(json.dumps(digests))
  with pytest.raises(BundleError, match='fit them again'):
    bundle.load(folder)


def test_what_cannot_be_is_refused(space, music, tmp_path):
  dials = Dials.fit(LATENT, space.posterior(music))
  latents = space.encode(music)
  with pytest.raises(ConfigError, match=r"'tempo'.*has register, density"):
    dials.turn(latents, tempo=1.0)
  with pytest.raises(ConfigError, match='cannot be turned by nan'):
    dials.turn(latents, density=float('nan'))
  with pytest.raises(ConfigError, match='two pieces or more'):
    Dials.fit(LATENT, space.posterior(music[:1]))
  plain = LatentConfig(slot=4, slots=8)
  with pytest.raises(ConfigError, match=r'no dials.*model\.latent\.dials'):
    Dials.fit(plain, space.posterior(music))
  path = tmp_path / 'dials.json'
  path.write_text('[1, 2]')
  with pytest.raises(ConfigError, match='holds no dials'):
    Dials.load(path, LATENT)
  path.write_text('{"beats": 1, "deviations": {"density": 1.0}}')
  with pytest.raises(ConfigError, match='model register, density'):
    Dials.load(path, LATENT)
  for holds in ({'density': {'tempo': 1.0}}, {'density': {'register': np.nan}}):
    dataclasses.replace(dials, holds=holds).save(path)
    with pytest.raises(ConfigError, match='fit them again'):
      Dials.load(path, LATENT)
