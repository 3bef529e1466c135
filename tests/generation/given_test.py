"""What is given comes back note by note, and the rest keeps the rules."""

import collections
from fractions import Fraction

import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import given as given_lib
from aurl_jax.generation import wishing
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.prompt import Prompts
from aurl_jax.generation.request import Request
from aurl_jax.generation.wish import Wish
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from tests import recogniser
from tests.generation import hearing, walks, writers

SMALL = {'voices': 2, 'cells_per_beat': 4, 'bar_beats': 4}
COMPOUND, GRID = Compound(**SMALL), VoiceGrid()
LEARNT = Compound(**SMALL, infill=True)
WISH = Wish(
  key='D minor', chords='Dm7 | A7', polyphony=3, density=(2, 6), rhythm='8'
)
D_MINOR = {2, 4, 5, 7, 9, 10, 0, 1}
JUDGED = {
  'scales': [D_MINOR],
  'chords': ([[{2, 5, 9, 0}], [{9, 1, 4, 7}]], D_MINOR),
  'polyphony': ([3], 1 << 20),
  'density': [(2, 6)],
  'rhythm': Fraction(1, 2),
}


def tune(seed, tracks=1, end=40, **tables):
  """A made-up melody outside of all rules, in 3/4 and then in 2/4."""
  rng = np.random.default_rng(seed)
  onset = np.sort(rng.choice(np.arange(end), 14, replace=False))
  return Notes.build(
    4,
    {
      'onset': onset,
      'duration': rng.integers(1, 5, 14),
      'pitch': rng.integers(40, 90, 14),
      'velocity': rng.integers(1, 127, 14),
      'track': rng.integers(0, tracks, 14),
    },
    tracks=[Track(program=33 * i) for i in range(tracks)],
    **tables,
  )


TURNS = {
  'meters': [(0, 3, 4), (24, 2, 4)],
  'tempos': [(0, 500_000), (7, 600_000), (16, 450_000)],
}


def keys(notes):
  columns = ('onset', 'duration', 'pitch', 'velocity', 'program')
  return list(zip(*(getattr(notes, c).tolist() for c in columns), strict=True))


def others(notes, given):
  """The notes that are not given, which must all be there."""
  left = collections.Counter(keys(notes))
  left.subtract(keys(given))
  assert min(left.values()) >= 0
  kept = []
  for index, key in enumerate(keys(notes)):
    if left[key] > 0:
      left[key] -= 1
      kept.append(index)
  return Notes.build(
    notes.ticks_per_beat,
    {
      name: getattr(notes, name)[kept]
      for name in ('onset', 'duration', 'pitch', 'velocity', 'track')
    },
    tracks=notes.tracks,
    meters=notes.meters,
    tempos=notes.tempos,
  )


def walked(tokenizer, request, steps=180, **how):
  """Returns what is given, and pieces by chance without any model."""
  request = wishing.settled(tokenizer, request)
  given = given_lib.of(tokenizer, request)
  prompt = Prompts(tokenizer).prompt(request)
  pieces, stuck = walks.walk(
    tokenizer,
    *request.wishes,
    request.bars,
    steps,
    prompt=prompt,
    given=given,
    **how,
  )
  assert not any(stuck)
  return given, [tokenizer.decode(ids) for ids in pieces], pieces


@pytest.mark.slow
@pytest.mark.parametrize(
  'tokenizer',
  [
    COMPOUND,
    pytest.param(LEARNT, marks=pytest.mark.slow),
    pytest.param(Remi(**SMALL, infill=True), marks=pytest.mark.slow),
  ],
)
def test_steps_by_chance_leave_a_melody_as_it_is(tokenizer):
  for seed, tracks in ((1, 1), (2, 2)):
    melody = tune(seed, tracks, **TURNS)
    request = Request(melody=melody, wish=WISH)
    steps = 500 if isinstance(tokenizer, Remi) else 180
    given, pieces, ids = walked(
      tokenizer, request, steps, rows=8, seed=seed, more=2 * seed
    )
    before = tokenizer.quantise(melody)
    assert keys(given.notes) == keys(before)
    for notes, whole in zip(pieces, ids, strict=True):
      if not tokenizer.infill:
        assert recogniser.fault(tokenizer, whole.tolist()) == ''
      rest = others(notes, before)
      assert len(rest) >= 2 * given.bars
      # Nothing else is in the tracks that are given.
      own = {(track.program, 0) for track in before.tracks}
      assert not own & set(voices(rest))
      assert hearing.faults(rest, given.bars, **JUDGED) == []
      assert notes.meters.tolist() == before.meters.tolist()
      assert notes.tempos.tolist() == before.tempos.tolist()
      settled = wishing.settled(tokenizer, request)
      made = wishing.judge(tokenizer, settled, whole)(notes)
      assert {kept.broken for kept in made.values()} == {0}
      assert 'given' in made


def voices(notes):
  """(Program, number of the track among those of it) of all notes."""
  found = []
  for track in notes.track.tolist():
    programs = [t.program for t in notes.tracks[:track]]
    program = notes.tracks[track].program
    found.append((program, programs.count(program)))
  return found


