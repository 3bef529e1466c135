"""Pieces as MusicXML 4.0 scores, partwise.

Written here and not through music21, which from the MIDI of 11 pieces made 7
scores with the same notes and 5 valid ones, and took 13 times as long. Only
what MusicXML 2.0 has is used, too. The same piece gives the same bytes.
"""

import itertools
import math
from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from aurl_jax.core import files
from aurl_jax.music import musicxml_marks, score, score_time, spelling, theory
from aurl_jax.music.musicxml_marks import text
from aurl_jax.music.musicxml_note import NoteWriter
from aurl_jax.music.notes import Notes
from aurl_jax.music.score import Part, Score, Voice

_Marks = dict[int, list[musicxml_marks.Mark]]
"""Bar -> its marks."""
_HEAD = (
  '<?xml version="1.0" encoding="UTF-8"?>\n'
  '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 '
  'Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">\n'
)


def write(notes: Notes, path: files.StrPath | None = None) -> bytes:
  """Returns a piece as a score; also saves it, if asked.

  What is rounded, and how, tells `score_time.to_score`. Controls and bends
  have no place in it; a marker is a rehearsal mark, a chord a chord symbol,
  a lyric stands under the note of its track that begins next to it.

  Args:
    notes: The piece.
    path: Where to save it; the file appears whole or not at all.

  Raises:
    ScoreError: No score can hold it (see `score_time.to_score`), or it goes
      below C0, for which MusicXML has no octave (code `pitch`).
  """
  piece = score.build(notes)
  _check_octaves(piece)
  data = _document(piece)
  if path is not None:
    files.write_atomic(path, data)
  return data


def _check_octaves(piece: Score) -> None:
  notes = piece.notes
  printed = notes.pitch - spelling.alter_of(piece.places)
  low = np.flatnonzero(~notes.is_drum & (printed < 12))
  if len(low):
    raise score_time.ScoreError(
      f'pitch {notes.pitch[low[0]]} of track {notes.track[low[0]]} lies below '
      'C0 (MIDI 12), the lowest octave of MusicXML; transform.transpose with '
      "low=12 and outside='octave' folds such notes up",
      code='pitch',
    )


def _document(piece: Score) -> bytes:
  root = Element('score-partwise', version='4.0')
  if piece.notes.title:
    text(SubElement(root, 'work'), 'work-title', piece.notes.title)
  encoding = SubElement(SubElement(root, 'identification'), 'encoding')
  text(encoding, 'software', 'aurl_jax')
  for name in ('accidental', 'beam'):
    SubElement(encoding, 'supports', element=name, type='yes')
  names = SubElement(root, 'part-list')
  for number, part in enumerate(piece.parts, 1):
    _describe(names, f'P{number}', part, piece.notes)
  marks = musicxml_marks.of_bars(piece)
  divisions = _divisions(piece, marks)
  for number, part in enumerate(piece.parts, 1):
    element = SubElement(root, 'part', id=f'P{number}')
    writer = _Writer(piece, part, f'P{number}', divisions)
    writer.fill(element, marks if number == 1 else {})
  ElementTree.indent(root)
  return (_HEAD + ElementTree.tostring(root, 'unicode') + '\n').encode()


def _divisions(piece: Score, marks: _Marks) -> int:
  """Returns the fewest divisions of a quarter that all lengths need."""
  size = score_time.RESOLUTION
  for bar in piece.bars:
    size = math.gcd(size, bar.length)
  for mark in itertools.chain.from_iterable(marks.values()):
    size = math.gcd(size, mark.place)
  for part in piece.parts:
    for voices in part.bars:
      for voice in voices:
        for item in voice.items:
          size = math.gcd(size, item.value.end - item.value.start)
  return score_time.RESOLUTION // size


