"""Judges ids in plain Python: no numpy, no jax, nothing of the grammars.

Written from the grammar as the documents state it, by recursive descent
over decoded events. Compound steps are first spelled out as REMI events, so
one recogniser judges both.

  BOS ( Bar [Meter] [Cut] ( Position [Tempo] [Chord] ( Pedal [Micro] )*
    ( Program [Voice] (Pitch | Drum) Velocity Duration [Micro] )* )* )* EOS

Pedals and offsets (Micro) are of compound only.
"""

DRUMS = 128


class Fault(Exception):
  """Why a sequence is not legal."""


def fault(tokenizer, ids):
  """Returns why ids (nested lists) are not legal, or '' if they are."""
  judge = {
    'Remi': _remi,
    'Compound': _compound,
    'VoiceGrid': _voice_grid,
    'Performance': _performance,
    'Bpe': _bpe,
  }
  try:
    steps = [list(step) for step in ids]
    if getattr(tokenizer, 'controls', False):
      steps = _uncontrolled(tokenizer, steps)
    judge[type(tokenizer).__name__](tokenizer, steps)
  except Fault as why:
    return str(why)
  return ''


def _require(condition, why):
  if not condition:
    raise Fault(why)


def _event(tokenizer, id_, field):
  """Returns (event, value); ('none', 0) for the reserved id 0."""
  if id_ == 0:
    return 'none', 0
  return tokenizer.codec.event(id_, field)


_OF_BARS = ('key', 'density', 'polyphony', 'register')
_HEARD = ('section', 'harmony', 'contour')
_CONTROLS = (*_OF_BARS, *_HEARD, 'family', 'style', 'form')


def _uncontrolled(tokenizer, steps):
  """Returns the other steps, after a look at the controls among them."""
  kept, place, before = [], None, None
  for step in steps:
    told = [_event(tokenizer, id_, f) for f, id_ in enumerate(step)]
    kind, value = told[0]
    if len(step) > 1 and kind == 'control':
      _require(not any(step[1:2] + step[3:]), 'a control with other fields')
      kind, value = told[2]
      _require(kind in _CONTROLS, f'{kind} as a control')
    elif len(step) > 1:
      _require(told[2][0] not in _CONTROLS, f'{told[2][0]} in a {kind} step')
    if kind not in _CONTROLS:
      kept.append(step)
      place, before = kind, (-1, -1)
      continue
    _require(place in ('bos', 'bar'), f'{kind} behind {place}')
    bars = (*_OF_BARS, *_HEARD)
    _require(place == 'bos' or kind in bars, f'{kind} of a bar')
    known = kind not in (*_HEARD, 'form') or tokenizer.studied
    _require(known, f'{kind}, which this vocabulary does not tell')
    rank = (_CONTROLS.index(kind), value if kind == 'family' else 0)
    _require(rank > before, f'{kind} {value} after {before}')
    before = rank
  return kept


def _remi(tokenizer, steps):
  stream = [_event(tokenizer, step[0], 0) for step in steps]
  _Parser(tokenizer.grid, stream).piece()


_USES = {
  'bos': (),
  'eos': (),
  'bar': ('whole|cut', 'same|meter'),
  'tempo': ('position', 'tempo'),
  'chord': ('position', 'chord'),
  'note': (
    'position',
    'program',
    'voice',
    'pitch',
    'duration',
    'velocity',
    'micro',
  ),
  'pedal': ('position', 'program', 'voice', 'pedal', 'none', 'none', 'micro'),
}
"""What stands in the fields after the kind; the rest must be unused."""


def _compound(tokenizer, steps):
  stream, position = [], None
  for step in steps:
    events = [_event(tokenizer, id_, f) for f, id_ in enumerate(step)]
    kind = events[0][0]
    _require(kind in _USES, f'a step begins with {kind}')
    for name, wanted in zip_longest_none(events[1:], _USES[kind]):
      _check_field(kind, name, wanted)
    if kind in ('bos', 'eos'):
      stream.append(events[0])
    elif kind == 'bar':
      stream.append(events[0])
      # REMI tells the meter before the cut.
      stream += [e for e in events[2:0:-1] if e[0] in ('meter', 'cut')]
      position = None
    else:
      if events[1][1] != position:
        position = events[1][1]
        stream.append(events[1])
      stream += _spelled(kind, events)
  _Parser(tokenizer.grid, stream).piece()


