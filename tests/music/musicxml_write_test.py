"""Scores: held against the schema, against arithmetic, and read again."""

import collections
import pathlib
from fractions import Fraction
from xml.etree import ElementTree

import hypothesis
import music21
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.data import bach, musicxml
from aurl_jax.music import midi, musicxml_write, score, spelling
from aurl_jax.music.notes import Notes, Text, Track
from aurl_jax.music.rebuild import rebuilt
from aurl_jax.music.score_time import ScoreError
from tests.music import scores, xsd
from tests.music.pieces import pieces


def notes_of(*rows, beat=12, **options):
  """A piece of rows (onset, duration, pitch[, velocity[, track]])."""
  full = [(*row, *(64, 0)[len(row) - 3 :]) for row in rows]
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  columns = {name: [row[i] for row in full] for i, name in enumerate(names)}
  return Notes.build(beat, columns, **options)


def line(*values, pitch=60, **options):
  """A line of notes one behind the other; negative values are rests."""
  rows, at = [], 0
  for value in values:
    if value > 0:
      rows.append((at, value, pitch))
    at += abs(value)
  return notes_of(*rows, **options)


def sound(data):
  """Asserts that a score is valid and whole; returns its notes."""
  assert xsd.musicxml().faults(data) == []
  assert scores.structure(data) == []
  return scores.heard(data)


def wanted(notes):
  """Rows (part, onset, duration, pitch) in quarter notes."""
  used = sorted(set(notes.track.tolist()))
  names = ('track', 'onset', 'duration', 'pitch')
  return sorted(
    (
      used.index(track),
      Fraction(onset, notes.ticks_per_beat),
      Fraction(length, notes.ticks_per_beat),
      pitch,
    )
    for track, onset, length, pitch in zip(
      *(getattr(notes, name).tolist() for name in names), strict=True
    )
  )


def written(data, part=0):
  """What a reader sees of a part: value, dots, tuplet and ties of each."""
  root = ElementTree.fromstring(data)
  found = []
  for note in root.findall('part')[part].iter('note'):
    word = note.findtext('type') or 'whole bar'
    word += '.' * len(note.findall('dot'))
    if note.find('time-modification') is not None:
      word += f' {note.findtext("time-modification/actual-notes")}'
    if note.find('rest') is not None:
      word = f'({word})'
    if any(tie.get('type') == 'start' for tie in note.findall('tie')):
      word += '-'
    found.append(word)
  return found


METERS = [(4, 4), (3, 4), (2, 4), (6, 8), (9, 8), (12, 8), (5, 4), (7, 8),
          (2, 2), (3, 8), (6, 4)]  # fmt: skip


@st.composite
def gridded(draw):
  """Music on the grid of the tokenizers: 12 or 24 cells a beat."""
  beat = draw(st.sampled_from([12, 24]))
  meters = draw(st.lists(st.sampled_from(METERS), min_size=1, max_size=3))
  changes, at = [], 0
  for top, bottom in meters:
    changes.append((at, top, bottom))
    at += 4 * beat * top // bottom * draw(st.integers(1, 3))
  rows, ends = [], {}
  for _ in range(draw(st.integers(1, 30))):
    track, pitch = draw(st.integers(0, 1)), draw(st.integers(21, 108))
    onset = ends.get((track, pitch), 0) + draw(st.integers(0, 4 * beat))
    length = draw(st.integers(1, 5 * beat))
    rows.append((onset, length, pitch, draw(st.integers(1, 127)), track))
    ends[track, pitch] = onset + length
  return notes_of(
    *rows,
    beat=beat,
    meters=changes,
    keys=[(0, draw(st.integers(-7, 7)), draw(st.booleans()))],
    tracks=[Track(program=draw(st.sampled_from([0, 40]))), Track('x', 33)],
    texts=[Text(draw(st.integers(0, at)), -1, 'chord', 'F#m7b5/E')],
    tempos=[(draw(st.integers(0, at)), 487_311)],
  )


