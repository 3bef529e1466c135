"""Which notes go with a progression, on beats and between them."""

import itertools

import numpy as np
import pytest

from aurl_jax.generation import wishes
from aurl_jax.generation.wish import Wish
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens.compound import Compound

TOKENIZER = Compound(cells_per_beat=4, bar_beats=4)
AM, D7, G = {9, 0, 4}, {2, 6, 9, 0}, {7, 11, 2}
G_MAJOR = {7, 9, 11, 0, 2, 4, 6}
ALL = set(range(12))


def one(cell, pitch, drum=False, meter=(4, 4)):
  return Notes.build(
    4,
    {'onset': cell, 'duration': 1, 'pitch': pitch},
    tracks=[Track(is_drum=drum)],
    meters=[(0, *meter)],
  )


@pytest.mark.parametrize(
  ('wish', 'on_beat', 'between'),
  [
    ({}, [AM, D7, G, ALL], [AM | D7 | G] * 3 + [ALL]),
    ({'strict': True}, [AM, D7, G, ALL], [AM, D7, G, ALL]),
    ({'key': 'G'}, [AM, D7, G, G_MAJOR], [G_MAJOR] * 4),
  ],
)
def test_tones_of_the_chord_on_beats_and_more_between(wish, on_beat, between):
  made = wishes.made_out(TOKENIZER, Wish(chords='Am D7 G N', **wish), 1)
  table = made.table
  for cell, tone in itertools.product(range(16), range(12)):
    allowed = (between if cell % 4 else on_beat)[cell // 4]
    assert table.chroma[0, cell, tone] == (tone in allowed)
    report = made.report(one(cell, 60 + tone))
    kept = min(report[name].share for name in report if name in made_of(wish))
    assert kept == (tone in allowed)
    drums = made.report(one(cell, 60 + tone, drum=True))
    assert drums['chords'] == (1.0, 0)


def made_of(wish):
  return ('key', 'chords') if 'key' in wish else ('chords',)


def test_chords_share_any_bar_evenly_and_beats_are_the_meters():
  wish = Wish(chords='Am D7 | G', strict=False, meter=((6, 8), (3, 4)))
  table = wishes.made_out(TOKENIZER, wish, 2).table
  found = [
    {tone for tone in range(12) if table.chroma[0, cell, tone]}
    for cell in range(12)
  ]
  free = AM | D7 | G
  # 8ths are the beats of 6/8: every other cell.
  assert found == [AM, free] * 3 + [D7, free] * 3
  third = np.flatnonzero(table.chroma[1, 2]).tolist()
  assert set(third) == free
