"""`Tune`: the shape and the motifs that a melody leans to, bar by bar.

What the study of melody hears can so be asked for: the way that a bar goes
(Huron's classes), and a motif that comes back, at any pitch. The melody is one
voice of one instrument. All of it is leaned to, never forced: the nats of a
weight decide how much, and a model may break it where nothing else is legal.
Axes: `r` rows, one a bar before they begin anew; `m` notes of the longest
motif; `v` ids of a field.
"""

import collections
import dataclasses
import functools
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.constraints import Constraint, Soft
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.frame import Kept
from aurl_jax.generation.rows import padded
from aurl_jax.music import time, transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes
from aurl_jax.studies.melody import contour, line
from aurl_jax.studies.melody.study import Melody
from aurl_jax.tokens import events
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.places import Places, PlaceState
from aurl_jax.tokens.tokenizer import Tokenizer

Motif = tuple[tuple[float | int, int], ...]
"""Notes of a bar: quarter notes from its start, semitones from its first."""
WAYS = {name: ways for ways, name in contour.CLASSES.items()}
"""Class -> which way the bar's first and second half go, -1, 0, 1."""
_OPEN = 2
_LEAST = 3
_HEAVIEST = 100.0
_REACH = 60
"""Semitones from the first note of a motif."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tune:
  """What a melody leans to.

  Bars count from the first that is written; what is shorter than the piece
  begins anew.

  Attributes:
    contour: Class of each bar, of `WAYS`; '' leaves one open.
    motif: Notes of each bar; () leaves one open.
    voice: Program and voice that have the melody.
    weight: Nats by which what keeps to it is likelier, 0..100; 3 leans to it,
      10 is close to always.

  Raises:
    RequestError: A value of another form (code `tune`).

  Example:
    >>> Tune(contour=('convex', ''), motif=(((0, 0), (1, 2)), ())).rows
    2
  """

  contour: tuple[str, ...] = ()
  motif: tuple[Motif, ...] = ()
  voice: tuple[int, int] = (0, 0)
  weight: float | int = 6.0

  def __post_init__(self) -> None:
    for name in self.contour:
      if name and name not in WAYS:
        _refuse(f'contour {name!r} is none of {", ".join(WAYS)}')
    for notes in self.motif:
      places = [place for place, _ in notes]
      if sorted(set(places)) != places or (places and places[0] < 0):
        _refuse(f'motif {notes!r}: its places must ascend from 0 or later')
      if notes and notes[0][1]:
        _refuse(f'motif {notes!r}: the first note is 0 semitones from itself')
      if any(abs(step) > _REACH for _, step in notes):
        _refuse(f'motif {notes!r}: no note is {_REACH} semitones from another')
    if not 0 <= self.weight <= _HEAVIEST:
      _refuse(f'weight {self.weight} is not in 0..{_HEAVIEST:g}')
    if not (any(self.contour) or any(self.motif)):
      _refuse('asks for nothing; give contours or motifs, or leave it out')

  @property
  def rows(self) -> int:
    """Bars before all of it begins anew."""
    return int(
      np.lcm(max(1, len(self.contour)), max(1, len(self.motif)), dtype=int)
    )

  def of_bar(self, bar: int) -> tuple[str, Motif]:
    """Returns contour and motif of a bar, counted from the first."""
    shape = self.contour[bar % len(self.contour)] if self.contour else ''
    motif = self.motif[bar % len(self.motif)] if self.motif else ()
    return shape, motif


def of(
  notes: Notes,
  grid: Grid,
  bars: int,
  *,
  first: int | None = None,
  track: str = '',
  weight: float | int = 6.0,
  voice: tuple[int, int] = (0, 0),
) -> Tune:
  """Returns the tune that a piece's melody has: its shapes, and one motif.

  The motif is the bar of at least three notes that comes back most often,
  whatever its pitch; it is asked for in the bars where it stands.

  Args:
    notes: Any piece.
    grid: Of the tokenizer.
    bars: How many.
    first: The first of them, from 0; None for that in which the melody begins.
    track: Name of the track that is the melody, if the piece has it; '' lets
      the study of melody find it in all notes (`studies.melody`).
    weight: Of the tune.
    voice: Who is to have it.

  Raises:
    RequestError: These bars have no melody (code `tune`).
  """
  # Notes that are played come up to half a cell before their bar.
  early = 0.5 / grid.cells_per_beat
  found = _cut(notes, Melody(given=track).heard(notes), early)
  if first is None:
    first = next((bar for bar, (part, _) in enumerate(found) if len(part)), 0)
  found = found[first : first + bars]
  shapes = [
    contour.huron(part) if len(part) >= _LEAST else '' for part, _ in found
  ]
  motifs = [_pattern(part, start, grid) for part, start in found]
  often = collections.Counter(motif for motif in motifs if len(motif) >= _LEAST)
  best, count = next(iter(often.most_common(1)), ((), 0))
  told = [motif if motif == best and count > 1 else () for motif in motifs]
  if not any(shapes):
    _refuse(f'bars {first + 1} to {first + bars} of this piece have no melody')
  return Tune(
    contour=tuple(shapes), motif=tuple(told), voice=voice, weight=weight
  )


def _pattern(part: line.Line, start: float, grid: Grid) -> Motif:
  """Returns the notes of a bar as a motif; of those of a cell the first."""
  cells = np.round((part.onset - start) * grid.cells_per_beat)
  cells, kept = np.unique(np.maximum(cells, 0), return_index=True)
  pitch = part.pitch[kept]
  places = (cells / grid.cells_per_beat).tolist()
  steps = (pitch - pitch[:1]).tolist()
  return tuple(zip(places, steps, strict=True))


def _refuse(cause: str) -> None:
  raise RequestError(f'tune: {cause}', code='tune')


class TuneState(NamedTuple):
  """Where a row stands in its bar; int32 scalars but for the clock.

  Attributes:
    places: The clock.
    notes: Of the melody in this bar, how many.
    first: Pitch of the first of them.
    last: Of the last.
    cell: Last cell at which the melody can begin no more: notes of a cell
      stand in the order of programs and voices.
    reached: Last cell that anything was told of.
  """

  places: PlaceState
  notes: Int[Array, '']
  first: Int[Array, '']
  last: Int[Array, '']
  cell: Int[Array, '']
  reached: Int[Array, '']


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['ways', 'cells', 'steps', 'span', 'voice'],
  meta_fields=['codec', 'places', 'half'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaning:
  """What keeps to a `Tune`, in steps of `compound`; a `Constraint`.

  Attributes:
    ways: int32 `[r, 2]`, which way the halves of a bar go; 2 is open.
    cells: int32 `[r, m]`, where a motif's notes begin; -1 for none.
    steps: int32 `[r, m]`, semitones from its first note.
    span: int32 `[2]`, rows, and bars of the piece before them.
    voice: int32 `[2]`, program and voice of the melody.
    codec: The vocabulary.
    places: Where its steps stand.
    half: Cells to the middle of a usual bar.
  """

  ways: Any
  cells: Any
  steps: Any
  span: Any
  voice: Any
  codec: Codec
  places: Places
  half: int

  def init(self) -> TuneState:
    """Returns the state before any step."""
    zero = jnp.int32(0)
    none = zero - 1
    return TuneState(self.places.init(), zero, zero, zero, none, none)

  def mask(
    self, state: TuneState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that keep to the tune; all, where it has no say."""
    find = {
      0: self._kinds,
      events.POSITION: self._positions,
      events.VALUE: self._programs,
      events.VOICE: self._voices,
      events.PITCH: self._pitches,
    }.get(field)
    if find is None:
      return jnp.ones(self.codec.sizes[field], bool)
    return find(state, partial)

  def advance(self, state: TuneState, step: Int[Array, ' f']) -> TuneState:
    """Returns the state after a step."""
    mine = self._note(step) & self._mine(step)
    pitch = self._value(events.PITCH, step)
    begins = step[0] == self.codec.id('bar')
    zero = jnp.int32(0)
    count = jnp.where(begins, zero, state.notes + mine)
    starts = mine & (state.notes == 0)
    return TuneState(
      places=self.places.advance(state.places, step),
      notes=count,
      first=jnp.where(starts, pitch, state.first),
      last=jnp.where(mine, pitch, state.last),
      cell=jnp.where(begins, zero - 1, self._passed(state, step)),
      reached=jnp.where(
        begins,
        zero - 1,
        jnp.where(self._placed(step), self._cell(step), state.reached),
      ),
    )

  def _passed(self, state: TuneState, step: Array) -> Array:
    """Returns the last cell at which the melody can begin no more."""
    program = self._value(events.VALUE, step)
    behind = self._value(events.VOICE, step) >= self.voice[1]
    over = (program > self.voice[0]) | ((program == self.voice[0]) & behind)
    over &= self._note(step)
    passed = jnp.where(over, self._cell(step), self._cell(step) - 1)
    # Tempos and pedals move on, too.
    return jnp.where(
      self._placed(step), jnp.maximum(passed, state.cell), state.cell
    )

  def _row(self, state: TuneState) -> tuple[Array, Array, Array]:
    """Returns ways, cells and steps of the open bar."""
    bar = state.places.bars - 1 - self.span[1]
    row = jnp.where(bar < 0, len(self.ways) - 1, bar % self.span[0])
    return tuple(
      jnp.asarray(x)[row] for x in (self.ways, self.cells, self.steps)
    )  # type: ignore[return-value]

  def _due(self, state: TuneState) -> Array:
    """Returns the cell of the motif's next note; -1 for none."""
    cells = self._row(state)[1]
    later = jnp.where(cells > state.cell, cells, 1 << 20)
    found = jnp.min(later)
    return jnp.where(found < 1 << 20, found, -1)

  def _kinds(self, state: TuneState, partial: Array) -> Array:
    """A bar does not end, and nothing else moves on, while a note is due."""
    del partial
    ids = np.arange(self.codec.sizes[0])
    holds = lambda *names: functools.reduce(  # noqa: E731
      np.logical_or, [self.codec.holds(name, ids) for name in names]
    )
    due = self._due(state)
    moves = holds('tempo', 'chord', 'pedal') & (state.reached >= due)
    return ~((holds('bar', 'eos') | moves) & (due >= 0))

  def _positions(self, state: TuneState, partial: Array) -> Array:
    """Nothing stands behind a note of the motif that is due."""
    del partial
    due = self._due(state)
    field = self.codec.fields[events.POSITION]
    behind = field.holds('position', np.arange(field.size)) & (
      jnp.asarray(field.values) > due
    )
    return ~(behind & (due >= 0))

  def _programs(self, state: TuneState, partial: Array) -> Array:
    """At the place of a note that is due the melody's instrument plays."""
    field = self.codec.fields[events.VALUE]
    held = field.holds('program', np.arange(field.size))
    mine = held & (jnp.asarray(field.values) == self.voice[0])
    here = self._note(partial) & (self._cell(partial) == self._due(state))
    return ~here | mine

  def _voices(self, state: TuneState, partial: Array) -> Array:
    """The melody begins where its motif has notes, and only there."""
    field = self.codec.fields[events.VOICE]
    mine = jnp.asarray(field.values) == self.voice[1]
    mine &= field.holds('voice', np.arange(field.size))
    about = self._note(partial)
    about &= self._value(events.VALUE, partial) == self.voice[0]
    cells, cell = self._row(state)[1], self._cell(partial)
    has = jnp.any(cells >= 0)
    here = jnp.any((cells == cell) & (cell > state.cell))
    return jnp.where(about & has, jnp.where(here, mine, ~mine), True)

  def _pitches(self, state: TuneState, partial: Array) -> Array:
    """Notes are as far from the first, or go the way, that is asked for."""
    field = self.codec.fields[events.PITCH]
    pitch = jnp.asarray(field.values)
    ways, cells, steps = self._row(state)
    cell = self._cell(partial)
    here = cells == cell
    step = jnp.sum(jnp.where(here, steps, 0))
    exact = pitch == state.first + step
    way = jnp.where(cell < self.half, ways[0], ways[1])
    rises, falls = pitch > state.last, pitch < state.last
    goes = jnp.where(way > 0, rises, jnp.where(way < 0, falls, ~rises & ~falls))
    wanted = jnp.where(jnp.any(here), exact, (way == _OPEN) | goes)
    about = self._note(partial) & self._mine(partial) & (state.notes > 0)
    return ~about | (wanted & field.holds('pitch', np.arange(field.size)))

  def _placed(self, step: Array) -> Array:
    field = self.codec.fields[events.POSITION]
    return field.holds('position', step[events.POSITION])

  def _note(self, step: Array) -> Array:
    return self.codec.holds('note', step[0])

  def _mine(self, step: Array) -> Array:
    """Whether a note is of the melody."""
    program = self._value(events.VALUE, step) == self.voice[0]
    return program & (self._value(events.VOICE, step) == self.voice[1])

  def _cell(self, step: Array) -> Array:
    return self._value(events.POSITION, step)

  def _value(self, field: int, step: Array) -> Array:
    return jnp.asarray(self.codec.fields[field].values)[step[field]]


