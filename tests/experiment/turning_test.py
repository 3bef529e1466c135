"""Dials that are turned, of what, and what is said of it."""

import dataclasses
import json

import numpy as np
import pytest

from aurl_jax.cli.__main__ import main
from aurl_jax.core.errors import ConfigError
from aurl_jax.data import sources
from aurl_jax.deploy import bundle
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.evaluation import attributes
from aurl_jax.experiment import turning
from aurl_jax.generation.errors import RequestError
from aurl_jax.music import cut, midi
from aurl_jax.music.midi import Reading
from tests.experiment import turnable
from tests.generation import writers
from tests.tokens import pieces


@pytest.fixture(scope='module')
def composer():
  return turnable.composer()


def ids(found):
  return [piece.ids.tolist() for piece in found]


def test_a_draw_of_the_prior_is_written_before_and_after(composer):
  found = turning.turn(composer, {'register': 1.5}, {'n': 2, 'seed': 3})
  space = LatentSpace(composer)
  told = space.prior(2, 3)
  assert ids(found.before) == ids(space.decode(told))
  # A turn of 1.5 deviations of 3 semitones, in units of 6.
  slots = told.slots.copy()
  slots[..., 1] += 1.5 * 3 / 6
  moved = dataclasses.replace(told, slots=slots)
  assert ids(found.after) == ids(space.decode(moved))
  assert ids(found.after) != ids(found.before)
  assert found.by == {'density': 0.0, 'register': 1.5}
  for name, told in found.measured.items():
    for when, music in (('before', found.before), ('after', found.after)):
      each = [attributes.of(piece.notes)[name] for piece in music]
      assert told[when] == pytest.approx(np.nanmean(each), abs=1e-4)
  assert found.measured['register']['by'] == 1.5


def test_the_first_bars_of_given_music_are_turned(composer, tmp_path):
  song = pieces.chorale(3, bars=5)
  found = turning.turn(composer, {'density': 1.0}, {'prompt': song})
  space = LatentSpace(composer)
  opening = cut.slice_bars(song, 0, 2, held=True)
  assert ids(found.before) == ids(space.decode(space.encode([opening])))
  assert len(found.after) == 1


def test_without_a_prior_embedded_music_that_fits_is_turned(
  composer, monkeypatch
):
  song = pieces.chorale(4, bars=3)

  @dataclasses.dataclass
  class Chorale:
    notes: object

    def read(self):
      return Reading(self.notes)

  unfit = Chorale(pieces.piece(0))
  known = [sources.Unusable('one', 'x', 'y'), unfit, Chorale(song)]
  monkeypatch.setattr(sources, 'chorales', lambda: known)
  bare = dataclasses.replace(composer, priors=None)
  found = turning.turn(bare, {'density': 0.5}, {'seed': 1})
  again = turning.turn(composer, {'density': 0.5}, {'prompt': song})
  assert ids(found.before) == ids(again.before)
  assert ids(found.after) == ids(again.after)
  with pytest.raises(RequestError, match=r'1 embedded pieces.*aurl prior'):
    turning.turn(bare, {'density': 0.5}, {'n': 2})


def test_what_cannot_be_turned_is_refused(composer):
  with pytest.raises(ConfigError, match=r"'tempo'.*has density, register"):
    turning.turn(composer, {'tempo': 1.0}, {})
  with pytest.raises(ConfigError, match='bars: turned music is as long'):
    turning.turn(composer, {'density': 1.0}, {'bars': 4})
  bare = dataclasses.replace(composer, dials=None)
  with pytest.raises(ConfigError, match='does not carry how far'):
    turning.turn(bare, {'density': 1.0}, {})
  model, params = writers.model_of('grid')
  plain = dataclasses.replace(composer, model=model, params=params)
  with pytest.raises(ConfigError, match=r"'transformer' has no latents"):
    turning.turn(plain, {'density': 1.0}, {})
  with pytest.raises(ConfigError, match=r"'transformer' has no latents"):
    turning.turn(plain, {'density': 1.0}, {'bars': 4})


def test_a_bundle_is_turned_by_the_command_line(composer, tmp_path, capsys):
  bundle.save(tmp_path / 'vae', composer)
  words = ['generate', str(tmp_path / 'vae'), '--out', str(tmp_path / 'out')]
  assert main([*words, '--turn', 'register=-1.5', '--seed', '3', '--json']) == 0
  told = json.loads(capsys.readouterr().out)
  found = turning.turn(composer, {'register': -1.5}, {'seed': 3})
  assert told['turned'] == found.measured
  assert [row[0] for row in told['rows']] == ['before_1.mid', 'after_1.mid']
  assert told['rows'][1][1] == len(found.after[0].notes)
  notes = midi.read(tmp_path / 'out' / 'after_1.mid').notes
  assert notes.pitch.tolist() == found.after[0].notes.pitch.tolist()
  page = (tmp_path / 'out' / 'index.html').read_text()
  assert 'before_1' in page
  assert 'after_1' in page
  assert main([*words, '--turn', 'mood=1']) == 2
  assert "no dial 'mood'; this model has density" in capsys.readouterr().err
