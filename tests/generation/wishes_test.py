"""Whatever a wish is, no walk through its constraints ever gets stuck."""

from fractions import Fraction

import numpy as np
import pytest

from aurl_jax.generation import wishes
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.wish import Wish
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi
from tests import recogniser
from tests.generation import hearing, walks

SMALL = {'voices': 2, 'cells_per_beat': 4, 'bar_beats': 4}
COMPOUND, REMI, GRID = Compound(**SMALL), Remi(**SMALL), VoiceGrid()
STEPS = {'Compound': 120, 'Remi': 320, 'VoiceGrid': 100}
D_MINOR = {2, 4, 5, 7, 9, 10, 0, 1}
DM7, A7, GM = {2, 5, 9, 0}, {9, 1, 4, 7}, {7, 10, 2}
ANY = 1 << 20

BAND = (
  Wish(
    key='D minor',
    chords='Dm7 A7 | Gm | Dm7 | %',
    instruments=('piano', 'bass', 'drums'),
    polyphony=3,
    density=(4, 8),
    rhythm='8',
    meter=(4, 4),
    tempo=96,
  ),
  {
    'scales': [D_MINOR],
    'chords': ([[DM7, A7], [GM], [DM7], [DM7]], D_MINOR),
    'ranges': {0: (21, 108), 33: (28, 67), 128: (35, 81)},
    'polyphony': ([3], ANY),
    'density': [(4, 8)],
    'rhythm': Fraction(1, 2),
    'meter': [(4, 4)],
    'tempo': [96],
  },
)
TIGHT = (
  Wish(
    ranges=(('piano', (60, 62)),),
    polyphony=(1, 3),
    density=((5, 6), (0, 0)),
    meter=(4, 4),
  ),
  {
    'ranges': {0: (60, 62)},
    'polyphony': ([1, 3], ANY),
    'density': [(5, 6), (0, 0)],
    'meter': [(4, 4)],
  },
)
TURNS = (
  Wish(
    key='C',
    chords='C | F G7',
    strict=True,
    instruments=('violin',),
    polyphony=2,
    each=1,
    density=(3, 4),
    rhythm='4',
    meter=((3, 4), (4, 4)),
    tempo=(80, 90),
  ),
  {
    'scales': [{0, 2, 4, 5, 7, 9, 11}],
    'chords': ([[{0, 4, 7}], [{5, 9, 0}, {7, 11, 2, 5}]], ()),
    'ranges': {40: (55, 103)},
    'polyphony': ([2], 1),
    'density': [(3, 4)],
    'rhythm': 1,
    'meter': [(3, 4), (4, 4)],
    'tempo': [80, 90],
  },
)
FULL = (
  Wish(key=('G', 'E minor pentatonic'), density=(16, None), rhythm='16'),
  {
    'scales': [{7, 9, 11, 0, 2, 4, 6}, {4, 7, 9, 11, 2}],
    'density': [(16, ANY)],
    'rhythm': Fraction(1, 4),
    'meter': [(4, 4)],
  },
)
CHOIR = (
  Wish(
    key='D minor',
    chords='Dm7 A7 | Gm | Dm7 | %',
    ranges=((0, (40, 80)),),
    polyphony=3,
    density=(4, 8),
    rhythm='8',
  ),
  {
    'scales': [D_MINOR],
    'chords': ([[DM7, A7], [GM], [DM7], [DM7]], D_MINOR),
    'ranges': {0: (40, 80)},
    'polyphony': ([3], ANY),
    'density': [(4, 8)],
    'rhythm': Fraction(1, 2),
    'meter': [(4, 4)],
  },
)
PACKED = (
  Wish(density=((60, 64), (0, 1)), polyphony=(4, 1), meter=(4, 4)),
  {'density': [(60, 64), (0, 1)], 'polyphony': ([4, 1], ANY)},
)
CASES = [
  *((COMPOUND, *case) for case in (FULL, TURNS)),
  (REMI, *BAND),
  (GRID, *CHOIR),
]
CASES += [
  pytest.param(*case, marks=pytest.mark.slow)
  for case in (
    *((COMPOUND, *case) for case in (BAND, TIGHT)),
    *((REMI, *case) for case in (TIGHT, TURNS)),
    (GRID, *PACKED),
  )
]