def zip_longest_none(events, wanted):
  """Pairs the fields with what they should hold; 'none' where nothing."""
  return [
    (event[0], wanted[i] if i < len(wanted) else 'none')
    for i, event in enumerate(events)
  ]


def _check_field(kind, name, wanted):
  if wanted == 'pitch':
    _require(name in ('pitch', 'drum'), f'{name} for the pitch of a {kind}')
  elif '|' in wanted:
    _require(name in wanted.split('|'), f'{name} in a {kind} step')
  else:
    _require(name == wanted, f'{name} in a {kind} step, not {wanted}')


def _spelled(kind, events):
  micro = events[7:]
  if kind == 'pedal':
    turned = (events[2][1], events[3][1], events[4][1])
    return [('pedal', turned), *micro]
  if kind != 'note':
    return [events[2]]
  _, _, program, voice, pitch, duration, velocity = events[:7]
  voices = [voice] if voice[1] > 0 else []
  return [program, *voices, pitch, velocity, duration, *micro]


class _Parser:
  """Recursive descent; one method a rule of the grammar."""

  def __init__(self, grid, stream):
    self.grid = grid
    self.stream = stream
    self.at = 0
    self.in_force = {}
    self.pedals = {}
    self.earliest = None

  def peek(self):
    return self.stream[self.at][0] if self.at < len(self.stream) else 'nothing'

  def take(self, *names):
    name = self.peek()
    _require(name in names, f'{name} at event {self.at}, expected {names}')
    self.at += 1
    return self.stream[self.at - 1][1]

  def change(self, name):
    """Takes an event that must differ from the one of its kind before."""
    value = self.take(name)
    _require(self.in_force.get(name) != value, f'{name} {value} again')
    self.in_force[name] = value
    return value

  def piece(self):
    self.take('bos')
    number, needs_meter = 0, True
    while self.peek() == 'bar':
      needs_meter = self.bar(number, needs_meter)
      number += 1
    _require(not (needs_meter and number), 'no meter after a cut bar')
    self.take('eos')
    _require(self.at == len(self.stream), 'events after eos')

  def bar(self, number, needs_meter):
    """Returns whether the bar was cut, so that the next needs a meter."""
    self.take('bar')
    if needs_meter or self.peek() == 'meter':
      self.change('meter')
    numerator, denominator = self.grid.meters[self.in_force['meter']]
    length = 4 * self.grid.cells_per_beat * numerator // denominator
    is_cut = self.peek() == 'cut'
    if is_cut:
      cut = self.take('cut')
      _require(1 <= cut < length, f'cut {cut} of a bar of {length}')
      length = cut
    if number == 0:
      _require(self.peek() == 'position', 'bar 1 without a tempo')
    before = -1
    while self.peek() == 'position':
      at = self.position(first=number == 0 and before < 0)
      _require(
        before < at < length, f'position {at} after {before} of {length}'
      )
      before = at
    return is_cut

  def position(self, first):
    at, start = self.take('position'), self.at
    if first:
      _require(at == 0 and self.peek() == 'tempo', 'piece without a tempo')
    for name in ('tempo', 'chord'):
      if self.peek() == name:
        self.change(name)
    self.earliest = 0 if first else None
    self.pedal_changes()
    before = (-1, -1, -1, 0)
    while self.peek() == 'program':
      note = self.note()
      _require(note > before, f'note {note} after {before}')
      before = note
    _require(self.at > start, 'position without an event')
    return at

  def pedal_changes(self):
    before = (-1, -1)
    while self.peek() == 'pedal':
      *place, down = self.take('pedal')
      place = tuple(place)
      _require(before < place < (DRUMS,), f'pedal {place} after {before}')
      _require(self.pedals.get(place, 0) != down, f'pedal {down} again')
      self.pedals[place], before = down, place
      self.offset()

  def offset(self):
    if self.peek() == 'micro':
      micro = self.take('micro')
      early = self.earliest is not None and micro < self.earliest
      _require(not early, f'offset {micro} before the start')
      return micro
    return 0

  def note(self):
    program = self.take('program')
    voice = self.take('voice') if self.peek() == 'voice' else 0
    pitch = self.take('drum' if program == DRUMS else 'pitch')
    self.take('velocity')
    self.take('duration')
    return program, voice, pitch, self.offset()


