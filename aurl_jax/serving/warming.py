"""What is compiled before a server is ready: what most will ask for."""

import contextlib
import struct
from collections.abc import Sequence

from aurl_jax.core.errors import AurlError, MidiError
from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.request import Request
from aurl_jax.music import midi
from aurl_jax.serving.engine import Engine
from aurl_jax.serving.settings import MIDI

WIDTHS = (8, 72, 104, 136)
"""Steps of prompts whose programs are compiled; longer ones compile when they
come, while others are written."""
_BARS = 4
_BYTES = 800_000
"""Of files that are read to have loaded what reads long ones."""
_ODD = (b'\x00\x90\x3c\x40', b'\x00\xff\x05\x04aaaa', b'\x00\xff\x01\xff')
"""Notes that never end, texts, and what is no event."""


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
  """Reads long odd files, so that the first of a stranger does not wait.

  What reads these is compiled, and loaded when it is first needed.
  """
  for event in _ODD:
    body = event * (_BYTES // len(event))
    head = b'MThd' + struct.pack('>IHHH', 6, 0, 1, 480)
    data = head + b'MTrk' + struct.pack('>I', len(body)) + body
    with contextlib.suppress(MidiError):
      midi.read(data, MIDI)


def warm(engine: Engine, widths: Sequence[int] = WIDTHS) -> None:
  """Compiles what usual requests need, and waits for it.

  Args:
    engine: What will write them.
    widths: Of prompts.
  """
  load_readers()
  context = engine.composer.model.config.context
  engine.warm(
    usual(engine.composer), [width for width in widths if width < context]
  )