@hypothesis.given(gridded())
def test_music_on_a_grid_comes_back_exactly(piece):
  data = musicxml_write.write(piece)
  assert sound(data) == wanted(piece)
  assert data == musicxml_write.write(piece)
  back = musicxml.parse(data)
  used = sorted(set(piece.track.tolist()))
  read = musicxml.to_notes(
    back, {place: piece.tracks[track] for place, track in enumerate(used)}
  )
  assert wanted(read) == wanted(piece)


def small_meters(piece):
  return all(d <= 64 for _, _, d in piece.meters.tolist())


@hypothesis.given(
  pieces(nested=True, last=4000, most=12, ticks_per_beat=480).filter(
    small_meters
  )
)
def test_any_piece_is_a_valid_score(piece):
  low = ~piece.is_drum & (piece.pitch < 24)
  piece = rebuilt(piece, {'pitch': np.where(low, 24, piece.pitch)})
  heard = sound(musicxml_write.write(piece))
  assert bool(heard) == bool(len(piece))
  # No part plays a pitch twice at a time.
  ends = collections.defaultdict(Fraction)
  for part, onset, length, pitch in heard:
    assert onset >= ends[part, pitch]
    ends[part, pitch] = onset + length


@hypothesis.given(
  gridded(), st.lists(st.floats(-0.03, 0.03), min_size=60, max_size=60)
)
def test_played_music_moves_less_than_a_16th(piece, jitter):
  """Hands that are 3 % of a beat off are rounded to what was meant."""
  fine = 40
  onset = piece.onset * fine
  beat = piece.ticks_per_beat * fine
  moved = onset + np.rint(np.array(jitter)[: len(onset)] * beat).astype(int)
  played = Notes.build(
    beat,
    {
      'onset': np.maximum(moved, 0),
      'duration': piece.duration * fine,
      'pitch': piece.pitch,
      'track': piece.track,
    },
    tracks=piece.tracks,
  )
  heard = sound(musicxml_write.write(played))
  raw = wanted(played)
  for part in {row[0] for row in heard}:
    ours = sorted((row[3], row[1]) for row in heard if row[0] == part)
    theirs = sorted((row[3], row[1]) for row in raw if row[0] == part)
    near = collections.defaultdict(list)
    for pitch, at in theirs:
      near[pitch].append(at)
    for pitch, at in ours:
      assert min(abs(at - other) for other in near[pitch]) <= Fraction(1, 4)


VALUES = [
  # 12 cells a quarter.
  ((48,), (4, 4), ['whole']),
  ((36,), (3, 4), ['half.']),
  ((42, 6), (4, 4), ['half-', 'quarter.', 'eighth']),
  ((6, 12, 6, 24), (4, 4), ['eighth', 'quarter', 'eighth', 'half']),
  ((18, 12, 18), (4, 4),
   ['quarter.', 'eighth-', 'eighth', 'eighth-', 'quarter']),
  ((12, 24, 12), (4, 4), ['quarter', 'half', 'quarter']),
  ((3, 6, 3, 9, 3, 24), (4, 4),
   ['16th', 'eighth', '16th', 'eighth.', '16th', 'half']),
  ((4, 4, 4, 36), (4, 4), ['eighth 3'] * 3 + ['quarter-', 'half']),
  ((8, 8, 8, 24), (4, 4), ['quarter 3'] * 3 + ['half']),
  ((6, 2, 2, 2, 36), (4, 4),
   ['eighth'] + ['16th 3'] * 3 + ['quarter-', 'half']),
  ((8, 4, 36), (4, 4), ['quarter 3', 'eighth 3', 'quarter-', 'half']),
  ((18, 18), (6, 8), ['quarter.', 'quarter.']),
  ((6, 12, 12, 6), (6, 8), ['eighth', 'quarter', 'quarter', 'eighth']),
  ((36, 36), (12, 8), ['half.', 'half.']),
  ((12, -36), (4, 4), ['quarter', '(quarter)', '(half)']),
  ((60, 12, 24), (4, 4), ['whole-', 'quarter', 'quarter', 'half']),
]  # fmt: skip


@pytest.mark.parametrize(('lengths', 'meter', 'looks'), VALUES)
def test_values_are_written_as_musicians_do(lengths, meter, looks):
  piece = line(*lengths, meters=[(0, *meter)])
  data = musicxml_write.write(piece)
  assert sound(data) == wanted(piece)
  assert written(data) == looks


