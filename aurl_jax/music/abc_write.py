r"""Tunes in ABC notation (standard 2.1, https://abcnotation.com/wiki/abc:standard).

A voice of ABC is one line, so a piece of several tracks becomes several
voices, and a track has to be a tune: no two of its notes sound together.
"""

from collections.abc import Iterator
from fractions import Fraction

from aurl_jax.core import files
from aurl_jax.music import chords, score, score_time, spelling, theory
from aurl_jax.music.notes import DEFAULT_TEMPO, Notes
from aurl_jax.music.score import Item, Part, Score
from aurl_jax.music.score_values import Tuplet

_UNIT = score_time.RESOLUTION // 2
"""What a letter without a number lasts: an eighth note."""
_LINE = 4
"""Bars in a line."""
_SIGNS = {-2: '__', -1: '_', 0: '=', 1: '^', 2: '^^'}
_QUALITIES = {
  'maj': '', 'min': 'm', 'dim': 'dim', 'aug': '+', '7': '7', 'maj7': 'maj7',
  'min7': 'm7', 'hdim7': 'm7b5', 'dim7': 'dim7', 'minmaj7': 'm(maj7)',
  'sus2': 'sus2', 'sus4': 'sus4', 'maj6': '6', 'min6': 'm6',
}  # fmt: skip


def write(notes: Notes, path: files.StrPath | None = None) -> str:
  """Returns a tune as ABC; also saves it, if asked.

  Rounded like a score (see `score_time.to_score`). Loudness, controls and
  changes of tempo have no place in it.

  Args:
    notes: The piece; every track a single line without drums.
    path: Where to save it; the file appears whole or not at all.

  Raises:
    ScoreError: Notes of a track sound together (code `polyphony`), a track
      is drums (`drums`), or no score can hold the piece.

  Example:
    >>> scale = Notes.build(2, {'onset': range(4), 'duration': 1,
    ...                         'pitch': [60, 62, 66, 72]},
    ...                     keys=[(0, 1, False)])
    >>> print(write(scale).splitlines()[-1])
    CD Fc z4 |]
  """
  piece = score.build(notes, hands=False)
  for part in piece.parts:
    _check(piece, part)
  lines = [*_head(piece)]
  for number, part in enumerate(piece.parts, 1):
    if len(piece.parts) > 1:
      track = notes.tracks[part.track]
      name = _plain(track.name) or theory.PROGRAMS[track.program]
      lines.append(f'V:{number} name="{name}"')
    lines += _body(piece, part, leads=number == 1)
  text = '\n'.join(lines) + '\n'
  if path is not None:
    files.write_atomic(path, text)
  return text


def _check(piece: Score, part: Part) -> None:
  notes = piece.notes
  if not len(notes):
    return
  name = f'track {part.track} ({notes.tracks[part.track].name or "no name"})'
  rows = notes.track == part.track
  if notes.is_drum[rows].any():
    raise score_time.ScoreError(
      f'{name} is drums, for which ABC has no signs; leave it out with '
      'transform.select_tracks, or save the piece as .musicxml or .mid',
      code='drums',
    )
  onset, duration = notes.onset[rows], notes.duration[rows]
  if (onset[1:] < (onset + duration)[:-1]).any():
    raise score_time.ScoreError(
      f'{name} has notes that sound together; a voice of ABC is one line: '
      'choose its melody with transform.select_tracks, or save the piece as '
      '.musicxml or .mid',
      code='polyphony',
    )


def _plain(word: str) -> str:
  """Returns a word on one line, without the signs that end a string."""
  return ' '.join(word.replace('"', "'").replace('%', ' ').split())


def _head(piece: Score) -> Iterator[str]:
  """Yields the fields before the tune."""
  notes = piece.notes
  yield 'X:1'
  yield f'T:{_plain(notes.title) or "Untitled"}'
  yield 'M:{}/{}'.format(*_meter(piece, 0))
  yield 'L:1/8'
  tempos = notes.tempos.tolist()
  micros = tempos[0][1] if tempos and tempos[0][0] == 0 else DEFAULT_TEMPO
  yield f'Q:1/4={60e6 / micros:.0f}'
  yield f'K:{_key(piece.keys[0])}'


def _meter(piece: Score, bar: int) -> tuple[int, int]:
  """Returns the meter that is printed for a bar."""
  return piece.bars[1 if bar == 0 and piece.pickup else bar].meter


