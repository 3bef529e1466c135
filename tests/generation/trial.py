"""Writes pieces under wishes that can be kept, and judges each of them.

Requests of their own are written in batches; what comes back is judged by the
recogniser (`tests.recogniser`) and by ear (`hearing`), and the library's own
reports are held against that. What cannot be kept (`refusals`) must be refused
under its name. Wishes of one kind are written together, because a kind is a
program, and programs take long to compile.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.generation.wish import Wish
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.infill import Infill
from aurl_jax.tokens.remi import Remi
from tests import recogniser
from tests.generation import hearing, refusals, witnesses
from tests.generation.witnesses import COMPOUND, GRID, REMI, Room, Witness

VERDICTS = ('grammatical', 'ended', 'kept', 'equal')
"""Legal; at its end inside the budget on a bar line; all rules kept; and
reported as they are heard."""


@dataclasses.dataclass
class Tally:
  """What a trial has come to.

  Attributes:
    pieces: How many were written.
    good: Of each verdict, how many pieces have it.
    hard: How many pieces had to keep their rules.
    refused: How many of the wishes that cannot be kept were, by their names.
    infeasible: How many of those there were.
    rules: How many rules were judged, by name.
    failures: What was wrong, each with kind and seed.
  """

  pieces: int = 0
  good: collections.Counter = dataclasses.field(
    default_factory=collections.Counter
  )
  hard: int = 0
  refused: int = 0
  infeasible: int = 0
  rules: collections.Counter = dataclasses.field(
    default_factory=collections.Counter
  )
  failures: list[dict[str, Any]] = dataclasses.field(default_factory=list)

  def line(self) -> dict[str, Any]:
    """Returns the figures, for a line of JSON."""
    return {
      'pieces': self.pieces,
      **{name: self.good[name] for name in VERDICTS},
      'hard': self.hard,
      'infeasible': self.infeasible,
      'refused': self.refused,
      'rules': dict(sorted(self.rules.items())),
      'failures': self.failures,
    }


def room_of(tokenizer: Any) -> Room:
  """Returns what a tokenizer can hold; its own options, in plain numbers."""
  if not hasattr(tokenizer, 'bar_beats'):
    return GRID
  plain = REMI if isinstance(tokenizer, Remi) else COMPOUND
  return dataclasses.replace(
    plain,
    cells=tokenizer.cells_per_beat,
    beats=min(tokenizer.bar_beats, 5),
    longest=tokenizer.bar_beats,
    twice=tokenizer.infill,
    voices=min(tokenizer.voices, 3),
  )


def write(
  composer: Any, kind: str, first: int, rows: int, tally: Tally, most: int = 4
) -> int:
  """Writes and judges a batch; returns the seed behind the last one.

  Args:
    composer: Writes.
    kind: Of `witnesses.KINDS`.
    first: Seed from which on witnesses are drawn.
    rows: Pieces.
    tally: What is added to.
    most: Bars of a piece.
  """
  room = room_of(composer.tokenizer)
  drawn, changes = _drawn(room, kind, first, most), _changes(composer)
  taken = (w for w in drawn if _takes(composer, kind, w, changes, tally))
  found = list(itertools.islice(taken, rows))
  # All batches of a kind take the same program, whatever the budgets are.
  found[0] = dataclasses.replace(found[0], steps=_ample(composer, most))
  requests = [each.request(**changes) for each in found]
  for witness, pieces in zip(found, composer.generate(requests), strict=True):
    count(tally, kind, witness, pieces[0], composer.tokenizer)
  return found[-1].seed + 1


def _takes(
  composer: Any,
  kind: str,
  witness: Witness,
  changes: dict[str, Any],
  tally: Tally,
) -> bool:
  """Whether a wish is taken; all of these can be kept, and so must be."""
  try:
    composer.check(witness.request(**changes))
  except RequestError as error:
    tally.failures.append(
      {'kind': kind, 'seed': witness.seed, 'refused': str(error)}
    )
    return False
  return True


def _drawn(room: Room, kind: str, first: int, most: int) -> Iterator[Witness]:
  """Yields witnesses; of given music, such as takes the same program.

  That is 9 to 16 steps, or 33 to 64 cells of a grid.
  """
  for seed in itertools.count(first):
    witness = witnesses.draw(room, seed, kind, most)
    notes = sum(map(len, witness.given.values()))
    fits = 9 <= 2 + witness.bars + notes <= 16
    if room.grid:
      cells = hearing.line(witness.notes, witness.bars) * room.cells
      fits = 33 <= cells <= 64
    if fits or not witness.given:
      yield witness


def _ample(composer: Any, most: int) -> int:
  if hasattr(composer.tokenizer, 'bar_beats'):
    return min(256, composer.model.config.context)
  return 2 + most * 20


def _changes(composer: Any) -> dict[str, Any]:
  """Returns how a model draws, but for what a wish is about."""
  own = dict(composer.defaults)
  kept = {name: own[name] for name in own if name not in ('bars', 'steps')}
  # What is judged is the first draw.
  return {**kept, 'retries': 0}


def count(
  tally: Tally, kind: str, witness: Witness, piece: Any, tokenizer: Any
) -> None:
  """Adds a piece to a tally."""
  told = verdicts(witness, piece, tokenizer)
  hard = witness.wish.weight is None
  tally.pieces += 1
  tally.hard += hard
  tally.rules.update(list(witness.judged))
  counted = [name for name in VERDICTS if hard or name != 'kept']
  tally.good.update(name for name in counted if not told[name])
  wrong = {name: why for name, why in told.items() if why}
  if not hard:
    wrong.pop('kept', None)
  if wrong:
    tally.failures.append({'kind': kind, 'seed': witness.seed, **wrong})


def verdicts(witness: Witness, piece: Any, tokenizer: Any) -> dict[str, str]:
  """Returns of each verdict why a piece has it not, '' if it has."""
  ids = piece.ids
  if getattr(tokenizer, 'infill', False):
    ids = Infill(tokenizer.codec).put_back(ids)
  steps = [list(map(int, step)) for step in ids]
  rest, given = without(piece.notes, witness.given)
  heard = hearing.adherence(rest, witness.bars, **witness.judged)
  if witness.given:
    heard['given'] = given
  broken = {name: found for name, found in heard.items() if found[1]}
  alien = '' if _apart(piece.notes, witness.given) else 'given track'
  return {
    'grammatical': recogniser.fault(tokenizer, steps),
    'ended': end_fault(witness, piece, steps, tokenizer),
    'kept': ', '.join(map(str, broken.items())) or alien,
    'equal': report_fault(witness.wish, piece.kept, heard),
  }


def end_fault(
  witness: Witness, piece: Any, steps: list[list[int]], tokenizer: Any
) -> str:
  """Returns why a piece does not end in time on a bar line, '' if it does."""
  event = tokenizer.codec.event
  kinds = [event(step[0], 0)[0] for step in steps]
  if len(piece.ids) > witness.steps or kinds[-1] != 'eos' or not piece.ended:
    return f'{len(piece.ids)} of {witness.steps} steps, then {kinds[-1]}'
  line = hearing.line(piece.notes, witness.bars)
  if not len(piece.notes):
    # Without a note nothing tells the meter but the wish.
    meters = witness.wish.bars('meter') or ((4, 4),)
    told = [meters[bar % len(meters)] for bar in range(witness.bars)]
    line = sum(Fraction(4 * count, unit) for count, unit in told)
  if piece.notes.end > line * piece.notes.ticks_per_beat:
    return 'a note behind the last bar line'
  room = room_of(tokenizer)
  if room.grid:
    due = line * room.cells
    return '' if len(kinds) - 2 == due else f'{len(kinds) - 2} cells of {due}'
  # What is filled in has its bars already, without the line behind the last.
  filled = len(steps) != len(piece.ids)
  bars = kinds.count('bar')
  if bars != witness.bars + (not filled):
    return f'{bars} bars begin, of {witness.bars}'
  last = kinds[-2] in ('bar', 'meter') or filled
  return '' if last else f'{kinds[-2]} before the end'


def without(
  notes: Notes, given: dict[str, Notes]
) -> tuple[Notes, tuple[int, int]]:
  """Returns the notes that are not given; given ones, and those missing."""
  due = collections.Counter(
    key for line in given.values() for key in _keys(line)
  )
  total, left = due.total(), []
  for index, key in enumerate(_keys(notes)):
    if due[key]:
      due[key] -= 1
    else:
      left.append(index)
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  rest = Notes.build(
    notes.ticks_per_beat,
    {name: getattr(notes, name)[left] for name in names},
    tracks=notes.tracks,
    meters=notes.meters,
    tempos=notes.tempos,
  )
  return rest, (total, due.total())


def _keys(notes: Notes) -> list[tuple[Any, ...]]:
  beat = notes.ticks_per_beat
  return [
    (Fraction(int(a), beat), Fraction(int(b), beat), int(c), int(d), bool(e))
    for a, b, c, d, e in zip(
      notes.onset,
      notes.duration,
      notes.pitch,
      notes.program,
      notes.is_drum,
      strict=True,
    )
  ]


def _apart(notes: Notes, given: dict[str, Notes]) -> bool:
  """Whether each given line has a track to itself."""
  keys = _keys(notes)
  tracks = [
    sorted(k for k, t in zip(keys, notes.track, strict=True) if t == track)
    for track in range(len(notes.tracks))
  ]
  return all(sorted(_keys(line)) in tracks for line in given.values())


def report_fault(
  wish: Wish, kept: Any, heard: dict[str, tuple[int, int]]
) -> str:
  """Returns how a report differs from what is heard, '' if it does not."""
  weight = '' if wish.weight is None else f', weight {wish.weight:g}'
  due = {
    name + weight * (name != 'given'): (
      1 - broken / about if about else 1.0,
      broken,
    )
    for name, (about, broken) in heard.items()
  }
  told = {name: (each.share, each.broken) for name, each in kept.items()}
  if told.keys() != due.keys():
    return f'reported {sorted(told)}, heard {sorted(due)}'
  wrong = [
    f'{name}: reported {told[name]}, heard {due[name]}'
    for name in due
    if told[name][1] != due[name][1] or abs(told[name][0] - due[name][0]) > 1e-9
  ]
  return '; '.join(wrong)


def refuse(composer: Any, seeds: range, tally: Tally) -> None:
  """Asks for what cannot be met; all of it must be refused by its name."""
  room = room_of(composer.tokenizer)
  for seed in seeds:
    fault, fields, code = refusals.spoilt(room, seed)
    tally.infeasible += 1
    told = _refusal(composer, fields)
    if told == code:
      tally.refused += 1
    else:
      tally.failures.append(
        {'kind': f'infeasible: {fault}', 'seed': seed, 'code': told}
      )


def _refusal(composer: Any, fields: dict[str, Any]) -> str:
  """Returns the code of a refusal, '' for none."""
  wish = fields['wish']
  try:
    if isinstance(wish, dict):
      wish = Wish(**wish)
    composer.check(Request(**{**fields, 'wish': wish}))
  except RequestError as error:
    return error.code
  return ''
