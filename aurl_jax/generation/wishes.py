"""From a `Wish` to constraints on the device, and to a report.

Rules about notes (`scales`, `harmony`, `voicing`, `rhythm`) narrow one table,
which one constraint keeps (`seats`, `wished`, `wished_grid`), because masks
that do not know of each other lead into dead ends; meter and tempo are kept by
one beside it (`steady`). Of each bar then holds at once:

- a note begins only on cells of the rhythm, as long as the bar may have more;
- it is of an instrument and in its range, of the scale and of the harmony;
- not more sound than may: notes are not cut short for that, others wait;
- the bar does not end before it has its least number of notes, and steps of
  the budget are set aside for those of all bars behind it.

What no music can keep is refused by name before anything is written. A wish
is kept in all bars that are written whole: where a model was left the number
of bars, a bar that the budget ends may have fewer notes than wished.
"""

import math
from typing import Any, NamedTuple, TypeVar

import numpy as np

from aurl_jax.core.errors import AurlError
from aurl_jax.generation import (
  feasible,
  given_cells,
  given_steps,
  seating,
  wished,
  wished_grid,
  wished_remi,
)
from aurl_jax.generation import rhythm as rhythm_lib
from aurl_jax.generation.constraints import Constraint
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.frame import Frame, Kept, Rule, Table
from aurl_jax.generation.given import Given, beside
from aurl_jax.generation.guidance import Without
from aurl_jax.generation.harmony import Harmony
from aurl_jax.generation.rhythm import Density, Rhythm
from aurl_jax.generation.rows import padded
from aurl_jax.generation.scales import Scales
from aurl_jax.generation.seats import Costs
from aurl_jax.generation.steady import Meters, Steady, Tempos
from aurl_jax.generation.voicing import Polyphony, Ranges
from aurl_jax.generation.wish import Wish
from aurl_jax.music import instruments, progressions, scales
from aurl_jax.music.instruments import DRUMS, Range
from aurl_jax.music.notes import DEFAULT_METER, Notes
from aurl_jax.music.scales import Scale
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.places import Places
from aurl_jax.tokens.remi import Remi
from aurl_jax.tokens.tokenizer import Tokenizer

_LONGEST = 1024
"""Bars after which wishes begin anew at the latest."""
_MICROS_A_MINUTE = 60_000_000
T = TypeVar('T')


class Wished(NamedTuple):
  """A wish made out for a tokenizer.

  Attributes:
    frame: The bars.
    rules: What notes shall keep.
  """

  frame: Frame
  rules: tuple[Rule, ...]

  @property
  def table(self) -> Table:
    """What all rules together leave."""
    table = Table.open(self.frame)
    for rule in self.rules:
      rule.narrow(table)
    return table

  def report(self, notes: Notes) -> dict[str, Kept]:
    """Returns how well a piece kept each rule, by name."""
    return {rule.name: rule.kept(notes) for rule in self.rules}


def made_out(
  tokenizer: Tokenizer,
  wish: Wish,
  bars: int = 0,
  first: int = 0,
  given: Given | None = None,
) -> Wished:
  """Returns the rules that a wish comes to.

  Args:
    tokenizer: Of the pieces.
    wish: What is wished.
    bars: Bars that are written; 0 where the model is to find an end.
    first: Bars of the piece before them.
    given: Music that is written to, of as many bars.

  Raises:
    RequestError: A name that cannot be read, more than there are bars, or
      what no music of this tokenization can keep; its code is the field.
  """
  if not isinstance(tokenizer, Compound | Remi | VoiceGrid):
    raise RequestError(
      'this tokenization cannot be held to wishes about notes; use a model of '
      'compound, remi or grid, or ask without a wish',
      code='wish',
    )
  try:
    frame = _frame(tokenizer, wish, bars, first)
    rules = _rules(tokenizer, wish, frame)
    if given is not None:
      rules = (beside(tokenizer, given, frame), *rules)
    found = Wished(frame, rules)
  except RequestError:
    raise
  except AurlError as error:
    raise RequestError(str(error), code=error.code) from error
  if wish.weight is None:
    feasible.check(found.table, frame)
  return found


