import collections
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.data import rooms
from aurl_jax.data.augment import AugmentConfig, Augmenter, Chance
from aurl_jax.music import chords, midi, time
from aurl_jax.tokens import controls as controls_lib
from aurl_jax.tokens.bpe import Bpe
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi
from tests import recogniser
from tests.data import bands

EVENTS = [Remi(chords=True), Compound(chords=True)]
TOKENIZERS = [
  *EVENTS,
  Compound(micro=15, pedal=True),
  Performance(),
  VoiceGrid(),
]
ROWS = [(0, 1), (2, 3), (1, 0)]
STEPS = 900
ALL = AugmentConfig(
  transpose=12,
  stretch=0.2,
  velocity=6,
  instruments=True,
  swing=True,
  humanise=2,
)
KEY = jax.random.key(0)


def name(tokenizer):
  return type(tokenizer).__name__


@pytest.fixture(scope='module', params=TOKENIZERS, ids=name)
def corpus(request, tmp_path_factory):
  return _corpus(request.param, tmp_path_factory.mktemp('tokens'))


@pytest.fixture(scope='module', params=EVENTS, ids=name)
def songs(request, tmp_path_factory):
  return _corpus(request.param, tmp_path_factory.mktemp('tokens'))


def _corpus(tokenizer, folder):
  make = bands.chorale if isinstance(tokenizer, VoiceGrid) else bands.band
  pieces = [make(seed) for seed in range(4)]
  return tokenizer, bands.split(folder / 'tokens', tokenizer, pieces)


def augmenter(config, tokenizer, split):
  found = rooms.measure(split, tokenizer.codec, tokenizer.grid)
  return jax.jit(Augmenter(config, tokenizer, found))


def variants(config, tokenizer, split, epochs=1, step=0, rows=ROWS):
  """Yields (piece, its ids, its changed ids) of each epoch."""
  change = augmenter(config, tokenizer, split)
  for epoch in range(epochs):
    batch = bands.batch(split, rows, STEPS, epoch)
    moved = change(batch, KEY, step)['ids']
    for number, ids in bands.pieces_of(split, rows, moved):
      yield number, split[number], ids


def test_every_variant_is_accepted_and_no_two_need_be_equal(corpus):
  tokenizer, split = corpus
  found = collections.defaultdict(set)
  for number, _, ids in variants(ALL, tokenizer, split, epochs=12):
    assert recogniser.fault(tokenizer, ids.tolist()) == ''
    found[number].add(ids.tobytes())
  assert all(len(made) >= 10 for made in found.values())


def test_what_comes_out_is_canonical(corpus):
  tokenizer, split = corpus
  for _, _, ids in variants(ALL, tokenizer, split, epochs=2):
    music = tokenizer.decode(ids)
    np.testing.assert_array_equal(tokenizer.encode(music), ids)


def test_chroma_is_rolled_by_the_transposition_and_drums_stay(corpus):
  tokenizer, split = corpus
  config = AugmentConfig(transpose=12)
  seen = set()
  for _, before, after in variants(config, tokenizer, split, epochs=12):
    old, new = tokenizer.decode(before), tokenizer.decode(after)
    sounding = ~old.is_drum
    shifts = set((new.pitch[sounding] - old.pitch[sounding]).tolist())
    assert len(shifts) == 1
    (shift,) = shifts
    seen.add(shift)
    expected = np.roll(chroma(old), shift)
    np.testing.assert_array_equal(chroma(new), expected)
    np.testing.assert_array_equal(
      new.pitch[old.is_drum], old.pitch[old.is_drum]
    )
    np.testing.assert_array_equal(new.onset, old.onset)
  assert min(seen) < -6
  assert max(seen) > 6


