"""`Score`: a piece as it is written, before it is MusicXML or ABC.

Each track with notes is a part; a keyboard's has two staves where its range
asks for them. A staff has voices, of which the first fills every bar with
rests; in the others silence is left blank.
"""

import bisect
import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from aurl_jax.music import score_staves, score_values, spelling
from aurl_jax.music.notes import Notes
from aurl_jax.music.score_staves import Chord
from aurl_jax.music.score_time import Bar, to_score
from aurl_jax.music.score_values import Meter, Tuplet, Value


class Item(NamedTuple):
  """A written chord, rest or blank.

  Attributes:
    value: Its length.
    rows: The notes of the piece, lowest first; none in silence.
    tied_back: Whether it goes on from the value before.
    tied_on: Whether it goes on in the next value.
    beams: Words of MusicXML, the outermost beam first.
    blank: Whether it is silence that is not shown.
    whole: Whether it is silence of a whole bar.
  """

  value: Value
  rows: tuple[int, ...] = ()
  tied_back: bool = False
  tied_on: bool = False
  beams: tuple[str, ...] = ()
  blank: bool = False
  whole: bool = False


@dataclasses.dataclass(frozen=True)
class Voice:
  """One voice of one bar; its items fill the bar."""

  number: int
  staff: int
  items: tuple[Item, ...]


@dataclasses.dataclass(frozen=True)
class Part:
  """One track.

  Attributes:
    track: Its index in the piece.
    clefs: Sign, line and octaves of each staff; `percussion` for drums.
    bars: The voices of each bar, those of the upper staff first.
  """

  track: int
  clefs: tuple[tuple[str, int, int], ...]
  bars: tuple[tuple[Voice, ...], ...]


@dataclasses.dataclass(frozen=True)
class Score:
  """A piece as it is written.

  Attributes:
    notes: The piece in positions (see `score_time`).
    bars: Its bars; a pickup is the first one, with a meter of its own.
    keys: Sharps and mode in each bar.
    places: [n], the name of each pitch on the line of fifths.
    parts: The tracks with notes; the first track if none has any.
  """

  notes: Notes
  bars: tuple[Bar, ...]
  keys: tuple[tuple[int, bool], ...]
  places: np.ndarray
  parts: tuple[Part, ...]

  @property
  def pickup(self) -> bool:
    """Whether the first bar is the end of one."""
    if len(self.bars) < 2:
      return False
    first, second = self.bars[:2]
    return first.meter != second.meter and first.length < second.full


def build(notes: Notes, *, hands: bool = True) -> Score:
  """Returns the score of a piece.

  Args:
    notes: Any piece.
    hands: Whether keyboards may have two staves.

  Raises:
    ScoreError: No score can hold it; see `score_time.to_score`.
  """
  written, bars = to_score(notes)
  keys = _keys(written, bars)
  tracks = np.unique(written.track).tolist() or [0]
  return Score(
    notes=written,
    bars=bars,
    keys=keys,
    places=_places(written, bars, keys),
    parts=tuple(_part(written, bars, track, hands) for track in tracks),
  )


def _keys(notes: Notes, bars: Sequence[Bar]) -> tuple[tuple[int, bool], ...]:
  """Returns the key of each bar: as told, or else as it sounds."""
  told = {row[0]: (row[1], row[2]) for row in notes.keys.tolist()}
  if not told:
    return (spelling.estimate_key(notes),) * len(bars)
  key = told[min(told)]
  keys = []
  for bar in bars:
    key = told.get(bar.start, key)
    keys.append(key)
  return tuple(keys)


def _places(
  notes: Notes, bars: Sequence[Bar], keys: Sequence[tuple[int, bool]]
) -> np.ndarray:
  rows = np.flatnonzero(~notes.is_drum)
  rows = rows[np.lexsort([notes.pitch[rows], notes.onset[rows]])]
  starts = np.array([bar.start for bar in bars])
  bar = np.searchsorted(starts, notes.onset[rows], side='right') - 1
  fifths = np.array([key[0] for key in keys])[bar]
  places = np.zeros(len(notes), np.int64)
  places[rows] = spelling.spell(notes.pitch[rows], fifths)
  return places