@pytest.mark.parametrize(('tokenizer', 'wish', 'judged'), CASES)
def test_walks_by_chance_keep_every_rule_and_are_never_stuck(
  tokenizer, wish, judged
):
  steps = STEPS[type(tokenizer).__name__]
  pieces = []
  for more in (0, 4):
    found, stuck = walks.walk(tokenizer, wish, 4, steps, seed=5, more=more)
    assert not any(stuck)
    pieces += found
  made = wishes.made_out(tokenizer, wish, 4)
  assert len(made.rules) >= len(wish_fields(wish))
  total = 0
  for ids in pieces:
    assert recogniser.fault(tokenizer, ids.tolist()) == ''
    # All bars were written, and the steps held out.
    assert len(tokenizer.bar_steps(ids)) == 4 + (tokenizer is not GRID)
    notes = tokenizer.decode(ids)
    assert hearing.faults(notes, 4, **judged) == []
    assert {kept.broken for kept in made.report(notes).values()} == {0}
    total += len(notes)
  assert total > 16 * 6


@pytest.mark.parametrize(
  'tokenizer', [Compound, pytest.param(Remi, marks=pytest.mark.slow)]
)
def test_steps_that_notes_need_are_not_spent_on_controls(tokenizer):
  tokenizer = tokenizer(**SMALL, controls=True)
  wish = Wish(density=(3, 5), meter=((3, 4), (4, 4)), tempo=(80, 90))
  judged = {
    'density': [(3, 5)],
    'meter': [(3, 4), (4, 4)],
    'tempo': [80, 90],
  }
  each = 2 + 3 if isinstance(tokenizer, Compound) else 4 + 3 * 6
  steps = 1 + 4 * each + 4 + 3
  pieces, stuck = walks.walk(tokenizer, wish, 4, steps, seed=6)
  assert not any(stuck)
  told = 0
  for ids in pieces:
    assert recogniser.fault(tokenizer, ids.tolist()) == ''
    assert len(tokenizer.bar_steps(ids)) == 5
    assert hearing.faults(tokenizer.decode(ids), 4, **judged) == []
    controls = tokenizer.read_controls(ids)
    told += len(controls.instruments) + sum(
      level is not None
      for levels in (controls.piece, *controls.bars)
      for level in levels
    )
  # What is spare may be.
  assert told


def wish_fields(wish):
  """What rules there must be at least: one for each of these."""
  names = ('key', 'chords', 'density', 'rhythm')
  return [name for name in names if getattr(wish, name)]


@pytest.mark.parametrize('tokenizer', [COMPOUND, REMI])
def test_reports_agree_with_the_ear_on_what_is_broken(tokenizer):
  # Written without any wish, and judged by one.
  free = Wish(density=(3, 20), rhythm='16')
  pieces, _ = walks.walk(
    tokenizer, free, 4, STEPS[type(tokenizer).__name__], seed=2, more=4
  )
  wish, judged = BAND
  names = {'key': 'scales', 'instruments': 'ranges'}
  made = wishes.made_out(tokenizer, wish, 4)
  broken = dict.fromkeys(judged, 0)
  for ids in pieces:
    notes = tokenizer.decode(ids)
    report = made.report(notes)
    for name in ('key', 'chords', 'instruments', 'density', 'rhythm'):
      heard = names.get(name, name)
      found = hearing.faults(notes, 4, **{heard: judged[heard]})
      assert report[name].broken == len(found)
      assert (report[name].share == 1) == (not found)
      broken[heard] += len(found)
    crowded = hearing.faults(notes, 4, polyphony=judged['polyphony'])
    assert (report['polyphony'].broken > 0) == bool(crowded)
    broken['polyphony'] += len(crowded)
  assert all(broken[name] for name in ('scales', 'chords', 'ranges', 'rhythm'))


