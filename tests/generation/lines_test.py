"""Bars that are filled in have the meters and cuts that were taken out."""

import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.generation import lines
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.infill import Infill
from aurl_jax.tokens.remi import Remi

# Bars of 3/4, one of them cut short to a half, and 2/4.
PIECE = Notes.build(
  4,
  {'onset': [0, 13, 18, 27], 'duration': 1, 'pitch': 60},
  meters=[(0, 3, 4), (18, 2, 4)],
)
SMALL = {'voices': 2, 'cells_per_beat': 4, 'bar_beats': 4, 'infill': True}


@pytest.mark.parametrize('tokenizer', [Compound(**SMALL), Remi(**SMALL)])
@pytest.mark.parametrize('span', [(0, 4), (1, 3)])
def test_a_fill_tells_what_its_masked_bars_told(tokenizer, span):
  ids = tokenizer.encode(PIECE)
  bars = tokenizer.bar_steps(ids)
  taken = Infill(tokenizer.codec).take_out(ids, bars, *span)
  found, without = lines.lines(tokenizer.codec, taken.context)
  state, none = found.init(), without.init()
  for step in taken.context:
    state = found.advance(state, jnp.asarray(step))
  told = 0
  for step in taken.filled:
    for field in range(len(step)):
      mask = np.array(found.mask(state, field, jnp.asarray(step)))
      assert mask[step[field]]
      event, _ = event_of(tokenizer, step[field], field)
      assert without.mask(none, field, jnp.asarray(step))[step[field]]
      if event in ('meter', 'cut'):
        told += 1
        others = [i for i in np.flatnonzero(mask) if i != step[field]]
        names = {event_of(tokenizer, i, field)[0] for i in others}
        assert not names & {'meter', 'cut', 'same', 'whole'}
    state = found.advance(state, jnp.asarray(step))
  # Meter, cut and meter; of the inner bars the last two.
  assert told == (3 if span == (0, 4) else 2)
  assert not without.mask(none, 0, jnp.asarray(step))[
    tokenizer.codec.id('tempo')
  ]


def event_of(tokenizer, id_, field):
  return tokenizer.codec.event(int(id_), field) if id_ else ('', 0)


def test_cells_have_no_lines():
  grid = VoiceGrid(infill=True)
  assert lines.lines(grid.codec, grid.bos()[None]) == ()
