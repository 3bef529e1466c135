import io
import resource
import zipfile

import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.data import musicxml
from aurl_jax.music.notes import Track


def head(pitch='C4', duration=4, *, tie='', chord=False, extra=''):
  ties = ''.join(f'<tie type="{kind}"/>' for kind in tie.split())
  sign = '<chord/>' if chord else ''
  if pitch == 'rest':
    sound = '<rest/>'
  else:
    alter = f'<alter>{pitch.count("#")}</alter>' if '#' in pitch else ''
    sound = (
      f'<pitch><step>{pitch[0]}</step>{alter}'
      f'<octave>{pitch[-1]}</octave></pitch>'
    )
  return (
    f'<note>{extra}{sign}{sound}<duration>{duration}</duration>{ties}</note>'
  )


def attributes(divisions=4, meter='4/4', fifths=None, mode='major'):
  beats, unit = meter.split('/')
  key = (
    ''
    if fifths is None
    else f'<key><fifths>{fifths}</fifths><mode>{mode}</mode></key>'
  )
  return (
    f'<attributes><divisions>{divisions}</divisions>{key}<time>'
    f'<beats>{beats}</beats><beat-type>{unit}</beat-type></time></attributes>'
  )


def score(*parts, title='A title'):
  names = ''.join(
    f'<score-part id="P{i}"><part-name>Voice {i}</part-name></score-part>'
    for i in range(len(parts))
  )
  bodies = ''.join(
    f'<part id="P{i}">'
    + ''.join(f'<measure>{measure}</measure>' for measure in part)
    + '</part>'
    for i, part in enumerate(parts)
  )
  return (
    f'<score-partwise><movement-title>{title}</movement-title>'
    f'<part-list>{names}</part-list>{bodies}</score-partwise>'
  ).encode()


def notes_of(*parts):
  parsed = musicxml.parse(score(*parts))
  return musicxml.to_notes(
    parsed, {i: Track(f'v{i}', 52) for i in range(len(parts))}
  )


def rows(notes):
  return list(
    zip(
      notes.onset.tolist(),
      notes.duration.tolist(),
      notes.pitch.tolist(),
      notes.track.tolist(),
      strict=True,
    )
  )


def test_notes_rests_and_accidentals():
  notes = notes_of(
    [attributes() + head('C4', 4) + head('rest', 2) + head('F#5', 10)]
  )
  assert notes.ticks_per_beat == 480
  assert rows(notes) == [(0, 480, 60, 0), (720, 1200, 78, 0)]
  assert notes.title == 'A title'
  assert notes.tracks == (Track('v0', 52),)


def test_ties_join_over_bar_lines_and_only_equal_pitches():
  notes = notes_of(
    [
      attributes() + head('C4', 16, tie='start'),
      head('C4', 8, tie='stop start') + head('C4', 8, tie='stop'),
      head('C4', 8) + head('D4', 8, tie='stop'),
    ]
  )
  assert rows(notes) == [
    (0, 3840, 60, 0),
    (3840, 960, 60, 0),
    (4800, 960, 62, 0),
  ]


def test_chords_and_second_voices_stand_where_they_begin():
  notes = notes_of(
    [
      attributes()
      + head('C4', 8)
      + head('E4', 8, chord=True)
      + head('G4', 8)
      + '<backup><duration>16</duration></backup>'
      + '<forward><duration>4</duration></forward>'
      + head('C3', 12)
    ]
  )
  assert rows(notes) == [
    (0, 960, 60, 0),
    (0, 960, 64, 0),
    (480, 1440, 48, 0),
    (960, 960, 67, 0),
  ]


def test_grace_notes_take_no_time_and_are_left_out():
  grace = '<note><grace/><pitch><step>D</step><octave>4</octave></pitch></note>'
  assert rows(notes_of([attributes() + grace + head('C4', 16)])) == [
    (0, 1920, 60, 0)
  ]


def meters(notes):
  return [tuple(row) for row in notes.meters.tolist()]


def test_a_pickup_is_a_bar_of_its_own_length():
  notes = notes_of([attributes() + head(duration=4), head(duration=16)])
  assert meters(notes) == [(0, 1, 4), (480, 4, 4)]
  eighth = notes_of([attributes() + head(duration=2), head(duration=16)])
  assert meters(eighth) == [(0, 1, 8), (240, 4, 4)]


def test_a_bar_that_a_repeat_splits_is_one_bar():
  notes = notes_of(
    [
      attributes() + head(duration=16),
      head(duration=12),
      head(duration=4),
      head(duration=16),
    ]
  )
  assert meters(notes) == [(0, 4, 4)]


def test_a_short_bar_in_the_middle_restarts_the_bars():
  notes = notes_of(
    [attributes() + head(duration=16), head(duration=12), head(duration=16)]
  )
  assert meters(notes) == [(0, 4, 4), (1920, 3, 4), (3360, 4, 4)]


def test_the_last_bar_may_be_short():
  notes = notes_of([attributes() + head(duration=16), head(duration=12)])
  assert meters(notes) == [(0, 4, 4)]