def _part(notes: Notes, bars: Sequence[Bar], track: int, hands: bool) -> Part:
  rows = np.flatnonzero(notes.track == track)
  pitch = notes.pitch[rows]
  program, drums = 0, False
  if notes.tracks:
    _, program, drums = notes.tracks[track]
  staves = [rows]
  if hands and not drums and score_staves.needs_two(program, pitch):
    right = score_staves.right_hand(notes.onset[rows], pitch)
    staves = [rows[right], rows[~right]]
  clefs = [score_staves.clef(program, notes.pitch[staff]) for staff in staves]
  if len(staves) == 2:
    clefs = [('G', 2, 0), ('F', 4, 0)]
  found: list[list[Voice]] = [[] for _ in bars]
  number = 1
  for index, staff in enumerate(staves, 1):
    voices = score_staves.voices(
      notes.onset, notes.onset + notes.duration, notes.pitch, staff
    )
    for place, chords in enumerate(voices or [[]]):
      for bar, items in _items(chords, bars, first=place == 0):
        found[bar].append(Voice(number + place, index, items))
    # Programs that read scores expect the lower staff to begin at 5.
    number = max(5, number + len(voices))
  return Part(
    track=track,
    clefs=(('percussion', 2, 0),) if drums else tuple(clefs),
    bars=tuple(tuple(voices) for voices in found),
  )


class _Stretch(NamedTuple):
  """A chord, or silence, inside one bar."""

  start: int
  end: int
  rows: tuple[int, ...] = ()
  back: bool = False
  on: bool = False


def _items(
  chords: Sequence[Chord], bars: Sequence[Bar], *, first: bool
) -> Iterable[tuple[int, tuple[Item, ...]]]:
  """Yields the bars that a voice has, and what it has in them.

  Args:
    chords: Of the voice.
    bars: Of the piece.
    first: Whether the voice shows its rests, and stands in every bar.
  """
  starts = [bar.start for bar in bars]
  cut: dict[int, list[_Stretch]] = {}
  for start, end, rows in chords:
    at, index = start, bisect.bisect_right(starts, start) - 1
    while at < end:
      bar = bars[index]
      stop = min(end, bar.start + bar.length)
      stretch = _Stretch(
        at - bar.start, stop - bar.start, rows, at > start, stop < end
      )
      cut.setdefault(index, []).append(stretch)
      at, index = stop, index + 1
  for index in range(len(bars)) if first else sorted(cut):
    yield index, _bar_items(cut.get(index, []), bars[index], shown=first)


def _bar_items(
  stretches: Sequence[_Stretch], bar: Bar, *, shown: bool
) -> tuple[Item, ...]:
  if not stretches:
    return (Item(Value(0, bar.length, 0, 0), whole=True),)
  full: list[_Stretch] = []
  at = 0
  for stretch in stretches:
    if at < stretch.start:
      full.append(_Stretch(at, stretch.start))
    full.append(stretch)
    at = stretch.end
  if at < bar.length:
    full.append(_Stretch(at, bar.length))
  points = [stretch.start for stretch in full] + [bar.length]
  return _written(full, Meter(bar), score_values.tuplets(bar, points), shown)


def _written(
  stretches: Sequence[_Stretch],
  meter: Meter,
  brackets: Sequence[Tuplet],
  shown: bool,
) -> tuple[Item, ...]:
  items: list[Item] = []
  for start, end, rows, back, on in stretches:
    values = score_values.write(start, end, meter, brackets, rest=not rows)
    last = len(values) - 1
    items += [
      Item(
        value,
        rows,
        tied_back=bool(rows) and (back or place > 0),
        tied_on=bool(rows) and (on or place < last),
        blank=not rows and not shown,
      )
      for place, value in enumerate(values)
    ]
  beams = score_values.beams([(i.value, bool(i.rows)) for i in items], meter)
  return tuple(
    item._replace(beams=tuple(words))
    for item, words in zip(items, beams, strict=True)
  )
