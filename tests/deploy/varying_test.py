"""New versions of a piece by a model that infills."""

import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.remake import Vary
from aurl_jax.generation.request import Request
from aurl_jax.music import cut
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from tests.generation import writers
from tests.tokens import pieces

BAR = 16


def bars(seed):
  """Two bars: a melody of quarters over a chord a bar."""
  rng = np.random.default_rng(seed)
  melody = {'onset': np.arange(8) * 4, 'pitch': rng.integers(72, 84, 8)}
  chord = {
    'onset': np.repeat([0, BAR], 3),
    'pitch': rng.integers(40, 60, 2).repeat(3) + np.tile([0, 4, 7], 2),
  }
  columns = {k: np.concatenate([melody[k], chord[k]]) for k in melody}
  columns['duration'] = np.repeat([4, BAR], [8, 6])
  columns['track'] = np.repeat([0, 1], [8, 6])
  return Notes.build(4, columns)


SONG = cut.concatenate([bars(seed) for seed in (1, 2, 3, 1, 2)])


@pytest.fixture(scope='module')
def composer():
  tokenizer = Compound(cells_per_beat=4, infill=True)
  model, params = writers.small(tokenizer)
  return Composer(model=model, params=params, tokenizer=tokenizer)


@pytest.fixture(scope='module')
def versions(composer):
  counts = {0.0: 1, 0.4: 4, 1.0: 1}
  return {
    strength: composer.generate(Request(remake=Vary(SONG, strength), n=n))
    for strength, n in counts.items()
  }


def in_bar(notes, bar, high=False):
  """(place, pitch) of the notes that begin in a bar; `high` the melody's."""
  inside = notes.onset // BAR == bar
  if high:
    inside &= notes.track == 0
  return sorted(
    zip(
      (notes.onset[inside] % BAR).tolist(),
      notes.pitch[inside].tolist(),
      strict=True,
    )
  )


def test_bars_that_stay_are_as_they_were_and_the_form_stays(composer, versions):
  held = composer.tokenizer.quantise(SONG)
  for strength, found in versions.items():
    for piece in found:
      new = {bar - 1 for bar in piece.report['varied']['bars']}
      for bar in set(range(10)) - new:
        assert in_bar(piece.notes, bar) == in_bar(held, bar)
      # The fourth and fifth pair of bars return to the first and second.
      for bar in range(4):
        one, two = (in_bar(piece.notes, b) for b in (bar, bar + 6))
        assert one == two
        assert (bar in new) == (bar + 6 in new)
      assert piece.grammatical
      assert len(new) == {0.0: 0, 1.0: 10}.get(strength, len(new))


def test_no_strength_is_the_piece_and_all_of_it_another(versions):
  assert versions[0.0][0].notes == SONG
  kept = [
    np.mean([p.report['varied']['notes_kept'] for p in found])
    for found in versions.values()
  ]
  assert kept[0] == 1.0
  assert kept == sorted(kept, reverse=True)
  assert kept[2] < 0.5


def test_at_first_the_melody_stays(composer, versions):
  held = composer.tokenizer.quantise(SONG)
  given = 0
  for piece in versions[0.4]:
    told = piece.report['varied']
    assert set(told['melody']) <= set(told['bars'])
    for bar in told['melody']:
      wanted = set(in_bar(held, bar - 1, high=True))
      assert wanted <= set(in_bar(piece.notes, bar - 1))
      given += 1
  assert given > 3
  assert versions[1.0][0].report['varied']['melody'] == []


def test_what_cannot_be_varied_is_refused(composer):
  meters = cut.concatenate(
    [pieces.chorale(1, bars=2), pieces.chorale(2, bars=2, meter=(3, 4))]
  )
  with pytest.raises(RequestError, match='pieces of one meter'):
    composer.check(Request(remake=Vary(meters)))
