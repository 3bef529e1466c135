"""Motifs: what a melody is made of, wherever it comes back.

Candidates are the compact repeats of `points.repeats`, cut where a phrase
ends. Each is looked for in the whole line, as it is, transposed, upside down,
twice as slow and twice as fast, with notes missing, moved or added
(`points.scan`); what most of its occurrences have in common replaces it, and
is looked for once more. The one that saves most notes if each occurrence is
told by its place alone is a motif (compression ratio and coverage: Meredith,
"COSIATEC and SIATECCompress", MIREX 2013); its notes are taken away, and so on.
Axes: `n` notes of the line, `k` occurrences, `m` notes of the motif.
"""

import dataclasses

import numpy as np

from aurl_jax.studies.melody import points
from aurl_jax.studies.melody.line import CELLS, Line
from aurl_jax.studies.melody.points import MAPS, Hits, Prototype

_LONGEST = 16
"""Notes of a candidate; longer repeats are cut at the ends of phrases."""
_SHORTEST = 5
_MOST_NOTES = 5_000
"""Notes of a line that are looked at: its first ones."""
_BUDGET = 24_000
"""Notes of the line times candidates: long lines have fewer."""
_TRIED, _MORE = (12, 60), (4, 20)
"""Candidates that are looked for: at first, and after each motif."""
_SILENCE = 64 * CELLS
"""Cells of silence that count: a line that rests for years has few beats."""
_LOOKS = 2
"""Times that a prototype is replaced by what its occurrences share."""
_KINDS = tuple(MAPS)


@dataclasses.dataclass(frozen=True)
class Motif:
  """A motif and where it is.

  Attributes:
    beats: [m] float64, onsets of its notes, quarter notes from the first one.
    pitch: [m] int64, semitones from its first note.
    length: Quarter notes from the first onset to the end of the last note.
    spans: [k, 2] float64, quarter notes, where each occurrence begins and ends.
    rise: [k] int64, pitch of the first note of each.
    kinds: [k] of `points.MAPS`.
    score: [k] float64, how much of it is there, 0..1.
    saved: Notes that it saves.
  """

  beats: np.ndarray
  pitch: np.ndarray
  length: float
  spans: np.ndarray
  rise: np.ndarray
  kinds: tuple[str, ...]
  score: np.ndarray
  saved: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finder:
  """Finds motifs.

  Attributes:
    most: How many, >= 1.
    least: Score of an occurrence, 0..1.
    exact: Share of its notes that are there to the cell, 0..1.
    margin: By how much an occurrence of less than that must fit better than
      chance, if the motif is sure to be there.
    saves: Notes that a motif must save.
  """

  most: int = 8
  least: float = 0.72
  exact: float = 0.4
  margin: float = 0.08
  saves: float = 5.0

  def __call__(self, line: Line) -> tuple[Motif, ...]:
    """Returns the motifs of a line, the one that saves most first."""
    if len(line) < 2 * _SHORTEST:
      return ()
    search = _Search(line.take(0, _MOST_NOTES), self)
    found: list[Motif] = []
    while len(found) < self.most:
      best = search.best()
      if best is None or best.saved < self.saves:
        break
      found.append(best)
      search.take(best)
    return tuple(found)


@dataclasses.dataclass
class _Class:
  """A prototype and its occurrences."""

  wanted: Prototype
  hits: Hits
  stops: np.ndarray


