"""Music that is given, and to which the rest is written.

A melody, a bass or an accompaniment stays as it is, note by note, and so do
its bars, meters and tempos; its tracks get no other notes. There are two ways:

- A model that has learnt to infill reads it before it writes (`tokens.infill`:
  all bars masked, nothing taken out), and writes the other notes alone.
- Any other model is held to it as it writes (`given_steps`, `given_cells`):
  it knows of it what has sounded so far.

Rules of a wish are about the notes that are written; what is given is exempt,
and does not count. Axes: `t` steps, `f` fields.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping

import numpy as np

from aurl_jax.core.errors import TokenError
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.frame import Frame, Kept, Table
from aurl_jax.generation.request import Request
from aurl_jax.music import time, transform
from aurl_jax.music.notes import Notes, Track
from aurl_jax.music.rebuild import rebuilt
from aurl_jax.tokens import infill_layouts
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VOICES, VoiceGrid
from aurl_jax.tokens.remi import Remi
from aurl_jax.tokens.tokenizer import Tokenizer

_OF_LINES = {'melody': (0,), 'accompaniment': (1, 2, 3), 'bass': (3,)}
"""The voices of a grid that each line is."""
_FILLER = 60
"""A pitch that stands for voices which are not given, while ids are made."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Given:
  """Given music, as a tokenizer has it.

  Attributes:
    notes: As it comes back.
    ids: int32 `[t, f]`, from BOS to its last bar, without EOS. In a grid the
      other voices rest.
    tracks: Its (program, voice), 128 for drums; of a grid (program, voice).
    meters: Of each bar.
    forced: Whether the model is held to it as it writes.
  """

  notes: Notes
  ids: np.ndarray
  tracks: tuple[tuple[int, int], ...]
  meters: tuple[tuple[int, int], ...]
  forced: bool

  @property
  def bars(self) -> int:
    """How many bars it has."""
    return len(self.meters)

  def without(self, notes: Notes) -> Notes:
    """Returns the notes of a piece that are not given."""
    due = Counter(_keys(self.notes))
    kept = np.ones(len(notes), bool)
    for index, key in enumerate(_keys(notes)):
      if due[key]:
        due[key] -= 1
        kept[index] = False
    names = ('onset', 'duration', 'pitch', 'velocity', 'track')
    return rebuilt(notes, {name: getattr(notes, name)[kept] for name in names})


def _keys(notes: Notes) -> list[tuple[int, ...]]:
  """Returns what tells notes apart, but for their voices."""
  columns = (
    notes.onset,
    notes.duration,
    notes.pitch,
    notes.velocity,
    notes.program,
    notes.is_drum,
  )
  return list(zip(*(column.tolist() for column in columns), strict=True))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beside:
  """What is given comes back, and its tracks hold nothing else; a rule.

  Attributes:
    frame: The bars.
    given: The music.
    steps: Of each row, the steps that it takes to write it.
    name: What reports call it.
  """

  frame: Frame
  given: Given
  steps: tuple[int, ...]
  name: str = 'given'

  def narrow(self, table: Table) -> None:
    """Closes its tracks to other notes, and reserves its steps."""
    for program, voice in self.given.tracks:
      table.writable[program, voice] = False
    table.given += np.array(self.steps, np.int32)

  def kept(self, notes: Notes) -> Kept:
    """Returns how many of the given notes are in a piece."""
    have = Counter(_keys(notes))
    found = []
    for key in _keys(self.given.notes):
      found.append(have[key] > 0)
      have[key] -= 1
    return Kept.of(np.array(found, bool))


def beside(tokenizer: Tokenizer, given: Given, frame: Frame) -> Beside:
  """Returns the rule that music is given; of a frame of all its bars."""
  steps = np.zeros(frame.rows, int)
  if given.forced and isinstance(tokenizer, Compound):
    row = np.cumsum(tokenizer.codec.holds('bar', given.ids[:, 0])) - 1
    of_bars = tokenizer.codec.holds('bar', given.ids[:, 0]) | (row < 0)
    steps = np.bincount(row[~of_bars], minlength=frame.rows)
  return Beside(frame=frame, given=given, steps=tuple(steps.tolist()))


def of(tokenizer: Tokenizer, request: Request) -> Given | None:
  """Returns what a request gives, None for nothing.

  Args:
    tokenizer: Of the piece.
    request: `bars` are the bars of the piece, 0 for those of what is given.

  Raises:
    RequestError: It cannot be held, or has more bars than the piece (codes
      `given`, `bars`).
    MidiError: A file holds no music.
  """
  parts = request.lines()
  if not parts:
    return None
  infills = 'mask' in tokenizer.codec.fields[0].starts
  if not isinstance(tokenizer, Compound | VoiceGrid) and not (
    isinstance(tokenizer, Remi) and infills
  ):
    raise _error(
      'this model cannot be held to music that is given; use one of compound '
      'or grid, or one that has learnt to infill'
    )
  if not infills and request.repeat:
    raise _error('what is given may repeat itself; leave out repeat')
  try:
    if isinstance(tokenizer, VoiceGrid):
      return _voices(tokenizer, parts, request.bars)
    music = _joined(tokenizer, parts)
    ids = tokenizer.encode(music)[:-1]
    if isinstance(tokenizer, Compound):
      ids = ids[~_others(tokenizer, ids)]
  except TokenError as error:
    raise _error(f'it does not fit this model: {error}') from error
  meters = _meters(music, request.bars)
  ids = _with_bars(tokenizer, ids, len(meters))
  tracks = infill_layouts.of(tokenizer.codec).tracks(ids)
  return Given(
    notes=tokenizer.decode(ids),
    ids=ids,
    tracks=tuple(tracks),
    meters=meters,
    forced=not infills,
  )