def test_music_goes_on_from_a_prompt_under_the_rules_of_its_own_bars():
  wish = Wish(key='C', chords='C | F', density=(2, 5))
  free = Wish(density=(3, 20), rhythm='16')
  prompt = walks.walk(COMPOUND, free, 4, 120, seed=4)[0][0]
  # Two of its bars.
  prompt = prompt[: COMPOUND.bar_steps(prompt)[2]]
  pieces, stuck = walks.walk(
    COMPOUND, wish, 2, 120, seed=1, more=3, prompt=prompt
  )
  assert not any(stuck)
  for ids in pieces:
    heard = hearing.hear(COMPOUND.decode(ids))
    written = [note for note in heard if note['bar'] >= 2]
    for bar, chord in ((2, {0, 4, 7}), (3, {5, 9, 0})):
      notes = [note for note in written if note['bar'] == bar]
      assert 2 <= len(notes) <= 5
      on_beat = [n for n in notes if n['beat'].denominator == 1]
      assert all(n['drum'] or n['pitch'] % 12 in chord for n in on_beat)


@pytest.mark.parametrize(
  ('wish', 'code', 'match'),
  [
    ({'key': 'C', 'chords': 'C | D7'}, 'chords', 'D:7 of bar 2 has F♯'),
    ({'key': 'H minor'}, 'key', "scale 'H minor'"),
    ({'chords': 'C | Xyz'}, 'chords', 'Xyz'),
    ({'chords': 'C | | G'}, 'chords', 'bar 2 is empty'),
    ({'chords': 'C|C|C|C|C'}, 'chords', '5 bars, more than the 4'),
    ({'key': ('C',) * 5}, 'key', '5 bars, more than the 4'),
    ({'instruments': ('kazoo',)}, 'instruments', 'kazoo'),
    (
      {'instruments': ('flute',), 'ranges': (('cello', (40, 50)),)},
      'ranges',
      'Cello',
    ),
    (
      {'key': 'C', 'ranges': (('cello', (61, 61)),)},
      'ranges',
      'lies in the range of Cello',
    ),
    (
      {'density': (17, None), 'polyphony': 1, 'instruments': ('harp',)},
      'density',
      'bar 1 has room for 16 notes',
    ),
    ({'rhythm': '16t'}, 'rhythm', 'not on the grid of 4'),
    ({'rhythm': (0, 4)}, 'rhythm', 'inside the bar of 4'),
    ({'rhythm': 'often'}, 'rhythm', "'often' is no note value"),
    ({'meter': (5, 4)}, 'meter', '5/4 is not in the vocabulary'),
    ({'tempo': 1000}, 'tempo', 'tempo 1000 is not in 15..480'),
    ({'density': (40, None)}, 'steps', 'more than 120'),
  ],
)
def test_what_no_music_can_keep_is_refused_by_name(wish, code, match):
  with pytest.raises(RequestError, match=match) as caught:
    wishes.constraints(COMPOUND, Wish(**wish), 4, prompt=1, steps=120)
  assert caught.value.code == code


def test_wishes_of_other_tokenizations_and_of_other_players_are_refused():
  with pytest.raises(RequestError, match='cannot be held to wishes'):
    wishes.made_out(Performance(), Wish(key='C'))
  with pytest.raises(RequestError, match='Acoustic Grand Piano'):
    wishes.made_out(GRID, Wish(instruments=('flute',)))
  with pytest.raises(RequestError, match='a grid has one meter'):
    wishes.made_out(GRID, Wish(meter=((3, 4), (4, 4))))
  with pytest.raises(RequestError, match='1025 bars apart'):
    wishes.made_out(GRID, Wish(key=('C',) * 1025))


def test_an_open_number_of_bars_repeats_the_wish():
  made = wishes.made_out(COMPOUND, Wish(key=('C', 'G', 'D'), meter=(3, 4)))
  assert made.frame.rows == 3
  rows = made.frame.row(np.arange(-1, 5))
  assert rows.tolist() == [-1, 0, 1, 2, 0, 1]
  table = made.table
  assert table.chroma[:, 0, 5].tolist() == [True, False, False]
  assert table.onsets.sum(axis=1).tolist() == [12, 12, 12]


def test_drums_play_beside_a_key_only_if_they_are_named():
  tokenizer = COMPOUND
  drums = 128
  pitched = wishes.made_out(tokenizer, Wish(key='C'), 1)
  assert not pitched.table.sounds[drums].any()
  assert pitched.table.sounds[0].any()
  for wish in (Wish(key='C', instruments=('piano', 'drums')), Wish(rhythm='8')):
    assert wishes.made_out(tokenizer, wish, 1).table.sounds[drums].any()
