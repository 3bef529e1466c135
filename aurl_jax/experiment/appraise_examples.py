"""Excerpts of a report that are seen as rolls, and heard in the page itself.

The first pieces of a set are shown, not the best ones; and bars that share
most with training music, beside those that they share it with.
"""

from collections.abc import Sequence
from typing import NamedTuple

from aurl_jax.experiment import markup
from aurl_jax.experiment.appraise_original import Pair
from aurl_jax.experiment.music_sets import Music
from aurl_jax.generation import page as page_lib
from aurl_jax.music import cut, plot, time
from aurl_jax.music.notes import Notes

COUNT = 3
"""Pieces of a set that can be heard."""
_SECONDS = 20.0
_BARS = 4
"""Of a pair."""
_WIDTH = 900


class Example(NamedTuple):
  """Music that can be heard.

  Attributes:
    name: Printed above it.
    notes: An excerpt.
  """

  name: str
  notes: Notes


def first(found: Music, count: int = COUNT) -> list[Example]:
  """Returns the beginnings of the first pieces of a set that have notes."""
  sounding = [k for k, notes in enumerate(found.pieces) if len(notes)]
  return [
    Example(f'{found.name}: {found.names[k]}', _beginning(found.pieces[k]))
    for k in sounding[:count]
  ]


def of_pairs(found: Music, pairs: Sequence[Pair]) -> list[Example]:
  """Returns bars of a set, each before those of the training music."""
  shown = []
  for pair in pairs:
    notes = found.pieces[pair.piece]
    name = f'{found.name}: {found.names[pair.piece]}, bar {pair.bar}'
    shown.append(Example(name, _bars(notes, pair.bar)))
    if pair.notes is not None:
      name = f'training: {pair.source}, bar {pair.source_bar}'
      shown.append(Example(name, _bars(pair.notes, pair.source_bar)))
  return shown


def gallery(examples: Sequence[Example], start: int) -> str:
  """Returns examples as markup.

  Args:
    examples: What is shown.
    start: Number of the first one among all that the page plays.
  """
  figures = []
  for number, (name, notes) in enumerate(examples, start):
    roll = page_lib.data_url('image/png', plot.piano_roll(notes, width=_WIDTH))
    text = markup.text(name)
    figures.append(
      f'<figure><h3>{text}</h3><div class="roll"><img src="{roll}" '
      f'alt="Piano roll of {text}"></div><div class="tools"><button '
      f'type="button" data-piece="{number}">Play</button><progress value="0" '
      f'max="1" aria-label="Played of {text}"></progress></div></figure>'
    )
  return f'<div class="samples">{"".join(figures)}</div>'


def script(examples: Sequence[Example]) -> str:
  """Returns what plays all examples of a page, in the order of numbers."""
  return page_lib.player([example.notes for example in examples])


def _beginning(notes: Notes) -> Notes:
  """Returns the first seconds from the first note on."""
  begin = int(notes.onset.min())
  seconds = time.ticks_to_seconds(notes, begin) + _SECONDS
  end = int(time.seconds_to_ticks(notes, float(seconds)))
  return cut.slice_ticks(notes, begin, max(end, begin + 1))


def _bars(notes: Notes, bar: int) -> Notes:
  """Returns some bars, the first of which is told from 1."""
  count = len(time.bar_starts(notes))
  begin = min(max(bar - 1, 0), count - 1)
  return cut.slice_bars(notes, begin, min(begin + _BARS, count), held=True)
