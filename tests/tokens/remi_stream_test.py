import numpy as np
import pytest

from aurl_jax.tokens import events, remi_stream
from aurl_jax.tokens.remi import Remi
from tests.tokens import pieces

REMI = Remi(chords=True)
FIELD = REMI.codec.fields[0]


def ids(*told):
  return np.array([REMI.codec.id(*event) for event in told], np.int32)


BAR = [('bar', 0), ('meter', 3), ('position', 6)]
NOTE = [('program', 2), ('pitch', 60), ('velocity', 3), ('duration', 4)]


def test_reading_gives_back_what_was_written():
  for seed in range(20):
    notes = events.quantised(pieces.piece(seed), REMI.grid)
    parts = events.from_notes(notes, REMI.grid)
    stream = remi_stream.write(parts, FIELD)
    again = remi_stream.read(stream, FIELD)
    for before, after in zip(parts, again, strict=True):
      # Rows are counted in tokens now; the order is the same.
      assert after[1:].tolist() == before[1:].tolist()
    assert remi_stream.write(_renumbered(again), FIELD).tolist() == list(stream)


def _renumbered(parts):
  rows = np.sort(np.concatenate([part[0] for part in parts]))
  return events.Parts(
    *[np.vstack([rows.searchsorted(p[0])[None], p[1:]]) for p in parts]
  )


@pytest.mark.parametrize(
  ('told', 'notes'),
  [
    ([*BAR, *NOTE], 1),
    ([*BAR, ('program', 2), ('voice', 1), *NOTE[1:]], 1),
    ([*BAR, ('program', 128), ('drum', 35), *NOTE[2:]], 1),
    ([*BAR, ('program', 128), *NOTE[1:]], 0),
    ([*BAR, *NOTE[:3]], 0),
    ([*BAR, *NOTE[1:]], 0),
    ([*BAR, NOTE[0], ('bos', 0), *NOTE[1:]], 0),
    ([*BAR, NOTE[0], ('eos', 0), *NOTE], 0),
    ([*BAR, ('velocity', 1), *NOTE, ('voice', 3), *NOTE], 2),
  ],
)
def test_only_whole_notes_are_read(told, notes):
  parts = remi_stream.read(ids(*told), FIELD)
  assert parts.notes.shape == (events.COLUMNS, notes)


def test_events_have_the_place_of_the_position_in_their_bar():
  stream = ids(*BAR, *NOTE, ('bar', 0), *NOTE, ('position', 2), ('tempo', 7))
  parts = remi_stream.read(stream, FIELD)
  inside = parts.notes[events.POSITION] < 48
  assert parts.notes[events.POSITION][inside].tolist() == [6]
  assert parts.tempos[1:].tolist() == [[2], [7]]


def test_meter_and_cut_count_right_behind_their_bar():
  stream = ids(
    *[('bar', 0), ('meter', 5), ('cut', 9)],
    *[('bar', 0), ('cut', 8)],
    *[('bar', 0), ('position', 0), ('meter', 5), ('cut', 9)],
  )
  parts = remi_stream.read(stream, FIELD)
  assert parts.bars[events.VALUE].tolist() == [5, -1, -1]
  assert parts.bars[events.POSITION].tolist() == [9, 8, 0]


def test_of_nothing_nothing_is_read():
  assert remi_stream.read(ids(), FIELD).size == 0
