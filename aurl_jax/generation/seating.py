"""From a table of rules to the `Seats` that a program on the device reads."""

import numpy as np

from aurl_jax.generation.frame import NO_LIMIT, Frame, Table
from aurl_jax.generation.rows import padded
from aurl_jax.generation.seats import MOST_SOUNDING, Costs, Seats
from aurl_jax.music.instruments import DRUMS
from aurl_jax.tokens.places import Places


def seats(
  table: Table,
  frame: Frame,
  costs: Costs,
  places: Places,
  steps: int = 0,
) -> Seats:
  """Returns the seats of a table.

  Args:
    table: What all rules have left.
    frame: The bars.
    costs: What notes and bars take.
    places: The clock of the tokenizer.
    steps: The budget; 0 reserves none.
  """
  scale = np.stack(
    [table.sounds[:, tone::12].sum(axis=1) for tone in range(12)], axis=1
  ).astype(np.int32)
  scale[DRUMS] = 0
  # Of each cell and program the pitches, as many as a track may have.
  pitches = np.minimum(table.chroma.astype(np.int32) @ scale.T, table.each)
  free = np.minimum(pitches @ table.writable.sum(axis=1), NO_LIMIT)
  asked = bool((table.polyphony < NO_LIMIT).any() or table.each < NO_LIMIT)
  polyphony = np.minimum(table.polyphony, MOST_SOUNDING if asked else NO_LIMIT)
  hold = _hold(table, frame, np.minimum(free, polyphony[:, None]))
  hold = np.minimum(hold, _behind(polyphony, frame))
  return Seats(
    chroma=padded(table.chroma, True),
    onsets=padded(table.onsets, True),
    sounds=table.sounds,
    writable=table.writable,
    open=table.writable.sum(axis=1, dtype=np.int32),
    scale=scale,
    least=padded(table.least, 0),
    most=padded(table.most, NO_LIMIT),
    polyphony=padded(polyphony, MOST_SOUNDING if asked else NO_LIMIT),
    each=np.int32(table.each),
    seats=padded(free.astype(np.int32), NO_LIMIT),
    hold=padded(hold.astype(np.int32), int(hold.min())),
    tail=_tail(table, frame, costs, steps),
    span=frame.span,
    steps=np.int32(steps),
    places=places,
    voices=frame.grid.voices,
    sounding=MOST_SOUNDING if asked else 0,
    by_track=table.each < NO_LIMIT,
    costs=costs,
  )


def _hold(table: Table, frame: Frame, room: np.ndarray) -> np.ndarray:
  """Returns how many notes may be held into the bars behind each row."""
  drums = int(table.sounds[DRUMS].sum() * table.writable[DRUMS].sum())
  spare = np.zeros(frame.rows, np.int64)
  for row in range(frame.rows):
    cells = frame.cells(row)
    begins = table.onsets[row, :cells]
    free = room[row, :cells][begins]
    most = int(free.max(initial=0))
    # The most that may be held so that enough can begin beside.
    fits = [
      held
      for held in range(min(most, MOST_SOUNDING) + 1)
      if (np.maximum(free - held, 0) + drums).sum() >= table.least[row]
    ]
    spare[row] = max(fits, default=0) if table.least[row] else NO_LIMIT
  return _behind(spare, frame)


def _behind(values: np.ndarray, frame: Frame) -> np.ndarray:
  """Returns the least of the values of the rows behind each."""
  if frame.bars != len(values):
    return np.full(len(values), values.min())
  least = np.minimum.accumulate(values[::-1])[::-1]
  return np.append(least[1:], NO_LIMIT)


def steps_of(table: Table, frame: Frame, costs: Costs) -> int:
  """Returns the steps that all bars take at least, with their end."""
  if not frame.bars:
    return costs.close
  return int(_each(table, costs).sum()) + costs.close


def _each(table: Table, costs: Costs) -> np.ndarray:
  """Returns the steps that each row's bar takes at least.

  The tempos of given steps are among these.
  """
  notes = table.least.astype(np.int64) * costs.note
  other = 0 if table.given.any() else costs.other
  return costs.bar + other + notes + table.given


def _tail(table: Table, frame: Frame, costs: Costs, steps: int) -> np.ndarray:
  """Returns the steps of the bars behind each row, and of the end.

  What is given in the row's own bar is among them.
  """
  total = steps_of(table, frame, costs)
  behind = np.full(frame.rows, costs.close)
  if frame.bars:
    behind = total - np.cumsum(_each(table, costs)) + table.given
  if not steps:
    behind, total = np.full_like(behind, -NO_LIMIT), -NO_LIMIT
  return padded(behind.astype(np.int32), total)
