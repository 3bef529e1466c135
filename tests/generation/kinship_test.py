import numpy as np
import pytest

from aurl_jax.generation import kinship
from aurl_jax.music import transform
from aurl_jax.music.notes import Notes, Track

TUNE = Notes.build(
  4, {'onset': [0, 0, 4, 8], 'duration': 2, 'pitch': [60, 60, 62, 64]}
)


def test_each_note_is_found_again_once():
  assert kinship.notes_kept(TUNE, TUNE) == 1.0
  one = transform.slice_ticks(TUNE, 0, 4)
  single = one.replace(
    **{
      k: getattr(one, k)[:1]
      for k in (
        'onset',
        'duration',
        'pitch',
        'velocity',
        'program',
        'track',
        'is_drum',
      )
    }
  )
  assert kinship.notes_kept(TUNE, single) == 0.25
  assert kinship.notes_kept(single, TUNE) == 1.0
  assert kinship.notes_kept(Notes.build(4), TUNE) == 1.0
  later = transform.shift(TUNE, 1)
  assert kinship.notes_kept(TUNE, later) == 0.0


def test_a_drum_is_no_pitch():
  drums = Notes.build(
    4, {'onset': 0, 'duration': 2, 'pitch': 60}, tracks=[Track(is_drum=True)]
  )
  assert kinship.notes_kept(drums, TUNE) == 0.0
  with pytest.raises(ValueError, match='resample'):
    kinship.notes_kept(TUNE, transform.resample(TUNE, 8))


def test_spans_that_sound_alike_are_one():
  bars = [(0, 'a'), (1, 'b'), (2, 'a'), (3, 'c'), (4, 'b')]
  pitch = {'a': 60, 'b': 62, 'c': 62}
  rows = [(16 * i + 4 * k, pitch[w] + k) for i, w in bars for k in range(3)]
  onset, heights = np.array(rows).T
  notes = Notes.build(4, {'onset': onset, 'duration': 4, 'pitch': heights})
  spans = [(16 * i, 16 * i + 16) for i in range(5)]
  assert kinship.alike(notes, spans).tolist() == [0, 1, 0, 1, 1]
  # A note that is held over the bar line makes another bar of the next one.
  longer = notes.duration.copy()
  longer[notes.onset == 24] = 12
  held = notes.replace(duration=longer)
  assert kinship.alike(held, spans).tolist() == [0, 1, 2, 3, 3]
  assert kinship.alike(notes, [(0, 8), (32, 48)]).tolist() == [0, 1]
