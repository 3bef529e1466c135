"""Music as sound, without any instrument: a few sines a note.

Enough to hear what a model plays, in a page or in TensorBoard; the same
notes give the same bytes everywhere. For real instruments there is
`Piece.play`, through fluidsynth.
"""

import io
import wave

import numpy as np
from jaxtyping import Float32

from aurl_jax.music import time
from aurl_jax.music.notes import Notes

RATE = 16_000
"""Samples a second."""
_PARTIALS = (1.0, 0.4, 0.2, 0.1)
"""Loudness of the fundamental and of its harmonics."""
_ATTACK, _RELEASE, _DECAY = 0.008, 0.12, 1.6
"""Seconds to rise, to die away after the end, and to fall to 1/e."""
_STROKE = 0.12
"""Seconds of a drum stroke."""
_LOUDEST = 0.9


def render(
  notes: Notes, *, rate: int = RATE, seconds: float | int = 60.0
) -> Float32[np.ndarray, ' n']:
  """Returns the sound of a piece, float32 [n] in -1..1.

  Args:
    notes: The piece; drums become short noise.
    rate: Samples a second.
    seconds: Where to stop at the latest.
  """
  onset = time.ticks_to_seconds(notes, notes.onset)
  end = time.ticks_to_seconds(notes, notes.onset + notes.duration)
  until = min(float(seconds), float(end.max(initial=0)) + _RELEASE)
  sound = np.zeros(max(1, round(until * rate)), np.float32)
  noise = np.random.default_rng(0).standard_normal(round(_STROKE * rate))
  for row in np.flatnonzero(onset < until):
    if notes.is_drum[row]:
      tone = noise * np.exp(-np.arange(len(noise)) / (0.25 * len(noise)))
    else:
      held = min(end[row], until) - onset[row]
      tone = _tone(int(notes.pitch[row]), held, rate)
    first = round(onset[row] * rate)
    part = sound[first : first + len(tone)]
    part += (tone[: len(part)] * (notes.velocity[row] / 127)).astype('f4')
  peak = float(np.abs(sound).max())
  return sound * np.float32(_LOUDEST / peak) if peak else sound


def _tone(pitch: int, seconds: float, rate: int) -> np.ndarray:
  """Returns one note of full velocity, release included."""
  clock = np.arange(round((seconds + _RELEASE) * rate)) / rate
  pitch_hz = 440 * 2 ** ((pitch - 69) / 12)
  tone = np.zeros(len(clock))
  for number, loudness in enumerate(_PARTIALS, 1):
    # Above half the rate it would sound as another pitch.
    if number * pitch_hz < rate / 2:
      tone += loudness * np.sin(2 * np.pi * number * pitch_hz * clock)
  envelope = np.minimum(1, clock / _ATTACK) * np.exp(-clock / _DECAY)
  return (
    tone * envelope * np.clip((seconds + _RELEASE - clock) / _RELEASE, 0, 1)
  )


def wav(sound: Float32[np.ndarray, ' n'], *, rate: int = RATE) -> bytes:
  """Returns sound as a WAV file, one channel of 16 bits.

  Args:
    sound: float32 [n] in -1..1.
    rate: Samples a second.
  """
  file = io.BytesIO()
  with wave.open(file, 'wb') as target:
    target.setnchannels(1)
    target.setsampwidth(2)
    target.setframerate(rate)
    samples = np.clip(np.rint(sound * 32767), -32768, 32767)
    target.writeframes(samples.astype('<i2').tobytes())
  return file.getvalue()
