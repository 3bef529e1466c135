"""The `note` elements of MusicXML: pitch, length, ties, looks."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from aurl_jax.music import musicxml_marks, score_time, spelling
from aurl_jax.music.musicxml_marks import text
from aurl_jax.music.score import Item, Part, Score, Voice
from aurl_jax.music.score_values import Tuplet

_TYPES = (
  'breve', 'whole', 'half', 'quarter', 'eighth', '16th', '32nd', '64th',
  '128th',
)  # fmt: skip
_ACCIDENTALS = ('flat-flat', 'flat', 'natural', 'sharp', 'double-sharp')
_FULL_VELOCITY = 90
"""The MIDI velocity that MusicXML calls 100 %."""

_STAFF: dict[int, tuple[str, int, str]] = {
  35: ('F', 4, ''), 36: ('F', 4, ''), 37: ('C', 5, 'x'), 38: ('C', 5, ''),
  39: ('C', 5, 'triangle'), 40: ('C', 5, 'slash'), 41: ('G', 4, ''),
  42: ('G', 5, 'x'), 43: ('A', 4, ''), 44: ('D', 4, 'x'), 45: ('B', 4, ''),
  46: ('G', 5, 'circle-x'), 47: ('D', 5, ''), 48: ('E', 5, ''),
  49: ('A', 5, 'x'), 50: ('F', 5, ''), 51: ('F', 5, 'x'),
  52: ('C', 6, 'x'), 53: ('F', 5, 'diamond'), 54: ('B', 5, 'triangle'),
  55: ('B', 5, 'x'), 56: ('E', 5, 'triangle'), 57: ('A', 5, 'circle-x'),
  59: ('F', 5, 'circle-x'),
}  # fmt: skip
"""Drum -> where it stands on the staff, and its head if not a round one."""
_ELSEWHERE = ('B', 4, 'diamond')


class NoteWriter:
  """Adds the items of voices to the bars of a part."""

  def __init__(
    self, piece: Score, part: Part, name: str, divisions: int
  ) -> None:
    self._piece, self._part, self._name = piece, part, name
    self._divisions = divisions
    self._drums = part.clefs[0][0] == 'percussion'
    self._lyrics = musicxml_marks.lyrics(piece.notes, part.track)
    self._start = 0
    self._accidentals: dict[tuple[int, int], str] = {}

  def begin(self, voices: Sequence[Voice], fifths: int, start: int) -> None:
    """Opens a bar: finds the accidentals that it needs, in order of time."""
    self._start = start
    self._accidentals = {}
    if self._drums:
      return
    heads = sorted(
      (item.value.start, voice.staff, row, item.tied_back)
      for voice in voices
      for item in voice.items
      for row in item.rows
    )
    altered: dict[tuple[int, str, int], int] = {}
    for place, staff, row, tied in heads:
      step, alter, octave = self._spelled(row)
      key = staff, step, octave
      if not tied and alter != altered.get(key, spelling.of_key(step, fifths)):
        altered[key] = alter
        self._accidentals[place, row] = _ACCIDENTALS[alter + 2]

  def add(self, parent: Element, item: Item, voice: Voice) -> None:
    """Adds a chord, a rest or a blank."""
    if item.blank and item.value.tuplet is None:
      element = SubElement(parent, 'forward')
      text(element, 'duration', self._duration(item))
      text(element, 'voice', voice.number)
      text(element, 'staff', voice.staff)
      return
    if not item.rows:
      element = SubElement(parent, 'note')
      if item.blank:
        element.set('print-object', 'no')
      # A rest of a whole bar is the one whose value is not told.
      SubElement(element, 'rest')
      self._finish(element, item, voice, leads=True)
    for place, row in enumerate(item.rows):
      element = SubElement(parent, 'note')
      velocity = int(self._piece.notes.velocity[row])
      element.set('dynamics', f'{100 * velocity / _FULL_VELOCITY:.2f}')
      if place:
        SubElement(element, 'chord')
      self._pitch(element, row)
      self._finish(element, item, voice, row, leads=place == 0)

  def _duration(self, item: Item) -> int:
    length = item.value.end - item.value.start
    return length * self._divisions // score_time.RESOLUTION

  def _spelled(self, row: int) -> tuple[str, int, int]:
    """Returns letter, sharps and octave of a note."""
    place = int(self._piece.places[row])
    step, alter = spelling.name(place)
    octave = spelling.octave_of(int(self._piece.notes.pitch[row]), place)
    return step, alter, octave

  def _pitch(self, element: Element, row: int) -> None:
    if self._drums:
      told = SubElement(element, 'unpitched')
      step, octave, _ = self._struck(row)
      text(told, 'display-step', step)
      text(told, 'display-octave', octave)
      return
    told = SubElement(element, 'pitch')
    step, alter, octave = self._spelled(row)
    text(told, 'step', step)
    if alter:
      text(told, 'alter', alter)
    text(told, 'octave', octave)

  def _struck(self, row: int) -> tuple[str, int, str]:
    return _STAFF.get(int(self._piece.notes.pitch[row]), _ELSEWHERE)

  def _finish(
    self,
    element: Element,
    item: Item,
    voice: Voice,
    row: int | None = None,
    *,
    leads: bool,
  ) -> None:
    """Adds all behind the pitch, in the order of the schema.

    Args:
      element: The note.
      item: The chord or rest that it belongs to.
      voice: Its voice.
      row: The note of the piece; None for a rest.
      leads: Whether it is the first of its chord.
    """
    text(element, 'duration', self._duration(item))
    ties = ['stop'] * item.tied_back + ['start'] * item.tied_on
    for kind in ties:
      SubElement(element, 'tie', type=kind)
    if self._drums and row is not None:
      number = int(self._piece.notes.pitch[row]) + 1
      SubElement(element, 'instrument', id=f'{self._name}-I{number}')
    text(element, 'voice', voice.number)
    self._look(element, item, row)
    if len(self._part.clefs) > 1:
      text(element, 'staff', voice.staff)
    for level, word in enumerate(item.beams if leads else (), 1):
      text(element, 'beam', word, number=str(level))
    edges = _edges(item) if leads else []
    if ties or edges:
      told = SubElement(element, 'notations')
      for kind in ties:
        SubElement(told, 'tied', type=kind)
      for kind in edges:
        SubElement(
          told, 'tuplet', _BRACKET if kind == 'start' else {}, type=kind
        )
    if leads and row is not None and not item.tied_back:
      self._lyric(element, item)

  def _look(self, element: Element, item: Item, row: int | None) -> None:
    """Adds value, dots, accidental, tuplet and head."""
    value = item.value
    if not item.whole:
      text(element, 'type', _TYPES[value.halvings + 1])
      for _ in range(value.dots):
        SubElement(element, 'dot')
    accidental = self._accidentals.get(
      (value.start, -1 if row is None else row)
    )
    if accidental:
      text(element, 'accidental', accidental)
    if value.tuplet:
      _modify(element, value.tuplet)
    if self._drums and row is not None and self._struck(row)[2]:
      text(element, 'notehead', self._struck(row)[2])

  def _lyric(self, element: Element, item: Item) -> None:
    word = self._lyrics.pop(self._start + item.value.start, '')
    if word:
      told = SubElement(element, 'lyric')
      text(told, 'syllabic', 'single')
      text(told, 'text', word)


_BRACKET = {'bracket': 'yes'}


def _modify(element: Element, tuplet: Tuplet) -> None:
  told = SubElement(element, 'time-modification')
  text(told, 'actual-notes', tuplet.actual)
  text(told, 'normal-notes', tuplet.normal)


def _edges(item: Item) -> list[str]:
  """Returns whether a tuplet stops or starts at an item."""
  tuplet = item.value.tuplet
  if tuplet is None:
    return []
  return ['start'] * (item.value.start == tuplet.start) + ['stop'] * (
    item.value.end == tuplet.end
  )
