"""Chords and keys that are written out are heard."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import chords as chords_lib
from aurl_jax.music.notes import Notes, Track
from aurl_jax.studies.chords.listener import Listener
from tests.music.pieces import pieces

TONES = {
  'maj': (0, 4, 7),
  'min': (0, 3, 7),
  'dim': (0, 3, 6),
  '7': (0, 4, 7, 10),
  'min7': (0, 3, 7, 10),
}
WAYS = pytest.mark.parametrize('listener', [Listener(), Listener.plain()])


def written(progression, ticks=480, beats=4):
  """Close chords of four beats above their bass, (root, kind, bass step)."""
  rows = []
  for place, (root, kind, low) in enumerate(progression):
    pitches = [36 + (root + low) % 12]
    pitches += [60 + (root + step) % 12 for step in TONES[kind]]
    for beat in range(beats):
      tick = (place * beats + beat) * ticks
      rows += [(tick, ticks, pitch) for pitch in pitches]
  names = ('onset', 'duration', 'pitch')
  return Notes.build(ticks, dict(zip(names, np.array(rows).T, strict=True)))


ROOTS = st.lists(
  st.tuples(
    st.integers(0, 11), st.sampled_from(['maj', 'min', '7']), st.just(0)
  ),
  min_size=1, max_size=6,
)  # fmt: skip


@WAYS
@hypothesis.given(progression=ROOTS)
def test_written_chords_are_heard(listener, progression):
  found = listener.hear(written(progression))
  at = np.searchsorted(found.starts, 2 * np.arange(len(progression)) + 1) - 1
  heard = [found.chords()[row] for row in at]
  assert [chord.root for chord in heard] == [row[0] for row in progression]
  families = [('min' in c.quality, row[1] == 'min') for c, row in zip(
    heard, progression, strict=True)]  # fmt: skip
  assert all(one == other for one, other in families)


def test_inversions_and_sevenths_are_told():
  piece = [(0, 'maj', 0), (2, 'min7', 3), (7, '7', 4), (0, 'maj', 7)]
  labels = Listener().hear(written([*piece, (0, 'maj', 0)])).labels()
  assert labels == ['C:maj', 'D:min7/b3', 'G:7/3', 'C:maj/5', 'C:maj']


@WAYS
@pytest.mark.parametrize('tonic', range(0, 12, 5))
def test_a_piece_that_modulates(listener, tonic):
  home = [(0, 'maj', 0), (5, 'maj', 0), (7, '7', 0), (0, 'maj', 0)]
  minor = [(0, 'min', 0), (5, 'min', 0), (7, '7', 0), (0, 'min', 0)]
  progression = [(r + tonic, *rest) for r, *rest in home * 3]
  progression += [(r + tonic + 4, *rest) for r, *rest in minor * 3]
  progression = [(root % 12, *rest) for root, *rest in progression]
  found = listener.hear(written(progression))
  keys = [key for _, _, key in found.key_runs()]
  assert keys == [tonic, 12 + (tonic + 4) % 12]


@hypothesis.given(st.integers(1, 11), st.integers(0, 99))
def test_transposed_music_has_transposed_chords(step, seed):
  random = np.random.default_rng(seed)
  columns = {'onset': 240 * np.repeat(np.arange(30), 3), 'duration': 300}
  pitch = random.integers(40, 76, 90)
  one, other = (
    Listener().hear(Notes.build(480, {**columns, 'pitch': pitch + up}))
    for up in (0, step)
  )
  assert np.array_equal(one.starts, other.starts)
  for low, high in zip(one.chords(), other.chords(), strict=True):
    moved = chords_lib.transpose(low.label(), step)
    assert chords_lib.parse(moved) == chords_lib.parse(high.label())
  assert np.array_equal((one.key % 12 + step) % 12, other.key % 12)


@WAYS
@hypothesis.given(notes=pieces(last=4000))
def test_any_piece(listener, notes):
  found = listener.hear(notes)
  assert (found.ends > found.starts).all()
  assert np.allclose(found.starts[1:], found.ends[:-1])
  assert ((found.key >= 0) & (found.key < 24)).all()
  assert all(chords_lib.parse(label) for label in found.labels())
  same = np.diff(found.chord) | np.diff(found.key) | np.diff(found.bass)
  assert (same != 0).all()


def test_drums_are_no_chord_and_long_silence_is_none():
  drums = Notes.build(
    4, {'onset': [0, 4], 'duration': 9, 'pitch': 36},
    tracks=[Track(is_drum=True)],
  )  # fmt: skip
  assert not len(Listener().hear(drums))
  columns = {'onset': [0, 0, 0, 400], 'duration': 8, 'pitch': [48, 64, 67, 48]}
  assert 'N' in Listener().hear(Notes.build(4, columns)).labels()


def test_settings_that_hear_nothing():
  with pytest.raises(ValueError, match='nothing would be heard'):
    Listener(learned=0, template=0)
  with pytest.raises(ValueError, match='key is 0 or more'):
    Listener(key=-1)
