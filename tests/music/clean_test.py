"""Post-processing, judged by plain loops over single notes."""

import hypothesis
import numpy as np
import pytest

from aurl_jax.music import clean, midi, ranges
from aurl_jax.music.notes import Notes, Track
from tests.music.pieces import pieces

BEAT = 24


def piece(*rows, **options):
  """A piece of rows (onset, duration, pitch[, velocity[, track]])."""
  full = [(*row, *(64, 0)[len(row) - 3 :]) for row in rows]
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  columns = {name: [row[i] for row in full] for i, name in enumerate(names)}
  return Notes.build(BEAT, columns, **options)


def rows_of(notes):
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  return list(zip(*(getattr(notes, n).tolist() for n in names), strict=True))


def faults(notes):
  """Every fault of a piece, found note by note."""
  found = []
  rows = rows_of(notes)
  last = max((row[0] for row in rows), default=0)
  for i, (onset, duration, pitch, _, track) in enumerate(rows):
    drum = notes.tracks[track].is_drum
    low, high = ranges.RANGES[notes.tracks[track].program]
    if not drum and not low <= pitch <= high:
      found.append(('range', i))
    if not drum and 64 * duration < notes.ticks_per_beat:
      found.append(('short', i))
    if duration > 64 * notes.ticks_per_beat:
      found.append(('long', i))
    if onset + duration > last + 16 * notes.ticks_per_beat:
      found.append(('tail', i))
    for j, other in enumerate(rows):
      if j != i and (other[2], other[4]) == (pitch, track):
        if other[0] == onset:
          found.append(('collision', i))
        elif onset < other[0] < onset + duration:
          found.append(('overlap', i))
  down = {}
  for _, track, number, value in notes.controls.tolist():
    down[track, number] = value
  found += [
    ('pedal', key)
    for key, value in down.items()
    if value >= 64 and key[1] in (64, 66, 67)
  ]
  return found


@hypothesis.given(pieces(nested=True))
def test_nothing_is_left_to_mend_and_all_is_told(notes):
  mended, report = clean.clean(notes)
  mended.check()
  assert faults(mended) == []
  assert bool(report) == bool(faults(notes))
  if not report:
    assert mended is notes
  again, nothing = clean.clean(mended)
  assert again is mended
  assert not nothing


@hypothesis.given(pieces(nested=True))
def test_the_report_tells_how_to_get_there(notes):
  """Following the changes one by one gives the cleaned piece."""
  mended, report = clean.clean(notes)
  rows = [list(row) for row in rows_of(notes)]
  added = []
  for kind, track, tick, pitch, before, after in report.changes:
    if kind == 'hanging_pedal':
      added.append((tick, track, pitch, after))
      continue
    column = 2 if kind == 'out_of_range' else 1
    wanted = (tick, track, pitch, before)
    # Of notes that are alike in all that is told, the softest goes.
    row = min(
      (r for r in rows if (r[0], r[4], r[2], r[column]) == wanted),
      key=lambda r: r[3],
    )
    if after is None:
      rows.remove(row)
    else:
      row[column] = after
  assert sorted(rows) == sorted(list(row) for row in rows_of(mended))
  controls = notes.controls.tolist() + added
  assert sorted(controls) == sorted(mended.controls.tolist())
  for name in ('tempos', 'meters', 'keys', 'bends'):
    np.testing.assert_array_equal(getattr(mended, name), getattr(notes, name))
  assert mended.texts == notes.texts
  assert mended.tracks == notes.tracks


def test_overlaps_end_with_the_next_note():
  mended, report = clean.clean(piece((0, 40, 60), (24, 24, 60), (24, 24, 61)))
  assert rows_of(mended)[0][:3] == (0, 24, 60)
  assert report.changes == (clean.Change('overlap', 0, 0, 60, 40, 24),)


def test_of_colliding_notes_the_longest_stays():
  mended, report = clean.clean(
    piece((0, 12, 60, 100), (0, 24, 60, 50), (0, 24, 60, 70))
  )
  assert rows_of(mended) == [(0, 24, 60, 70, 0)]
  assert report.counts == {'collision': 2}


def test_notes_of_two_tracks_do_not_collide():
  notes = piece((0, 24, 60), (0, 24, 60, 64, 1))
  assert clean.clean(notes)[0] is notes


def test_slivers_go_but_strokes_stay():
  band = [Track(), Track(is_drum=True)]
  notes = piece((0, 0, 60), (0, 24, 62), (0, 0, 38, 64, 1), tracks=band)
  mended, report = clean.clean(notes)
  assert rows_of(mended) == [(0, 24, 62, 64, 0), (0, 0, 38, 64, 1)]
  assert report.changes == (clean.Change('sliver', 0, 0, 60, 0, None),)


def test_hanging_notes_end_with_their_bar():
  # In 3/4 the second bar ends at beat 6.
  notes = piece((0, 24, 60), (96, 9000, 64), meters=[(0, 3, 4)])
  mended, report = clean.clean(notes)
  assert rows_of(mended)[1][:3] == (96, 48, 64)
  assert report.changes == (clean.Change('hanging_note', 0, 96, 64, 9000, 48),)


def test_a_long_last_chord_is_no_fault():
  notes = piece((0, 96, 60), (96, 16 * BEAT, 60), (96, 16 * BEAT, 64))
  assert clean.clean(notes)[0] is notes


def test_a_pedal_is_released_when_its_track_ends():
  notes = piece(
    (0, 24, 60),
    controls=[(0, 0, 64, 127), (0, 0, 1, 127), (5, 0, 67, 127), (6, 0, 67, 0)],
  )
  mended, report = clean.clean(notes)
  assert report.changes == (clean.Change('hanging_pedal', 0, 24, 64, 127, 0),)
  assert mended.controls.tolist()[-1] == (24, 0, 64, 0)


def test_pitches_fold_into_the_range_of_their_instrument():
  # A violin begins at G3 = 55, a flute at B3 = 59.
  band = [Track(program=40), Track(program=73), Track(is_drum=True)]
  notes = piece(
    (0, 24, 43), (0, 24, 54, 64, 1), (24, 24, 98, 64, 1), (0, 24, 1, 64, 2),
    tracks=band,
  )  # fmt: skip
  mended, report = clean.clean(notes)
  assert [row[2] for row in rows_of(mended)] == [55, 66, 1, 98]
  assert report.changes == (
    clean.Change('out_of_range', 0, 0, 43, 43, 55),
    clean.Change('out_of_range', 1, 0, 54, 54, 66),
  )


def test_rules_may_be_stricter_and_must_make_sense():
  notes = piece((0, 24, 60), (24, 48, 62))
  mended, _ = clean.clean(notes, clean.Rules(longest=1))
  assert mended.duration.tolist() == [24, 24]
  with pytest.raises(ValueError, match='longest'):
    clean.Rules(longest=0)
  with pytest.raises(ValueError, match='octave'):
    clean.Rules(ranges=((60, 62),) * 128)


@pytest.mark.slow
def test_real_scores_are_clean_but_for_their_unisons(shared_data):
  """Written music hangs and slips nowhere; its voices share pitches."""
  names = sorted((shared_data / 'openscore_lieder').glob('*.mid'))[::60]
  assert names
  for path in names:
    notes = midi.read(path).notes
    mended, report = clean.clean(notes)
    assert set(report.counts) <= {'collision', 'overlap', 'out_of_range'}, path
    assert report.counts.get('out_of_range', 0) < 0.01 * len(notes), path
    assert faults(mended) == []