def test_controls_of_pitch_follow_the_transposition(tmp_path):
  tokenizer = Compound(controls=True)
  pieces = [bands.band(seed) for seed in range(4)]
  told = [controls_lib.of(notes, tokenizer.grid, bars=True) for notes in pieces]
  split = bands.split(tmp_path / 'tokens', tokenizer, pieces, told)
  config = AugmentConfig(transpose=12)
  seen = set()
  for _, before, after in variants(config, tokenizer, split, epochs=4):
    assert recogniser.fault(tokenizer, after.tolist()) == ''
    music = tokenizer.decode(after)
    old, new = (tokenizer.read_controls(ids) for ids in (before, after))
    truth = controls_lib.of(music, tokenizer.grid, bars=True)
    assert new.piece.key == truth.piece.key
    assert new.piece.density == truth.piece.density
    assert abs(new.piece.register - truth.piece.register) <= 1
    # The last note sounds on in a bar that is not told.
    for bar, true in zip(new.bars, truth.bars, strict=False):
      assert bar.register is None or abs(bar.register - true.register) <= 1
    seen.add((new.piece.key - old.piece.key) % 12)
  assert len(seen) > 4


def test_pauses_of_a_performance_are_stretched_alike(tmp_path):
  tokenizer = Performance()
  pieces = [bands.band(seed) for seed in range(4)]
  split = bands.split(tmp_path / 'tokens', tokenizer, pieces)
  config = AugmentConfig(stretch=0.2)
  factors = []
  for _, before, after in variants(config, tokenizer, split, epochs=6):
    assert recogniser.fault(tokenizer, after.tolist()) == ''
    old, new = tokenizer.decode(before), tokenizer.decode(after)
    np.testing.assert_array_equal(new.pitch, old.pitch)
    gap, wide = np.diff(old.onset), np.diff(new.onset)
    factor = wide.sum() / gap.sum()
    # Each pause is rounded to 10 ms, and there are several in a gap.
    assert np.abs(wide - gap * factor).max() <= 4
    factors.append(factor)
  assert min(factors) < 0.9
  assert max(factors) > 1.1


def test_merged_ids_are_refused(tmp_path):
  base = Remi()
  split = bands.split(tmp_path / 'tokens', base, [bands.band(0)])
  pair = (base.codec.id('velocity', 16), base.codec.id('duration', 5))
  merged = Bpe(base=base, merges=(pair,))
  found = rooms.measure(split, base.codec, base.grid)
  with pytest.raises(ConfigError, match='augment before merging'):
    Augmenter(AugmentConfig(transpose=2), merged, found)


def chroma(notes):
  weight = np.zeros(12)
  for pitch, length, drum in zip(
    notes.pitch.tolist(),
    notes.duration.tolist(),
    notes.is_drum.tolist(),
    strict=True,
  ):
    if not drum:
      weight[pitch % 12] += length
  return weight


def test_chords_follow_the_transposition(songs):
  tokenizer, split = songs
  config = AugmentConfig(transpose=12)
  for _, before, after in variants(config, tokenizer, split, epochs=3):
    old, new = tokenizer.decode(before), tokenizer.decode(after)
    tonal = ~old.is_drum
    shift = int(new.pitch[tonal][0]) - int(old.pitch[tonal][0])
    roots = [chords.parse(text.text).root for text in old.chords]
    moved = [chords.parse(text.text) for text in new.chords]
    assert [chord.root for chord in moved] == [(r + shift) % 12 for r in roots]
    assert [chord.quality for chord in moved] == ['maj', 'min7']


def test_a_bar_stays_a_bar_when_time_is_stretched(songs):
  tokenizer, split = songs
  config = AugmentConfig(stretch=0.2)
  factors = []
  for _, before, after in variants(config, tokenizer, split, epochs=12):
    old, new = tokenizer.decode(before), tokenizer.decode(after)
    np.testing.assert_array_equal(time.bar_starts(new), time.bar_starts(old))
    np.testing.assert_array_equal(new.onset, old.onset)
    ratio = old.tempos['microseconds'] / new.tempos['microseconds']
    assert np.ptp(ratio) < 1e-4
    factors.append(ratio[0])
  assert 0.8 <= min(factors) < 0.9
  assert 1.1 < max(factors) <= 1.2


