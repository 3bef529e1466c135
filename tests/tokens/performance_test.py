import importlib
import importlib.util
import sys
import types

import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError, TokenError
from aurl_jax.music import note_sequence
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens import performance as lib
from aurl_jax.tokens.performance import Performance
from tests.tokens import pieces

PLAIN = Performance()


@pytest.fixture(scope='module')
def magenta():
  """The encoders of note_seq, without the parts of it that make sound."""
  music_pb2 = note_sequence.load_proto()
  before = set(sys.modules)
  spec = importlib.util.find_spec('note_seq')
  package = types.ModuleType('note_seq')
  package.__path__ = list(spec.submodule_search_locations)
  sys.modules['note_seq'] = package
  names = ('performance_lib', 'performance_encoder_decoder', 'sequences_lib')
  found = {n: importlib.import_module(f'note_seq.{n}') for n in names}
  for name in set(sys.modules) - before:
    if name.split('.')[0] == 'note_seq':
      del sys.modules[name]
  return types.SimpleNamespace(music_pb2=music_pb2, **found)


def their_classes(magenta, notes, bins=32, shift=100):
  proto = note_sequence.to_note_sequence(notes)
  steps = magenta.sequences_lib.quantize_note_sequence_absolute(proto, 100)
  told = magenta.performance_lib.Performance(
    steps, num_velocity_bins=bins, max_shift_steps=shift
  )
  encoding = magenta.performance_encoder_decoder.PerformanceOneHotEncoding(
    num_velocity_bins=bins, max_shift_steps=shift
  )
  return encoding, [encoding.encode_event(event) for event in told]


def simple(seed):
  """Returns a piece whose pitches never overlap, in many tempos."""
  rng = np.random.default_rng(seed)
  onset = np.sort(rng.integers(0, 5000, 40))
  pitch = rng.permutation(128)[:40]
  return Notes.build(
    96,
    {
      'onset': onset,
      'duration': rng.integers(0, 900, 40),
      'pitch': pitch,
      'velocity': rng.integers(1, 128, 40),
    },
    tempos=[(0, 400_000), (700, 612_345), (3000, 333_333)],
  )


def test_classes_are_those_of_note_seq(magenta):
  encoding, _ = their_classes(magenta, simple(0))
  assert encoding.num_classes == 388
  assert PLAIN.codec.sizes == (encoding.num_classes + lib.FIRST_CLASS,)
  event = magenta.performance_lib.PerformanceEvent
  for name, kind in (
    ('pitch', event.NOTE_ON),
    ('release', event.NOTE_OFF),
    ('shift', event.TIME_SHIFT),
    ('velocity', event.VELOCITY),
  ):
    part = PLAIN.codec.fields[0].by_event[name]
    for value in range(part.low, part.high + 1):
      theirs = encoding.encode_event(event(kind, value))
      assert PLAIN.codec.id(name, value) == theirs + lib.FIRST_CLASS


@pytest.mark.parametrize(('bins', 'shift'), [(32, 100), (8, 30)])
def test_tells_what_note_seq_tells(magenta, bins, shift):
  ours = Performance(velocity_bins=bins, shift_steps=shift)
  for seed in range(20):
    notes = ours.quantise(pieces.piece(seed))
    _, theirs = their_classes(magenta, notes, bins, shift)
    ids = ours.encode(notes)
    assert lib.to_classes(ids).tolist() == theirs
    assert (lib.from_classes(theirs) == ids).all()


def test_rounds_times_and_velocities_as_note_seq_does(magenta):
  for seed in range(20):
    notes = simple(seed)
    _, theirs = their_classes(magenta, notes)
    mine = lib.to_classes(PLAIN.encode(notes)).tolist()
    # Of events at one time note_seq keeps the order of the exact times.
    assert spelled(theirs) == spelled(mine)


def spelled(classes):
  """Returns (time, event, bin in force) of note ons and offs, sorted."""
  when, velocity, found = 0, 0, []
  for number in classes:
    event, value = PLAIN.codec.event(number + lib.FIRST_CLASS)
    if event == 'shift':
      when += value
    elif event == 'velocity':
      velocity = value
    else:
      found.append((when, event, value, velocity if event == 'pitch' else 0))
  return sorted(found)


