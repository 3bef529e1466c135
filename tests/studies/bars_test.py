"""Bar lines of pieces made by code, whose downbeats are known."""

import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import midi, time
from aurl_jax.music.notes import Notes, Text, Track
from aurl_jax.studies import bars
from aurl_jax.studies.beats import Beats
from tests.music.pieces import pieces

TICKS = 480
CHORDS = ((48, 64, 67), (45, 60, 64), (53, 60, 69), (55, 62, 71))


def song(late=0, beats=64, **fields):
  """A chord a bar, held, and a tune of quarters; downbeats from `late` on."""
  rows = []
  for beat in range(beats):
    chord = CHORDS[beat // 4 % 4]
    if beat % 4 == 0:
      rows += [(beat, 4, pitch, 70) for pitch in chord]
    rows.append((beat, 0.9, 12 + chord[beat % 3], 90))
  onset, duration, pitch, velocity = np.array(rows).T
  return Notes.build(
    TICKS,
    {
      'onset': np.rint(onset * TICKS) + late, 'duration': duration * TICKS,
      'pitch': pitch, 'velocity': velocity,
    },
    **fields,
  )  # fmt: skip


def without(notes, count):
  """The piece without its first beats, at the ticks where it was."""
  stays = notes.onset >= notes.onset[0] + count * TICKS
  names = ('onset', 'duration', 'pitch', 'velocity')
  columns = {name: getattr(notes, name)[stays] for name in names}
  return Notes.build(TICKS, columns, tempos=notes.tempos, meters=notes.meters)


def steady(period, phase, count, places=0):
  """Beats of a piece without tempos (a second is two beats of ticks)."""
  ticks = phase + period * np.arange(count)
  index = np.arange(count)
  return Beats(ticks / 2 / TICKS, index, (index + places) % 4)


@pytest.mark.parametrize('late', [0, 77, 240, 3 * TICKS + 300, 16 * TICKS + 5])
@pytest.mark.parametrize('missing', [0, 2, 3])
def test_a_song_begins_with_its_bar(late, missing):
  notes = without(song(late, meters=[(0, 1, 4)]), missing)
  done = bars.aligned(notes)
  done.check()
  assert done.onset[0] == missing * TICKS
  assert done.meters.tolist() == [(0, 4, 4)]
  names = ('duration', 'pitch', 'velocity')
  for name in names:
    assert getattr(done, name).tolist() == getattr(notes, name).tolist()
  again = bars.aligned(done)
  assert again is done


def test_tempos_stay_where_they_were():
  tempos = [(0, 600_000), (8 * TICKS, 500_000), (20 * TICKS, 620_000)]
  notes = song(6 * TICKS + 100, tempos=tempos)
  done = bars.aligned(notes)
  assert done.onset[0] == 0
  before = time.ticks_to_seconds(notes, notes.onset)
  after = time.ticks_to_seconds(done, done.onset)
  np.testing.assert_allclose(before - before[0], after, atol=1e-9)


def test_a_backbeat():
  eighths = np.arange(128)
  hats = [(eighth / 2, 42) for eighth in eighths]
  kicks = [(beat, 36) for beat in range(0, 64, 2)]
  snares = [(beat, 38) for beat in range(1, 64, 2)]
  beat, pitch = np.array(hats + kicks + snares).T
  notes = Notes.build(
    TICKS,
    {'onset': np.rint(beat * TICKS) + 130, 'duration': 60, 'pitch': pitch},
    tracks=[Track(is_drum=True)],
    meters=[(0, 1, 4)],
  )
  beats = steady(TICKS, 130, 64)
  done = bars.aligned(notes, beats)
  assert done.onset[0] == 0
  assert done.meters.tolist() == [(0, 4, 4)]
  # Without chords, the tracked downbeats decide.
  later = bars.aligned(notes, steady(TICKS, 130, 64, places=3))
  assert later.onset[0] == 3 * TICKS
  assert len(bars.aligned(notes)) == len(notes)


def test_chords_outvote_tracked_downbeats():
  notes = song(200)
  beats = steady(TICKS, 200, 64, places=2)
  assert bars.aligned(notes, beats).onset[0] == 0


def test_what_is_cut_off_is_told_at_the_start():
  late = 9 * TICKS + 40
  notes = song(
    late,
    texts=[
      Text(0, -1, 'marker', 'intro'), Text(5, 0, 'lyric', 'la'),
      Text(10, -1, 'chord', 'F:maj'), Text(90, -1, 'chord', 'C:maj'),
      Text(late + 480, -1, 'marker', 'song'),
    ],
    keys=[(0, 2, False), (200, -1, True)],
    controls=[(100, 0, 64, 127), (100, 0, 7, 90), (late + 960, 0, 64, 0)],
    bends=[(50, 0, 100)],
  )  # fmt: skip
  done = bars.aligned(notes)
  assert done.onset[0] == 0
  assert {text[0] for text in done.texts[:3]} == {0}
  assert [text.text for text in done.chords] == ['C:maj']
  assert {text.text for text in done.texts} == {'intro', 'la', 'C:maj', 'song'}
  assert done.texts[-1].tick == 480
  assert done.keys.tolist() == [(0, -1, True)]
  assert sorted(done.controls.tolist()) == [
    (0, 0, 7, 90), (0, 0, 64, 127), (960, 0, 64, 0),
  ]  # fmt: skip
  assert done.bends.tolist() == [(0, 0, 100)]


def test_what_is_no_steady_pulse_stays():
  notes = song(100)
  drifting = steady(TICKS * 1.03, 100, 62)
  assert bars.aligned(notes, drifting) is notes
  assert bars.aligned(notes, steady(TICKS, 100, 7)) is notes
  assert bars.aligned(notes, steady(TICKS * 1.5, 100, 40)) is notes


@pytest.mark.parametrize('meter', [(3, 4), (6, 8), (5, 4), (12, 8)])
def test_a_meter_that_is_no_power_of_two_is_believed(meter):
  notes = song(100, meters=[(0, *meter)])
  assert bars.aligned(notes) is notes
  inside = song(100, meters=[(0, 4, 4), (4 * TICKS, *meter)])
  assert bars.aligned(inside) is inside
  put_right = song(100, meters=[(0, *meter), (0, 2, 4)])
  assert bars.aligned(put_right).onset[0] == 0


@pytest.mark.parametrize('onset', [[], [0], [0, 1], [0, 10**9], [5] * 9])
@pytest.mark.parametrize('drums', [False, True])
def test_few_notes_stay(onset, drums):
  notes = Notes.build(
    TICKS, {'onset': onset, 'duration': 10, 'pitch': 60},
    tracks=[Track(is_drum=drums)],
  )  # fmt: skip
  done = bars.aligned(notes)
  assert np.diff(done.onset).tolist() == np.diff(notes.onset).tolist()
  if len(set(onset)) < 2:
    assert done is notes


@hypothesis.given(
  pieces(last=9000),
  st.floats(0.2, 1.5),
  st.floats(0, 1.5),
  st.integers(8, 60),
  st.integers(0, 3),
)
def test_nothing_is_lost(notes, period, phase, count, place):
  if place % 2:  # Most meters that are drawn are left alone.
    notes = notes.replace(meters=notes.meters[:0])
  # Beats of any piece, by its own tempos: of any length, or on the ticks.
  size = notes.ticks_per_beat
  ticks = int(notes.onset.min(initial=0)) + size * np.arange(count)
  seconds = time.ticks_to_seconds(notes, ticks + round(phase * size))
  index = np.arange(count)
  uneven = phase + period * index
  for times in (uneven, seconds):
    beats = Beats(times, index, (index + place) % 4)
    done = bars.aligned(notes, beats)
    done.check()
    assert len(set((done.onset - notes.onset).tolist())) <= 1
    for name in ('duration', 'pitch', 'velocity', 'track', 'tracks', 'title'):
      assert np.array_equal(getattr(done, name), getattr(notes, name))
    if done is not notes:
      assert done.onset[0] < 4 * size
      assert time.meter_changes(done) == [(0, 4, 4)]
      words = [sorted(t.text for t in n.texts if t.kind != 'chord')
               for n in (notes, done)]  # fmt: skip
      assert words[0] == words[1]
      before = time.ticks_to_seconds(notes, notes.onset)
      after = time.ticks_to_seconds(done, done.onset)
      np.testing.assert_allclose(
        after - after[0], before - before[0], rtol=1e-9, atol=1e-6
      )


def wrong_by(labels):
  """Beats by which the labels' bar lines miss tick 0, modulo a bar."""
  bar = labels['sixteenths_per_bar'] / 4
  rest = (labels['offset_16ths'] / 4) % bar
  return min(rest, bar - rest)


@pytest.mark.slow
def test_bar_lines_are_those_of_people(shared_data):
  """Labels tell how far behind the file's tick 0 the bars begin."""
  before, after = [], []
  for folder in sorted((shared_data / 'pop909/valid').iterdir()):
    path = folder / 'structure/alignment.json'
    labels = json.loads(path.read_text()) if path.exists() else {}
    if labels.get('melody_match', 0) < 0.9 or labels['sixteenths_per_bar'] % 8:
      continue
    notes = midi.read(folder / f'{folder.name}.mid').notes
    done = bars.aligned(notes)
    moved = (done.onset[0] - notes.onset[0]) / notes.ticks_per_beat
    before.append(wrong_by(labels))
    labels['offset_16ths'] += 4 * moved
    after.append(wrong_by(labels))
  assert len(after) >= 40
  assert np.mean(np.array(before) < 0.3) < 0.4
  assert np.mean(np.array(after) < 0.3) > 0.92