def _others(tokenizer: Compound, ids: np.ndarray) -> np.ndarray:
  """Returns bool `[t]`: chords and pedals, which are left to the model."""
  starts = tokenizer.codec.fields[0].starts
  names = [name for name in ('chord', 'pedal') if name in starts]
  held = [tokenizer.codec.holds(name, ids[:, 0]) for name in names]
  found: np.ndarray = np.any([np.zeros(len(ids), bool), *held], axis=0)
  return found


def _joined(tokenizer: Tokenizer, parts: Mapping[str, Notes]) -> Notes:
  """Returns the tracks of all lines side by side, on the grid."""
  on_grid = [
    transform.quantise(part, tokenizer.grid) for part in parts.values()
  ]
  first = on_grid[0]
  for name, part in zip(parts, on_grid, strict=True):
    if _changes(part) != _changes(first):
      raise _error(f'{name} and {next(iter(parts))} have other meters')
  return _side_by_side(first, on_grid)


def _changes(notes: Notes) -> list[tuple[int, int, int]]:
  return time.meter_changes(notes)


def _side_by_side(first: Notes, parts: list[Notes]) -> Notes:
  """Returns the tracks of all parts, with the bars and tempos of the first."""
  tracks: list[Track] = []
  columns: dict[str, list[np.ndarray]] = {name: [] for name in _NAMES}
  for part in parts:
    for name in _NAMES[:-1]:
      columns[name].append(getattr(part, name))
    columns['track'].append(part.track + len(tracks))
    tracks += part.tracks
  whole = {name: np.concatenate(found) for name, found in columns.items()}
  return Notes.build(
    first.ticks_per_beat,
    whole,
    tracks=tracks,
    meters=first.meters,
    tempos=first.tempos,
  )


_NAMES = ('onset', 'duration', 'pitch', 'velocity', 'track')


def _meters(music: Notes, bars: int) -> tuple[tuple[int, int], ...]:
  """Returns the meter of each bar of a piece of so many bars, 0 for its own.

  Raises:
    RequestError: It has more (code `bars`).
  """
  starts = time.bar_starts(music).tolist()
  if bars and len(starts) > bars:
    raise RequestError(
      f'{bars} bars are asked for, and the music that is given has '
      f'{len(starts)}; ask for as many, or give less',
      code='bars',
    )
  changes = _changes(music)
  found = [
    [(n, d) for tick, n, d in changes if tick <= start][-1] for start in starts
  ]
  return (*found, *(found[-1:] * (bars - len(found))))


def _with_bars(tokenizer: Tokenizer, ids: np.ndarray, bars: int) -> np.ndarray:
  """Returns ids of events, and empty bars behind them."""
  more = bars - len(tokenizer.bar_steps(ids))
  step = np.zeros((1, ids.shape[1]), np.int32)
  step[0, 0] = tokenizer.codec.id('bar')
  for f, field in enumerate(tokenizer.codec.fields):
    for event in ('whole', 'same'):
      if event in field.starts:
        step[0, f] = tokenizer.codec.id(event, 0, f)
  return np.concatenate([ids, np.repeat(step, more, axis=0)])


def _voices(
  tokenizer: VoiceGrid, parts: Mapping[str, Notes], bars: int
) -> Given:
  """Returns what is given of a grid."""
  own = _placed(tokenizer, parts)
  end = max(part.end for part in own.values())
  tick = next(iter(own.values())).ticks_per_beat
  filler = Notes.build(tick, {'onset': 0, 'duration': end, 'pitch': _FILLER})
  first = next(iter(own.values()))
  whole = _side_by_side(first, [own.get(v, filler) for v in range(VOICES)])
  ids = tokenizer.encode(whole)[:-1]
  open_ = [voice for voice in range(VOICES) if voice not in own]
  rests = [tokenizer.codec.id('rest', 0, voice) for voice in open_]
  ids[1:, open_] = rests
  meters = _meters(whole, bars)
  ids = _with_cells(tokenizer, ids, rests[0], len(meters))
  return Given(
    notes=tokenizer.decode(ids),
    ids=ids,
    tracks=tuple((tokenizer.program, voice) for voice in own),
    # A pickup apart, a grid has one.
    meters=meters[-1:] * len(meters),
    forced=not tokenizer.infill,
  )


def _placed(
  tokenizer: VoiceGrid, parts: Mapping[str, Notes]
) -> dict[int, Notes]:
  """Returns the voice of each track that is given."""
  own: dict[int, Notes] = {}
  for name, part in parts.items():
    voices = _OF_LINES[name]
    used = np.unique(part.track).tolist()
    if len(used) != len(voices):
      raise _error(
        f'{name} has {len(used)} tracks with notes, and is {len(voices)} of '
        f'the {VOICES} voices of a grid; give as many tracks'
      )
    for voice, track in zip(voices, used, strict=True):
      if voice in own:
        raise _error(f'{name} is a voice that is given already; give one alone')
      line = transform.select_tracks(part, [track])
      own[voice] = transform.quantise(line, tokenizer.grid)
  return own


def _with_cells(
  tokenizer: VoiceGrid, ids: np.ndarray, rest: int, bars: int
) -> np.ndarray:
  """Returns the cells of so many whole bars; rests behind those there are."""
  rests = np.full((1, VOICES), rest, np.int32)
  while len(starts := tokenizer.bar_steps(ids)) <= bars:
    ids = np.concatenate([ids, np.repeat(rests, len(ids), axis=0)])
  return ids[: int(starts[bars])]


def _error(cause: str) -> RequestError:
  return RequestError(f'what is given: {cause}', code='given')
