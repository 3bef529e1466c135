"""The count table that a run of the grid prints beside its own loss."""

import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import build, data, evaluate, pages, sections
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.grid import VoiceGrid
from tests.tokens import pieces


@pytest.fixture
def parts_of(tmp_path, monkeypatch):
  """Builds the parts and the cache of a folder of pieces."""
  monkeypatch.setenv('AURL_CACHE', str(tmp_path / 'cache'))

  def made(songs, page, *overrides):
    folder = tmp_path / 'songs'
    folder.mkdir()
    for number, notes in enumerate(songs):
      midi.write(notes, folder / f'{number}.mid')
    words = [f'data.source={folder}', 'mesh.data=1', *overrides]
    config = pages.load(pages.find(page), words)
    parts = build.build(sections.parse(config))
    return parts, data.prepared(parts.run, quiet=True)

  return made


def pulse(beats):
  """Returns beats on each of which every voice strikes its one pitch."""
  notes = [
    (beat * 480, 480, 72 - 7 * voice, voice)
    for beat in range(beats)
    for voice in range(4)
  ]
  names = ('onset', 'duration', 'pitch', 'track')
  return Notes.build(
    480, dict(zip(names, zip(*notes, strict=True), strict=True))
  )


def test_the_table_knows_the_place_in_the_beat_of_every_step(parts_of):
  """Rows of the batch begin anywhere; the table reads whole pieces."""
  parts, cache = parts_of(
    [pulse(64 + number) for number in range(20)],
    'quickstart:test',
    'model.context=32',
    'generate.bars=1',
  )
  assert len(cache['valid'])
  found = evaluate.baseline(parts, cache)['table/loss']
  # Voice, pitch and place leave little open; without the place, strike or
  # hold alone would cost 0.56 nats.
  assert 0 < found < 0.1


def test_holds_of_all_pitches_count_as_one_event():
  grid = VoiceGrid()
  lookup = evaluate.lookup(grid)
  for field, ids in enumerate(lookup.event):
    holds = {ids[grid.codec.id('hold', pitch, field)] for pitch in range(128)}
    others = set(ids.tolist()) - holds
    assert len(holds) == 1
    assert sorted(others | holds) == list(range(len(others) + 1))
    assert len(others) == grid.codec.sizes[field] - 128


def test_only_a_grid_has_a_table(parts_of):
  parts, cache = parts_of(
    [pieces.chorale(seed) for seed in range(9)], 'tiny:test'
  )
  with pytest.raises(ConfigError, match='VoiceGrid'):
    evaluate.baseline(parts, cache)


MIX = (
  'tokenizer.infill=True',
  'objective.bars=0.5',
  'objective.given=0.5',
  'train.batch_size=4',
)


def test_each_objective_of_the_mixture_is_judged(parts_of):
  songs = [pieces.chorale(seed, bars=4) for seed in range(16)]
  parts, cache = parts_of(songs, 'tiny:test', *MIX)
  params = parts.fresh_state()['params']
  found = evaluate.judge(parts, cache, 'valid')(params)
  assert 'tracks/loss' not in found
  for kind in ('bars', 'given'):
    for name in ('loss', 'perplexity', 'accuracy'):
      assert found[f'{kind}/{name}'] >= 0
  # An untrained model knows nothing: it guesses among all ids.
  guess = np.log(parts.run.tokenizer.codec.sizes[0])
  assert abs(found['bars/loss'] - guess) < 1
  # What is judged is the same each time.
  assert evaluate.judge(parts, cache, 'valid')(params) == found


def test_both_sides_are_compared_on_the_same_ids(parts_of):
  songs = [pieces.chorale(seed, bars=4) for seed in range(16)]
  parts, cache = parts_of(songs, 'tiny:test', *MIX)
  params = parts.fresh_state()['params']
  found = evaluate.sides(parts, cache, 'valid')(params)
  assert found['gain'] == found['left/loss'] - found['both/loss']
  assert found['ids'] > 50
  assert abs(found['gain']) < 0.5


def test_sides_need_infilling(parts_of):
  songs = [pieces.chorale(seed) for seed in range(9)]
  parts, cache = parts_of(songs, 'tiny:test')
  with pytest.raises(ConfigError, match=r'infill=True'):
    evaluate.sides(parts, cache, 'valid')
