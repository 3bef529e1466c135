"""Which synthesiser plays, and what it is given."""

import io
import logging
import os
import stat
import wave

import pytest

from aurl_jax.music import audio, midi, sound
from aurl_jax.music.notes import Notes

PIECE = Notes.build(480, {'onset': [0, 480], 'duration': 480, 'pitch': 60})


@pytest.fixture
def synthesiser(tmp_path, monkeypatch):
  """A `fluidsynth` that writes what it was asked; 'broken' fonts fail."""
  path = tmp_path / 'bin' / 'fluidsynth'
  path.parent.mkdir()
  path.write_text(
    '#!/bin/sh\n'
    f'printf \'%s \' "$@" > {tmp_path}/asked\n'
    'for last; do :; done\n'
    f'cp "$last" {tmp_path}/heard.mid\n'
    'case "$*" in *broken*) exit 3;; esac\n'
    'while [ "$1" != -F ]; do shift; done\n'
    'echo sound > "$2"\n'
  )
  path.chmod(path.stat().st_mode | stat.S_IXUSR)
  monkeypatch.setenv('PATH', f'{path.parent}{os.pathsep}{os.environ["PATH"]}')
  font = tmp_path / 'good.sf2'
  font.touch()
  monkeypatch.setenv('AURL_SOUNDFONT', str(font))
  return tmp_path


def test_a_font_and_fluidsynth_make_the_sound(synthesiser):
  made = sound.render(PIECE)
  assert made == (b'sound\n', 'fluidsynth')
  asked = (synthesiser / 'asked').read_text().split()
  assert str(synthesiser / 'good.sf2') in asked
  assert {'-n', '-i', '-F'} <= set(asked)
  assert (synthesiser / 'heard.mid').read_bytes() == midi.write(PIECE)


def test_long_pieces_are_cut_for_it_too(synthesiser):
  # A beat is half a second.
  sound.render(PIECE, seconds=0.5)
  heard = midi.read(synthesiser / 'heard.mid').notes
  assert heard.onset.tolist() == [0]


def plain(piece=PIECE):
  return audio.wav(audio.render(piece, seconds=600.0))


def test_without_either_the_plain_synthesiser_plays(monkeypatch, tmp_path):
  monkeypatch.setenv('PATH', str(tmp_path))
  monkeypatch.setenv('AURL_SOUNDFONT', str(tmp_path / 'missing.sf2'))
  assert sound.program() is None
  made = sound.render(PIECE)
  assert made == (plain(), 'additive')
  with wave.open(io.BytesIO(made.wav)) as file:
    assert file.getnframes() == round(1.12 * audio.RATE)


def test_the_plain_one_may_be_asked_for(synthesiser):
  assert sound.render(PIECE, plain=True) == (plain(), 'additive')
  assert not (synthesiser / 'asked').exists()


def test_a_font_that_fails_is_told(synthesiser, monkeypatch, caplog):
  font = synthesiser / 'broken.sf2'
  font.touch()
  monkeypatch.setenv('AURL_SOUNDFONT', str(font))
  with caplog.at_level(logging.WARNING):
    made = sound.render(PIECE)
  assert made == (plain(), 'additive')
  assert 'broken.sf2' in caplog.text
