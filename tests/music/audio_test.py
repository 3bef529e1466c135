"""Sound, judged by its spectrum and by its loudness over time."""

import io
import wave

import numpy as np
import pytest

from aurl_jax.music import audio
from aurl_jax.music.notes import Notes, Track


def piece(pitch, onset=0, duration=480, velocity=100, **options):
  columns = {'onset': onset, 'duration': duration, 'pitch': pitch}
  size = np.size(pitch)
  columns = {
    k: np.broadcast_to(v, size)
    for k, v in (columns | {'velocity': velocity}).items()
  }
  return Notes.build(480, columns, **options)


@pytest.mark.parametrize(('pitch', 'hertz'), [(69, 440.0), (45, 110.0)])
def test_a_note_sounds_at_its_pitch(pitch, hertz):
  sound = audio.render(piece([pitch], duration=1920))
  spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
  found = np.argmax(spectrum) * audio.RATE / len(sound)
  assert found == pytest.approx(hertz, abs=1.0)


def test_notes_sound_when_they_are_played_and_no_longer():
  # A beat is half a second: from 1.0 to 1.5, and from 3.0 to 3.5.
  sound = audio.render(piece([60, 64], onset=[960, 2880]))
  loud = np.abs(sound).reshape(-1, audio.RATE // 50).max(axis=1)
  clock = np.arange(len(loud)) / 50
  playing = ((clock >= 1.02) & (clock < 1.46)) | (clock >= 3.02)
  silent = (clock < 0.98) | ((clock > 1.66) & (clock < 2.98))
  assert loud[playing & (clock < 3.46)].min() > 0.1
  assert loud[silent].max() == 0
  assert np.abs(sound).max() == pytest.approx(0.9, abs=1e-3)


def test_louder_notes_are_louder():
  sound = audio.render(piece([60, 60], onset=[0, 1920], velocity=[127, 40]))
  half = len(sound) // 2
  ratio = np.abs(sound[:half]).max() / np.abs(sound[half:]).max()
  assert ratio == pytest.approx(127 / 40, rel=0.02)


def test_drums_are_noise_and_silence_is_allowed():
  drums = piece([38], tracks=[Track(is_drum=True)])
  sound = audio.render(drums)
  spectrum = np.abs(np.fft.rfft(sound)) ** 2
  flatness = np.exp(np.log(spectrum + 1e-12).mean()) / spectrum.mean()
  assert flatness > 0.05
  empty = audio.render(Notes.build(480, {}))
  assert np.abs(empty).max() == 0
  assert len(audio.wav(empty)) > 44


def test_long_pieces_are_cut():
  assert len(audio.render(piece([60], duration=480_000), seconds=2)) == (
    2 * audio.RATE
  )


def test_a_wav_holds_the_sound():
  sound = audio.render(piece([72]))
  with wave.open(io.BytesIO(audio.wav(sound))) as file:
    assert file.getparams()[:4] == (1, 2, audio.RATE, len(sound))
    read = np.frombuffer(file.readframes(len(sound)), '<i2') / 32767
  np.testing.assert_allclose(read, sound, atol=1 / 32767)
