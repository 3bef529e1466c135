"""Voices on a grid of 16ths: one step a cell, one field a voice.

The representation of DeepBach (Hadjeres et al., ICML 2017) and of the JSB
chorales since Boulanger-Lewandowski et al., ICML 2012. Axes: `t` steps, `f`
the four voices, the first track of the piece (the soprano) first; `c` cells.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import notes as notes_lib
from aurl_jax.music import transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import assembly, events
from aurl_jax.tokens import infill as infill_lib
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.grid_grammar import FIRST, VoiceGridGrammar
from aurl_jax.tokens.infill_cells import CellsGrammar

VOICES = 4
_CELLS = 4
"""Cells a beat: 16ths."""
_REST, _HELD = -1, 128
"""Stand among pitches: a rest; what a pitch that is held on gets added."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VoiceGrid:
  """Four monophonic voices, in 16ths, of one meter and one tempo.

  A step is a cell; each of its fields is a pitch that starts there, one that
  is held on from the cell before, or a rest. That a hold tells its pitch
  spares a model the search for it: after 150 steps of training the loss is
  0.17 nats lower than with one id for all holds. Voices are the tracks in
  the order that they have in the piece. The BOS step tells meter (field 1),
  tempo (field 2) and the cells of a pickup (field 3), which is a first bar of
  the simplest meter of that length (`pickup_meter`) before the meter proper.

  Attributes:
    program: The General MIDI program that all voices get.
    infill: Whether parts of a piece may be taken out, see `infill`.

  Raises:
    ConfigError: The program is not in 0..127.
  """

  program: int = 0
  infill: bool = False

  def __post_init__(self) -> None:
    if not 0 <= self.program <= 127:
      raise errors.ConfigError(f'program {self.program} not in 0..127')

  @functools.cached_property
  def grid(self) -> Grid:
    """What encoding quantises to: exact up to 64 beats, without dynamics."""
    return Grid(
      cells_per_beat=_CELLS,
      velocity_bins=1,
      voices=VOICES,
      program=self.program,
      exact_beats=32,
    )

  @functools.cached_property
  def codec(self) -> Codec:
    """The vocabulary: a field a voice, of equal ids for equal events."""
    return infill_lib.extended(self._plain) if self.infill else self._plain

  @functools.cached_property
  def _plain(self) -> Codec:
    """The vocabulary without infilling."""
    shared = (
      Range('bos', 0, 0),
      Range('eos', 0, 0),
      Range('rest', 0, 0),
      Range('pitch', 0, 127),
      Range('hold', 0, 127),
    )
    own = (
      (),
      (Range('meter', 0, len(self.grid.meters) - 1),),
      (Range('tempo', 0, len(self.grid.tempos) - 1),),
      (Range('pickup', 0, len(self._pickups) - 1),),
    )
    names = ('soprano', 'alto', 'tenor', 'bass')
    pairs = zip(names, own, strict=True)
    return Codec(tuple(Field(name, shared + part) for name, part in pairs))

  @functools.cached_property
  def _pickups(self) -> tuple[tuple[int, int] | None, ...]:
    """Meters of the pickups of 0 (None), 1, 2 … cells, without a gap."""
    found: list[tuple[int, int] | None] = [None]
    while meter := _simplest(len(found), self.grid):
      found.append(meter)
    return tuple(found)

  def pickup_meter(self, cells: int) -> tuple[int, int] | None:
    """Returns the meter whose bar is a pickup of so many cells.

    None for 0 cells and for more than a pickup may have.

    Example:
      >>> [VoiceGrid().pickup_meter(cells) for cells in (4, 2, 12)]
      [(1, 4), (1, 8), (3, 4)]
    """
    return self._pickups[cells] if cells < len(self._pickups) else None

  @functools.cached_property
  def grammar(self) -> VoiceGridGrammar | CellsGrammar:
    """The legal sequences."""
    plain = VoiceGridGrammar(self._plain, self.grid)
    return CellsGrammar(plain, self.codec) if self.infill else plain

  def quantise(self, notes: Notes) -> Notes:
    """Returns what `decode(encode(notes))` gives back.

    Raises:
      TokenError: As `encode`.
    """
    if len(notes):
      _check(notes)
    return transform.merge_equal(events.quantised(notes, self.grid))[0]

  def encode(self, notes: Notes) -> np.ndarray:
    """Returns int32 `[t, 4]`: BOS, each cell up to the last end, EOS.

    Raises:
      TokenError: The piece is not four monophonic voices on the grid of
        16ths with one meter, after an optional pickup, and one tempo; the
        code says which: `voices`, `polyphony`, `off_grid`, `meter`, `tempo`,
        or `too_long` beyond 2^16 bars.
    """
    if not len(notes):
      return np.stack([self.bos(), self._eos])
    rounded = self.quantise(notes)
    first = self._first(rounded)
    cells = _cells(rounded)
    ids = np.zeros((len(cells) + 2, VOICES), np.int32)
    ids[0], ids[-1] = first, self._eos
    # Rest, pitches and holds have consecutive ids, the same in all fields.
    ids[1:-1] = cells + (self.codec.id('rest') - _REST)
    return ids

  def _first(self, notes: Notes) -> np.ndarray:
    """Returns the BOS step of quantised notes."""
    meter, tempo = (
      events.meters(notes, self.grid),
      events.tempos(notes, self.grid),
    )
    change = notes.meters['tick']
    pickup = int(change[-1]) if len(meter) == 2 else 0
    full = int(events.meter_cells(self.grid)[meter[-1]])
    if notes.end > events.MOST_BARS * full:
      raise events.too_long(notes)
    given = notes.meters[['numerator', 'denominator']].tolist()
    if len(meter) > 2 or (
      len(meter) == 2
      and (pickup >= full or given[0] != self.pickup_meter(pickup))
    ):
      raise errors.TokenError(
        f'meters {given} at cells {change.tolist()}; a grid has one meter, '
        'after a pickup at most; use remi or compound',
        code='meter',
      )
    if len(tempo) > 1:
      raise errors.TokenError(
        f'{len(tempo)} tempos; a grid has one; use remi or compound',
        code='tempo',
      )
    return self._first_ids(int(meter[-1]), int(tempo[0]), pickup)

  def _first_ids(self, meter: int, tempo: int, pickup: int) -> np.ndarray:
    pairs = zip(FIRST, (0, meter, tempo, pickup), strict=True)
    ids = [self.codec.id(name, v, f) for f, (name, v) in enumerate(pairs)]
    return np.array(ids, np.int32)

  @functools.cached_property
  def _eos(self) -> np.ndarray:
    return np.array([self.codec.id('eos'), 0, 0, 0], np.int32)

  def decode(self, ids: np.ndarray) -> Notes:
    """Returns the quantised music of ids `[t, 4]`, legal or cut anywhere.

    What is out of place counts as a rest, a hold of nothing too; what
    follows the first EOS is left out. Without a BOS step at the start, 4/4
    at 120 bpm holds.

    Raises:
      TokenError: Not ids of this vocabulary (codes `shape`, `range`).
    """
    ids = self.codec.check(ids)
    if self.infill:
      ids = infill_lib.Infill(self.codec).put_back(ids)
    meter, tempo, pickup = self._read_first(ids)
    done = np.flatnonzero(self.is_end(ids))
    ids = ids[: done[0] if len(done) else None]
    ids = ids[(ids[:, 0] > 0) & ~self.codec.holds('bos', ids[:, 0])]
    cells = ids - (self.codec.id('rest') - _REST)
    onset, rows = _notes(
      np.where((cells >= _REST) & (cells < 2 * _HELD), cells, _REST), self.grid
    )
    rows[events.VALUE] = self.program
    meters = [(pickup, meter)]
    if pickup:
      first = self.grid.meters.index(self._pickups[pickup])
      meters = [(0, first), *meters]
    return assembly.assemble(
      onset,
      rows,
      self.grid,
      meters=tuple(np.array(meters).T),
      tempos=(np.array([0]), np.array([tempo])),
    )

  def _read_first(self, ids: np.ndarray) -> tuple[int, int, int]:
    """Returns meter, tempo and pickup; the defaults for what is missing."""
    defaults = self.bos(bpm=_DEFAULT_BPM)
    begins = len(ids) > 0 and self.codec.holds('bos', ids[0, 0])
    first = ids[0] if begins else defaults
    values = []
    for field in (1, 2, 3):
      told = self.codec.holds(FIRST[field], first[field], field)
      id_ = first[field] if told else defaults[field]
      values.append(int(self.codec.fields[field].values[id_]))
    return values[0], values[1], values[2]

  def bar_steps(self, ids: np.ndarray) -> np.ndarray:
    """Returns the step indices at which a bar starts, ascending.

    A pickup counts as a bar. Without a BOS step, 4/4 starts at step 0.
    """
    meter, _, pickup = self._read_first(ids)
    first = int(self.codec.holds('bos', ids[:1, 0]).sum())
    ends = np.flatnonzero(self.is_end(ids) | (ids[:, 0] == 0))
    stop = int(ends[0]) if len(ends) else len(ids)
    length = int(events.meter_cells(self.grid)[meter])
    starts = np.arange(first + pickup, stop, length)
    return np.append(first, starts) if pickup and first < stop else starts

  @property
  def steps_a_bar(self) -> int:
    """Steps of a bar of 4/4."""
    meter = self.grid.meters.index(notes_lib.DEFAULT_METER)
    return int(events.meter_cells(self.grid)[meter])

  def bos(
    self,
    meter: tuple[int, int] = notes_lib.DEFAULT_METER,
    bpm: float | int = 100,
    pickup: int = 0,
  ) -> np.ndarray:
    """Returns the first step, int32 `[4]`.

    Args:
      meter: Numerator and denominator.
      bpm: Quarter notes a minute; the nearest bin is told.
      pickup: Cells (16ths) before the first full bar.

    Raises:
      TokenError: No such meter or pickup in this vocabulary, or a pickup as
        long as a bar (code `meter`).
    """
    full = self.grid.meter_cells(*meter) if meter in self.grid.meters else 0
    if not 0 <= pickup < min(full, len(self._pickups)):
      raise errors.TokenError(
        f'no meter {meter} with a pickup of {pickup} cells; the meter must be '
        f'one of {self.grid.meters}, the pickup shorter than its bar and than '
        f'{len(self._pickups)} cells',
        code='meter',
      )
    ratio = np.abs(np.log(self.grid.tempos * bpm / _MICROS_A_MINUTE))
    meter_index = self.grid.meters.index(meter)
    return self._first_ids(meter_index, int(ratio.argmin()), pickup)

  def is_end(self, ids: Any) -> Any:
    """Returns bool `[...]`: which steps of `[..., 4]` are EOS."""
    return ids[..., 0] == self.codec.id('eos')


