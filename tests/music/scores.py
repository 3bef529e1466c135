"""What judges a MusicXML score, sharing nothing with what writes it.

`structure` holds each bar against arithmetic: lengths add up, voices are
complete, values last as long as they look, ties meet, beams and tuplets
open and close. `heard` reads the notes by plain steps through the file,
`by_music21` by music21.
"""

import collections
import re
import warnings
from fractions import Fraction
from xml.etree import ElementTree

TYPES = {
  'breve': Fraction(8), 'whole': Fraction(4), 'half': Fraction(2),
  'quarter': Fraction(1), 'eighth': Fraction(1, 2), '16th': Fraction(1, 4),
  '32nd': Fraction(1, 8), '64th': Fraction(1, 16), '128th': Fraction(1, 32),
}  # fmt: skip
STEPS = {'C': 0, 'D': 2, 'E': 4, 'F': 5, 'G': 7, 'A': 9, 'B': 11}


def parts(data):
  """Yields each part's events: a list of bars, each with its length."""
  root = ElementTree.fromstring(data)
  drums = {
    i.get('id'): int(i.findtext('midi-unpitched')) - 1
    for i in root.iter('midi-instrument')
    if i.find('midi-unpitched') is not None
  }
  for part in root.findall('part'):
    divisions, meter = 1, (4, 4)
    bars = []
    for measure in part.findall('measure'):
      told = measure.find('attributes')
      if told is not None:
        divisions = int(told.findtext('divisions') or divisions)
        if told.find('time') is not None:
          meter = (
            int(told.findtext('time/beats')),
            int(told.findtext('time/beat-type')),
          )
      bars.append(_bar(measure, divisions, meter, drums))
    yield bars


def _bar(measure, divisions, meter, drums):
  at, before, length, events = Fraction(0), Fraction(0), Fraction(0), []
  for element in measure:
    size = Fraction(int(element.findtext('duration') or 0), divisions)
    if element.tag == 'backup':
      at -= size
    elif element.tag == 'forward':
      events.append((element, at, at + size, None))
      at += size
    elif element.tag == 'note':
      if element.find('chord') is None:
        before = at
        at += size
      events.append((element, before, before + size, _pitch(element, drums)))
    assert at >= 0
    length = max(length, at)
  return {
    'number': measure.get('number'),
    'implicit': measure.get('implicit') == 'yes',
    'full': Fraction(4 * meter[0], meter[1]),
    'length': length,
    'end': at,
    'events': events,
  }


def _pitch(note, drums):
  pitch = note.find('pitch')
  if pitch is not None:
    return (
      12 * (int(pitch.findtext('octave')) + 1)
      + STEPS[pitch.findtext('step')]
      + int(pitch.findtext('alter') or 0)
    )
  if note.find('unpitched') is not None:
    return drums[note.find('instrument').get('id')]
  return None


def heard(data):
  """Rows (part, onset, duration, pitch) in quarter notes, ties joined."""
  rows = []
  for number, bars in enumerate(parts(data)):
    start, waiting = Fraction(0), {}
    for bar in bars:
      for note, begin, end, pitch in sorted(
        (e for e in bar['events'] if e[3] is not None), key=lambda e: e[1]
      ):
        kinds = {tie.get('type') for tie in note.findall('tie')}
        onset = start + begin
        if 'stop' in kinds:
          onset = waiting.pop((start + begin, pitch))
        if 'start' in kinds:
          assert (start + end, pitch) not in waiting
          waiting[start + end, pitch] = onset
        else:
          rows.append((number, onset, start + end - onset, pitch))
      start += bar['length']
    assert not waiting, f'ties without an end: {waiting}'
  return sorted(rows)


def by_music21(data):
  """The same rows by music21, without drums.

  Its own `stripTies` loses ties between bars of one and of two voices, so
  the ties that it tells are followed here.
  """
  import music21

  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    read = music21.converter.parseData(data, format='musicxml')
  rows, known = [], {}
  for place, stream in enumerate(read.parts):
    # A part of two staves comes as two; ids of others may be their names.
    name = place
    if isinstance(stream, music21.stream.PartStaff):
      name = re.sub(r'-Staff\d+$', '', str(stream.id))
    part, waiting = known.setdefault(name, (len(known), {}))
    for element in stream.flatten().notes:
      if isinstance(element, music21.harmony.Harmony):
        continue
      start = Fraction(element.offset)
      end = start + Fraction(element.quarterLength)
      members = element.notes if element.isChord else [element]
      for note in members:
        if not hasattr(note, 'pitch'):
          continue
        pitch, kind = note.pitch.midi, note.tie.type if note.tie else ''
        onset = start
        if kind in ('stop', 'continue'):
          onset = waiting.pop((start, pitch))
        if kind in ('start', 'continue'):
          waiting[end, pitch] = onset
        else:
          rows.append((part, onset, end - onset, pitch))
  return sorted(rows)


def structure(data):
  """Returns what is wrong with the bars of a score."""
  faults = []
  for number, bars in enumerate(parts(data)):
    for bar in bars:
      where = f'part {number} bar {bar["number"]}'
      if bar['length'] > bar['full']:
        faults.append(f'{where}: longer than its meter')
      if bar['length'] < bar['full'] and not bar['implicit']:
        faults.append(f'{where}: shorter than its meter')
      if bar['end'] != bar['length']:
        faults.append(f'{where}: ends at {bar["end"]}')
      by_voice = collections.defaultdict(list)
      for event in bar['events']:
        by_voice[event[0].findtext('voice')].append(event)
      for voice, events in by_voice.items():
        found = _voice(events, bar['length'])
        faults += [f'{where} voice {voice}: {fault}' for fault in found]
  lengths = [[bar['length'] for bar in bars] for bars in parts(data)]
  if any(row != lengths[0] for row in lengths):
    faults.append('parts differ in their bars')
  return faults


def _voice(events, length):
  at, beams, tuplet = Fraction(0), set(), None
  for note, begin, end, _ in events:
    if note.find('chord') is not None:
      if end != at:
        yield f'a chord of two lengths at {begin}'
      continue
    if begin != at:
      yield f'a gap at {at}'
    at = end
    if note.tag != 'note':
      continue
    if note.find('type') is not None and _looks(note) != end - begin:
      yield f'a value that lasts {end - begin} at {begin}'
    for beam in note.findall('beam'):
      level, word = beam.get('number'), beam.text
      if (word in ('continue', 'end')) != (level in beams):
        yield f'a beam {word} at {begin}'
      beams = beams | {level} if word == 'begin' else beams
      beams = beams - {level} if word == 'end' else beams
    if beams and note.find('beam') is None:
      yield f'a beam over nothing at {begin}'
    for edge in note.findall('notations/tuplet'):
      if (edge.get('type') == 'stop') != (tuplet is not None):
        yield f'a tuplet {edge.get("type")} at {begin}'
      tuplet = begin if edge.get('type') == 'start' else None
  if at != length:
    yield f'ends at {at} of {length}'
  if beams or tuplet is not None:
    yield 'a beam or tuplet stays open'


def _looks(note):
  """How long a value looks, in quarter notes."""
  size = TYPES[note.findtext('type')] * (
    2 - Fraction(1, 2 ** len(note.findall('dot')))
  )
  told = note.find('time-modification')
  if told is not None:
    size *= Fraction(
      int(told.findtext('normal-notes')), int(told.findtext('actual-notes'))
    )
  return size
