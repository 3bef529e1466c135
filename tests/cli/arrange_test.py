"""`aurl arrange`, from a file to a folder."""

import json

import numpy as np
import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

VOICES = Notes.build(
  480,
  {
    'onset': np.repeat(np.arange(8) * 480, 2),
    'duration': 480,
    'pitch': np.tile([76, 50], 8),
    'track': np.tile([0, 1], 8),
  },
)


@pytest.fixture
def song(tmp_path):
  path = tmp_path / 'song.mid'
  midi.write(VOICES, path)
  return str(path)


def test_a_file_is_played_by_others_and_by_people(song, tmp_path, capsys):
  out = tmp_path / 'out'
  words = ['--instruments', 'cello,flute', '--humanise', '0.5', '--n', '2']
  assert cli.main(['arrange', song, '--out', str(out), *words, '--json']) == 0
  told = json.loads(capsys.readouterr().out)
  assert told['arranged']['orchestrated'] == {
    'players': ['Cello', 'Flute'],
    'moved': 0,
    'ended': 0,
    'lost': 0,
    'silent': [],
    'controls': 0,
  }
  files = [out / row[0] for row in told['rows']]
  played = [midi.read(path).notes for path in files]
  assert played[0] != played[1]
  for notes in played:
    assert [track.program for track in notes.tracks] == [42, 73]
    cells = np.rint(notes.onset * 4 / notes.ticks_per_beat).astype(int)
    assert sorted(cells.tolist()) == (VOICES.onset // 120).tolist()
    assert sorted(notes.pitch.tolist()) == sorted(VOICES.pitch.tolist())
  assert cli.main(['arrange', song, '--out', str(out), *words]) == 0
  assert 'Cello' in capsys.readouterr().out


def test_played_music_has_to_be_put_on_a_grid(song, tmp_path, capsys):
  loose = tmp_path / 'loose.mid'
  midi.write(VOICES.replace(onset=VOICES.onset + 7), loose)
  words = ['arrange', str(loose), '--out', str(tmp_path / 'o'), '--humanise']
  assert cli.main(words) == 2
  assert 'played already' in capsys.readouterr().err
  assert cli.main([*words, '--grid', '4']) == 0


@pytest.mark.parametrize(
  ('words', 'told'),
  [
    (['no.mid', '--humanise'], 'there is no such file'),
    (['SONG'], 'nothing to arrange'),
    (['SONG', '--instruments', 'kazoo'], "no instrument 'kazoo'"),
    (['SONG', '--humanise', '9'], 'human must be in 0..3'),
  ],
)
def test_what_cannot_be_is_refused(song, capsys, words, told):
  words = [song if word == 'SONG' else word for word in words]
  assert cli.main(['arrange', *words]) == 2
  assert told in capsys.readouterr().err
