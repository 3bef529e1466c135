"""Music as sound, by real instruments where there are any.

fluidsynth's program renders through a General MIDI sound font; without one
of them the plain additive synthesiser of `music.audio` does, which always
gives the same bytes. Which it was is told.
"""

import logging
import os
import pathlib
import shutil
import subprocess
import tempfile
from typing import NamedTuple

from aurl_jax.music import audio, midi, transform
from aurl_jax.music import time as time_lib
from aurl_jax.music.notes import Notes

FONT_VARIABLE = 'AURL_SOUNDFONT'
"""The environment variable that names a sound font."""
PLAIN, FLUIDSYNTH = 'additive', 'fluidsynth'
LONGEST = 600.0
"""Seconds of sound at most: 19 MB by the plain synthesiser."""
_FONTS = (
  '/usr/share/sounds/sf2/default-GM.sf2',
  '/usr/share/sounds/sf2/FluidR3_GM.sf2',
  '/usr/share/sounds/sf3/default-GM.sf3',
)
_RATE = 44_100
_PATIENCE = 300
"""Seconds that fluidsynth may take."""

_log = logging.getLogger(__name__)


class Sound(NamedTuple):
  """A WAV file, and which synthesiser made it.

  Attributes:
    wav: Its bytes.
    by: `fluidsynth` or `additive`.
  """

  wav: bytes
  by: str


def program() -> str | None:
  """Returns the path of fluidsynth; None if it is not installed."""
  return shutil.which('fluidsynth')


def font() -> str | None:
  """Returns the sound font: `AURL_SOUNDFONT`, or the system's, or None."""
  named = (os.environ.get(FONT_VARIABLE, ''), *_FONTS)
  return next((f for f in named if f and pathlib.Path(f).is_file()), None)


def render(
  notes: Notes, *, seconds: float | int = LONGEST, plain: bool = False
) -> Sound:
  """Returns a piece as a WAV file.

  If fluidsynth fails, that is logged and the plain synthesiser takes over.

  Args:
    notes: The piece.
    seconds: Where to stop at the latest.
    plain: Whether to take the plain synthesiser in any case.
  """
  found, instruments = program(), font()
  if found and instruments and not plain:
    try:
      return Sound(_fluid(found, instruments, notes, seconds), FLUIDSYNTH)
    except (OSError, subprocess.SubprocessError) as error:
      _log.warning(
        'fluidsynth made no sound of %s (%s); the plain synthesiser does. '
        'Try another font in %s',
        instruments,
        error,
        FONT_VARIABLE,
      )
  return Sound(audio.wav(audio.render(notes, seconds=seconds)), PLAIN)


def _fluid(
  found: str, instruments: str, notes: Notes, seconds: float | int
) -> bytes:
  if time_lib.duration_seconds(notes) > seconds:
    end = int(time_lib.seconds_to_ticks(notes, seconds))
    notes = transform.slice_ticks(notes, 0, end)
  with tempfile.TemporaryDirectory() as folder:
    source, target = (
      pathlib.Path(folder) / name for name in ('piece.mid', 'piece.wav')
    )
    midi.write(notes, source)
    command = [found, '-n', '-i', '-q', '-r', str(_RATE), '-F', str(target)]
    subprocess.run(
      [*command, instruments, str(source)],
      check=True,
      capture_output=True,
      timeout=_PATIENCE,
    )
    return target.read_bytes()