_MICROS_A_MINUTE = 60_000_000
_DEFAULT_BPM = _MICROS_A_MINUTE / notes_lib.DEFAULT_TEMPO


def _simplest(cells: int, grid: Grid) -> tuple[int, int] | None:
  """Returns the meter of a bar of so many cells, quarters before 8ths."""
  meters = [m for m in grid.meters if grid.meter_cells(*m) == cells]
  return min((m for m in meters if m[1] >= 4), key=lambda m: m[1], default=None)


def _check(notes: Notes) -> None:
  """Raises TokenError unless four tracks stand on the grid of 16ths."""
  used = np.count_nonzero(np.bincount(notes.track))
  if used != VOICES or notes.is_drum.any():
    drums = ', drums among them' if notes.is_drum.any() else ''
    raise errors.TokenError(
      f'{used} tracks with notes{drums}; a grid has {VOICES} voices, each a '
      'track; use remi or compound',
      code='voices',
    )
  beat = notes.ticks_per_beat
  onset, length = notes.onset % beat, notes.duration % beat
  off = (onset * _CELLS % beat != 0) | (length * _CELLS % beat != 0)
  if off.any():
    tick = int(notes.onset[np.argmax(off)])
    raise errors.TokenError(
      f'{off.sum()} notes are not on the grid of 16ths, the first at tick '
      f'{tick} ({tick / beat:.3f} beats); use remi or compound',
      code='off_grid',
    )


