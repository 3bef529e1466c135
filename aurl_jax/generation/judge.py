"""Whether bars that were just written go with the piece so far.

Each fault is a share of what songs do: 1 where only one in twenty of the new
sections of POP909 (300 songs of the train split, phrases of at least four bars
against all before them) is further from what came before. Bars with a fault
above 1 are weak. Likelihood is not among the faults: candidates are drawn from
the model, so that it has had its say. Axes: `b` bars.
"""

import collections
import dataclasses
from collections.abc import Collection, Sequence, Set
from typing import Any

import numpy as np
from jaxtyping import Bool

from aurl_jax.music import theory
from aurl_jax.music.instruments import DRUMS
from aurl_jax.music.notes import Notes

_LIMITS = {
  'density': 0.9,
  'register': 6.0,
  'harmony': 0.3,
  'copies': 0.4,
  'ending': 0.4,
}
"""Octaves of notes a bar, semitones of the mean pitch, 1 - cosine of the pitch
classes, share of bars that stood before: 95th percentiles, as above; `busy` of
the last bar, which nine in ten of the songs keep."""
_CROWD = 12
"""Notes that begin at once: of 248 songs of POP909 none has more than 10, of
363 pieces of five other sets one stretch in a thousand has more than 12."""
_STRANGE = 0.05
"""Share of notes by instruments that are not in the piece."""
_EMPTY = 0.125
"""Share of bars without notes; in songs there are none."""
_MUTE = 0.5
"""Share of bars without melody, where there is to be one."""
_FIRST = 4
"""Bars without which nothing is compared with what came before."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
  """What the bars of a stretch are like.

  Attributes:
    count: [b] notes that begin.
    time: [b] ticks that notes sound, those without pitch left out.
    pitch: [b] mean of their pitches, weighted by that, times `time`.
    chroma: [b, 12] ticks of each pitch class.
    lead: [b] notes of the melody's track.
    played: [b, 129] notes of each program, the drums last.
    content: Of each bar, what begins where in it.
  """

  count: np.ndarray
  time: np.ndarray
  pitch: np.ndarray
  chroma: np.ndarray
  lead: np.ndarray
  played: np.ndarray
  content: tuple[frozenset[tuple[int, ...]], ...]

  def part(self, first: int, last: int) -> 'Facts':
    """Returns those of some of the bars."""
    names = [field.name for field in dataclasses.fields(self)]
    return Facts(**{name: getattr(self, name)[first:last] for name in names})

  def without(self, first: int, last: int) -> 'Facts':
    """Returns those of all bars but some."""
    before, after = self.part(0, first), self.part(last, len(self.count))
    joined: dict[str, Any] = {
      field.name: np.concatenate(
        [getattr(before, field.name), getattr(after, field.name)]
      )
      for field in dataclasses.fields(self)
      if field.name != 'content'
    }
    return Facts(content=before.content + after.content, **joined)


def facts(notes: Notes, bar: int, lead: np.ndarray) -> Facts:
  """Returns the facts of a piece of one meter.

  Args:
    notes: The piece.
    bar: Ticks of a bar.
    lead: [b] int, notes of the melody's track in each bar. What a piece plays
      in no bar has no track, so that notes do not tell them.
  """
  count = len(lead)
  at = np.minimum(notes.onset // bar, count - 1)
  pitched = ~notes.is_drum
  time = np.where(pitched, notes.duration, 0)
  chroma = np.zeros((count, 12))
  np.add.at(chroma, (at, notes.pitch % 12), time)
  content: list[set[tuple[int, ...]]] = [set() for _ in range(count)]
  columns = (at, notes.onset % bar, notes.pitch, notes.is_drum)
  for where, *what in zip(*(c.tolist() for c in columns), strict=True):
    content[where].add(tuple(what))
  return Facts(
    count=np.bincount(at, minlength=count),
    time=np.bincount(at, time, count),
    pitch=np.bincount(at, time * notes.pitch, count),
    chroma=chroma,
    lead=lead,
    played=_played(notes, at, count),
    content=tuple(frozenset(own) for own in content),
  )


def _played(notes: Notes, at: np.ndarray, count: int) -> np.ndarray:
  """Returns the notes of each program in each bar, [b, 129]."""
  programs = [DRUMS if t.is_drum else t.program for t in notes.tracks]
  who = np.array(programs, int)[notes.track]
  found = np.zeros((count, DRUMS + 1), int)
  np.add.at(found, (at, who), 1)
  return found


@dataclasses.dataclass(frozen=True)
class Verdict:
  """What is wrong with bars.

  Attributes:
    faults: By name, in shares of what is usual; 0 for none.
  """

  faults: dict[str, float]

  @property
  def weak(self) -> bool:
    """Whether they should be written anew."""
    return self.worst > 1

  @property
  def worst(self) -> float:
    """The largest fault."""
    return max(self.faults.values(), default=0.0)

  @property
  def score(self) -> float:
    """How bad they are in all; of weak ones the largest fault counts most."""
    mean = sum(self.faults.values()) / max(1, len(self.faults))
    return mean + 10 * max(0.0, self.worst - 1)


def verdict(
  own: Facts,
  before: Facts,
  *,
  melody: bool,
  new: bool,
  ends: float | int = 0,
  players: Bool[np.ndarray, '129'] | None = None,
) -> Verdict:
  """Returns what is wrong with bars.

  Args:
    own: Of the bars.
    before: Of the piece so far.
    melody: Whether they are to have one.
    new: Whether they are to be new music, not what has stood before.
    ends: Where the piece ends with them, how `busy` its last bar is.
    players: Programs that may play, the drums last; None for all.
  """
  faults = {'empty': float((own.count == 0).mean()) / _EMPTY}
  if melody:
    faults['melody'] = float((own.lead == 0).mean()) / _MUTE
  if new:
    faults['copies'] = copies(own, before) / _LIMITS['copies']
  faults['ending'] = ends / _LIMITS['ending']
  # No shares of a fault: what lies below says nothing of how bars sound.
  if players is not None and own.played[:, ~players].any():
    strange = own.played[:, ~players].sum() / own.played.sum()
    faults['strangers'] = float(strange) / _STRANGE
  if (most := crowd(own.content)) > _CROWD:
    faults['crowd'] = most / _CROWD
  if len(before.count) >= _FIRST and own.time.sum() and before.time.sum():
    faults |= _apart(own, before)
  return Verdict(faults)


def _apart(own: Facts, before: Facts) -> dict[str, float]:
  """Returns how far bars are from what came before."""
  a, b = own.chroma.sum(axis=0), before.chroma.sum(axis=0)
  cosine = float(a @ b / np.sqrt((a @ a) * (b @ b)))
  pitch = [part.pitch.sum() / part.time.sum() for part in (own, before)]
  notes = [part.count.mean() for part in (own, before)]
  found = {
    'density': abs(float(np.log2(notes[0] / notes[1]))),
    'register': abs(float(pitch[0] - pitch[1])),
    'harmony': 1 - cosine,
  }
  return {name: value / _LIMITS[name] for name, value in found.items()}


def copies(own: Facts, before: Facts) -> float:
  """Returns the share of bars whose notes have all begun so in an earlier bar.

  Bars without notes are none.
  """
  seen = set(before.content)
  found = []
  for content in own.content:
    if content:
      found.append(content in seen)
      seen.add(content)
  return float(np.mean(found)) if found else 0.0


def crowd(bars: Sequence[Set[tuple[int, ...]]]) -> int:
  """Returns the most notes that begin at once, equal ones counted once.

  A model that has drawn an unlikely note may pile up others above it.

  Args:
    bars: Of each what begins in it: when, and what.

  Example:
    >>> crowd([{(0, 60), (0, 64), (12, 62)}, set()])
    2
  """
  begins = [
    max(collections.Counter(note[0] for note in bar).values())
    for bar in bars
    if bar
  ]
  return max(begins, default=0)


def players(
  before: Facts, families: Collection[int], *, new: bool
) -> Bool[np.ndarray, '129'] | None:
  """Returns who may play in bars, the drums last; None for everybody.

  Args:
    before: Of the piece so far.
    families: Of General MIDI, 16 for the drums, that were asked for; of these
      all may play, and no others. If there are none, those of the piece so far
      may, but for new music, which may bring others in.
    new: Whether the bars are to be that.
  """
  if families:
    return np.isin(np.arange(DRUMS + 1) // theory.FAMILY, list(families))
  if new or not before.played.any():
    return None
  return before.played.sum(axis=0) > 0


def begins(notes: Notes) -> frozenset[tuple[int, ...]]:
  """Returns what begins when in a piece."""
  columns = (notes.onset, notes.pitch, notes.is_drum)
  return frozenset(zip(*(c.tolist() for c in columns), strict=True))


def busy(notes: Notes, bar: int, count: int) -> float:
  """Returns how much the last bar of a piece goes on as if there were more.

  Notes that begin in its second half, by half of those of the bar before; of a
  last bar without notes twice what is usual at most (`_LIMITS`).

  Args:
    notes: The piece.
    bar: Ticks of a bar.
    count: How many bars it has.
  """
  start = (count - 1) * bar
  if not (notes.onset >= start).any():
    return 2 * _LIMITS['ending']
  late = (notes.onset >= start + bar / 2).sum()
  last = (notes.onset >= start - bar) & (notes.onset < start)
  return float(late / max(1.0, last.sum() / 2))