def test_beams_join_beats():
  piece = line(6, 6, 3, 3, 6, 9, 3, 12, meters=[(0, 4, 4)])
  root = ElementTree.fromstring(musicxml_write.write(piece))
  found = [
    ' '.join(beam.text for beam in note.findall('beam'))
    for note in root.iter('note')
  ]
  assert found == [
    'begin', 'end', 'begin begin', 'continue end', 'end', 'begin',
    'end backward hook', '',
  ]  # fmt: skip


def test_a_pickup_is_bar_0_of_the_meter_to_come():
  piece = line(12, 48, 48, meters=[(0, 1, 4), (12, 4, 4)])
  data = musicxml_write.write(piece)
  assert sound(data) == wanted(piece)
  measures = ElementTree.fromstring(data).findall('part/measure')
  assert [m.get('number') for m in measures] == ['0', '1', '2']
  assert measures[0].findtext('attributes/time/beats') == '4'
  assert measures[1].find('attributes') is None
  read = musicxml.to_notes(musicxml.parse(data), {0: Track()})
  assert [tuple(m)[1:] for m in read.meters.tolist()] == [(1, 4), (4, 4)]


def test_one_hand_has_one_staff_without_a_number():
  data = musicxml_write.write(notes_of(*((12 * n, 12, 72) for n in range(4))))
  root = ElementTree.fromstring(data)
  assert root.find('part/measure/attributes/staves') is None
  (clef,) = root.iter('clef')
  assert clef.get('number') is None


def test_two_hands_have_two_staves():
  # A bass of fifths below, a melody that comes down to meet it.
  rows = [(12 * n, 12, p) for n, p in enumerate([43, 50, 43, 48, 43, 50])]
  tune = [(12 * n, 12, p) for n, p in enumerate([79, 76, 72, 67, 64, 62])]
  data = musicxml_write.write(notes_of(*rows, *tune))
  sound(data)
  root = ElementTree.fromstring(data)
  assert root.findtext('part/measure/attributes/staves') == '2'
  signs = [clef.findtext('sign') for clef in root.iter('clef')]
  assert signs == ['G', 'F']
  hands = collections.defaultdict(list)
  for note in root.iter('note'):
    if note.find('pitch') is not None:
      octave = int(note.findtext('pitch/octave'))
      step = scores.STEPS[note.findtext('pitch/step')]
      hands[note.findtext('staff')].append(12 * octave + 12 + step)
  assert hands == {'1': [row[2] for row in tune], '2': [r[2] for r in rows]}


def test_names_follow_the_key_and_accidentals_hold_for_a_bar():
  # E flat minor, a passing natural, and the leading note D natural.
  scale = [63, 65, 66, 68, 70, 71, 74, 75, 70, 71, 72, 71]
  rows = [(12 * n, 12, pitch) for n, pitch in enumerate(scale)]
  data = musicxml_write.write(notes_of(*rows, keys=[(0, -6, True)]))
  assert [row[3] for row in sound(data)] == scale
  root = ElementTree.fromstring(data)
  names = [
    note.findtext('pitch/step')
    + {'-1': 'b', '0': '', '1': '#', None: ''}[note.findtext('pitch/alter')]
    for note in root.iter('note')
  ]
  assert names == ['Eb', 'F', 'Gb', 'Ab', 'Bb', 'Cb', 'D', 'Eb', 'Bb', 'Cb',
                   'C', 'Cb']  # fmt: skip
  signs = [note.findtext('accidental') for note in root.iter('note')]
  assert signs == [None] * 6 + ['natural', None, None, None, 'natural', 'flat']