def _describe(parent: Element, name: str, part: Part, notes: Notes) -> None:
  """Adds name and instruments of a part."""
  track = notes.tracks[part.track] if notes.tracks else None
  element = SubElement(parent, 'score-part', id=name)
  program = track.program if track else 0
  drums = bool(track and track.is_drum)
  sounds = 'Drums' if drums else theory.PROGRAMS[program]
  own = ' '.join(track.name.split()) if track else ''
  text(element, 'part-name', own or sounds)
  if drums:
    struck = sorted(set(notes.pitch[notes.track == part.track].tolist()))
    for pitch in struck:
      which = SubElement(element, 'score-instrument', id=f'{name}-I{pitch + 1}')
      text(which, 'instrument-name', theory.drum_name(pitch))
    for pitch in struck:
      which = SubElement(element, 'midi-instrument', id=f'{name}-I{pitch + 1}')
      text(which, 'midi-channel', 10)
      text(which, 'midi-program', program + 1)
      text(which, 'midi-unpitched', pitch + 1)
    return
  which = SubElement(element, 'score-instrument', id=f'{name}-I1')
  text(which, 'instrument-name', sounds)
  place = part.track % 15
  which = SubElement(element, 'midi-instrument', id=f'{name}-I1')
  text(which, 'midi-channel', place + 1 + (place >= 9))
  text(which, 'midi-program', program + 1)


class _Writer:
  """Writes the bars of a part."""

  def __init__(
    self, piece: Score, part: Part, name: str, divisions: int
  ) -> None:
    self._piece, self._part = piece, part
    self._divisions = divisions
    self._drums = part.clefs[0][0] == 'percussion'
    self._notes = NoteWriter(piece, part, name, divisions)

  def fill(self, parent: Element, marks: _Marks) -> None:
    """Adds all bars, and the marks above them."""
    key: tuple[int, bool] | None = None
    meter: tuple[int, int] | None = None
    number, extra = 0, 0
    for index, voices in enumerate(self._part.bars):
      bar, now = self._piece.bars[index], self._piece.keys[index]
      pickup = index == 0 and self._piece.pickup
      cut = pickup or bar.length < bar.full
      number, extra = number + (not cut), extra + cut
      label = str(number) if not cut else f'X{extra}' if index else '0'
      element = SubElement(parent, 'measure', number=label)
      if cut:
        element.set('implicit', 'yes')
      shown = self._piece.bars[1].meter if pickup else bar.meter
      self._attributes(
        element,
        now if now != key and not self._drums else None,
        shown if shown != meter else None,
        opening=index == 0,
      )
      key, meter = now, shown
      self._bar(element, voices, index, marks.get(index, []))

  def _attributes(
    self,
    parent: Element,
    key: tuple[int, bool] | None,
    meter: tuple[int, int] | None,
    *,
    opening: bool,
  ) -> None:
    """Adds what changes with a bar, and all that a part begins with."""
    if not opening and not key and not meter:
      return
    element = SubElement(parent, 'attributes')
    if opening:
      text(element, 'divisions', self._divisions)
    if key:
      told = SubElement(element, 'key')
      text(told, 'fifths', key[0])
      text(told, 'mode', 'minor' if key[1] else 'major')
    if meter:
      told = SubElement(element, 'time')
      text(told, 'beats', meter[0])
      text(told, 'beat-type', meter[1])
    if opening:
      _clefs(element, self._part.clefs)

  def _bar(
    self,
    parent: Element,
    voices: Sequence[Voice],
    index: int,
    marks: Sequence[musicxml_marks.Mark],
  ) -> None:
    """Adds the voices of a bar, one after the other."""
    bar = self._piece.bars[index]
    self._notes.begin(voices, self._piece.keys[index][0], bar.start)
    for place, voice in enumerate(voices):
      if place:
        length = bar.length * self._divisions // score_time.RESOLUTION
        text(SubElement(parent, 'backup'), 'duration', length)
      self._voice(parent, voice, () if place else marks)

  def _voice(
    self,
    parent: Element,
    voice: Voice,
    marks: Sequence[musicxml_marks.Mark],
  ) -> None:
    """Adds a voice, and the marks of the bar before what they stand at."""
    waiting = list(marks)
    for item in voice.items:
      while waiting and waiting[0].place < item.value.end:
        mark = waiting.pop(0)
        late = (mark.place - item.value.start) * self._divisions
        parent.append(mark.element(round(late / score_time.RESOLUTION)))
      self._notes.add(parent, item, voice)


def _clefs(element: Element, clefs: tuple[tuple[str, int, int], ...]) -> None:
  """Adds the clefs of a part, and how many staves it has."""
  if len(clefs) > 1:
    text(element, 'staves', len(clefs))
  for staff, (sign, line, octaves) in enumerate(clefs, 1):
    told = SubElement(element, 'clef')
    if len(clefs) > 1:
      told.set('number', str(staff))
    text(told, 'sign', sign)
    if sign != 'percussion':
      text(told, 'line', line)
    if octaves:
      text(told, 'clef-octave-change', octaves)