def _voice_grid(tokenizer, steps):
  rows = [
    [_event(tokenizer, id_, f) for f, id_ in enumerate(step)] for step in steps
  ]
  _require(len(rows) >= 2, 'shorter than bos and eos')
  _grid_start(tokenizer.grid, rows[0])
  _require(
    [name for name, _ in rows[-1]] == ['eos', 'none', 'none', 'none'],
    'no eos at the end',
  )
  sounding = [None] * 4
  for row in rows[1:-1]:
    for voice, (name, pitch) in enumerate(row):
      _require(name in ('rest', 'hold', 'pitch'), f'{name} in voice {voice}')
      _require(
        name != 'hold' or sounding[voice] == pitch,
        f'voice {voice} holds {pitch} while {sounding[voice]} sounds',
      )
      sounding[voice] = None if name == 'rest' else pitch


def _grid_start(grid, row):
  names = [name for name, _ in row]
  _require(names == ['bos', 'meter', 'tempo', 'pickup'], f'starts with {names}')
  numerator, denominator = grid.meters[row[1][1]]
  length = 4 * grid.cells_per_beat * numerator // denominator
  _require(row[3][1] < length, f'pickup {row[3][1]} of a bar of {length}')


def _bpe(tokenizer, steps):
  """Spells every id out, merge by merge, and judges what it is made of."""
  size = tokenizer.base.codec.sizes[0]
  spelled = [[id_] for id_ in range(size)]
  for left, right in tokenizer.merges:
    text = spelled[left] + spelled[right]
    if text not in spelled:
      spelled.append(text)
  single = [[id_] for step in steps for id_ in spelled[step[0]]]
  why = fault(tokenizer.base, single)
  _require(not why, why)


def _performance(tokenizer, steps):
  """Times apart: each is shifts, then releases, then (velocity) pitches."""
  stream = [_event(tokenizer, step[0], 0) for step in steps]
  names = [name.replace('drum_release', 'release') for name, _ in stream]
  names = [name.replace('drum', 'pitch') for name in names]
  _require(names[0] == 'bos' and names[-1] == 'eos', 'no bos or no eos')
  rows = list(zip(names, [value for _, value in stream], strict=True))[1:-1]
  sounding, loudness, first = [], None, True
  while rows:
    _require(_shifts(tokenizer, rows) or first, 'events behind their time')
    first = False
    events = [len(sounding)]
    _releases(rows, sounding)
    events.append(len(sounding))
    loudness = _strikes(rows, sounding, loudness)
    events.append(len(sounding))
    _require(len(set(events)) > 1, f'a time without events before {rows[:1]}')
  _require(not sounding, f'{sounding} sound at the end')


def _shifts(tokenizer, rows):
  """Takes the shifts of a time; returns whether there were any."""
  told = []
  while rows and rows[0][0] == 'shift':
    told.append(rows.pop(0)[1])
  longest = all(value == tokenizer.shift_steps for value in told[:-1])
  _require(longest, f'shifts {told}, not the longest first')
  return bool(told)


def _releases(rows, sounding):
  """Takes the note offs of a time; `sounding` is in order of beginning."""
  order = -1
  while rows and rows[0][0] == 'release':
    pitch = rows.pop(0)[1]
    numbers = [number for number, other in sounding if other == pitch]
    _require(len(numbers) == 1, f'{pitch} ends and does not sound')
    _require(numbers[0] > order, f'{pitch} ends out of order')
    order = numbers[0]
    sounding.remove((order, pitch))


def _strikes(rows, sounding, loudness):
  """Takes the note ons of a time; returns the velocity in force."""
  number = max([n for n, _ in sounding], default=-1)
  before = -1
  while rows and rows[0][0] in ('velocity', 'pitch'):
    if rows[0][0] == 'velocity':
      _require(rows[0][1] != loudness, f'velocity {loudness} again')
      loudness = rows.pop(0)[1]
      _require(rows and rows[0][0] == 'pitch', 'velocity without a pitch')
    pitch = rows.pop(0)[1]
    _require(loudness is not None, f'{pitch} without a velocity')
    _require(pitch > before, f'{pitch} begins after {before}')
    _require(pitch not in [p for _, p in sounding], f'{pitch} begins twice')
    before, number = pitch, number + 1
    sounding.append((number, pitch))
  return loudness