def test_chords_markers_tempos_and_words_stand_where_they_belong():
  piece = notes_of(
    (0, 24, 60, 64, 1), (24, 24, 62, 64, 1), (0, 48, 50),
    tracks=[Track('Piano'), Track('Voice', 53)],
    tempos=[(0, 600_000), (12, 590_000), (24, 300_000)],
    texts=[
      Text(0, -1, 'marker', 'A <verse>'),
      Text(0, -1, 'chord', 'Bb:min7/b3'),
      Text(36, -1, 'chord', 'F#7'),
      Text(42, -1, 'chord', 'N'),
      Text(24, 1, 'lyric', 'love\x07'),
    ],
    title='Song & dance',
  )  # fmt: skip
  data = musicxml_write.write(piece)
  sound(data)
  root = ElementTree.fromstring(data)
  assert root.findtext('work/work-title') == 'Song & dance'
  assert [n.text for n in root.iter('part-name')] == ['Piano', 'Voice']
  assert root.findtext('.//rehearsal') == 'A <verse>'
  assert [m.findtext('per-minute') for m in root.iter('metronome')] == [
    '100', '200',
  ]  # fmt: skip
  assert [float(s.get('tempo')) for s in root.iter('sound')] == pytest.approx(
    [100, 60e6 / 590_000, 200], abs=1e-3
  )
  harmonies = root.findall('part/measure/harmony')
  told = [
    (h.findtext('root/root-step'), h.findtext('root/root-alter'),
     h.findtext('kind'), h.findtext('bass/bass-step'),
     h.findtext('bass/bass-alter'))
    for h in harmonies
  ]  # fmt: skip
  assert told == [
    ('B', '-1', 'minor-seventh', 'D', '-1'),
    ('F', '1', 'dominant', None, None),
    ('C', None, 'none', None, None),
  ]
  read = music21.converter.parseData(data, format='musicxml')
  offsets = [
    float(h.getOffsetInHierarchy(read))
    for h in read.recurse().getElementsByClass(music21.harmony.Harmony)
  ]
  assert offsets == [0.0, 3.0, 3.5]
  sung = root.findall('part')[1].findall('.//lyric')
  assert [lyric.findtext('text') for lyric in sung] == ['love']


def test_drums_stand_on_a_staff_of_their_own_and_are_heard():
  piece = notes_of(
    (0, 1, 36), (0, 1, 42), (6, 1, 42), (12, 1, 38), (12, 1, 42), (18, 1, 81),
    tracks=[Track('kit', 0, True)],
  )  # fmt: skip
  data = musicxml_write.write(piece)
  heard = [(onset, pitch) for _, onset, _, pitch in sound(data)]
  assert heard == [(row[1], row[3]) for row in wanted(piece)]
  root = ElementTree.fromstring(data)
  assert root.findtext('.//clef/sign') == 'percussion'
  heads = [note.findtext('notehead') for note in root.iter('note')][:5]
  assert heads == [None, 'x', 'x', None, 'x']
  read = musicxml.to_notes(musicxml.parse(data), {0: piece.tracks[0]})
  assert read.pitch.tolist() == piece.pitch.tolist()


def test_quintuplets_and_mixed_beats_come_back():
  # 60 cells a beat: five, seven would need 420; then three against four.
  piece = notes_of(
    *((12 * n, 12, 60) for n in range(5)),
    *((60 + 20 * n, 20, 60) for n in range(3)),
    *((60 + 15 * n, 15, 40) for n in range(4)),
    beat=60,
  )
  data = musicxml_write.write(piece)
  assert sound(data) == wanted(piece)


def test_what_no_score_holds_is_refused():
  with pytest.raises(ScoreError, match='meter 3/128') as caught:
    musicxml_write.write(notes_of((0, 12, 60), meters=[(0, 3, 128)]))
  assert caught.value.code == 'meter'
  with pytest.raises(ScoreError, match='pitch 11 of track 0') as caught:
    musicxml_write.write(notes_of((0, 12, 11)))
  assert caught.value.code == 'pitch'
  with pytest.raises(ScoreError, match='slice_bars') as caught:
    musicxml_write.write(notes_of((0, 10**8, 60)))
  assert caught.value.code == 'too_long'


def test_nothing_to_play_is_a_bar_of_rest():
  data = musicxml_write.write(Notes.build(480))
  assert sound(data) == []
  assert written(data) == ['(whole bar)']


def test_a_path_is_written(tmp_path):
  piece = notes_of((0, 12, 60))
  data = musicxml_write.write(piece, tmp_path / 'a.musicxml')
  assert (tmp_path / 'a.musicxml').read_bytes() == data