def test_louder_and_softer_keep_the_order_of_velocities(songs):
  tokenizer, split = songs
  config = AugmentConfig(velocity=20)
  moved = 0
  for _, before, after in variants(config, tokenizer, split, epochs=12):
    old, new = tokenizer.decode(before).velocity, tokenizer.decode(after)
    new = new.velocity
    order = np.argsort(old, kind='stable')
    assert (np.diff(new[order]) >= 0).all()
    moved += not np.array_equal(old, new)
  assert moved > 10


def test_programs_move_inside_their_family_and_stay_apart(songs):
  tokenizer, split = songs
  config = AugmentConfig(instruments=True)
  found = set()
  for _, before, after in variants(config, tokenizer, split, epochs=12):
    old, new = tokenizer.decode(before), tokenizer.decode(after)
    assert len(new.tracks) == len(old.tracks)
    pairs = zip(old.tracks, new.tracks, strict=True)
    for one, other in pairs:
      assert one.is_drum == other.is_drum
      assert one.program // 8 == other.program // 8
    found.add(tuple(track.program for track in new.tracks))
    np.testing.assert_array_equal(new.pitch, old.pitch)
  # Programs 0 and 4 of a family of 8 leave four places, 33 has eight.
  assert len(found) > 10


def test_swing_moves_straight_beats_alone(songs):
  tokenizer, split = songs
  config = AugmentConfig(swing=True)
  beat = tokenizer.grid.cells_per_beat
  swung = kept = 0
  for _, before, after in variants(config, tokenizer, split, epochs=2):
    old, new = tokenizer.decode(before), tokenizer.decode(after)
    where = collections.defaultdict(list)
    events = itertools.chain(
      old.onset.tolist(),
      (text.tick for text in old.chords),
      old.tempos['tick'].tolist(),
    )
    for onset in events:
      where[onset // beat].append(onset % beat)
    for one, other in zip(old.onset.tolist(), new.onset.tolist(), strict=True):
      straight = all(cell % 3 == 0 for cell in where[one // beat])
      if straight and one % beat == 6:
        assert other - one in (1, 2)
        swung += 1
      else:
        assert other == one
        kept += 1
  assert swung > 20
  assert kept > 20


def test_humanising_moves_velocities_note_by_note(songs):
  tokenizer, split = songs
  config = AugmentConfig(humanise=2)
  width = 128 // tokenizer.grid.velocity_bins
  for _, before, after in variants(config, tokenizer, split):
    old, new = tokenizer.decode(before), tokenizer.decode(after)
    differ = (new.velocity.astype(int) - old.velocity) // width
    assert set(differ.tolist()) == {-2, -1, 0, 1, 2}
    np.testing.assert_array_equal(new.onset, old.onset)


def test_a_piece_is_changed_alike_wherever_it_stands(corpus):
  tokenizer, split = corpus
  change = augmenter(ALL, tokenizer, split)
  crowded = [tuple(range(4)), (3, 1)]
  made = []
  for rows, steps in ((ROWS, STEPS), (crowded, 2 * STEPS)):
    ids = change(bands.batch(split, rows, steps, 7), KEY, 3)['ids']
    made.append(dict(bands.pieces_of(split, rows, ids)))
  for number, ids in made[0].items():
    np.testing.assert_array_equal(ids, made[1][number])


def test_a_stretch_of_a_piece_is_changed_as_the_whole(songs):
  tokenizer, split = songs
  config = AugmentConfig(transpose=12, stretch=0.2, velocity=6)
  change = augmenter(config, tokenizer, split)
  batch = bands.batch(split, [(0,)], STEPS)
  whole = change(batch, KEY, 0)['ids']
  part = {k: v[:, 50:150] if v.ndim > 1 else v for k, v in batch.items()}
  part['positions'] = part['positions'] - 50
  np.testing.assert_array_equal(change(part, KEY, 0)['ids'], whole[:, 50:150])


def test_another_epoch_key_or_piece_is_another_draw(corpus):
  tokenizer, split = corpus
  change = augmenter(AugmentConfig(transpose=12), tokenizer, split)
  made = [
    np.asarray(change(bands.batch(split, ROWS, STEPS, epoch), key, 0)['ids'])
    for epoch, key in ((0, KEY), (1, KEY), (0, jax.random.key(1)), (0, KEY))
  ]
  assert not np.array_equal(made[0], made[1])
  assert not np.array_equal(made[0], made[2])
  np.testing.assert_array_equal(made[0], made[3])


@pytest.mark.slow
def test_chances_follow_their_schedule(corpus):
  tokenizer, split = corpus
  config = AugmentConfig(
    transpose=12, transpose_chance=Chance(first=0.0, last=1.0, ramp=100)
  )
  for step, low, high in ((0, 0, 0), (50, 0.3, 0.65), (100, 0.8, 1)):
    changed = [
      not np.array_equal(before, after)
      for _, before, after in variants(config, tokenizer, split, 12, step)
    ]
    assert low <= np.mean(changed) <= high


def test_many_segments_take_the_other_branch(tmp_path):
  tokenizer = Compound()
  split = bands.split(
    tmp_path / 'tokens', tokenizer, [bands.band(n, bars=1) for n in range(12)]
  )
  change = augmenter(ALL, tokenizer, split)
  rows = [tuple(range(12))]
  steps = sum(len(split[n]) for n in range(12)) + 5
  many = bands.pieces_of(
    split, rows, change(bands.batch(split, rows, steps), KEY, 0)['ids']
  )
  for number, ids in many:
    alone = [(number,)]
    one = change(bands.batch(split, alone, steps), KEY, 0)['ids']
    np.testing.assert_array_equal(ids, one[0, : len(ids)])


def test_padding_stays_padding(corpus):
  tokenizer, split = corpus
  batch = bands.batch(split, ROWS, STEPS)
  made = augmenter(ALL, tokenizer, split)(batch, KEY, 0)
  assert not np.asarray(made['ids'])[batch['segments'] == 0].any()
  for name in ('segments', 'positions', 'pieces', 'epochs'):
    np.testing.assert_array_equal(made[name], batch[name])


def test_nothing_asked_is_nothing_done(corpus):
  tokenizer, split = corpus
  found = rooms.measure(split, tokenizer.codec, tokenizer.grid)
  batch = bands.batch(split, ROWS, STEPS)
  assert Augmenter(AugmentConfig(), tokenizer, found)(batch, KEY, 0) is batch


@pytest.mark.parametrize(
  'values',
  [{'transpose': 13}, {'stretch': -0.1}, {'velocity': 65}, {'humanise': -1}],
)
def test_impossible_amounts_are_refused(values):
  with pytest.raises(ConfigError, match=f'augment.{next(iter(values))}'):
    AugmentConfig(**values)


@pytest.mark.parametrize(
  'values', [{'first': 1.5}, {'last': -1.0}, {'ramp': -1}]
)
def test_impossible_chances_are_refused(values):
  with pytest.raises(ConfigError):
    Chance(**values)


@pytest.mark.slow
def test_real_songs_have_ten_valid_variants(shared_data, tmp_path):
  tokenizer = Compound()
  paths = sorted((shared_data / 'pop909' / 'valid').glob('*/*.mid'))[:2]
  pieces = [midi.read(path).notes for path in paths]
  split = bands.split(tmp_path / 'tokens', tokenizer, pieces)
  rows = [(number,) for number in range(len(pieces))]
  steps = max(len(ids) for ids in split)
  change = augmenter(ALL, tokenizer, split)
  found = collections.defaultdict(set)
  for epoch in range(10):
    ids = change(bands.batch(split, rows, steps, epoch), KEY, 0)['ids']
    for number, made in bands.pieces_of(split, rows, jnp.asarray(ids)):
      found[number].add(made.tobytes())
      assert recogniser.fault(tokenizer, made.tolist()) == ''
  assert all(len(made) == 10 for made in found.values())
