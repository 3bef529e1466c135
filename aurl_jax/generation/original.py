"""`original`: no so many notes in a row are those of training music.

A pitch that would make a shared run of a line too long is not wanted; what
nothing else is left for is written. What a run and a line are is told in
`evaluation.ngrams`. The prompt counts: what goes on from training music may
not go on as that does. Bars that are filled in begin anew, as they are written
apart from the bars before them. Axes: `f` fields, `v` ids of a field.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from aurl_jax.evaluation.originality import Index
from aurl_jax.generation import copies
from aurl_jax.generation.copies import Copies, LinesState
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.frame import Kept
from aurl_jax.generation.wished import values_of
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import events
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grammar import Scalar, lookup
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.places import Places, PlaceState
from aurl_jax.tokens.remi import Remi
from aurl_jax.tokens.tokenizer import Tokenizer


class OriginalState(NamedTuple):
  """Where a row stands.

  Attributes:
    places: The clock.
    lines: What has been written.
    track: The line of the open note of `remi`; 0 elsewhere.
  """

  places: PlaceState
  lines: LinesState
  track: Scalar


class _Note(NamedTuple):
  """A note of a step; where `begins` is not, nothing means anything."""

  track: Scalar | int
  cell: Scalar
  pitch: Scalar
  begins: Bool[Array, '']


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['copies'],
  meta_fields=['codec', 'places', 'voices'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Original:
  """The constraint, for `compound`, `remi` and `grid`.

  Attributes:
    copies: The lines, and what they are held against.
    codec: The vocabulary.
    places: Its clock.
    voices: Of each program.
  """

  copies: Copies
  codec: Codec
  places: Places
  voices: int

  def init(self) -> OriginalState:
    """Returns the state before any step."""
    lines = self.copies.init()
    return OriginalState(self.places.init(), lines, jnp.int32(0))

  def mask(
    self, state: OriginalState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' *v']:
    """Returns all ids but those of pitches that would copy too much."""
    if not self.codec.fields[field].tells('pitch'):
      return jnp.bool_(True)
    notes = self._notes(state, partial)
    note = notes[field] if self.places.frames else notes[0]
    copied = self.copies.copied(state.lines, note.track, note.cell)
    return values_of(self.codec, field, {'pitch': ~copied})

  def advance(
    self, state: OriginalState, step: Int[Array, ' f']
  ) -> OriginalState:
    """Returns the state after a step."""
    lines = state.lines
    for note in self._notes(state, step):
      begun = self.copies.begun(lines, note.track, note.cell, note.pitch)
      lines = copies.where(note.begins, begun, lines)
    for f, field in enumerate(self.codec.fields):
      for event in ('mask', 'fill'):
        apart = jnp.asarray(field.holds(event, step[f]))
        lines = copies.where(apart, self.copies.init(), lines)
    return OriginalState(
      self.places.advance(state.places, step), lines, self._track(state, step)
    )

  def _notes(
    self, state: OriginalState, step: Int[Array, ' f']
  ) -> tuple[_Note, ...]:
    """Returns the notes that a step may begin, given those before it."""
    places, fields = state.places, self.codec.fields

    def note(field: int, track: Scalar | int, cell: Scalar) -> _Note:
      begins = jnp.asarray(fields[field].holds('pitch', step[field]))
      return _Note(track, cell, self._value(field, step), begins)

    if self.places.frames:
      return tuple(note(f, f, places.cells) for f in range(len(fields)))
    if len(fields) == 1:
      return (note(0, state.track, places.start + places.position),)
    position, program, voice = (
      self._value(f, step)
      for f in (events.POSITION, events.VALUE, events.VOICE)
    )
    cell = places.start + position
    return (note(events.PITCH, program * self.voices + voice, cell),)

  def _value(self, field: int, step: Int[Array, ' f']) -> Scalar:
    return lookup(self.codec.fields[field].values, step[field])

  def _track(self, state: OriginalState, step: Int[Array, ' f']) -> Scalar:
    """Returns the line of the open note: voice 0, until another is told."""
    if len(self.codec.fields) > 1:
      return state.track
    holds, value = self.codec.holds, self._value(0, step)
    program = jnp.asarray(holds('program', step[0]))
    voice = jnp.asarray(holds('voice', step[0]))
    track = jnp.where(program, value * self.voices, state.track)
    return jnp.where(voice, track + value, track)


def original(tokenizer: Tokenizer, index: Index | None, notes: int) -> Original:
  """Returns the constraint that no so many notes in a row are copied.

  Args:
    tokenizer: Of the ids.
    index: Of the training music; None for none.
    notes: In a row that are too many.

  Raises:
    RequestError: There is no index, it is of another grid, it does not know
      runs as short as that, or the tokenization has no notes to look at (code
      `original`).
  """
  if not isinstance(tokenizer, Compound | Remi | VoiceGrid):
    raise RequestError(
      'this tokenization cannot be held to be original; use a model of '
      'compound, remi or grid, or ask without original',
      code='original',
    )
  found = fitting(tokenizer, index)
  if notes < found.notes:
    raise RequestError(
      f'original {notes} is less than {found.notes}, the shortest run that the '
      f'index of training music knows; ask for {found.notes} or more, or make '
      f'another index with `aurl original RUN --notes {notes}`',
      code='original',
    )
  return Original(
    copies=Copies(
      most=notes - found.notes + 1, filter=found.filter, notes=found.notes
    ),
    codec=tokenizer.codec,
    places=Places.of(tokenizer),
    voices=tokenizer.grid.voices,
  )


def kept(index: Index, most: int, notes: Notes, prompt: Notes) -> Kept:
  """Returns how well it was kept that no so many notes are copied.

  Counted are the notes that end so long a shared run, in all lines, those of
  the prompt left out.

  Args:
    index: Of the training music.
    most: Notes in a row that are too many.
    notes: The piece.
    prompt: What it went on from.
  """
  broken = index.ends(notes, most) - index.ends(prompt, most)
  written = max(len(notes) - len(prompt), 1)
  broken = min(max(broken, 0), written)
  return Kept(1 - broken / written, broken)


def fitting(tokenizer: Tokenizer, index: Index | None) -> Index:
  """Returns an index that counts onsets as a tokenizer does.

  Raises:
    RequestError: There is none, or it does not (code `original`).
  """
  if index is None:
    raise RequestError(
      'the model has no index of its training music to be held against; make '
      'one with `aurl original RUN`, and bundle the run again; or ask without '
      'original',
      code='original',
    )
  cells = tokenizer.grid.cells_per_beat
  if index.cells_per_beat != cells:
    raise RequestError(
      f'the index of training music counts {index.cells_per_beat} cells a beat '
      f'and the tokenizer {cells}; make it again with `aurl original RUN`',
      code='original',
    )
  return index