def test_meter_and_key_changes():
  notes = notes_of(
    [
      attributes(fifths=-3, mode='minor') + head(duration=16),
      attributes(meter='3/4', fifths=2) + head(duration=12),
      head(duration=12),
    ]
  )
  assert meters(notes) == [(0, 4, 4), (1920, 3, 4)]
  assert notes.keys.tolist() == [(0, -3, True), (1920, 2, False)]


def test_divisions_may_change_and_tuplets_stay_exact():
  notes = notes_of(
    [
      attributes(divisions=3) + head(duration=1) * 3 + head(duration=9),
      attributes(divisions=7) + head(duration=1) * 7 + head(duration=21),
    ]
  )
  assert notes.ticks_per_beat == 10_080
  assert notes.onset[:4].tolist() == [0, 3360, 6720, 10_080]
  assert (notes.onset[5] - notes.onset[4], notes.duration[4]) == (1440, 1440)


def test_a_part_that_leaves_out_rests_keeps_its_place():
  notes = notes_of(
    [attributes() + head('C5', 16), head('D5', 16)],
    [attributes() + head('C3', 4), head('D3', 16)],
  )
  assert rows(notes) == [
    (0, 1920, 72, 0),
    (0, 480, 48, 1),
    (1920, 1920, 74, 0),
    (1920, 1920, 50, 1),
  ]


def test_parts_of_different_measures_are_refused():
  parsed = musicxml.parse(
    score([attributes() + head()], [attributes() + head(), head()])
  )
  with pytest.raises(DataError, match='number of measures'):
    musicxml.to_notes(parsed, {0: Track()})


def test_a_zip_is_opened():
  data = io.BytesIO()
  with zipfile.ZipFile(data, 'w') as archive:
    archive.writestr(
      'META-INF/container.xml',
      '<container><rootfiles><rootfile full-path="a.xml"/></rootfiles>'
      '</container>',
    )
    archive.writestr('a.xml', score([attributes() + head()]))
  assert musicxml.parse(data.getvalue()).parts[0].name == 'Voice 0'


def zipped(name, content, method=zipfile.ZIP_DEFLATED):
  data = io.BytesIO()
  with zipfile.ZipFile(data, 'w', method) as archive:
    archive.writestr(
      'META-INF/container.xml',
      f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles>'
      '</container>',
    )
    archive.writestr('a.xml', content)
  return data.getvalue()


def test_bombs_in_zips_are_not_unpacked():
  bomb = zipped('a.xml', b' ' * (65 << 20))
  assert len(bomb) < 100_000
  before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  with pytest.raises(DataError, match='more than'):
    musicxml.parse(bomb)
  grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
  assert grown < 32 << 10, 'KiB'
  # One that tells a smaller size gives no more than that.
  lie = bomb.replace(
    (65 << 20).to_bytes(4, 'little'), (1 << 10).to_bytes(4, 'little')
  )
  assert lie != bomb
  with pytest.raises(DataError):
    musicxml.parse(lie)


@pytest.mark.parametrize('name', ['../../etc/passwd', '/etc/passwd', '', 'b'])
def test_a_zip_names_only_what_is_in_it(name):
  with pytest.raises(DataError, match='not MusicXML'):
    musicxml.parse(zipped(name, score([attributes() + head()])))


def test_a_zip_that_cannot_be_read_is_refused():
  good = zipped('a.xml', score([attributes() + head()]))
  empty = io.BytesIO()
  with zipfile.ZipFile(empty, 'w') as archive:
    archive.writestr('META-INF/container.xml', '<container/>')
  encrypted = bytearray(good)
  at = encrypted.rindex(b'PK\x01\x02')
  encrypted[at + 8] |= 1
  unknown = bytearray(good)
  unknown[at + 10] = 99
  for data in (empty.getvalue(), bytes(encrypted), bytes(unknown)):
    with pytest.raises(DataError, match='not MusicXML'):
      musicxml.parse(data)


def test_entities_are_neither_multiplied_nor_fetched(tmp_path):
  laughs = b'<!ENTITY a0 "aaaaaaaaaa">' + b''.join(
    b'<!ENTITY a%d "%s">' % (i, b'&a%d;' % (i - 1) * 10) for i in range(1, 10)
  )
  secret = tmp_path / 'secret'
  secret.write_text('secret')
  told = f'<!ENTITY a9 SYSTEM "{secret.as_uri()}">'.encode()
  for entities in (laughs, told):
    data = (
      b'<?xml version="1.0"?><!DOCTYPE score-partwise ['
      + entities
      + b']><score-partwise><work><work-title>&a9;</work-title></work>'
      b'</score-partwise>'
    )
    with pytest.raises(DataError) as caught:
      musicxml.parse(data)
    assert 'secret' not in str(caught.value).replace(str(secret), '')


@pytest.mark.parametrize(
  'data',
  [
    b'',
    b'PK\x03\x04 no zip',
    b'<score-timewise/>',
    b'<score-partwise><part><measure><note>',
    score(['<attributes><divisions>0</divisions></attributes>']),
    score(['<attributes><divisions>11</divisions></attributes>']),
    score([attributes() + head(pitch='H4')]),
    score([attributes() + head(duration='x')]),
  ],
)
def test_what_is_no_score_is_refused(data):
  with pytest.raises(DataError) as caught:
    musicxml.parse(data)
  assert caught.value.code == 'musicxml'