def _cells(notes: Notes) -> np.ndarray:
  """Returns rest, pitch or held pitch of quantised voices, int64 `[c, 4]`."""
  cells = np.full((notes.end, VOICES), _REST)
  order = np.argsort(notes.track, kind='stable')
  track, onset = notes.track[order], notes.onset[order]
  end = onset + notes.duration[order]
  clash = (track[1:] == track[:-1]) & (end[:-1] > onset[1:])
  if clash.any():
    at = int(np.argmax(clash))
    raise errors.TokenError(
      f'voice {track[at] + 1} has two notes at once at beat '
      f'{onset[at + 1] / _CELLS:g}; a voice of a grid is monophonic; use remi '
      'or compound',
      code='polyphony',
    )
  length = end - onset
  inside = np.arange(length.sum()) - np.repeat(
    np.cumsum(length) - length, length
  )
  pitch = notes.pitch[order].astype(np.int64)
  held = np.repeat(pitch + _HELD, length)
  cells[np.repeat(onset, length) + inside, np.repeat(track, length)] = held
  cells[onset, track] = pitch
  return cells


def _notes(cells: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
  """Returns the onsets of the notes in cells `[c, 4]`, and their events."""
  count = len(cells)
  # A voice after the other, each with a rest behind it that ends its last.
  stream = np.pad(cells, ((0, 1), (0, 0)), constant_values=_REST).T.ravel()
  before = np.roll(stream, 1)
  goes_on = (
    (stream >= _HELD) & (before >= 0) & (stream % _HELD == before % _HELD)
  )
  breaks = np.flatnonzero(~goes_on)
  starts = breaks[(stream[breaks] >= 0) & (stream[breaks] < _HELD)]
  ends = breaks[np.searchsorted(breaks, starts) + 1]
  voice, onset = np.divmod(starts, count + 1)
  rows = np.zeros((events.COLUMNS, len(starts)), np.int64)
  rows[events.PITCH] = stream[starts]
  longest = int(grid.durations[-1])
  # All lengths up to the longest exist, so the index is the length less 1.
  rows[events.DURATION] = np.minimum(ends - starts, longest) - 1
  rows[events.VOICE] = voice
  return onset, rows
