"""Re-orchestration: the same music for other players.

Parts go to players as a whole where each has a player of its own that can play
it: within its range, and one note at a time if that is all it does. Else notes
are dealt out, onset by onset, at the least cost (the assignment problem, Kuhn
1955): a player takes what lies where it plays and goes on with the part that
it has; the highest and the lowest note are the last to be given up, what an
octave doubles the first. A note is moved by octaves where every player that
has it in its range is taken, and what a line cannot hold is ended early. All
of that is told. Axes: `n` notes, `p` players.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import optimize

from aurl_jax.music import instruments
from aurl_jax.music.instruments import DRUMS
from aurl_jax.music.notes import TABLES, Notes, Track

_OCTAVE = 12
_COMFORT = 0.4
"""Where in its range an instrument mostly plays."""
_MOVED, _FURTHER = 6.0, 2.0
"""Cost of another octave, and of each further one; the unit is an octave of
distance from where a player plays."""
_ENDED = 4.0
"""Cost of ending a note early."""
_CROWDED = 0.5
"""Cost of each further note that a player begins at once."""
_STAYS = 0.3
"""Gain of going on with a part."""
_LOST_DOUBLE, _LOST, _LOST_OUTER = 9.0, 14.0, 30.0
"""Cost of losing a note: one that another doubles, others, outer ones."""
_NEVER = 1e6
_RANKS = 2.0
"""Cost of the highest part for the lowest player."""


class Lost(NamedTuple):
  """A note that nobody plays."""

  tick: int
  pitch: int
  is_drum: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Orchestration:
  """Music for other players, and what it cost.

  Attributes:
    notes: A track a player, in their order.
    moved: Notes that are played in another octave.
    ended: Notes that end early, since their player had to go on.
    lost: Notes that nobody plays.
    silent: Names of players without a note.
    controls: Controls and bends that are left out, since their part was dealt
      out to several players.
  """

  notes: Notes
  moved: int
  ended: int
  lost: tuple[Lost, ...]
  silent: tuple[str, ...]
  controls: int

  @property
  def report(self) -> dict[str, Any]:
    """The same as numbers and names, for people and JSON."""
    return {
      'players': [track.name for track in self.notes.tracks],
      'moved': self.moved,
      'ended': self.ended,
      'lost': len(self.lost),
      'silent': list(self.silent),
      'controls': self.controls,
    }


def orchestrate(notes: Notes, players: Sequence[str | int]) -> Orchestration:
  """Returns a piece for other players.

  Args:
    notes: Any piece. Drums go to the drums among the players.
    players: Instruments by name or program (`music.instruments`), each a
      player: two violins are named twice.

  Raises:
    InstrumentError: There is no such instrument.
    ValueError: There are no players.

  Example:
    >>> chord = Notes.build(4, {'onset': 0, 'duration': 4,
    ...                         'pitch': [48, 64, 79]})
    >>> found = orchestrate(chord, ('flute', 'viola', 'cello'))
    >>> [(t.name, int(p)) for t, p in
    ...  zip(found.notes.tracks, found.notes.pitch[::-1])]
    [('Flute', 48), ('Viola', 64), ('Cello', 79)]
  """
  programs = [instruments.program(player) for player in players]
  if not programs:
    raise ValueError('no players; name one instrument or more')
  dealt = _drums(notes, programs)
  pitched = [p for p, number in enumerate(programs) if number != DRUMS]
  parts = _parts(notes, programs, pitched)
  if parts is None:
    _deal(notes, dealt, programs, pitched)
  else:
    for track, player in parts.items():
      dealt.player[(notes.track == track) & ~notes.is_drum] = player
    _into_range(notes, dealt, programs)
  return _made(notes, dealt, programs, parts)


class _Dealt(NamedTuple):
  """What becomes of each note.

  Attributes:
    player: Who plays it, -1 for nobody, [n].
    pitch: As it is played, [n].
    end: Tick at which it ends, [n].
  """

  player: Int[np.ndarray, ' n']
  pitch: Int[np.ndarray, ' n']
  end: Int[np.ndarray, ' n']


def _drums(notes: Notes, programs: Sequence[int]) -> _Dealt:
  """Returns notes that nobody plays yet, but for drums."""
  player = np.full(len(notes), -1)
  if DRUMS in programs:
    player[notes.is_drum] = programs.index(DRUMS)
  return _Dealt(player, notes.pitch.copy(), notes.onset + notes.duration)


def _parts(
  notes: Notes, programs: Sequence[int], pitched: Sequence[int]
) -> dict[int, int] | None:
  """Returns the player of each track, None if parts have to be dealt out."""
  tracks = np.unique(notes.track[~notes.is_drum]).tolist()
  if not tracks or len(tracks) > len(pitched):
    return None
  rows = [(notes.track == track) & ~notes.is_drum for track in tracks]
  lines = [_is_line(notes, row) for row in rows]
  if len(tracks) < len(pitched) and not all(lines):
    # Whoever has no part of his own takes from one that has several voices.
    return None
  limits = [instruments.playable(programs[p]) for p in pitched]
  cost = np.zeros((len(tracks), len(pitched)))
  outside = np.zeros(cost.shape, np.int64)
  means = np.array([notes.pitch[row].mean() for row in rows])
  centres = np.array([_centre(limit) for limit in limits])
  ranks = np.abs(_ranks(means)[:, None] - _ranks(centres)[None])
  for at, row in enumerate(rows):
    for p, (low, high) in enumerate(limits):
      pitch = notes.pitch[row]
      outside[at, p] = ((pitch < low) | (pitch > high)).sum()
      if instruments.single(programs[pitched[p]]) and not lines[at]:
        cost[at, p] = _NEVER
  cost += np.abs(means[:, None] - centres[None]) / _OCTAVE + _RANKS * ranks
  cost += outside * _MOVED
  chosen = optimize.linear_sum_assignment(cost)
  # Those that no player has in its range are moved in any case.
  far = ~np.any(
    [(notes.pitch >= low) & (notes.pitch <= high) for low, high in limits], 0
  )
  needed = (far & ~notes.is_drum).sum()
  if cost[chosen].max() >= _NEVER or outside[chosen].sum() > needed:
    return None
  pairs = zip(*(side.tolist() for side in chosen), strict=True)
  return {tracks[at]: pitched[p] for at, p in pairs}


def _is_line(notes: Notes, row: Bool[np.ndarray, ' n']) -> bool:
  """Whether some notes are a line: none begins while another sounds."""
  onset, end = notes.onset[row], (notes.onset + notes.duration)[row]
  return bool((onset[1:] >= end[:-1]).all() and (np.diff(onset) > 0).all())


def _centre(limits: tuple[int, int]) -> float:
  low, high = limits
  return low + _COMFORT * (high - low)


def _ranks(height: Float[np.ndarray, ' p']) -> Float[np.ndarray, ' p']:
  """Returns 0 of the highest up to 1 of the lowest; of equals in order."""
  order = np.argsort(-height, kind='stable')
  ranks = np.zeros(len(height))
  ranks[order] = (np.arange(len(height)) + 0.5) / len(height)
  return ranks


def _into_range(notes: Notes, dealt: _Dealt, programs: Sequence[int]) -> None:
  """Moves what its player cannot play by octaves."""
  for at in np.flatnonzero((dealt.player >= 0) & ~notes.is_drum).tolist():
    limits = instruments.playable(programs[int(dealt.player[at])])
    dealt.pitch[at] = _nearest(int(notes.pitch[at]), limits)


def _nearest(pitch: int, limits: tuple[int, int]) -> int:
  """Returns a pitch in a range of an octave or more, by the fewest octaves."""
  low, high = limits
  up = max(0, -(-(low - pitch) // _OCTAVE))
  down = max(0, -(-(pitch - high) // _OCTAVE))
  return pitch + _OCTAVE * (up - down)


@dataclasses.dataclass
class _Player:
  """Somebody who plays, as he stands.

  Attributes:
    limits: Lowest and highest pitch.
    single: Whether he plays one note at a time.
    home: Pitch around which he plays.
    last: Pitch that he played last.
    part: Track that it was of.
    sounding: Notes that he plays.
  """

  limits: tuple[int, int]
  single: bool
  home: float
  last: float
  part: int = -1
  sounding: list[int] = dataclasses.field(default_factory=list)


def _deal(
  notes: Notes, dealt: _Dealt, programs: Sequence[int], pitched: Sequence[int]
) -> None:
  """Deals out notes, onset by onset."""
  index = np.flatnonzero(~notes.is_drum)
  if not len(pitched) or not len(index):
    return
  limits = [instruments.playable(programs[p]) for p in pitched]
  ranks = _ranks(np.array([_centre(limit) for limit in limits]))
  homes = np.quantile(notes.pitch[index], 1 - ranks)
  band = []
  for limit, p, home in zip(limits, pitched, homes.tolist(), strict=True):
    around = min(max(home, limit[0]), limit[1])
    single = instruments.single(programs[p])
    band.append(_Player(limit, single, home=around, last=around))
  first = np.flatnonzero(np.diff(notes.onset[index], prepend=-1))
  for group in np.split(index, first[1:]):
    now = int(notes.onset[group[0]])
    for player in band:
      player.sounding = [i for i in player.sounding if dealt.end[i] > now]
    held = [i for player in band for i in player.sounding]
    _deal_group(notes, dealt, band, group, held)
  for seat, p in enumerate(pitched):
    # From places in the band to players.
    dealt.player[dealt.player == -2 - seat] = p


def _deal_group(
  notes: Notes,
  dealt: _Dealt,
  band: Sequence[_Player],
  group: Int[np.ndarray, ' n'],
  held: Sequence[int],
) -> None:
  """Gives the notes of one onset to players at the least cost."""
  seats = [
    (p, seat)
    for p, player in enumerate(band)
    for seat in range(1 if player.single else len(group))
  ]
  cost = np.full((len(group), len(seats) + len(group)), _NEVER)
  for row, at in enumerate(group.tolist()):
    pitch, track = int(notes.pitch[at]), int(notes.track[at])
    for column, (p, seat) in enumerate(seats):
      cost[row, column] = _cost(dealt, band[p], pitch, track) + seat * _CROWDED
    cost[row, len(seats) + row] = _loss(notes, dealt, at, group, held)
  rows, columns = optimize.linear_sum_assignment(cost)
  for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
    if column < len(seats):
      p = seats[column][0]
      if _takes(notes, dealt, band[p], int(group[row])):
        dealt.player[group[row]] = -2 - p


def _cost(dealt: _Dealt, player: _Player, pitch: int, track: int) -> float:
  """Returns what it costs that a player takes a note."""
  played = _nearest(pitch, player.limits)
  octaves = abs(played - pitch) // _OCTAVE
  if not player.single and played in dealt.pitch[player.sounding]:
    return _NEVER
  cost = abs(played - (player.home + player.last) / 2) / _OCTAVE
  cost += (_MOVED + _FURTHER * octaves) if octaves else 0.0
  cost += _ENDED if player.single and player.sounding else 0.0
  return cost - _STAYS * (track == player.part)


def _loss(
  notes: Notes,
  dealt: _Dealt,
  at: int,
  group: Int[np.ndarray, ' n'],
  held: Sequence[int],
) -> float:
  """Returns what it costs that nobody plays a note."""
  beside = np.append(notes.pitch[group], dealt.pitch[list(held)])
  pitch = notes.pitch[at]
  if pitch in (beside.max(), beside.min()) and (beside == pitch).sum() == 1:
    return _LOST_OUTER
  doubles = ((beside - pitch) % _OCTAVE == 0).sum() > 1
  return _LOST_DOUBLE if doubles else _LOST


def _takes(notes: Notes, dealt: _Dealt, player: _Player, at: int) -> bool:
  """Lets a player take a note, unless he plays it already.

  A line ends what it was at.
  """
  pitch = _nearest(int(notes.pitch[at]), player.limits)
  if player.single:
    for i in player.sounding:
      dealt.end[i] = min(dealt.end[i], notes.onset[at])
    player.sounding = []
  elif pitch in dealt.pitch[player.sounding]:
    return False
  dealt.pitch[at] = pitch
  player.sounding.append(at)
  player.last, player.part = float(pitch), int(notes.track[at])
  return True


def _made(
  notes: Notes,
  dealt: _Dealt,
  programs: Sequence[int],
  parts: dict[int, int] | None,
) -> Orchestration:
  """Returns the piece, and what it cost."""
  stays = dealt.player >= 0
  ends = notes.onset + notes.duration
  columns = {
    'onset': notes.onset[stays],
    'duration': (dealt.end - notes.onset)[stays],
    'pitch': dealt.pitch[stays],
    'velocity': notes.velocity[stays],
    'track': dealt.player[stays],
  }
  known, tables, dropped = _along(notes, programs, parts)
  tracks = _tracks(programs)
  made = Notes.build(
    notes.ticks_per_beat,
    columns,
    tracks=tracks,
    texts=[t._replace(track=int(known[t.track])) for t in notes.texts],
    title=notes.title,
    **tables,
  )
  lost = [
    Lost(int(notes.onset[i]), int(notes.pitch[i]), bool(notes.is_drum[i]))
    for i in np.flatnonzero(~stays).tolist()
  ]
  playing = set(dealt.player.tolist())
  return Orchestration(
    notes=made,
    moved=int((dealt.pitch != notes.pitch)[stays].sum()),
    ended=int((dealt.end < ends)[stays].sum()),
    lost=tuple(lost),
    silent=tuple(t.name for p, t in enumerate(tracks) if p not in playing),
    controls=dropped,
  )


def _along(
  notes: Notes, programs: Sequence[int], parts: dict[int, int] | None
) -> tuple[Int[np.ndarray, ' t'], dict[str, np.ndarray], int]:
  """Returns what goes along with parts.

  That is the player of each track, -1 for several, and behind the last for
  none; the tables; and how many rows of them have no player.
  """
  moving = parts or {}
  known = np.full(len(notes.tracks) + 1, -1)
  known[list(moving)] = list(moving.values())
  if DRUMS in programs:
    known[[i for i, t in enumerate(notes.tracks) if t.is_drum]] = (
      programs.index(DRUMS)
    )
  tables = {name: getattr(notes, name) for name in TABLES}
  dropped = 0
  for name in ('controls', 'bends'):
    table = tables[name].copy()
    keeps = known[table['track']] >= 0
    dropped += int((~keeps).sum())
    table['track'] = known[table['track']]
    tables[name] = table[keeps]
  return known, tables, dropped


def _tracks(programs: Sequence[int]) -> list[Track]:
  """Returns the players as tracks, those of one instrument numbered."""
  made = []
  for at, number in enumerate(programs):
    name = instruments.title(number)
    if programs.count(number) > 1:
      name = f'{name} {programs[: at + 1].count(number)}'
    drums = number == DRUMS
    made.append(Track(name=name, program=0 if drums else number, is_drum=drums))
  return made