class _Search:
  """The candidates of a line, and which of its notes are taken."""

  def __init__(self, line: Line, settings: Finder) -> None:
    self.line, self.settings = line, settings
    self.cells, self.skipped = _near(line.cells)
    self.pitch = line.pitch
    self.ends = self.cells + np.clip(
      np.round(line.duration * CELLS), 1, _SILENCE
    ).astype(np.int64)
    self.taken = np.zeros(len(line), np.bool_)
    self.ranked = self.candidates()
    self.tried: list[tuple[int, int]] = []
    self.classes: list[_Class] = []
    self.grow(int(np.clip(_BUDGET // len(line), *_TRIED)))

  def candidates(self) -> list[tuple[int, int]]:
    """Returns spans of notes that come again, the worthiest first."""
    worth: dict[tuple[int, int], float] = {}
    cuts = _cuts(self.line)
    for kind in ('transposed', 'inverted', 'augmented'):
      got = points.repeats(self.cells, self.pitch, MAPS[kind])
      spans, value = got.spans, got.worth
      for (first, last), one in zip(
        spans.tolist(), value.tolist(), strict=True
      ):
        for a, b in _chopped(first, last, cuts):
          part = one * (b - a) / (last - first)
          worth[a, b] = worth.get((a, b), 0.0) + part
    return sorted(worth, key=lambda span: (-worth[span], span))

  def grow(self, most: int) -> None:
    """Looks for so many more candidates whose notes are left."""
    later: list[tuple[int, int]] = []
    for place, (first, last) in enumerate(self.ranked):
      if most == 0:
        later += self.ranked[place:]
        break
      if self.taken[first:last].mean() > 1 / 3 or self.known(first, last):
        continue
      most -= 1
      self.tried.append((first, last))
      one = self.grown(first, last)
      if one is not None:
        self.classes.append(one)
    self.ranked = later

  def known(self, first: int, last: int) -> bool:
    """Whether nearly the same span was tried."""
    return any(
      min(last, b) - max(first, a) >= 0.8 * (max(last, b) - min(first, a))
      for a, b in self.tried
    )

  def grown(self, first: int, last: int) -> _Class | None:
    """Returns the class of a span of notes; None if it does not come again.

    What its occurrences have in common takes its place.
    """
    wanted = Prototype(
      self.cells[first:last] - self.cells[first],
      self.pitch[first:last] - self.pitch[first],
      int(self.ends[last - 1] - self.cells[first]),
    )
    now = self.found(wanted)
    for _ in range(_LOOKS):
      if len(now.hits.cell) < 2:
        return None
      common = self.common(now)
      again = now if common is None else self.found(common)
      if again is now or _saved(again) <= _saved(now):
        break
      now = again
    return now if len(now.hits.cell) > 1 else None

  def found(self, wanted: Prototype) -> _Class:
    """Returns where a prototype is, occurrences apart from each other."""
    hits = points.scan(self.cells, self.pitch, wanted)
    size = len(wanted.cells)
    least = max(self.settings.least, 1 - 0.4 * (size - 3) / size)
    if (hits.score >= least).sum() > 2:
      least = min(least, self.chance(wanted) + self.settings.margin)
    fits = (hits.score >= least) & (hits.exact >= self.settings.exact)
    hits = _picked(hits, np.flatnonzero(fits))
    order = np.lexsort([hits.cell, hits.how, -hits.score])
    hits = _picked(hits, order)
    stops = hits.cell + _lengths(wanted, hits)
    chosen = _apart(hits.cell, stops)
    return _Class(wanted, _picked(hits, chosen), stops[chosen])

  def chance(self, wanted: Prototype) -> float:
    """Returns how well notes of this rhythm fit that are no motif.

    Those of the prototype backwards: as many, of the same intervals.
    """
    back = wanted._replace(pitch=wanted.pitch[::-1] - wanted.pitch[-1])
    score = points.scan(self.cells, self.pitch, back).score
    return float(score.max(initial=0.5))

  def common(self, now: _Class) -> Prototype | None:
    """Returns the notes that most occurrences of a class have in common."""
    votes: dict[tuple[int, int], int] = {}
    hits = now.hits
    for place in range(len(hits.cell)):
      for note in self.seen(now, place):
        votes[note] = votes.get(note, 0) + 1
    enough = max(2, len(hits.cell) / 2)
    kept = sorted(note for note, count in votes.items() if count >= enough)
    if len(kept) < _SHORTEST:
      return None
    cells, pitch = np.array(kept, np.int64).T
    first, rise = int(cells[0]), int(pitch[0])
    length = max(now.wanted.length - first, int(cells[-1]) - first + 1)
    return Prototype(cells - first, pitch - rise, length)

  def seen(self, now: _Class, place: int) -> list[tuple[int, int]]:
    """Returns the notes of an occurrence, as the prototype has them."""
    sign, up, down = MAPS[_KINDS[now.hits.how[place]]]
    start, stop = now.hits.cell[place], now.stops[place]
    low, high = np.searchsorted(self.cells, [start, stop])
    cells = (self.cells[low:high] - start) * down // up
    pitch = (self.pitch[low:high] - now.hits.rise[place]) * sign
    return list(zip(cells.tolist(), pitch.tolist(), strict=True))

  def best(self) -> Motif | None:
    """Returns the class that saves most of the notes that are left."""
    made = [self.left(one) for one in self.classes]
    rest = [one for one in made if one is not None]
    self.classes = rest
    best = max(rest, key=_saved, default=None)
    return None if best is None else self.motif(best)

  def left(self, one: _Class) -> _Class | None:
    """Returns a class without occurrences that are mostly taken."""
    keep = []
    for place in range(len(one.hits.cell)):
      low, high = np.searchsorted(
        self.cells, [one.hits.cell[place], one.stops[place]]
      )
      if self.taken[low:high].mean() <= 1 / 3:
        keep.append(place)
    if len(keep) < 2:
      return None
    chosen = np.array(keep)
    return _Class(one.wanted, _picked(one.hits, chosen), one.stops[chosen])

  def motif(self, one: _Class) -> Motif:
    """Returns a class as it is told."""
    order = np.argsort(one.hits.cell, kind='stable')
    hits, stops = _picked(one.hits, order), one.stops[order]
    return Motif(
      one.wanted.cells / CELLS,
      one.wanted.pitch,
      one.wanted.length / CELLS,
      self.beats(hits.cell, stops),
      hits.rise,
      tuple(_KINDS[how] for how in hits.how),
      np.clip(hits.score, 0, 1),
      _saved(one),
    )

  def beats(self, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Returns cells as quarter notes, with the silences again, [k, 2]."""
    last = len(self.cells) - 1
    first = np.searchsorted(self.cells, starts)
    final = np.maximum(np.searchsorted(self.cells, stops) - 1, 0)
    begins = starts + self.skipped[np.minimum(first, last)]
    return np.stack([begins, stops + self.skipped[final]], axis=1) / CELLS

  def take(self, motif: Motif) -> None:
    """Marks the notes of a motif."""
    for start, stop in motif.spans:
      low, high = np.searchsorted(
        self.cells + self.skipped, np.round([start * CELLS, stop * CELLS])
      )
      self.taken[low:high] = True
    self.grow(int(np.clip(_BUDGET // (3 * len(self.cells)), *_MORE)))


def _near(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns cells without long silences, and what each lacks, [n] int64."""
  gaps = np.diff(cells, prepend=cells[:1])
  skipped = np.cumsum(np.maximum(gaps - _SILENCE, 0)) + cells[:1]
  return cells - skipped, skipped


def _saved(one: _Class) -> float:
  """Returns how many notes a class saves."""
  size = len(one.wanted.cells)
  # A note that differs is told twice: as it should be, and as it is.
  told = float(((2 * one.hits.score - 1) * size - 1).sum())
  return told - size


def _picked(hits: Hits, index: np.ndarray) -> Hits:
  return Hits(*(column[index] for column in hits))


def _lengths(wanted: Prototype, hits: Hits) -> np.ndarray:
  """Returns how long each occurrence is, in cells."""
  speed = np.array([(how.up, how.down) for how in MAPS.values()])
  return wanted.length * speed[hits.how, 0] // speed[hits.how, 1]


def _apart(starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
  """Returns which stretches to keep, the first ones first, none touching."""
  kept: list[int] = []
  begun: list[tuple[int, int]] = []
  for place, (start, stop) in enumerate(
    zip(starts.tolist(), stops.tolist(), strict=True)
  ):
    if all(stop <= low or start >= high for low, high in begun):
      begun.append((start, stop))
      kept.append(place)
  return np.array(kept, np.int64)


def _chopped(first: int, last: int, cuts: np.ndarray) -> list[tuple[int, int]]:
  """Returns a span in parts of so many notes as a motif has."""
  if last - first < _SHORTEST:
    return []
  if last - first <= _LONGEST:
    return [(first, last)]
  inside = cuts[(cuts > first) & (cuts < last)].tolist()
  parts, start = [], first
  bounds = [*inside, last]
  for place, cut in enumerate(bounds):
    later = bounds[place + 1] if place + 1 < len(bounds) else cut
    if later - start > _LONGEST or cut == last:
      while cut - start > _LONGEST:
        parts.append((start, start + _LONGEST // 2))
        start += _LONGEST // 2
      parts.append((start, cut))
      start = cut
  return [(a, b) for a, b in parts if b - a >= _SHORTEST]


def _cuts(line: Line) -> np.ndarray:
  """Returns the notes that begin phrases: those after long notes or rests."""
  gaps = line.gaps[:-1]
  if not len(gaps):
    return np.zeros(0, np.int64)
  usual = np.median(gaps)
  peaks = gaps >= 1.9 * usual
  return np.flatnonzero(peaks) + 1
