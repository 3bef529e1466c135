import os
import stat

import numpy as np
import pytest

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.piece import Piece
from aurl_jax.music import midi
from tests.generation import writers


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
