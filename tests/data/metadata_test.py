import json
import os

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurl_jax.data import metadata, sources
from aurl_jax.data.metadata import Metadata
from aurl_jax.music import midi, note_sequence
from aurl_jax.music.notes import Notes, Text


def write(path, *texts, title=''):
  """Writes a MIDI file with metas (type, text) by mido."""
  path.parent.mkdir(parents=True, exist_ok=True)
  file = mido.MidiFile()
  track = mido.MidiTrack()
  file.tracks.append(track)
  if title:
    track.append(mido.MetaMessage('track_name', name=title))
  for kind, text in texts:
    track.append(mido.MetaMessage(kind, text=text))
  track = mido.MidiTrack()
  file.tracks.append(track)
  track.append(mido.Message('note_on', note=60, velocity=64))
  track.append(mido.Message('note_off', note=60, time=480))
  file.save(path)
  return path


def tell(path, **values):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(values))


def found(path, root):
  [source] = [
    source
    for source in sources.folder(root)
    if source.name == path.relative_to(root).as_posix()
  ]
  return source.metadata(source.read().notes.title)


def test_the_nearest_word_holds_field_by_field(tmp_path):
  root = tmp_path / 'corpus'
  path = write(
    root / 'Haydn' / 'quartets' / 'a.mid',
    ('text', 'Composer: somebody'),
    ('copyright', '(c) 1999 Me'),
    title='Track title',
  )
  told = found(path, root)
  assert told == metadata.Told(
    Metadata(
      title='Track title',
      composers=('somebody',),
      licence='(c) 1999 Me',
      source='corpus',
    )
  )
  tell(root / 'metadata.json', folders=['composer', 'genre'], licence='CC0')
  known = found(path, root).metadata
  assert (known.composers, known.genres, known.licence) == (
    ('Haydn',),
    ('quartets',),
    'CC0',
  )
  entry = {'title': 'From the list', 'source': 'a shop'}
  tell(
    root / 'Haydn' / 'metadata.json',
    license='CC BY 4.0',
    files={'quartets/a.mid': entry},
  )
  known = found(path, root).metadata
  assert (known.title, known.source) == ('From the list', 'a shop')
  assert (known.licence, known.composers) == ('CC BY 4.0', ('Haydn',))
  tell(
    path.with_suffix('.json'),
    title='Lark',
    composer=['Joseph Haydn', 'Joseph  Haydn'],
    kind='score',
    anything={'else': 1},
  )
  known = found(path, root).metadata
  assert known == Metadata(
    title='Lark',
    composers=('Joseph Haydn',),
    genres=('quartets',),
    source='a shop',
    licence='CC BY 4.0',
    kind='score',
  )


def test_a_sidecar_above_the_folder_does_not_count(tmp_path):
  path = write(tmp_path / 'corpus' / 'a.mid')
  tell(tmp_path / 'metadata.json', title='outside')
  assert found(path, tmp_path / 'corpus').metadata.title == ''
  assert found(path, tmp_path).metadata.title == 'outside'


@pytest.mark.parametrize(
  ('data', 'code', 'says'),
  [
    (b'{"title": ', 'sidecar', 'no JSON'),
    (b'\xff\xfe\x00', 'sidecar', 'no JSON'),
    (b'[' * 100_000, 'sidecar', 'no JSON'),
    (b'[1, 2]', 'sidecar', 'a list where an object'),
    (b'{"title": 5, "artist": "Me"}', 'sidecar_field', "'title' is not text"),
    (b'{"composer": ["a", 5], "artist": "Me"}', 'sidecar_field', 'composer'),
    (b'{"kind": "live", "artist": "Me"}', 'sidecar_field', 'performance'),
  ],
)
@pytest.mark.parametrize('name', ['a.json', 'metadata.json'])
def test_a_bad_sidecar_is_an_issue_and_the_rest_is_kept(
  tmp_path, name, data, code, says
):
  path = write(tmp_path / 'a.mid', title='In the file')
  (tmp_path / name).write_bytes(data)
  told = found(path, tmp_path)
  [issue] = told.issues
  assert (issue.code, issue.where) == (code, name)
  assert says in issue.action
  assert told.metadata.title == 'In the file'
  assert told.metadata.artist == ('Me' if b'Me' in data else '')


@pytest.mark.parametrize(
  ('values', 'says'),
  [
    ({'files': [1]}, 'files'),
    ({'folders': 'composer'}, 'folders'),
    ({'files': {'a.mid': 'x'}}, 'a str where'),
  ],
)
def test_a_bad_part_of_a_folders_sidecar_is_an_issue(tmp_path, values, says):
  path = write(tmp_path / 'a.mid')
  tell(tmp_path / 'metadata.json', artist='Me', **values)
  told = found(path, tmp_path)
  [issue] = told.issues
  assert says in issue.action
  assert told.metadata.artist == 'Me'