def constraints(
  tokenizer: Tokenizer,
  wish: Wish,
  bars: int = 0,
  *,
  first: int = 0,
  given: Given | None = None,
  prompt: int = 0,
  steps: int = 0,
  told: int = 0,
) -> tuple[Constraint, ...]:
  """Returns the constraints that keep a wish.

  Args:
    tokenizer: As of `made_out`.
    wish: Likewise.
    bars: Likewise.
    first: Likewise.
    given: Likewise.
    prompt: Steps of the prompt.
    steps: The budget, the prompt's included; 0 sets nothing aside for notes
      that must be.
    told: Controls that a bar is told at most (`generation.told`).

  Raises:
    RequestError: As `made_out`; or the budget is too small (code `steps`).
  """
  found = made_out(tokenizer, wish, bars, first, given)
  table, frame = found.table, found.frame
  places = Places.of(tokenizer)
  if isinstance(tokenizer, VoiceGrid):
    cells = wished_grid.wished_cells(table, frame, tokenizer.codec, places)
    return (_with_given(tokenizer, cells, given),)
  assert isinstance(tokenizer, Compound | Remi)
  costs = _costs(tokenizer, told)
  _check_steps(table, frame, costs, prompt, steps)
  found_seats = seating.seats(table, frame, costs, places, steps)
  steady, codec = _steady(tokenizer, wish, frame), tokenizer.codec
  own: dict[str, Any] = {'codec': codec, 'grid': tokenizer.grid}
  if isinstance(tokenizer, Compound):
    notes: Constraint = wished.WishedSteps(seats=found_seats, **own)
  else:
    tempos = steady.tempos
    notes = wished_remi.WishedStream(seats=found_seats, tempos=tempos, **own)
  silent = (Without(codec, ('chord',)),)
  chords = silent if wish.chords and tokenizer.chords else ()
  if given is None:
    return (notes, steady, *chords)
  return (_with_steps(notes, given), *chords)


def _costs(tokenizer: Compound | Remi, told: int) -> Costs:
  """Returns what things take where a bar is told so many controls."""
  costs = wished_remi.REMI if isinstance(tokenizer, Remi) else wished.COMPOUND
  return costs._replace(bar=costs.bar + told)


def _with_steps(notes: Constraint, given: Given) -> Constraint:
  """Returns the constraint of notes, with steps that are given forced.

  Of these, meters and tempos are told already.
  """
  if not given.forced:
    return notes
  assert isinstance(notes, wished.WishedSteps)
  steps = padded(given.ids, 0)
  return given_steps.GivenSteps(inner=notes, steps=steps)


def _with_given(
  tokenizer: VoiceGrid, cells: wished_grid.WishedCells, given: Given | None
) -> Constraint:
  """Returns the constraint of cells, with those that are given forced."""
  if given is None or not given.forced:
    return cells
  return given_cells.GivenCells(
    inner=cells,
    ids=padded(given.ids[1:], 0),
    cells=len(given.ids) - 1,
    codec=tokenizer.codec,
  )


def needs_meter(wish: Wish) -> bool:
  """Returns whether a wish has to know how long bars are."""
  least = any(low for low, _ in wish.bars('density'))
  return bool(wish.chords or any(wish.bars('rhythm')) or least)


def _steady(tokenizer: Compound | Remi, wish: Wish, frame: Frame) -> Steady:
  """Returns the constraint of meter and tempo, open or not."""
  grid = tokenizer.grid
  known = [grid.meters.index(meter) for meter in frame.meters]
  indices = np.array(known or [-1] * frame.rows, np.int32)
  tempos = np.array(_bins(wish, frame), np.int32)
  return Steady(
    meters=padded(indices, -1),
    tempos=padded(tempos, -1),
    span=frame.span,
    codec=tokenizer.codec,
  )


def _check_steps(
  table: Table, frame: Frame, costs: Costs, prompt: int, steps: int
) -> None:
  least = prompt + seating.steps_of(table, frame, costs)
  if steps and least > steps:
    raise RequestError(
      f'{frame.bars} bars of this wish take up to {least} steps, more than '
      f'{steps}; ask for fewer bars, fewer notes or more steps',
      code='steps',
    )


def _frame(tokenizer: Tokenizer, wish: Wish, bars: int, first: int) -> Frame:
  lengths = {
    name: len(wish.bars(name))
    for name in ('key', 'polyphony', 'density', 'rhythm', 'meter', 'tempo')
  }
  lengths['chords'] = len(_progression(wish))
  for name, length in lengths.items():
    if bars and length > bars:
      raise RequestError(
        f'{name} has {length} bars, more than the {bars} that are asked for; '
        'ask for more bars, or for fewer there',
        code=name,
      )
  rows = bars or math.lcm(*(max(1, length) for length in lengths.values()))
  if rows > _LONGEST:
    raise RequestError(
      f'this wish tells {rows} bars apart, more than {_LONGEST}; ask for fewer',
      code='bars',
    )
  return Frame(
    grid=tokenizer.grid,
    rows=rows,
    first=first,
    bars=bars,
    meters=meters(tokenizer, wish, rows),
  )


