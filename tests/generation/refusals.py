"""Requests that no music can meet, and the code of the refusal they must get.

Each is a wish that some music keeps (`witnesses`), of which one thing is
changed so that none can: by the sizes of things, not by asking the code under
test.
"""

from typing import Any

import numpy as np

from aurl_jax.generation.wish import Wish
from tests.generation import witnesses
from tests.generation.witnesses import ROOTS, SCALES, Room

FAULTS = (
  'range',
  'chord',
  'long',
  'crowd',
  'off',
  'outside',
  'unread',
  'cycle',
  'stranger',
  'unlisted',
  'meter',
  'tempo',
  'begins',
  'given',
  'twice',
)
"""What is wrong, see `spoilt`."""
STEPS = 250
"""A budget that is enough for all that is not too long by intent."""


def spoilt(room: Room, seed: int) -> tuple[str, dict[str, Any], str]:
  """Returns a fault, fields of a `Request`, and the code of its refusal.

  The fields are no request yet: what is wrong may be seen when it is made.
  """
  rng = np.random.default_rng([seed, len(FAULTS)])
  witness = witnesses.draw(room, seed, 'voices')
  fault = FAULTS[int(rng.integers(len(FAULTS)))]
  fields = {
    'bars': witness.bars,
    'steps': STEPS,
    'wish': witness.wish,
    'seed': seed,
  }
  changes, code = _WRONG[fault](rng, room, witness)
  return fault, fields | changes, code


def _range(rng: Any, room: Room, witness: Any) -> Any:
  """A player whose one pitch is foreign to the key."""
  tonic = int(rng.integers(12))
  scale = {(tonic + step) % 12 for step in SCALES['major']}
  pitches = [p for p in range(40, 80) if p % 12 not in scale]
  pitch = int(rng.choice(pitches))
  wish = Wish(key=ROOTS[tonic], ranges=(('piano', (pitch, pitch)),))
  return {'wish': wish}, 'ranges'


def _chord(rng: Any, room: Room, witness: Any) -> Any:
  """The chord a tritone away from the tonic, in a major key."""
  tonic = int(rng.integers(12))
  foreign = ROOTS[(tonic + 6) % 12]
  chords = f'{ROOTS[tonic]} {foreign}{rng.choice(["", "m", "7"])}'
  return {'wish': Wish(key=ROOTS[tonic], chords=chords)}, 'chords'


def _long(rng: Any, room: Room, witness: Any) -> Any:
  """More bars than there are steps for."""
  bars = STEPS + int(rng.integers(1, 100))
  return {'bars': bars}, 'steps'


def _crowd(rng: Any, room: Room, witness: Any) -> Any:
  """More notes than places, one at a time, in 4/4."""
  value, places = (('4', 4), ('2', 2), ('8', 8))[int(rng.integers(3))]
  most = int(rng.integers(1, 4))
  wish = Wish(
    instruments=('piano',),
    polyphony=most,
    rhythm=value,
    density=(places * most + 1, None),
    meter=(4, 4),
  )
  return {'wish': wish}, 'density'


def _off(rng: Any, room: Room, witness: Any) -> Any:
  """A place between two cells."""
  wish = Wish(rhythm=(0, (int(rng.integers(4)) + 0.5) / room.cells))
  return {'wish': wish}, 'rhythm'


def _outside(rng: Any, room: Room, witness: Any) -> Any:
  """A place behind the bar."""
  wish = Wish(rhythm=(0, 3 + int(rng.integers(4))), meter=(3, 4))
  return {'wish': wish}, 'rhythm'


def _unread(rng: Any, room: Room, witness: Any) -> Any:
  """A name that says nothing."""
  options = (
    ({'key': 'H major'}, 'key'),
    ({'key': 'C sideways'}, 'key'),
    ({'chords': 'Xm'}, 'chords'),
    ({'chords': 'C | | G'}, 'chords'),
    ({'rhythm': 'often'}, 'rhythm'),
    ({'polyphony': 99}, 'wish'),
  )
  fields, code = options[int(rng.integers(len(options)))]
  return {'wish': fields}, code


def _cycle(rng: Any, room: Room, witness: Any) -> Any:
  """Values for more bars than there are."""
  many = witness.bars + 1
  options = {
    'key': ('C',) * many,
    'chords': ' | '.join(['Am'] * many),
    'polyphony': (2,) * many,
    'density': ((0, 3),) * many,
    'rhythm': ('8',) * many,
  }
  name = str(rng.choice(list(options)))
  return {'wish': {name: options[name]}}, name


def _stranger(rng: Any, room: Room, witness: Any) -> Any:
  """An instrument that is none, or that a grid has not."""
  name = 'oboe' if room.grid else 'kazoo'
  return {'wish': Wish(instruments=(name,))}, 'instruments'


def _unlisted(rng: Any, room: Room, witness: Any) -> Any:
  """A range of one who does not play."""
  wish = Wish(instruments=('piano',), ranges=(('cello', (40, 60)),))
  return {'wish': wish}, 'ranges'


def _meter(rng: Any, room: Room, witness: Any) -> Any:
  """A bar that is longer than the longest."""
  return {'wish': Wish(meter=(room.longest + 1 + int(rng.integers(4)), 4))}, (
    'meter'
  )


def _tempo(rng: Any, room: Room, witness: Any) -> Any:
  """A tempo that is too slow or too fast to be told."""
  return {'wish': Wish(tempo=int(rng.choice([3, 10, 700, 2000])))}, 'tempo'


def _begins(rng: Any, room: Room, witness: Any) -> Any:
  """Two meters for one bar."""
  return {'wish': Wish(meter=(3, 4)), 'meter': (2, 4)}, 'meter'


def _given(rng: Any, room: Room, witness: Any) -> Any:
  """A line that is longer than the piece."""
  line = witnesses.draw(room, witness.seed, 'given').given
  name = next(iter(line))
  music = line[name]
  onset = music.onset + 100 * music.ticks_per_beat
  longer = music.replace(onset=onset)
  # Remi is held to nothing that is given, long or not.
  code = 'given' if room.note > 1 else 'bars'
  return {name: longer, 'wish': None, 'bars': 1}, code


def _twice(rng: Any, room: Room, witness: Any) -> Any:
  """Two wishes that both hold."""
  return {'wish': (witness.wish, Wish(polyphony=2))}, 'wish'


_WRONG = {
  'range': _range,
  'chord': _chord,
  'long': _long,
  'crowd': _crowd,
  'off': _off,
  'outside': _outside,
  'unread': _unread,
  'cycle': _cycle,
  'stranger': _stranger,
  'unlisted': _unlisted,
  'meter': _meter,
  'tempo': _tempo,
  'begins': _begins,
  'given': _given,
  'twice': _twice,
}