def test_music21_reads_the_same_notes():
  piece = notes_of(
    (0, 30, 60), (0, 30, 64), (30, 2, 65), (32, 4, 67), (36, 60, 72),
    (0, 8, 40, 64, 1), (8, 8, 41, 64, 1), (16, 8, 43, 64, 1),
    (24, 80, 45, 64, 1), (50, 20, 52, 64, 1),
    tracks=[Track(), Track('bass', 32)], meters=[(0, 3, 4)],
  )  # fmt: skip
  assert scores.by_music21(musicxml_write.write(piece)) == wanted(piece)


@pytest.mark.slow
def test_files_of_real_music_are_valid_scores(shared_data):
  for name in ('pop909', 'openscore_lieder', 'groove', 'nottingham'):
    paths = sorted((shared_data / name).rglob('*.mid'))
    for path in paths[:: len(paths) // 2][:2]:
      sound(musicxml_write.write(midi.read(path).notes))


def test_chorales_are_spelled_as_bach_did():
  """Of ten chorales 99 % of the names are those of the printed score."""
  right = total = 0
  for path in sorted(bach.corpus().glob('*.mxl'))[:200:20]:
    steps = _printed(path)
    notes = bach.read(path)
    names = {
      (int(o) * 10_080 // notes.ticks_per_beat, int(p)): spelling.name(place)
      for o, p, place in _spelled(notes)
    }
    for at, pitch, step, alter in steps:
      if (at, pitch) in names:
        total += 1
        right += names[at, pitch] == (step, alter)
  assert total > 1500
  assert right / total > 0.99, right / total


def _printed(path):
  """(position, pitch, letter, alter) of each head of a score, plainly read."""
  data = pathlib.Path(path).read_bytes()
  root = ElementTree.fromstring(musicxml._unzip(data))
  for part in root.findall('part'):
    start, size = 0, 1
    for measure in part.findall('measure'):
      size = int(measure.findtext('attributes/divisions') or size)
      at = before = furthest = 0
      for element in measure:
        if element.find('grace') is not None:
          continue
        length = int(element.findtext('duration') or 0) * 10_080 // size
        if element.tag == 'backup':
          at -= length
        elif element.tag == 'forward':
          at += length
        elif element.tag == 'note':
          if element.find('chord') is None:
            before, at = at, at + length
          pitch = element.find('pitch')
          if pitch is not None:
            step = pitch.findtext('step')
            alter = int(pitch.findtext('alter') or 0)
            octave = int(pitch.findtext('octave'))
            number = 12 * (octave + 1) + scores.STEPS[step] + alter
            yield start + before, number, step, alter
        furthest = max(furthest, at)
      start += furthest


def _spelled(notes):
  built = score.build(notes)
  return zip(
    built.notes.onset * notes.ticks_per_beat // 10_080,
    built.notes.pitch,
    built.places.tolist(),
    strict=True,
  )


def test_the_judges_see_faults():
  """Each of these changes breaks a score, and is seen."""
  good = musicxml_write.write(line(8, 8, 8, 6, 60, 6)).decode()
  schema = xsd.musicxml()
  assert schema.faults(good) == []
  broken = [
    good.replace('<step>C</step>', '<step>H</step>', 1),
    good.replace('<voice>1</voice>', '', 1).replace('<dot />', '<dots />', 1),
    good.replace('dynamics="71.11"', 'dynamics="loud"', 1),
    good.replace('type="start"', 'type="begin"', 1),
    good.replace('<part id="P1">', '<part id="P2">', 1),
    good.replace('<octave>4</octave>', '<octave>4</octave>4', 1),
    good.replace('number="1"', 'name="1"', 1),
  ]
  for text in broken:
    assert text != good
    assert schema.faults(text), text[:400]
  values = [
    good.replace('<duration>4<', '<duration>3<', 1),
    good.replace('<actual-notes>3<', '<actual-notes>5<', 1),
    good.replace('>begin</beam>', '>continue</beam>', 1),
    good.replace('<type>half<', '<type>quarter<', 1),
  ]
  for text in values:
    assert text != good
    assert scores.structure(text), text[:400]
  with pytest.raises((AssertionError, KeyError)):
    scores.heard(good.replace('<tie type="stop" />', '', 1))