def constraints(
  tokenizer: Tokenizer, tune: Tune | None, first: int = 0
) -> tuple[Constraint, ...]:
  """Returns what leans to a tune; nothing for None.

  Args:
    tokenizer: Of the pieces.
    tune: What is asked.
    first: Bars of the piece before those that are written.

  Raises:
    RequestError: The tokenization tells no note in one step, or has no such
      voice (code `tune`).
  """
  if tune is None:
    return ()
  if not isinstance(tokenizer, Compound):
    raise RequestError(
      'tune: this tokenization cannot lean to one; use a model of compound, '
      'such as pop',
      code='tune',
    )
  program, voice = tune.voice
  if not (0 <= program < events.DRUMS and 0 <= voice < tokenizer.voices):
    _refuse(
      f'voice {tune.voice}: a program is 0..{events.DRUMS - 1}, and the '
      f'tokenizer has voices 0..{tokenizer.voices - 1}'
    )
  asked = [tune.of_bar(row) for row in range(tune.rows)]
  ways = [WAYS.get(shape, (_OPEN, _OPEN)) for shape, _ in asked]
  cells, steps = _placed([motif for _, motif in asked], tokenizer.grid)
  leaning = Leaning(
    ways=padded(np.array(ways, np.int32), _OPEN),
    cells=padded(cells, -1),
    steps=padded(steps, 0),
    span=np.array([tune.rows, first], np.int32),
    voice=np.array(tune.voice, np.int32),
    codec=tokenizer.codec,
    places=Places.of(tokenizer),
    half=2 * tokenizer.cells_per_beat,
  )
  return (Soft(inner=leaning, weight=tune.weight),)


