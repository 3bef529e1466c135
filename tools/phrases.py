"""POP909's songs with the phrases that two people labelled, for tools.

`structure/human_label1.txt` and `2` are read, e.g. `i4A8B9`: letters and bars.
The labels' first bar lies at `offset_16ths` of `alignment.json` in the MIDI
file; only songs with a `melody_match` of 0.9 or more are told.
"""

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Iterator

import numpy as np

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

ROOT = pathlib.Path(__file__).resolve().parent.parent
_SURE = 0.9


@dataclasses.dataclass(frozen=True)
class Song:
  """A song.

  Attributes:
    name: Its number.
    notes: All of it.
    edges: [m + 1] int64 ticks of its bars, as the labels count them.
    labels: Of each annotator, letter and bars of each phrase.
  """

  name: str
  notes: Notes
  edges: np.ndarray
  labels: tuple[list[tuple[str, int]], ...]

  def starts(self, annotator: int) -> np.ndarray:
    """Returns the first bar of each phrase, [s] int64, bar 0 among them."""
    bars = [count for _, count in self.labels[annotator]]
    return np.cumsum([0, *bars[:-1]])


def data() -> pathlib.Path:
  """Returns the folder of the shared data."""
  default = ROOT.parent / 'shared' / 'data'
  return pathlib.Path(os.environ.get('AURL_DATA') or default)


def songs(split: str, count: int | None = None) -> Iterator[Song]:
  """Yields the songs of a split, the first `count` of them."""
  found = sorted((data() / 'pop909' / split).iterdir())
  told = 0
  for folder in found:
    facts = json.loads((folder / 'structure' / 'alignment.json').read_text())
    if facts['melody_match'] < _SURE or (count is not None and told >= count):
      continue
    told += 1
    yield song(folder, facts)


def song(folder: pathlib.Path, facts: dict[str, float]) -> Song:
  """Returns the song of a folder."""
  notes = midi.read(folder / f'{folder.name}.mid').notes
  labels = tuple(
    parse((folder / 'structure' / f'human_label{k}.txt').read_text())
    for k in (1, 2)
  )
  bars = max(sum(count for _, count in label) for label in labels)
  sixteenth = notes.ticks_per_beat / 4
  places = facts['offset_16ths'] + facts['sixteenths_per_bar'] * np.arange(
    bars + 1
  )
  edges = np.rint(places * sixteenth).astype(np.int64)
  return Song(folder.name, notes, edges, labels)


def parse(label: str) -> list[tuple[str, int]]:
  """Returns letters and bars.

  Example:
    >>> parse('i4A8')
    [('i', 4), ('A', 8)]
  """
  found = re.findall(r'([A-Za-z])(\d+)', label)
  return [(letter, int(bars)) for letter, bars in found]