def _key(key: tuple[int, bool]) -> str:
  tonic, mode = theory.key_name(*key).split()
  tonic = tonic.replace('♯', '#').replace('♭', 'b')
  return tonic + ('m' if mode == 'minor' else '')


def _body(piece: Score, part: Part, *, leads: bool) -> Iterator[str]:
  """Yields the lines of a voice."""
  marks = _symbols(piece) if leads else []
  line: list[str] = []
  last = len(part.bars) - 1
  for index, voices in enumerate(part.bars):
    fields = _changes(piece, index)
    if fields and line:
      yield ' '.join(line)
      line = []
    yield from fields
    bar = _bar(piece, index, voices[0].items, marks)
    line.append(f'{bar} {"|]" if index == last else "|"}')
    if len(line) == _LINE or index == last:
      yield ' '.join(line)
      line = []


def _changes(piece: Score, index: int) -> list[str]:
  """Returns the fields of a meter and a key that begin with a bar."""
  fields = []
  if index and _meter(piece, index) != _meter(piece, index - 1):
    fields.append('M:{}/{}'.format(*_meter(piece, index)))
  if index and piece.keys[index] != piece.keys[index - 1]:
    fields.append(f'K:{_key(piece.keys[index])}')
  return fields


def _symbols(piece: Score) -> list[tuple[int, str]]:
  """Returns (position, what is written there) of chords and markers."""
  found = []
  for tick, _, kind, word in piece.notes.texts:
    if kind == 'marker' and word.strip():
      found.append((tick, f'"^{_plain(word)}"'))
    elif kind == 'chord':
      found.append((tick, f'"{_symbol(word)}"'))
  return found


def _symbol(word: str) -> str:
  """Returns a chord as ABC spells it; what is no chord as a remark."""
  chord = chords.nearest(word)
  if chord is None:
    return f'^{_plain(word)}'
  if chord.root is None:
    return '^N.C.'
  name = chords.ROOTS[chord.root] + _QUALITIES[chord.quality]
  if chord.bass is not None and chord.bass != chord.root:
    name += f'/{chords.ROOTS[chord.bass]}'
  return name


def _bar(
  piece: Score,
  index: int,
  items: tuple[Item, ...],
  marks: list[tuple[int, str]],
) -> str:
  """Returns the notes of a bar; takes what stands above them off `marks`."""
  start = piece.bars[index].start
  altered: set[str] = set()
  words: list[str] = []
  joined = False
  for place, item in enumerate(items):
    above = ''
    while marks and marks[0][0] < start + item.value.end:
      above += marks.pop(0)[1]
    word = above + _tuplet(items, place) + _item(piece, index, item, altered)
    # Notes under one beam stand together.
    if joined:
      words[-1] += word
    else:
      words.append(word)
    joined = bool(item.beams) and item.beams[0] in ('begin', 'continue')
  return ' '.join(words)


def _tuplet(items: tuple[Item, ...], place: int) -> str:
  """Returns the sign before the first item of a tuplet in its bar."""
  tuplet: Tuplet | None = items[place].value.tuplet
  if tuplet is None or (place and items[place - 1].value.tuplet == tuplet):
    return ''
  members = sum(item.value.tuplet == tuplet for item in items)
  return f'({tuplet.actual}:{tuplet.normal}:{members}'


def _item(
  piece: Score,
  index: int,
  item: Item,
  altered: set[str],
) -> str:
  value = item.value
  length = Fraction(value.end - value.start, _UNIT)
  if value.tuplet:
    length *= Fraction(value.tuplet.actual, value.tuplet.normal)
  if not item.rows:
    return f'z{_number(length)}'
  row = item.rows[0]
  place = int(piece.places[row])
  step, alter = spelling.name(place)
  octave = spelling.octave_of(int(piece.notes.pitch[row]), place)
  # Readers differ in how long a sign holds, so none is left out.
  key = piece.keys[index][0]
  sign = ''
  if alter != spelling.of_key(step, key) or step in altered:
    sign = _SIGNS[alter]
    altered.add(step)
  tie = '-' if item.tied_on else ''
  return f'{sign}{_letter(step, octave)}{_number(length)}{tie}'


def _letter(step: str, octave: int) -> str:
  """Returns C for middle C, c above it, C, below it."""
  if octave > 4:
    return step.lower() + "'" * (octave - 5)
  return step + ',' * (4 - octave)


def _number(length: Fraction) -> str:
  """Returns how often, or by what part, the unit lasts."""
  top = str(length.numerator) if length.numerator > 1 else ''
  return top if length.denominator == 1 else f'{top}/{length.denominator}'
