"""`Piece`: generated music, and what can be done with it."""

import dataclasses
import functools
import os
import pathlib
import shutil
import subprocess
import tempfile
from typing import Any

import numpy as np

from aurl_jax.core import files
from aurl_jax.generation.errors import RequestError
from aurl_jax.music import audio, midi, plot
from aurl_jax.music import time as time_lib
from aurl_jax.music.notes import Notes

_FONTS = (
  '/usr/share/sounds/sf2/default-GM.sf2',
  '/usr/share/sounds/sf2/FluidR3_GM.sf2',
  '/usr/share/sounds/sf3/default-GM.sf3',
)
_LONGEST = 600.0
"""Seconds of sound at most: 19 MB."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piece:
  """A piece of generated music.

  Attributes:
    notes: The music, quantised.
    ids: int32 `[t, f]`, as sampled, BOS and the prompt included.
    seed: Its own: a request of one piece with this seed gives it again.
    ended: Whether it came to its own end.
    grammatical: Whether every step is legal.
  """

  notes: Notes
  ids: np.ndarray
  seed: int
  ended: bool
  grammatical: bool

  @functools.cached_property
  def report(self) -> dict[str, Any]:
    """Facts: grammatical, ended, steps, notes, seconds, seed."""
    return {
      'grammatical': self.grammatical,
      'ended': self.ended,
      'steps': len(self.ids),
      'notes': len(self.notes),
      'seconds': round(time_lib.duration_seconds(self.notes), 3),
      'seed': self.seed,
    }

  def midi(self) -> bytes:
    """Returns a standard MIDI file."""
    return midi.write(self.notes)

  def save(self, path: files.StrPath) -> pathlib.Path:
    """Writes a standard MIDI file and returns its path."""
    midi.write(self.notes, path)
    return pathlib.Path(path)

  def plot(self, path: files.StrPath | None = None, title: str = '') -> bytes:
    """Returns a piano roll as PNG, and writes it if a path is given."""
    return plot.piano_roll(self.notes, path, title=title)

  def wav(self, path: files.StrPath | None = None) -> bytes:
    """Returns its sound as a WAV file, and writes it if a path is given.

    By the plain synthesiser of `music.audio`, which needs no sound font; up
    to ten minutes.
    """
    data = audio.wav(audio.render(self.notes, seconds=_LONGEST))
    if path is not None:
      files.write_atomic(path, data)
    return data

  def play(self) -> None:
    """Plays it through fluidsynth and waits for the end.

    The sound font is `AURL_SOUNDFONT`, or the system's.

    Raises:
      RequestError: fluidsynth or a sound font is missing (code `no_sound`).
    """
    program = shutil.which('fluidsynth')
    fonts = (os.environ.get('AURL_SOUNDFONT', ''), *_FONTS)
    font = next((f for f in fonts if f and pathlib.Path(f).is_file()), None)
    if not program or not font:
      missing = 'a sound font' if program else 'fluidsynth'
      raise RequestError(
        f'playing needs {missing}: install fluidsynth and a General MIDI '
        'sound font, name the font in AURL_SOUNDFONT, or save the piece and '
        'open it in any player',
        code='no_sound',
      )
    with tempfile.TemporaryDirectory() as folder:
      path = self.save(pathlib.Path(folder) / 'piece.mid')
      subprocess.run([program, '-i', '-q', font, str(path)], check=True)
