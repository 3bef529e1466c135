"""Wishes that some music keeps, with that music, and wishes that none can.

A *witness* is drawn first, note by note, in plain Python: keys, chords,
rhythm, ranges and limits are chosen by chance, and no note is taken that
breaks them. What is wished is then told in the words of `Wish` and, for those
who judge, in sets and numbers (`hearing`). So each set of wishes can be kept,
and its witness proves it. Nothing here asks the code under test what a name
means: the tables below are its own.
"""

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np

from aurl_jax.generation.request import Request
from aurl_jax.generation.wish import Wish
from aurl_jax.music.notes import Notes, Track

ANY = 1 << 20
"""As good as no limit."""
DRUMS = 128
KINDS = ('open', 'voices', 'tracks', 'given', 'soft')
"""No limit to what sounds; one to all of it; one to each track; a line that
is given; rules that are leaned to."""
SCALES = {
  'major': (0, 2, 4, 5, 7, 9, 11),
  'minor': (0, 2, 3, 5, 7, 8, 10, 11),
  'harmonic minor': (0, 2, 3, 5, 7, 8, 11),
  'dorian': (0, 2, 3, 5, 7, 9, 10),
  'mixolydian': (0, 2, 4, 5, 7, 9, 10),
  'lydian': (0, 2, 4, 6, 7, 9, 11),
  'minor pentatonic': (0, 3, 5, 7, 10),
  'blues': (0, 3, 5, 6, 7, 10),
}
ROOTS = ['C', 'Db', 'D', 'Eb', 'E', 'F', 'F#', 'G', 'Ab', 'A', 'Bb', 'B']
CHORDS = {
  '': (0, 4, 7),
  'm': (0, 3, 7),
  '7': (0, 4, 7, 10),
  'm7': (0, 3, 7, 10),
  'maj7': (0, 4, 7, 11),
  'dim': (0, 3, 6),
  'm7b5': (0, 3, 6, 10),
  'sus4': (0, 5, 7),
}
PLAYERS = {
  'piano': (0, 21, 108),
  'guitar': (24, 40, 88),
  'bass': (33, 28, 67),
  'violin': (40, 55, 103),
  'cello': (42, 36, 76),
  'trumpet': (56, 54, 86),
  'flute': (73, 60, 98),
  'drums': (DRUMS, 35, 81),
}
"""Name -> program, lowest and highest pitch."""
VALUES = {
  '2': Fraction(2),
  '4': Fraction(1),
  '8': Fraction(1, 2),
  '16': Fraction(1, 4),
  '4t': Fraction(2, 3),
  '8t': Fraction(1, 3),
}
METERS = ((4, 4), (3, 4), (2, 4), (6, 8), (5, 4), (7, 8), (3, 8), (9, 8))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Room:
  """What a tokenization can hold, in plain numbers.

  Attributes:
    cells: Places in a quarter note.
    beats: Quarter notes of the longest bar that is drawn.
    longest: Of the longest one that can be told.
    voices: Tracks that may share an instrument.
    grid: Whether its voices are four of the piano, in one meter and tempo.
    note: Steps of a note.
    bar: Steps of a bar without its notes; 0 where cells are steps.
    close: Steps of the end.
    spare: Steps that a budget has at most beyond what the witness takes.
    twice: Whether bars are told twice where something is given: as they are
      read, and as they are filled in.
  """

  cells: int = 4
  beats: int = 4
  longest: int = 4
  voices: int = 2
  grid: bool = False
  note: int = 1
  bar: int = 2
  close: int = 3
  spare: int = 24
  twice: bool = False


COMPOUND = Room()
REMI = Room(note=6, bar=4, close=5, spare=60)
GRID = Room(grid=True, note=0, bar=0, close=2, voices=4, beats=12, longest=12)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Witness:
  """Music, and wishes that it keeps.

  Attributes:
    seed: By which it was drawn.
    notes: The music, of which `given` is part.
    bars: How many it has.
    wish: What it keeps.
    judged: The same for `hearing.adherence`.
    given: Lines that are asked to stay, by their names.
    steps: A budget that it fits.
  """

  seed: int
  notes: Notes
  bars: int
  wish: Wish
  judged: dict[str, Any]
  given: dict[str, Notes]
  steps: int

  def request(self, **changes: Any) -> Request:
    """Returns the request for another piece that keeps the same."""
    asked = {'bars': self.bars, 'steps': self.steps, 'wish': self.wish}
    return Request(**{**asked, **self.given, 'seed': self.seed, **changes})