def test_spells_a_known_piece():
  notes = Notes.build(
    480,
    {
      'onset': [0, 0, 480, 1440],
      'duration': [480, 1440, 10, 3000],
      'pitch': [60, 64, 60, 67],
      'velocity': [64, 64, 1, 1],
    },
  )
  events = [PLAIN.codec.event(i) for i in PLAIN.encode(notes)[:, 0].tolist()]
  assert events == [
    ('bos', 0),
    ('velocity', 16),
    ('pitch', 60),
    ('pitch', 64),
    ('shift', 50),
    ('release', 60),
    ('velocity', 1),
    ('pitch', 60),
    ('shift', 1),
    ('release', 60),
    ('shift', 99),
    ('release', 64),
    ('pitch', 67),
    *[('shift', 100)] * 3,
    ('shift', 13),
    ('release', 67),
    ('eos', 0),
  ]


def test_a_key_that_is_struck_again_ends_first():
  notes = Notes.build(
    50, {'onset': [0, 10, 10], 'duration': [99, 5, 30], 'pitch': 60}
  )
  music = PLAIN.quantise(notes)
  assert music.onset.tolist() == [0, 10]
  assert music.duration.tolist() == [10, 30]


def test_drums_or_all_else():
  notes = Notes.build(
    50,
    {'onset': [0, 1], 'duration': 5, 'pitch': 38, 'track': [0, 1]},
    tracks=[Track('', 4), Track('', 0, True)],
  )
  assert PLAIN.quantise(notes).tracks == (Track('', 0),)
  drums = Performance(drums=True)
  assert drums.quantise(notes).tracks == (Track('', 0, True),)
  assert drums.quantise(notes).onset.tolist() == [1]
  assert 'pitch' not in drums.codec.fields[0].starts


def test_may_be_cut_where_nothing_sounds_and_every_five_seconds():
  columns = {
    'onset': [0, 100, 400, 900, 1300, 1500],
    'duration': [100, 50, 1000, 700, 10, 50],
    'pitch': [60, 62, 40, 43, 67, 67],
  }
  ids = PLAIN.encode(Notes.build(50, columns, tempos=[(0, 500_000)]))
  stream = [PLAIN.codec.event(i) for i in ids[:, 0].tolist()]
  when, told = 0, {}
  for step, (event, value) in enumerate(stream):
    told[step] = when
    when += value if event == 'shift' else 0
  steps = PLAIN.bar_steps(ids)
  # At 100 the first note is still to be released; 5 s after 400 is 900, ...
  assert [told[s] for s in steps] == [0, 400, 900, 1400]
  assert all(stream[s][0] != 'shift' for s in steps)
  assert PLAIN.bar_steps(ids[:0]).tolist() == []


def test_every_tail_behind_a_cut_is_its_music():
  notes = pieces.piece(9)
  ids = PLAIN.encode(notes)
  whole = PLAIN.decode(ids)
  for step in PLAIN.bar_steps(ids).tolist():
    tail = PLAIN.decode(ids[step:])
    assert (tail.pitch == whole.pitch[len(whole) - len(tail) :]).all()


def test_empty_music_is_bos_and_eos():
  ids = PLAIN.encode(Notes.build(480))
  assert ids.ravel().tolist() == [1, 2]
  assert PLAIN.decode(ids) == Notes.build(50)


def test_tick_bombs_are_refused():
  bomb = Notes.build(96, {'onset': [0, 2**50], 'duration': 1, 'pitch': 60})
  with pytest.raises(TokenError, match='cut it first') as caught:
    PLAIN.encode(bomb)
  assert caught.value.code == 'too_long'


@pytest.mark.parametrize(
  'option', [{'velocity_bins': 3}, {'shift_steps': 0}, {'program': 128}]
)
def test_options_are_checked(option):
  with pytest.raises(ConfigError, match=next(iter(option))):
    Performance(**option)