@pytest.mark.parametrize('tokenizer', [GRID, VoiceGrid(infill=True)])
def test_a_soprano_is_harmonised(tokenizer):
  onset = np.arange(0, 28, 4)
  melody = Notes.build(
    4,
    {'onset': onset, 'duration': 4, 'pitch': 73 - onset // 4},
    meters=[(0, 1, 4), (4, 3, 4)],
    tempos=[(0, 600_000)],
  )
  wish = Wish(key='C', polyphony=2, density=(3, 9), rhythm='4')
  request = Request(melody=melody, wish=wish)
  given, pieces, _ = walked(tokenizer, request, steps=80, rows=8)
  assert given.bars == 3
  for notes in pieces:
    # Voice 0 holds the melody and nothing else.
    soprano = notes.track == 0
    assert notes.onset[soprano].tolist() == onset.tolist()
    assert notes.pitch[soprano].tolist() == (73 - onset // 4).tolist()
    rest = others(notes, given.notes)
    judged = {'scales': [{0, 2, 4, 5, 7, 9, 11}], 'polyphony': ([2], 1)}
    assert hearing.faults(rest, given.bars, **judged) == []
    counts = np.bincount([n['bar'] for n in hearing.hear(rest)], minlength=3)
    assert counts[1:].min() >= 3
    assert counts.max() <= 9


@pytest.mark.parametrize(
  ('tokenizer', 'line'),
  [
    pytest.param(LEARNT, 'accompaniment', marks=pytest.mark.slow),
    (GRID, 'bass'),
  ],
)
def test_models_write_to_what_is_given(tokenizer, line):
  model, params = writers.small(tokenizer)
  composer = Composer(
    model=model, params=params, tokenizer=tokenizer, defaults={'bars': 16}
  )
  music = Notes.build(
    4, {'onset': [0, 4, 9], 'duration': 3, 'pitch': [50, 47, 52]}
  )
  request = composer.request(n=2, seed=3, **{line: music})
  for piece in composer.generate(request):
    assert piece.ended
    assert piece.grammatical
    assert piece.report['kept'] == {'given': 1.0}
    others(piece.notes, tokenizer.quantise(music) if line != 'bass' else music)
    assert piece.notes.end <= 16


def test_lines_are_given_side_by_side_and_bars_may_follow():
  melody, bass = tune(3, end=30), tune(4, end=30)
  request = wishing.settled(COMPOUND, Request(melody=melody, bass=bass, bars=5))
  given = given_lib.of(COMPOUND, request)
  assert given.tracks == ((0, 0), (0, 1))
  assert given.bars == request.bars == 5
  assert len(COMPOUND.bar_steps(given.ids)) == 5
  assert len(given.notes) == 28
  (wish,) = request.wishes
  assert wish.meter == ((4, 4),) * 5


@pytest.mark.parametrize(
  ('tokenizer', 'asked', 'code', 'match'),
  [
    (Remi(), {}, 'given', 'cannot be held to music that is given'),
    (COMPOUND, {'bars': 2}, 'bars', '2 bars are asked .* has 3'),
    (COMPOUND, {'repeat': 8}, 'given', 'leave out repeat'),
    (COMPOUND, {'wish': Wish(tempo=90)}, 'tempo', 'its own tempo'),
    (COMPOUND, {'wish': Wish(meter=(2, 4))}, 'meter', 'its own meter, 4/4'),
    (
      COMPOUND,
      {'bass': tune(1, meters=[(0, 3, 4)])},
      'given',
      'bass and melody have other meters',
    ),
    (GRID, {'melody': tune(1, 2)}, 'given', 'melody has 2 tracks'),
    (GRID, {'accompaniment': tune(1)}, 'given', 'accompaniment has 1 tracks'),
    (GRID, {}, 'given', 'voice 1 has two notes at once'),
    (COMPOUND, {'melody': Notes.build(4)}, 'melody', 'melody has no notes'),
    (COMPOUND, {'melody': 'no.mid'}, 'melody', 'no such file'),
    (
      COMPOUND,
      {'wish': Wish(density=(17, None), polyphony=1, instruments=('harp',))},
      'density',
      'bar 1 has room for 16',
    ),
  ],
)
def test_what_cannot_be_given_is_refused(tokenizer, asked, code, match):
  held = Notes.build(
    4, {'onset': [0, 2, 36], 'duration': 4, 'pitch': [60, 62, 64]}
  )
  with pytest.raises(RequestError, match=match) as caught:
    request = wishing.settled(tokenizer, Request(**{'melody': held, **asked}))
    wishing.constraints(tokenizer, request, tokenizer.bos()[None], 400)
  assert caught.value.code == code


def test_what_is_given_begins_the_piece():
  for asked in ({'prompt': tune(1)}, {'meter': (3, 4)}, {'tempo': 90}):
    with pytest.raises(RequestError, match='its own meter and tempo') as caught:
      Request(melody=tune(1), **asked)
    assert caught.value.code == 'given'
