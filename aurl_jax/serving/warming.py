"""What is compiled before a server is ready: what most will ask for."""

import contextlib
import struct
from collections.abc import Sequence
from concurrent import futures

from aurl_jax.core.errors import AurlError, MidiError
from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import joining
from aurl_jax.generation.request import Request
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.serving import hearing
from aurl_jax.serving.engine import Engine
from aurl_jax.serving.settings import MIDI, Settings

_USUAL = 136
"""Steps of prompts whose programs are compiled before a server is ready;
those of longer ones follow, one after the other (`behind`)."""
_BARS = 4
_BYTES = 800_000
"""Of files that are read to have loaded what reads long ones."""
_ODD = (b'\x00\x90\x3c\x40', b'\x00\xff\x05\x04aaaa', b'\x00\xff\x01\xff')
"""Notes that never end, texts, and what is no event."""
_SOUND = b'\x00\x90\x40\x40\x00\x90\x3c\x40\x10\x80\x3c\x40\x00\x80\x40\x40'
_END = b'\x00\xff\x2f\x00'
"""Two notes at once, the upper one first, and the end of a track."""
_TUNE, _TIMES = (60, 64, 67, 72, 71, 67, 64, 62), 4
"""Pitches of a bar, and how often it stands: repeats are looked for, too."""


def usual(composer: Composer) -> list[Request]:
  """Returns requests as most will be: the model's own, and of some bars."""
  found = []
  for changes in ({}, {'bars': _BARS}):
    request = composer.request(**changes)
    try:
      composer.check(request)
    except AurlError:
      # A tokenization without bars.
      continue
    found.append(request)
  return found


def load_readers() -> None:
  """Reads long files, so that the first of a stranger does not wait.

  What reads these, odd ones and sound ones, is compiled, and loaded when it is
  first needed.
  """
  bodies = [event * (_BYTES // len(event)) for event in _ODD]
  for body in (*bodies, _SOUND * (_BYTES // len(_SOUND)) + _END):
    head = b'MThd' + struct.pack('>IHHH', 6, 0, 1, 480)
    data = head + b'MTrk' + struct.pack('>I', len(body)) + body
    with contextlib.suppress(MidiError):
      midi.read(data, MIDI)


def load_studies() -> None:
  """Lets all studies hear a tune: some compile, or load what is compiled."""
  pitch = _TUNE * _TIMES
  onset = [2 * place for place in range(len(pitch))]
  tune = Notes.build(4, {'onset': onset, 'duration': 2, 'pitch': list(pitch)})
  # A token that nobody is given: only limits are read.
  hearing.heard(midi.write(tune), None, Settings(tokens=('0' * 16,)))


def warm(engine: Engine) -> None:
  """Compiles and loads what usual requests need, and waits for it.

  Args:
    engine: What will write them.
  """
  load_readers()
  load_studies()
  engine.warm(usual(engine.composer), _widths(engine, 0, _USUAL))


def behind(engine: Engine) -> None:
  """Compiles what longer prompts need, one width after the other.

  While others are written: only one program is compiled at a time, so that
  rules of a new kind need not wait. `programs_due` of the metrics tells how
  many are left. It ends when the engine does.

  Args:
    engine: What is warm, and may be writing.
  """
  context = engine.composer.model.config.context
  asked = usual(engine.composer)
  due = [
    (one, w) for w in _widths(engine, _USUAL, 2 * context) for one in asked
  ]
  engine.metrics.gauge('programs_due', lambda: len(due))
  while due and not engine.draining:
    request, width = due[0]
    try:
      engine.warm([request], [width])
    except (RuntimeError, futures.CancelledError):
      # Its threads have ended meanwhile.
      if not engine.draining:
        raise
    due.pop(0)


def _widths(engine: Engine, above: int, most: int) -> Sequence[int]:
  """Returns the widths of prompts that are in a range."""
  context = engine.composer.model.config.context
  return [w for w in joining.widths(context) if above < w <= most]
