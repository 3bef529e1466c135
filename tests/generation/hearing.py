"""Hears in plain Python whether notes keep what was wished of them.

Shares nothing with the masks or with the rules: bars are walked from the table
of meters, and what is wished is given as sets and numbers, not as names.
"""

from fractions import Fraction


def hear(notes):
  """Returns notes as dicts: bar, beat (quarters in it), length and so on."""
  found = []
  for i in range(len(notes)):
    start = Fraction(int(notes.onset[i]), notes.ticks_per_beat)
    bar, inside, length, meter = _bar(notes, start)
    found.append(
      {
        'bar': bar,
        'beat': inside,
        'quarters': length,
        'meter': meter,
        'start': start,
        'stop': start + Fraction(int(notes.duration[i]), notes.ticks_per_beat),
        'pitch': int(notes.pitch[i]),
        'drum': bool(notes.is_drum[i]),
        'program': 128 if notes.is_drum[i] else int(notes.program[i]),
        'track': int(notes.track[i]),
      }
    )
  return found


def _bar(notes, at):
  """Returns number, place inside, length and meter of the bar of a place."""
  # Without a row at the start 4/4 holds.
  table = [(Fraction(0), (4, 4))] + [
    (
      Fraction(int(row['tick']), notes.ticks_per_beat),
      (int(row['numerator']), int(row['denominator'])),
    )
    for row in notes.meters
  ]
  number, start = 0, Fraction(0)
  while True:
    meter = [meter for place, meter in table if place <= start][-1]
    length = Fraction(4 * meter[0], meter[1])
    changes = [place for place, _ in table if start < place < start + length]
    stop = min([*changes, start + length])
    if at < stop:
      return number, at - start, length, meter
    number, start = number + 1, stop


def faults(notes, bars, **wished):
  """Returns what is wrong, as texts; `wished` names functions below."""
  heard = hear(notes)
  return [
    f'{name}: {fault}'
    for name, value in wished.items()
    for fault in _JUDGES[name](heard, notes, bars, value)
  ]


def _scales(heard, notes, bars, scales):
  """Scales: of each bar in turn, the pitch classes."""
  for note in heard:
    scale = scales[note['bar'] % len(scales)]
    if not note['drum'] and note['pitch'] % 12 not in scale:
      yield note


def _chords(heard, notes, bars, value):
  """(Chords of each bar as pitch classes, what may be between beats)."""
  chords, passing = value
  for note in heard:
    bar = chords[note['bar'] % len(chords)]
    which = int(note['beat'] * len(bar) / note['quarters'])
    on_beat = (note['beat'] * note['meter'][1] / 4).denominator == 1
    allowed = set(bar[which]) | (set() if on_beat else set(passing))
    if not note['drum'] and note['pitch'] % 12 not in allowed:
      yield note


def _ranges(heard, notes, bars, ranges):
  for note in heard:
    low, high = ranges.get(note['program'], (1, 0))
    if not low <= note['pitch'] <= high:
      yield note


def _polyphony(heard, notes, bars, value):
  """(Most at once by bar, most in a track)."""
  most, each = value
  pitched = [note for note in heard if not note['drum']]
  for note in pitched:
    at = note['start']
    sounds = [n for n in pitched if n['start'] <= at < n['stop']]
    if len(sounds) > most[note['bar'] % len(most)]:
      yield f'{len(sounds)} at {at}'
    own = [n for n in sounds if n['track'] == note['track']]
    if len(own) > each:
      yield f'{len(own)} at {at} in a track'


def _density(heard, notes, bars, ranges):
  for bar in range(bars):
    count = sum(note['bar'] == bar for note in heard)
    low, high = ranges[bar % len(ranges)]
    if not low <= count <= high:
      yield f'{count} in bar {bar}'
  if any(note['bar'] >= bars for note in heard):
    yield 'behind the last bar'


def _rhythm(heard, notes, bars, step):
  """A length in quarters of which all places are multiples."""
  for note in heard:
    if (note['beat'] / step).denominator != 1:
      yield note


def _meter(heard, notes, bars, meters):
  for note in heard:
    if note['meter'] != meters[note['bar'] % len(meters)]:
      yield note


def _tempo(heard, notes, bars, tempos):
  for note in heard:
    tick = note['start'] * notes.ticks_per_beat
    rows = [row for row in notes.tempos if row['tick'] <= tick]
    told = 6e7 / int(rows[-1]['microseconds'])
    asked = tempos[note['bar'] % len(tempos)]
    if abs(told / asked - 1) > 0.008:
      yield f'{told} in bar {note["bar"]}'


_JUDGES = {
  'scales': _scales,
  'chords': _chords,
  'ranges': _ranges,
  'polyphony': _polyphony,
  'density': _density,
  'rhythm': _rhythm,
  'meter': _meter,
  'tempo': _tempo,
}