def _placed(
  motifs: list[Motif], grid: Grid
) -> tuple[Int[np.ndarray, 'r m'], Int[np.ndarray, 'r m']]:
  """Returns cells and steps of motifs, int32; at least one column."""
  most = max(1, *(len(motif) for motif in motifs))
  # A few widths serve all motifs, and so a few programs.
  width = 1 << (most - 1).bit_length()
  cells = np.full((len(motifs), width), -1, np.int32)
  steps = np.zeros_like(cells)
  for row, motif in enumerate(motifs):
    for note, (place, step) in enumerate(motif):
      cells[row, note] = round(place * grid.cells_per_beat)
      steps[row, note] = step
  return cells, steps


def kept(tune: Tune, grid: Grid, notes: Notes, first: int) -> dict[str, Kept]:
  """Returns how well a piece keeps to a tune, by 'contour' and 'motif'.

  A contour counts in bars with at least three notes of the melody; of a motif
  each note counts, which is there if one begins at its place, as far from the
  first one as it should be.

  Args:
    tune: What was asked.
    grid: Of the tokenizer.
    notes: The piece.
    first: Bars of it before those that were written.
  """
  parts = _bars(tune, grid, notes)[first:]
  shapes, found = [], []
  for bar, (part, start) in enumerate(parts):
    shape, motif = tune.of_bar(bar)
    if shape and len(part) >= _LEAST:
      shapes.append(contour.huron(part) == shape)
    found += _notes_kept(motif, part, start, grid)
  told = {'contour': shapes, 'motif': found}
  asked = {'contour': any(tune.contour), 'motif': any(tune.motif)}
  return {
    f'{name}, weight {tune.weight:g}': Kept.of(np.array(rows, bool))
    for name, rows in told.items()
    if asked[name]
  }


