"""`tools/turn_dials.py`: what it takes, and what it says of a turn."""

import io
import json

import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.dials import Dials
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.models.config import LatentConfig
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.grid import VoiceGrid
from tests.generation import writers
from tests.tokens import pieces


@pytest.fixture(scope='module')
def tool(load_tool):
  return load_tool('turn_dials')


def beats(count, pitch):
  """So many notes in eight beats; the last one ends with them."""
  onset = np.append(np.arange(count - 1) % 7, 7)
  return Notes.build(1, {'onset': onset, 'duration': 1, 'pitch': pitch})


def test_an_effect_is_told_in_deviations(tool):
  # 5, 6 … 9 notes in eight beats; half a semitone up with each.
  turns = [[beats(5 + i, 60), beats(5 + i, 60 + i)] for i in range(5)]
  true = tool.attributes.table([beats(7, 61)])
  found = tool.effect('density', {'density': 1 / 8, 'register': 2}, true, turns)
  assert found['moved'] == [-2, -1, 0, 1, 2]
  assert found['others'] == {'register': [-0.5, -0.25, 0, 0.25, 0.5]}
  assert (found['span'], found['steady'], found['apart']) == (4, True, True)
  wide = tool.effect('density', {'density': 1 / 8, 'register': 1}, true, turns)
  assert wide['others'] == {'register': [-1, -0.5, 0, 0.5, 1]}
  assert wide['apart'] is False
  back = tool.effect('density', {'density': 1 / 8}, true, turns[::-1])
  assert (back['span'], back['steady']) == (-4, False)


def test_a_model_s_dials_are_reported_and_drawn(tool):
  latent = LatentConfig(slot=4, slots=4, dials='density,register')
  model, params = writers.model_of('grid', mode='vae', latent=latent)
  space = LatentSpace(
    Composer(model=model, params=params, tokenizer=VoiceGrid())
  )
  music = [VoiceGrid().encode(pieces.chorale(s, bars=1)) for s in range(4)]
  dials = Dials.fit(latent, space.posterior(music))
  written = tool.written(space, dials, music)
  lines = tool.report(space, dials, music, written)
  assert [line['attribute'] for line in lines] == ['density', 'register']
  for line in lines:
    json.dumps(line)
    assert line['correlation'] > 0.95
    assert len(line['moved']) == len(tool.TURNS)
  from matplotlib.image import imread

  image = imread(io.BytesIO(tool.rolls(written)))
  assert min(image.shape[:2]) > 200


def test_a_folder_without_a_run_is_an_error(tool, tmp_path, capsys):
  assert tool.main([str(tmp_path)]) != 0
  told = capsys.readouterr()
  assert str(tmp_path) in told.err
  assert not told.out