def adherence(notes, bars, **wished):
  """Returns of each rule how many things it is about, and how many break it.

  By the names that reports have. What is wished has a value for each bar,
  and begins anew where it is shorter; None of a scale or chord is any.

  Args:
    notes: The piece, or what of it the rules are about.
    bars: How many are written.
    **wished: Names of `COUNTED`, and what they take.
  """
  heard = hear(notes)
  counted = {}
  for name, value in wished.items():
    fits = list(COUNTED[name](heard, notes, bars, value))
    counted[name] = len(fits), fits.count(False)
  return counted


def _in_key(heard, notes, bars, scales):
  for note in heard:
    scale = scales[note['bar'] % len(scales)]
    if not note['drum']:
      yield scale is None or note['pitch'] % 12 in scale


def _in_chord(heard, notes, bars, value):
  """(Chords of each bar, what may be between beats in each, their meters).

  Chords stand where they do in the meter that was asked for, whatever it is.
  """
  chords, passing, meters = value
  for note in heard:
    bar = note['bar'] % len(chords)
    top, bottom = meters[note['bar'] % len(meters)]
    which = int(note['beat'] * len(chords[bar]) / Fraction(4 * top, bottom))
    chord = chords[bar][min(which, len(chords[bar]) - 1)]
    on_beat = (note['beat'] * bottom / 4).denominator == 1
    between = set() if on_beat else passing[note['bar'] % len(passing)]
    if not note['drum']:
      yield chord is None or note['pitch'] % 12 in set(chord) | set(between)


def _in_range(heard, notes, bars, ranges):
  for note in heard:
    low, high = ranges.get(note['program'], (1, 0))
    yield low <= note['pitch'] <= high


def _thin(heard, notes, bars, value):
  """(Most at once of each bar, most in a track).

  At all places where a pitched note or a bar begins, and any sounds.
  """
  most, each = value
  pitched = [note for note in heard if not note['drum']]
  places = {note['start'] for note in pitched}
  places |= {start for start, _, _ in _bars(notes)}
  end = line(notes, bars)
  for at in sorted(place for place in places if place < end):
    sounds = [n for n in pitched if n['start'] <= at < n['stop']]
    if sounds:
      tracks = [note['track'] for note in sounds]
      many = max(tracks.count(track) for track in tracks)
      limit = most[_bar(notes, at)[0] % len(most)]
      yield len(sounds) <= limit and many <= each


def _filled(heard, notes, bars, limits):
  for bar in range(bars):
    low, high = limits[bar % len(limits)]
    yield low <= sum(note['bar'] == bar for note in heard) <= high


def _placed(heard, notes, bars, places):
  """Places: of each bar those where notes may begin, in quarters."""
  for note in heard:
    yield note['beat'] in places[note['bar'] % len(places)]


def _bars(notes):
  """Returns start, stop and meter of all bars in which something sounds."""
  ends = [
    Fraction(int(a) + max(int(b), 1), notes.ticks_per_beat)
    for a, b in zip(notes.onset, notes.duration, strict=True)
  ]
  found, at = [], Fraction(0)
  while at < max(ends, default=at):
    _, _, length, meter = _bar(notes, at)
    changes = [
      Fraction(int(row['tick']), notes.ticks_per_beat) for row in notes.meters
    ]
    stop = min([at + length, *(c for c in changes if c > at)])
    found.append((at, stop, meter))
    at = stop
  return found


def line(notes, bars):
  """Returns where the bar line behind so many bars stands, in quarters."""
  at = Fraction(0)
  for _ in range(bars):
    _, _, length, _ = _bar(notes, at)
    changes = [
      Fraction(int(row['tick']), notes.ticks_per_beat) for row in notes.meters
    ]
    at = min([at + length, *(c for c in changes if c > at)])
  return at


def _metered(heard, notes, bars, meters):
  for number, (_, _, meter) in enumerate(_bars(notes)[:bars]):
    yield meter == tuple(meters[number % len(meters)])


def _paced(heard, notes, bars, tempos):
  """Tempos of each bar; within a bar there is to be no other."""
  table = [
    (Fraction(int(row['tick']), notes.ticks_per_beat), int(row['microseconds']))
    for row in notes.tempos
  ]
  for number, (start, stop, _) in enumerate(_bars(notes)[:bars]):
    before = [micros for at, micros in table if at <= start]
    inside = [micros for at, micros in table if start < at < stop]
    asked = tempos[number % len(tempos)]
    yield all(
      abs(6e7 / micros / asked - 1) < 0.008
      for micros in [*(before or [500_000])[-1:], *inside]
    )


COUNTED = {
  'key': _in_key,
  'chords': _in_chord,
  'instruments': _in_range,
  'no drums': _in_range,
  'polyphony': _thin,
  'density': _filled,
  'rhythm': _placed,
  'meter': _metered,
  'tempo': _paced,
}