def test_a_sidecar_that_is_large_or_cannot_be_read(tmp_path, monkeypatch):
  path = write(tmp_path / 'a.mid')
  tell(tmp_path / 'a.json', title='t' * 1000)
  assert len(found(path, tmp_path).metadata.title) == metadata.LONGEST
  monkeypatch.setattr(metadata, '_MAX_BYTES', 100)
  os.utime(tmp_path / 'a.json', ns=(1, 1))
  assert 'over' in found(path, tmp_path).issues[0].action


def test_karaoke_texts_tell_title_and_artist(tmp_path):
  path = write(
    tmp_path / 'a.kar',
    ('text', '@KMIDI KARAOKE FILE'),
    ('text', '@TYellow'),
    ('text', '@TThe Band'),
    ('text', '@TMore'),
    ('text', 'Genre: pop'),
  )
  known = found(path, tmp_path).metadata
  assert (known.title, known.artist, known.genres) == (
    'Yellow',
    'The Band',
    ('pop',),
  )


@pytest.mark.parametrize(
  ('text', 'field', 'value'),
  [
    ('Composer: X Y', 'composers', ('X Y',)),
    ('music by X', 'composers', ('X',)),
    ('Composed by: X', 'composers', ('X',)),
    ('STYLE = jazz', 'genres', ('jazz',)),
    ('License: CC0', 'licence', 'CC0'),
    ('Title track of a film', 'title', ''),
    ('music bytes', 'composers', ()),
    ('Source:', 'source', 'here'),
  ],
)
def test_texts_say_what_they_state(tmp_path, text, field, value):
  path = write(tmp_path / 'here' / 'a.mid', ('text', text))
  known = found(path, tmp_path / 'here').metadata
  assert getattr(known, field) == value


def test_texts_in_odd_encodings_and_of_any_length(tmp_path):
  path = write(tmp_path / 'a.mid', ('copyright', 'x' * 300 + '\xe9'))
  assert metadata.of_midi(path.read_bytes()).licence == 'x' * 300 + '\xe9'


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_any_bytes_are_read_to_an_end(head, tail):
  data = head + b'MTrk\0\0\0\x09\0\xff\x02' + tail
  assert isinstance(metadata.of_midi(data), Metadata)


line = st.text(
  st.characters(codec='utf-8', exclude_categories=['C', 'Z']), max_size=20
)
lines = st.lists(line.filter(bool), max_size=3).map(tuple)


@given(
  st.builds(
    Metadata,
    title=line,
    artist=line,
    composers=lines,
    genres=lines,
    source=line,
    licence=line,
    kind=st.sampled_from(['', *metadata.KINDS]),
  )
)
def test_a_record_keeps_all_of_it_and_the_music(known):
  notes = Notes.build(
    480,
    {'onset': [0], 'duration': 480, 'pitch': 60},
    texts=[Text(0, -1, 'marker', 'licence@-1:mine')],
  )
  proto = note_sequence.to_note_sequence(notes, id='a')
  metadata.put(known, proto)
  proto = type(proto).FromString(proto.SerializeToString())
  assert metadata.get(proto) == known
  back = note_sequence.from_note_sequence(proto)
  assert back == notes.replace(title=known.title)


def test_a_digest_follows_the_sidecars_and_nothing_else(tmp_path):
  path = write(tmp_path / 'a.mid')
  [source] = sources.folder(tmp_path)
  seen = [source.digest()]
  (tmp_path / 'other.json').write_text('{}')
  assert source.digest() == seen[0] == metadata.digest(path)
  tell(tmp_path / 'a.json', title='one')
  seen.append(source.digest())
  tell(tmp_path / 'a.json', title='another')
  seen.append(source.digest())
  tell(tmp_path / 'metadata.json', title='another')
  seen.append(source.digest())
  assert len(set(seen)) == 4
  assert source.digest() == seen[-1]


def test_a_source_that_cannot_tell_has_its_title():
  notes = Notes.build(4, title='Mine')
  told = metadata.describe(object(), notes.title)
  assert told == metadata.Told(Metadata(title='Mine'))


def test_nothing_is_read_before_it_is_asked_for(tmp_path, monkeypatch):
  write(tmp_path / 'a.mid')
  tell(tmp_path / 'a.json', title='one')
  monkeypatch.setattr(metadata, '_load', None)
  [source] = sources.folder(tmp_path)
  assert midi.read(source.path).notes == source.read().notes
