"""Excerpts as sound: one synthesiser, and no silence."""

import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.listening import clips
from aurl_jax.music import sound
from aurl_jax.music.notes import Notes
from tests.listening import songs


def test_silence_cannot_be_heard():
  # All partials of the highest pitches lie above what the sound can hold.
  columns = {'onset': 0, 'duration': 8, 'pitch': 127}
  high = Notes.build(4, columns)
  with pytest.raises(DataError, match='excerpt 1 is silent') as caught:
    clips.render([songs.piece(0), high], seconds=2, plain=True)
  assert caught.value.code == 'silent'


def test_all_are_of_one_synthesiser(monkeypatch):
  before, calls = sound.render, []

  def fails_later(notes, *, seconds, plain=False):
    calls.append(plain)
    made = before(notes, seconds=seconds, plain=True)
    return made._replace(by=sound.FLUIDSYNTH) if len(calls) == 1 else made

  monkeypatch.setattr(sound, 'render', fails_later)
  pieces = [songs.piece(0), songs.piece(1)]
  found, by = clips.render(pieces, seconds=2)
  assert by == sound.PLAIN
  assert calls == [False, False, True, True]
  assert [round(clip.seconds, 1) for clip in found] == [2.0, 2.0]


def test_a_wav_file_is_read_as_it_was_written():
  found, _ = clips.render(
    [songs.piece(0), songs.piece(1)], seconds=1, plain=True
  )
  heard, rate = clips.samples(found[0].wav)
  assert heard.shape == (round(found[0].seconds * rate), 1)
  assert 0 < np.abs(heard).max() < 1
