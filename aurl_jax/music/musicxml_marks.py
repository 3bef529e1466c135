"""What stands above and below the notes: tempos, chords, markers, lyrics."""

import bisect
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from aurl_jax.music import chords, notes, score_time, spelling
from aurl_jax.music.notes import Notes
from aurl_jax.music.score import Score

_FORBIDDEN = re.compile(
  '[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]'
)
"""Signs that no XML may hold."""
_GRID = score_time.RESOLUTION // 24
"""What stands between two of these goes to the nearest."""
_SEEN = 0.08
"""By what part a tempo has to change for a new mark; others only sound."""
_KINDS = {
  'maj': ('major', ''),
  'min': ('minor', 'm'),
  'dim': ('diminished', 'dim'),
  'aug': ('augmented', '+'),
  '7': ('dominant', '7'),
  'maj7': ('major-seventh', 'maj7'),
  'min7': ('minor-seventh', 'm7'),
  'hdim7': ('half-diminished', 'm7♭5'),
  'dim7': ('diminished-seventh', 'dim7'),
  'minmaj7': ('major-minor', 'm(maj7)'),
  'sus2': ('suspended-second', 'sus2'),
  'sus4': ('suspended-fourth', 'sus4'),
  'maj6': ('major-sixth', '6'),
  'min6': ('minor-sixth', 'm6'),
}
"""Quality -> MusicXML's kind, and how it is printed."""
_ROOT = re.compile(r'\(?\s*([A-G])([#♯b♭]*)')


def text(parent: Element, name: str, word: object, **attributes: str) -> None:
  """Adds an element that holds a word."""
  element = SubElement(parent, name, attributes)
  element.text = _FORBIDDEN.sub('', str(word))


class Mark(NamedTuple):
  """An element beside the notes.

  Attributes:
    place: Position in its bar.
    element: Returns the element, given by how many divisions it comes late.
  """

  place: int
  element: Callable[[int], Element]


def of_bars(piece: Score) -> dict[int, list[Mark]]:
  """Returns bar -> its marks, in order of time."""
  starts = [bar.start for bar in piece.bars]
  last = piece.bars[-1].start + piece.bars[-1].length
  found: dict[int, list[Mark]] = {}
  marks = [*_tempos(piece.notes), *_texts(piece.notes)]
  for exact, element in sorted(marks, key=lambda mark: mark[0]):
    tick = round(exact / _GRID) * _GRID
    if tick < last:
      bar = bisect.bisect_right(starts, tick) - 1
      found.setdefault(bar, []).append(Mark(tick - starts[bar], element))
  return found


def lyrics(piece: Notes, track: int) -> dict[int, str]:
  """Returns onset -> the words of a track that are sung there.

  A word goes to the nearest onset of its track, at most a quarter of a
  quarter note away.
  """
  onsets = np.unique(piece.onset[piece.track == track])
  found: dict[int, str] = {}
  for tick, owner, kind, word in piece.texts:
    if kind != 'lyric' or owner != track or not word.strip() or not len(onsets):
      continue
    near = int(onsets[np.abs(onsets - tick).argmin()])
    if abs(near - tick) <= score_time.RESOLUTION // 4:
      found[near] = f'{found.get(near, "")} {word.strip()}'.strip()
  return found


_Placed = tuple[int, Callable[[int], Element]]


def _tempos(piece: Notes) -> Iterator[_Placed]:
  """Yields the tempos; those that differ little are heard and not seen."""
  rows = {0: notes.DEFAULT_TEMPO}
  rows.update(piece.tempos.tolist())
  seen = 0.0
  for tick, micros in sorted(rows.items()):
    bpm = 60e6 / micros
    shown = not seen or abs(bpm - seen) > _SEEN * seen
    seen = bpm if shown else seen
    yield tick, _tempo(bpm, shown)


def _tempo(bpm: float, shown: bool) -> Callable[[int], Element]:
  def element(late: int) -> Element:
    if not shown:
      sound = Element('sound', tempo=f'{bpm:.4f}')
      if late:
        text(sound, 'offset', late)
      return sound
    direction = Element('direction', placement='above')
    mark = SubElement(SubElement(direction, 'direction-type'), 'metronome')
    text(mark, 'beat-unit', 'quarter')
    text(mark, 'per-minute', f'{bpm:.0f}')
    _late(direction, late)
    SubElement(direction, 'sound', tempo=f'{bpm:.4f}')
    return direction

  return element


def _late(element: Element, late: int) -> None:
  if late:
    text(element, 'offset', late)


def _texts(piece: Notes) -> Iterator[_Placed]:
  """Yields chord symbols and markers."""
  for tick, _, kind, word in piece.texts:
    if kind == 'marker' and word.strip():
      yield tick, _words('rehearsal', word)
    elif kind == 'chord':
      chord = chords.nearest(word)
      yield (
        tick,
        _words('words', word) if chord is None else _harmony(chord, word),
      )


def _words(name: str, word: str) -> Callable[[int], Element]:
  def element(late: int) -> Element:
    direction = Element('direction', placement='above')
    text(SubElement(direction, 'direction-type'), name, word)
    _late(direction, late)
    return direction

  return element


def _harmony(chord: chords.Chord, symbol: str) -> Callable[[int], Element]:
  """Returns what makes a chord symbol, spelled as the piece spells it."""

  def element(late: int) -> Element:
    harmony = Element('harmony')
    match = _ROOT.match(symbol)
    if chord.root is None or match is None:
      text(SubElement(harmony, 'root'), 'root-step', 'C', text='')
      text(harmony, 'kind', 'none', text='N.C.')
      _late(harmony, late)
      return harmony
    sharps = sum(1 if sign in '#♯' else -1 for sign in match[2])
    root = spelling.place_of(match[1], sharps)
    _note(harmony, 'root', root)
    kind, shown = _KINDS[chord.quality]
    text(harmony, 'kind', kind, text=shown)
    if chord.bass is not None and chord.bass != chord.root:
      bass = spelling.near(root, chord.bass - chord.root)
      _note(harmony, 'bass', bass)
    _late(harmony, late)
    return harmony

  return element


def _note(harmony: Element, name: str, place: int) -> None:
  step, alter = spelling.name(place)
  told = SubElement(harmony, name)
  text(told, f'{name}-step', step)
  if alter:
    text(told, f'{name}-alter', alter)