def draw(room: Room, seed: int, kind: str = 'open', most: int = 4) -> Witness:
  """Returns a witness of 1 to `most` bars; see `KINDS`."""
  for attempt in range(1000):
    found = _Drawing(room, seed, kind, most, attempt).witness()
    if kind != 'given' or found.given:
      return found
  raise AssertionError(f'no line to give in a thousand of seed {seed}')


class _Drawing:
  """One witness while it is drawn."""

  def __init__(
    self, room: Room, seed: int, kind: str, most: int, attempt: int = 0
  ) -> None:
    self.rng = np.random.default_rng([seed, KINDS.index(kind), attempt])
    self.room, self.seed, self.kind = room, seed, kind
    self.bars = int(self.rng.integers(1, most + 1))
    self.meters = self._meters()
    self.lengths = [Fraction(4 * n, d) for n, d in self.meters]
    self.starts = [sum(self.lengths[:bar]) for bar in range(self.bars)]
    self.tempos = self._tempos()
    self.keys = self._keys()
    self.chords = self._chords()
    self.strict = self._chance(0.3)
    self.rhythm = self._rhythm()
    self.players = self._players()
    self.most, self.each = self._voicing()
    self.notes: list[tuple[Fraction, Fraction, int, int, int]] = []
    """Start, stop, program, voice and pitch of each."""

  # What is chosen.

  def _chance(self, probability: float) -> bool:
    return bool(self.rng.random() < probability)

  def _one(self, options: Any) -> Any:
    return options[int(self.rng.integers(len(options)))]

  def _cycle(self, one: Any, alike: float = 0.5) -> list[Any]:
    """Returns values of some bars, which begin anew behind them."""
    count = 1 if self._chance(alike) else self.rng.integers(1, self.bars + 1)
    return [one() for _ in range(int(count))]

  def _meters(self) -> list[tuple[int, int]]:
    fits = [m for m in METERS if 4 * m[0] <= self.room.beats * m[1]]
    steady = self.room.grid or self.kind == 'given'
    cycle = self._cycle(lambda: self._one(fits), 1 if steady else 0.6)
    if self._chance(0.4):
      cycle = [(4, 4)]
    self.meter_cycle = cycle
    return self._spread(cycle)

  def _spread(self, cycle: list[Any]) -> list[Any]:
    return [cycle[bar % len(cycle)] for bar in range(self.bars)]

  def _tempos(self) -> list[int]:
    steady = self.room.grid or self.kind == 'given'
    return self._cycle(lambda: int(self.rng.integers(30, 240)), steady or 0.7)

  def _keys(self) -> list[tuple[int, str] | None]:
    def one() -> tuple[int, str] | None:
      if self._chance(0.1):
        return None
      return int(self.rng.integers(12)), self._one(list(SCALES))

    return self._cycle(one, 0.7)

  def _scale(self, bar: int) -> set[int] | None:
    key = self.keys[bar % len(self.keys)]
    if key is None or not self.keyed:
      return None
    return {(key[0] + step) % 12 for step in SCALES[key[1]]}

  def _chords(self) -> list[list[tuple[str, set[int] | None]]]:
    self.keyed = self._chance(0.6)
    # Keys and chords go round by themselves: a chord is to fit all keys that
    # it meets, and so there is a chord for each bar where keys change.
    short = len(self.keys) == 1 or not self.keyed
    count = int(self.rng.integers(1, self.bars + 1)) if short else self.bars
    return [self._bar_of_chords(bar) for bar in range(count)]

  def _bar_of_chords(self, bar: int) -> list[tuple[str, set[int] | None]]:
    scale, found = self._scale(bar), []
    fits = [
      (ROOTS[root] + name, {(root + step) % 12 for step in steps})
      for root in range(12)
      for name, steps in CHORDS.items()
    ]
    fits = [c for c in fits if scale is None or c[1] <= scale]
    for _ in range(self._one((1, 1, 2))):
      none = not fits or self._chance(0.05)
      found.append(('N', None) if none else self._one(fits))
    return found

  def _rhythm(self) -> list[Any]:
    return self._cycle(self._places, 0.7)

  def _places(self) -> Any:
    """Returns a note value, places in quarter notes, or '' for any."""
    if self._chance(0.1):
      return ''
    if self._chance(0.7):
      own = self.room.cells
      fits = [v for v, s in VALUES.items() if (s * own).denominator == 1]
      return self._one(fits)
    cells = int(min(self.lengths) * self.room.cells)
    count = int(self.rng.integers(1, min(cells, 8) + 1))
    chosen = sorted(self.rng.choice(cells, count, replace=False).tolist())
    return tuple(cell / self.room.cells for cell in chosen)

  def _players(self) -> dict[int, tuple[str, int, int]]:
    """Returns of each program its name, and lowest and highest pitch."""
    names = ['piano'] if self.room.grid else list(PLAYERS)
    count = min(len(names), int(self.rng.integers(1, 4)))
    chosen = self.rng.choice(names, count, replace=False).tolist()
    self.narrow = {name for name in chosen if self._chance(0.5)}
    found = {}
    for name in chosen:
      program, low, high = PLAYERS[name]
      if name in self.narrow:
        low = int(self.rng.integers(low, high - 11))
        high = int(self.rng.integers(low + 11, high + 1))
      found[program] = name, low, high
    return found

  def _voicing(self) -> tuple[list[int], int]:
    if self.kind == 'open':
      return [0], 0
    each = int(self.rng.integers(1, 4)) if self.kind == 'tracks' else 0
    if each and self._chance(0.3):
      return [0], each
    many = 4 if self.room.grid else 6
    cycle = self._cycle(lambda: int(self.rng.integers(1, many + 1)), 0.6)
    if len(cycle) > 1 and self._chance(0.3):
      cycle[0] = 0
    return cycle, each

  # What is written.

  def _choices(self, bar: int) -> list[Fraction]:
    """Returns the places of a bar where a note may begin."""
    places, length = self.rhythm[bar % len(self.rhythm)], self.lengths[bar]
    cell = Fraction(1, self.room.cells)
    every = [n * cell for n in range(int(length / cell))]
    if places == '':
      return every
    if isinstance(places, str):
      return [place for place in every if place % VALUES[places] == 0]
    return [place for place in every if float(place) in places]

  def _tones(self, bar: int, place: Fraction) -> set[int]:
    """Returns the pitch classes of notes that begin at a place of a bar."""
    scale, chords = self._scale(bar), self.chords[bar % len(self.chords)]
    free = set(range(12)) if scale is None else scale
    chord = chords[int(place * len(chords) / self.lengths[bar])][1]
    if chord is None:
      return free
    on_beat = (place * self.meters[bar][1] / 4).denominator == 1
    if on_beat or self.strict:
      return chord
    return chord | (self._passing() if scale is None else scale)

  def _passing(self) -> set[int]:
    found: set[int] = set()
    for bar in range(self.bars):
      for _, tones in self.chords[bar % len(self.chords)]:
        found |= tones or set()
    return found

  def _fits(self, new: tuple[Fraction, Fraction, int, int, int]) -> bool:
    """Whether a note may stand beside those that there are."""
    start, stop, program, voice, pitch = new
    own = [n for n in self.notes if n[2:4] == (program, voice)]
    sounds = [n for n in own if n[0] < stop and start < n[1]]
    if self.room.grid and sounds:
      return False
    if any(n[4] == pitch for n in sounds):
      return False
    pitched = [n for n in (*self.notes, new) if n[2] != DRUMS]
    places = {n[0] for n in pitched} | set(self.starts)
    return program == DRUMS or all(
      self._sparse([n for n in pitched if n[0] <= at < n[1]], at)
      for at in places
      if start <= at < stop
    )

  def _sparse(self, sounds: list[Any], at: Fraction) -> bool:
    """Whether what sounds at once is not too much."""
    bar = max(bar for bar in range(self.bars) if self.starts[bar] <= at)
    most = self.most[bar % len(self.most)]
    tracks = [n[2:4] for n in sounds]
    many = max(map(tracks.count, tracks), default=0)
    return len(sounds) <= (most or ANY) and many <= (self.each or ANY)

  def _try(self, bar: int) -> None:
    """Adds a note to a bar, if one that is drawn by chance can stand."""
    place = self._one(self._choices(bar))
    program = self._one(list(self.players))
    _, low, high = self.players[program]
    tones = self._tones(bar, place)
    drum = program == DRUMS
    fits = [p for p in range(low, high + 1) if drum or p % 12 in tones]
    start = self.starts[bar] + place
    room = self.starts[-1] + self.lengths[-1] - start
    length = min(Fraction(self._one((1, 1, 2, 4)), self.room.cells), room)
    voice = int(self.rng.integers(self.room.voices))
    if fits:
      new = start, start + length, program, voice, self._one(fits)
      if self._fits(new):
        self.notes.append(new)

  # What is told.

  def witness(self) -> Witness:
    """Returns the music, and what is wished of it."""
    for bar in range(self.bars):
      for _ in range(int(self.rng.integers(0, 12))):
        self._try(bar)
    given = self._given() if self.kind == 'given' else {}
    self.free = [n for n in self.notes if n[2:4] not in given.values()]
    told = self._told()
    if self.kind == 'soft':
      told['wish']['weight'] = self._one((0, 1, 3, 10))
    steps = self.room.close + self.bars * self.room.bar
    steps += len(self.notes) * self.room.note
    steps += self.bars * (self.room.twice and bool(given))
    if self.room.grid:
      steps += int(sum(self.lengths) * self.room.cells)
    return Witness(
      seed=self.seed,
      notes=self._music(self.notes),
      bars=self.bars,
      wish=Wish(**told['wish']),
      judged=told['judged'],
      given={
        name: self._music([n for n in self.notes if n[2:4] == track])
        for name, track in given.items()
      },
      steps=steps + int(self.rng.integers(self.room.spare + 1)),
    )

  def _given(self) -> dict[str, tuple[int, int]]:
    """Returns which tracks are given, by the name of the line."""
    tracks = sorted({n[2:4] for n in self.notes})
    if self.room.grid:
      names = {(0, 0): 'melody', (0, 3): 'bass'}
      lines = {names[t]: t for t in tracks if t in names}
    else:
      order = self.rng.permutation(len(tracks))[:2].tolist()
      lines = dict(
        zip(('melody', 'bass'), [tracks[i] for i in order], strict=False)
      )
    if len(lines) == 2 and self._chance(0.6):
      del lines['bass']
    return lines

  def _music(self, notes: list[Any]) -> Notes:
    cells = self.room.cells
    tracks = sorted({n[2:4] for n in notes})
    at = [int(start * cells) for start in self.starts]
    tempos = self._spread(self.tempos)
    return Notes.build(
      cells,
      {
        'onset': [int(n[0] * cells) for n in notes],
        'duration': [int((n[1] - n[0]) * cells) for n in notes],
        'pitch': [n[4] for n in notes],
        'track': [tracks.index(n[2:4]) for n in notes],
      },
      tracks=[
        Track(program=program % DRUMS, is_drum=program == DRUMS)
        for program, _ in tracks
      ],
      meters=[(a, *m) for a, m in zip(at, self.meters, strict=True)],
      tempos=[(a, round(6e7 / t)) for a, t in zip(at, tempos, strict=True)],
    )

  def _told(self) -> dict[str, dict[str, Any]]:
    """Returns some of the rules as a wish, and as what judges it."""
    wish: dict[str, Any] = {}
    judged: dict[str, Any] = {}
    parts = [
      self._tell_players,
      self._tell_density,
      self._tell_rhythm,
      self._tell_chords,
    ]
    for tell in parts:
      if self._chance(0.5):
        tell(wish, judged)
    # Chords that were drawn in a key have its tones between them.
    if self.keyed and any(self.keys):
      names = [f'{ROOTS[k[0]]} {k[1]}' if k else '' for k in self.keys]
      wish['key'] = _told(names)
      judged['key'] = [self._scale(bar) for bar in range(self.bars)]
    if self.kind != 'open':
      self._tell_voicing(wish, judged)
    if {'key', 'chords'} & wish.keys() and 'instruments' not in judged:
      if any(n[2] == DRUMS for n in self.free):
        self._tell_players(wish, judged)
      else:
        judged['no drums'] = dict.fromkeys(range(DRUMS), (0, 127))
    self._tell_time(wish, judged)
    return {'wish': wish, 'judged': judged}

  def _tell_players(self, wish: Any, judged: Any) -> None:
    playing = {n[2] for n in self.free}
    found = {p: self.players[p] for p in self.players if p in playing}
    if not found:
      return
    ranges = [
      (name, (low, high))
      for name, low, high in found.values()
      if name in self.narrow
    ]
    if len(ranges) < len(found) or self._chance(0.5):
      wish['instruments'] = tuple(name for name, _, _ in found.values())
    wish['ranges'] = tuple(ranges)
    judged['instruments'] = {p: (f[1], f[2]) for p, f in found.items()}

  def _tell_density(self, wish: Any, judged: Any) -> None:
    counts = [0] * self.bars
    for note in self.free:
      counts[sum(start <= note[0] for start in self.starts) - 1] += 1
    limits = []
    for count in counts:
      least = max(0, count - self._one((0, 0, 0, 1, 3)))
      most = None if self._chance(0.3) else count + self._one((0, 1, 4))
      limits.append((least, most))
    if self._chance(0.4):
      most = max(ANY if m is None else m for _, m in limits)
      least = min(low for low, _ in limits)
      limits = [(least, None if most == ANY else most)]
    wish['density'] = _told(limits)
    judged['density'] = [(a, ANY if b is None else b) for a, b in limits]

  def _tell_rhythm(self, wish: Any, judged: Any) -> None:
    if any(self.rhythm):
      wish['rhythm'] = _told(self.rhythm)
      judged['rhythm'] = [set(self._choices(bar)) for bar in range(self.bars)]

  def _tell_chords(self, wish: Any, judged: Any) -> None:
    wish['chords'] = ' | '.join(
      ' '.join(name for name, _ in bar) for bar in self.chords
    )
    wish['strict'] = self.strict
    bars = [
      [tones for _, tones in self.chords[bar % len(self.chords)]]
      for bar in range(self.bars)
    ]
    passing = [
      set() if self.strict else self._scale(bar) or self._passing()
      for bar in range(self.bars)
    ]
    judged['chords'] = bars, passing, self.meters

  def _tell_voicing(self, wish: Any, judged: Any) -> None:
    if any(self.most):
      wish['polyphony'] = _told(self.most)
    if self.each:
      wish['each'] = self.each
    if any(self.most) or self.each:
      most = [m or ANY for m in self.most]
      judged['polyphony'] = most, self.each or ANY

  def _tell_time(self, wish: Any, judged: Any) -> None:
    least = any(low for low, _ in judged.get('density', ()))
    due = least or 'chords' in wish or 'rhythm' in wish
    usual = set(self.meters) == {(4, 4)}
    given = self.kind == 'given'
    if not usual or self._chance(0.3):
      wish['meter'] = _told(self.meter_cycle)
    if (due or 'meter' in wish) and not given:
      judged['meter'] = self.meters
    if not given and self._chance(0.4):
      wish['tempo'] = _told(self.tempos)
      judged['tempo'] = self.tempos


def _told(cycle: list[Any]) -> Any:
  """Returns values as a wish has them: one alone, or a tuple."""
  return cycle[0] if len(cycle) == 1 else tuple(cycle)
