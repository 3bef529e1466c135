import base64
import dataclasses
import html
import logging
import os
import re
import stat

import numpy as np
import pytest

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.piece import Piece
from aurl_jax.music import audio, midi, transform
from aurl_jax.music.score_time import ScoreError
from tests.generation import writers
from tests.music import scores


@pytest.fixture
def piece():
  return writers.piece(seed=3)


def test_the_report_tells_the_facts(piece):
  assert piece.report == {
    'grammatical': True,
    'ended': True,
    'steps': 18,
    'notes': 16,
    # 19 cells of a 16th at 120 quarter notes a minute.
    'seconds': 2.375,
    'seed': 3,
  }


def test_midi_reads_back_as_the_notes(piece, tmp_path):
  path = piece.save(tmp_path / 'piece.mid')
  assert path.read_bytes() == piece.midi()
  reading = midi.read(path)
  assert reading.issues == ()
  for name in ('onset', 'duration', 'pitch', 'velocity'):
    np.testing.assert_array_equal(
      getattr(reading.notes, name), getattr(piece.notes, name)
    )


def test_the_roll_is_a_png(piece, tmp_path):
  image = piece.plot(tmp_path / 'roll.png')
  assert image[:8] == b'\x89PNG\r\n\x1a\n'
  assert (tmp_path / 'roll.png').read_bytes() == image


def fake_synthesizer(folder):
  """A `fluidsynth` that copies what it is asked to play."""
  program = folder / 'fluidsynth'
  program.write_text(
    f'#!/bin/sh\nfor last; do :; done\ncp "$last" {folder}/x\n'
  )
  program.chmod(program.stat().st_mode | stat.S_IXUSR)
  (folder / 'font.sf2').touch()


def test_playing_hands_a_midi_file_to_fluidsynth(piece, tmp_path, monkeypatch):
  fake_synthesizer(tmp_path)
  monkeypatch.setenv('PATH', f'{tmp_path}{os.pathsep}{os.environ["PATH"]}')
  monkeypatch.setenv('AURL_SOUNDFONT', str(tmp_path / 'font.sf2'))
  piece.play()
  assert (tmp_path / 'x').read_bytes() == piece.midi()


def test_without_a_synthesizer_the_remedy_is_told(piece, tmp_path, monkeypatch):
  monkeypatch.setenv('PATH', str(tmp_path))
  with pytest.raises(RequestError, match='install fluidsynth') as caught:
    piece.play()
  assert caught.value.code == 'no_sound'


def test_pieces_do_not_change(piece):
  assert isinstance(piece, Piece)
  with pytest.raises(AttributeError):
    piece.seed = 4


SUFFIXES = {
  '.mid': lambda piece: piece.midi(),
  '.MIDI': lambda piece: piece.midi(),
  '.musicxml': lambda piece: piece.musicxml(),
  '.xml': lambda piece: piece.musicxml(),
  '.wav': lambda piece: piece.wav(),
  '.png': lambda piece: piece.plot(),
}


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_a_piece_is_saved_as_its_suffix_tells(
  piece, tmp_path, monkeypatch, suffix
):
  monkeypatch.setenv('PATH', str(tmp_path))
  path = piece.save(tmp_path / 'new' / f'piece{suffix}')
  assert path.read_bytes() == SUFFIXES[suffix](piece)
  assert list(path.parent.iterdir()) == [path]


def test_other_suffixes_are_refused_by_name(piece, tmp_path):
  with pytest.raises(RequestError, match=r"'\.mp3'.*\.musicxml") as caught:
    piece.save(tmp_path / 'piece.mp3')
  assert caught.value.code == 'suffix'
  assert list(tmp_path.iterdir()) == []


def test_a_tune_is_saved_as_abc_and_other_music_is_refused(piece, tmp_path):
  tune = dataclasses.replace(
    piece, notes=transform.select_tracks(piece.notes, [0])
  )
  with pytest.raises(ScoreError, match='sound together'):
    tune.save(tmp_path / 'a.abc')
  tune = dataclasses.replace(
    tune, notes=tune.notes.replace(duration=tune.notes.duration // 2)
  )
  text = tune.save(tmp_path / 'a.abc').read_text()
  assert text == tune.abc()
  assert text.startswith('X:1\nT:Untitled\n')


def test_midi_of_one_track_and_a_score_hold_the_notes(piece):
  assert midi.read(piece.midi(single=True)).notes.pitch.tolist() == (
    piece.notes.pitch.tolist()
  )
  heard = scores.heard(piece.musicxml())
  assert sorted(row[3] for row in heard) == sorted(piece.notes.pitch.tolist())


def test_sound_without_a_font_is_that_of_the_plain_synthesiser(
  piece, tmp_path, monkeypatch, caplog
):
  monkeypatch.setenv('PATH', str(tmp_path))
  with caplog.at_level(logging.INFO):
    data = piece.wav(tmp_path / 'a.wav')
  assert (tmp_path / 'a.wav').read_bytes() == data == piece.wav(plain=True)
  assert data == audio.wav(audio.render(piece.notes, seconds=600.0))
  assert 'additive' in caplog.text


def test_a_notebook_shows_roll_and_player_and_loads_nothing(piece):
  frame = piece._repr_html_()
  page = html.unescape(re.search('srcdoc="(.*?)"', frame, re.DOTALL)[1])
  assert 'sandbox="allow-scripts' in frame
  assert 'allow-same-origin' not in frame
  assert base64.b64encode(piece.plot(title='Piece 3')).decode() in page
  assert base64.b64encode(piece.midi()).decode() in page
  assert '16 notes in 2.4 s, comes to its end' in page
  assert "default-src 'none'" in page
  assert not re.search('https?:', page)
