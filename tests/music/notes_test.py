import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import notes as notes_lib
from aurl_jax.music.notes import Notes, Text, Track
from tests.music.pieces import pieces


@hypothesis.given(
  st.lists(
    st.tuples(
      st.integers(0, 2**40),
      st.integers(0, 3),
      st.integers(0, 127),
      st.integers(0, 2**40),
      st.integers(1, 127),
    )
  )
)
def test_notes_are_sorted_by_all_columns(rows):
  names = ('onset', 'track', 'pitch', 'duration', 'velocity')
  columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
  notes = Notes.build(480, columns, tracks=[Track()] * 4)
  found = zip(*(getattr(notes, name).tolist() for name in names), strict=True)
  assert list(found) == sorted(rows)


def test_columns_broadcast_and_have_defaults():
  notes = Notes.build(4, {'onset': [4, 0], 'duration': 2, 'pitch': 60})
  assert notes.onset.tolist() == [0, 4]
  assert notes.velocity.tolist() == [64, 64]
  assert notes.tracks == (Track(),)
  assert notes.end == 6
  assert len(notes) == 2


def test_tables_are_sorted_by_tick_then_track_and_stable():
  notes = Notes.build(
    4,
    tracks=[Track()] * 2,
    controls=[(5, 1, 7, 1), (5, 0, 9, 2), (5, 0, 7, 3), (0, 1, 7, 4)],
    texts=[Text(3, 1, 'lyric', 'b'), Text(3, -1, 'marker', 'a')],
  )
  assert notes.controls['value'].tolist() == [4, 2, 3, 1]
  assert [text.text for text in notes.texts] == ['a', 'b']


@hypothesis.given(pieces(nested=True))
def test_pieces_compare_by_value_and_check_themselves(piece):
  piece.check()
  assert piece == piece.replace()
  assert piece != piece.replace(title=piece.title + '!')
  assert piece != 'a piece'


def test_arrays_cannot_be_written():
  notes = Notes.build(4, {'onset': 0, 'duration': 1, 'pitch': 60})
  with pytest.raises(ValueError, match='read-only'):
    notes.onset[0] = 3


ONE = {'onset': [0, 4], 'duration': [1, 1], 'pitch': [60, 60]}


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'pitch': [60, 128]}, 'pitch must lie in 0..127'),
    ({'velocity': [0, 1]}, 'velocity must lie in 1..127'),
    ({'onset': [-1, 0]}, 'below 0'),
    ({'track': [0, 2]}, 'track must lie in 0..1'),
  ],
)
def test_values_out_of_range_are_refused(change, message):
  with pytest.raises(ValueError, match=message):
    Notes.build(4, ONE | change, tracks=[Track()] * 2)


@pytest.mark.parametrize(
  ('tables', 'message'),
  [
    ({'tempos': [(0, 0)]}, 'tempos.microseconds'),
    ({'meters': [(0, 0, 4)]}, 'meters.numerator'),
    ({'keys': [(0, 8, False)]}, 'keys.fifths'),
    ({'controls': [(0, 5, 7, 7)]}, 'controls.track'),
    ({'bends': [(-1, 0, 7)]}, 'bends.tick'),
    ({'texts': [Text(0, 3, 'lyric', 'la')]}, 'texts name a track'),
    ({'texts': [Text(0, 0, 'word', 'la')]}, 'texts are'),
    ({'texts': [Text(-1, 0, 'lyric', 'la')]}, 'texts must be sorted'),
  ],
)
def test_tables_out_of_range_are_refused(tables, message):
  with pytest.raises(ValueError, match=message):
    Notes.build(4, ONE, **tables)


def test_a_beat_has_ticks():
  with pytest.raises(ValueError, match='ticks_per_beat 0'):
    Notes.build(0)


def test_unknown_names_are_refused():
  with pytest.raises(TypeError, match='colour'):
    Notes.build(4, ONE | {'colour': 1})
  with pytest.raises(TypeError, match='tempo'):
    Notes.build(4, ONE, tempo=[(0, 1)])


@pytest.mark.parametrize('column', ['onset', 'pitch', 'duration', 'velocity'])
def test_unsorted_notes_are_refused(column):
  notes = Notes.build(4, ONE | {'onset': [0, 0], 'velocity': [5, 5]})
  values = np.array([64, 3])
  with pytest.raises(ValueError, match='sorted by onset'):
    notes.replace(**{column: values})


def test_unsorted_tables_and_other_shapes_are_refused():
  notes = Notes.build(4, ONE, tempos=[(0, 5), (7, 6)])
  with pytest.raises(ValueError, match='tempos must be sorted'):
    notes.replace(tempos=notes.tempos[::-1])
  with pytest.raises(ValueError, match='dtype'):
    notes.replace(tempos=np.zeros(1))
  with pytest.raises(ValueError, match='shape'):
    notes.replace(pitch=notes.pitch[:1])


def test_sorting_falls_back_when_bits_run_out():
  wide = np.array([2**61, 0, 2**61])
  low = np.array([3, 2**40, 1])
  first, second = notes_lib.sort_columns(wide, low)
  assert first.tolist() == [0, 2**61, 2**61]
  assert second.tolist() == [2**40, 1, 3]


def test_the_printed_form_is_short():
  assert repr(Notes.build(4, ONE)) == 'Notes(2 notes, 1 tracks, 1.2 beats)'