def meters(
  tokenizer: Tokenizer, wish: Wish, rows: int
) -> tuple[tuple[int, int], ...]:
  """Returns the meter of each bar; nothing where none has to be known.

  Args:
    tokenizer: As of `made_out`.
    wish: Likewise.
    rows: Bars that it tells apart.

  Raises:
    RequestError: There is no such meter (code `meter`), or a grid is to have
      several, or several tempos (code `tempo`).
  """
  given = wish.bars('meter')
  if not given:
    if not needs_meter(wish):
      return ()
    given = (tokenizer.grid.nearest_meter(*DEFAULT_METER),)
  for meter in given:
    if meter not in tokenizer.grid.meters:
      raise RequestError(
        f'meter {meter[0]}/{meter[1]} is not in the vocabulary; it has '
        + ', '.join(f'{n}/{d}' for n, d in tokenizer.grid.meters),
        code='meter',
      )
  if isinstance(tokenizer, VoiceGrid):
    for name in ('meter', 'tempo'):
      if len(set(wish.bars(name))) > 1:
        raise RequestError(
          f'a grid has one {name}; give one for all bars', code=name
        )
  return _spread(given, rows)


def _spread(values: tuple[T, ...], rows: int) -> tuple[T, ...]:
  """Returns values for so many rows, from the start again and again."""
  return tuple(values[row % len(values)] for row in range(rows))


def _progression(wish: Wish) -> tuple[progressions.Bar, ...]:
  try:
    return progressions.parse(wish.chords) if wish.chords else ()
  except AurlError as error:
    raise RequestError(str(error), code='chords') from error


def _scales(wish: Wish, rows: int) -> tuple[Scale | None, ...]:
  names = wish.bars('key') or ('',)
  found = tuple(scales.parse(name) if name else None for name in names)
  return _spread(found, rows)


def _bins(wish: Wish, frame: Frame) -> tuple[int, ...]:
  """Returns the bin of the tempo of each row, -1 where it is open."""
  paces = _MICROS_A_MINUTE / frame.grid.tempos
  found = []
  for tempo in wish.bars('tempo') or (0,):
    if tempo and not paces[0] - 1 <= tempo <= paces[-1] + 1:
      raise RequestError(
        f'tempo {tempo} is not in {paces[0]:.0f}..{paces[-1]:.0f} quarter '
        'notes a minute',
        code='tempo',
      )
    near = np.abs(np.log(paces / tempo)).argmin() if tempo else -1
    found.append(int(near))
  return _spread(tuple(found), frame.rows)


def _rules(tokenizer: Tokenizer, wish: Wish, frame: Frame) -> tuple[Rule, ...]:
  """Returns the rules of what is wished, and of nothing else."""
  rows, found = frame.rows, list[Rule]()
  keys = _scales(wish, rows)
  if any(keys):
    found.append(Scales(frame=frame, scales=keys))
  if wish.chords:
    bars = _spread(_progression(wish), rows)
    if wish.weight is None:
      feasible.check_chords(bars, keys)
    found.append(
      Harmony(frame=frame, bars=bars, scales=keys, strict=wish.strict)
    )
  if wish.instruments or wish.ranges:
    found.append(Ranges(frame=frame, ranges=_ranges(tokenizer, wish)))
  elif any(keys) or wish.chords:
    # Where few pitches are left, drums would take the place of notes.
    pitched = dict.fromkeys(range(DRUMS), (0, 127))
    found.append(Ranges(frame=frame, ranges=pitched, name='no drums'))
  if any(wish.bars('polyphony')) or wish.each:
    most = tuple(n or None for n in wish.bars('polyphony') or (0,))
    found.append(
      Polyphony(frame=frame, most=_spread(most, rows), each=wish.each)
    )
  if wish.bars('density'):
    ranges = _spread(wish.bars('density'), rows)
    found.append(Density(frame=frame, ranges=ranges))
  if any(wish.bars('rhythm')):
    places = _spread(wish.bars('rhythm'), rows)
    cells = [rhythm_lib.cells(p, frame, row) for row, p in enumerate(places)]
    found.append(Rhythm(frame=frame, cells=tuple(cells)))
  if frame.meters:
    found.append(Meters(frame=frame))
  if any(wish.bars('tempo')):
    found.append(Tempos(frame=frame, bins=_bins(wish, frame)))
  return tuple(found)


def _ranges(tokenizer: Tokenizer, wish: Wish) -> dict[int, Range]:
  """Returns the range of each program that plays."""
  own = {instruments.program(name): limits for name, limits in wish.ranges}
  names = wish.instruments or tuple(own)
  found = {
    (number := instruments.program(name)): own.get(
      number, instruments.playable(number)
    )
    for name in names
  }
  for number in own:
    if number not in found:
      raise RequestError(
        f'ranges names {instruments.title(number)}, which instruments does '
        'not; leave it out, or add it there',
        code='ranges',
      )
  if isinstance(tokenizer, VoiceGrid) and set(found) != {tokenizer.program}:
    title = instruments.title(tokenizer.program)
    raise RequestError(
      f'all voices of this model are {title}; ask for that alone, or for no '
      'instruments',
      code='instruments',
    )
  return found