def _notes_kept(
  motif: Motif, part: line.Line, start: float, grid: Grid
) -> list[bool]:
  cells = np.round((part.onset - start) * grid.cells_per_beat).astype(int)
  heard = dict(zip(cells.tolist(), part.pitch.tolist(), strict=True))
  root = int(part.pitch[0]) if len(part) else None
  return [
    root is not None
    and heard.get(round(place * grid.cells_per_beat)) == root + step
    for place, step in motif
  ]


def _bars(
  tune: Tune, grid: Grid, notes: Notes
) -> list[tuple[line.Line, float]]:
  """Returns the melody of each bar, and where the bar starts in quarters."""
  program, voice = tune.voice
  notes = transform.quantise(notes, grid)
  tracks = [
    number
    for number, track in enumerate(notes.tracks)
    if track.program == program and not track.is_drum
  ]
  mine = tracks[voice] if voice < len(tracks) else -1
  return _cut(notes, np.flatnonzero(notes.track == mine), 1e-6)


def _cut(
  notes: Notes, melody: np.ndarray, early: float
) -> list[tuple[line.Line, float]]:
  """Returns the notes of a melody by bar, and where each starts in quarters.

  Those that begin so many quarters before a bar are its own.
  """
  tune = line.of(notes, melody)
  edges = np.append(time.bar_starts(notes), max(notes.end, 1))
  beats = edges / notes.ticks_per_beat
  cuts = np.searchsorted(tune.onset, beats - early).tolist()
  return [
    (tune.take(low, high), float(start))
    for (low, high), start in zip(itertools.pairwise(cuts), beats, strict=False)
  ]
