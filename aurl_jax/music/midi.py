"""MIDI files to `Notes` and back.

What `Notes` has no place for is left out without an issue: aftertouch,
release velocities, exclusive messages, and metas other than names, lyrics,
markers, tempos, meters and keys. Chord symbols are markers
`chord:SYMBOL`.
"""

import dataclasses
import os
import pathlib

from aurl_jax.core.errors import MidiError
from aurl_jax.music import (
  midi_chunks,
  midi_fast,
  midi_native,
  midi_parts,
  midi_salvage,
  midi_whole,
)
from aurl_jax.music.midi_chunks import LIMITS, Issue, Limits
from aurl_jax.music.midi_stream import (
  Section,
  concatenate,
  stream,
)
from aurl_jax.music.midi_write import write
from aurl_jax.music.notes import Notes

__all__ = [
  'Issue',
  'Limits',
  'Reading',
  'Section',
  'concatenate',
  'read',
  'stream',
  'write',
]

_FAST, _EXACT = 25e-9, 700e-9
"""CPU seconds a byte takes more where no compiled loops are loaded: read by
symusic, and exactly."""


@dataclasses.dataclass(frozen=True)
class Reading:
  """A piece, and all that was wrong with its file.

  Attributes:
    notes: The music.
    issues: Empty for a sound file; else what was wrong and how it was mended.
    remarks: What is odd but allowed, and how it was read.
  """

  notes: Notes
  issues: tuple[Issue, ...] = ()
  remarks: tuple[Issue, ...] = ()


def read(
  source: str | os.PathLike[str] | bytes, limits: Limits = LIMITS
) -> Reading:
  """Reads a MIDI file.

  A track of the file becomes one track for each channel and program in it,
  in that order; a track without notes stays if it names an instrument.

  Args:
    source: A path, or the bytes themselves.
    limits: How much a file may hold; what holds more is refused.

  Raises:
    MidiError: There is no music to save; `.code` says why, and the message
      names the path.
    OSError: The path cannot be read.
  """
  if isinstance(source, bytes):
    return _read(source, limits)
  path = pathlib.Path(source)
  try:
    limits.check('bytes', path.stat().st_size)
    return _read(path.read_bytes(), limits)
  except MidiError as error:
    raise MidiError(f'{source}: {error}', code=error.code) from error


def _read(data: bytes, limits: Limits) -> Reading:
  native = midi_native.pays(len(data), _FAST)
  if native and 0 < len(data) <= limits.bytes:
    whole = midi_whole.read(data, limits)
    if whole is not None:
      return Reading(*whole)
  layout = midi_chunks.layout(data, limits)
  if layout is None:
    layout = midi_salvage.layout(data, limits)
  if not native:
    fast = midi_fast.read_fast(layout)
    if fast is not None:
      return Reading(fast)
    native = midi_native.pays(len(data), _EXACT)
  notes = midi_parts.assemble(layout, native)
  issues, remarks = layout.issues.issues, layout.remarks.issues
  if issues and not len(notes):
    raise midi_chunks.refuse(
      issues[0].code, f'{issues[0].where}: nothing is left that sounds'
    )
  return Reading(notes, issues, remarks)
