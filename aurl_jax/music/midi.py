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
from aurl_jax.music import midi_chunks, midi_fast, midi_parts, midi_salvage
from aurl_jax.music.midi_chunks import Issue
from aurl_jax.music.midi_write import write
from aurl_jax.music.notes import Notes

__all__ = ['Issue', 'Reading', 'read', 'write']


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


def read(source: str | os.PathLike[str] | bytes) -> Reading:
  """Reads a MIDI file.

  A track of the file becomes one track for each channel and program in it,
  in that order; a track without notes stays if it names an instrument.

  Args:
    source: A path, or the bytes themselves.

  Raises:
    MidiError: There is no music to save; `.code` says why, and the message
      names the path.
    OSError: The path cannot be read.
  """
  if isinstance(source, bytes):
    return _read(source)
  try:
    return _read(pathlib.Path(source).read_bytes())
  except MidiError as error:
    raise MidiError(f'{source}: {error}', code=error.code) from error


def _read(data: bytes) -> Reading:
  layout = midi_chunks.layout(data) or midi_salvage.layout(data)
  fast = midi_fast.read_fast(layout)
  if fast is not None:
    return Reading(fast)
  notes = midi_parts.assemble(layout)
  issues, remarks = layout.issues.issues, layout.remarks.issues
  if issues and not len(notes):
    raise midi_chunks.refuse(
      issues[0].code, f'{issues[0].where}: nothing is left that sounds'
    )
  return Reading(notes, issues, remarks)
