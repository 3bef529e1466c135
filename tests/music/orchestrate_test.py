"""Other players: what each can play, and that nothing is lost in silence."""

import itertools
from collections import Counter

import numpy as np
import pytest

from aurl_jax.music import instruments
from aurl_jax.music.instruments import InstrumentError
from aurl_jax.music.notes import CONTROL, Notes, Text, Track
from aurl_jax.music.orchestrate import orchestrate
from aurl_jax.music.rebuild import rebuilt
from tests.tokens import pieces

QUARTET = ('violin', 'violin', 'viola', 'cello')
# Of Adler's book, once more by hand: lowest and highest pitch, and whether it
# is a single line.
KNOWN = {
  'violin': (55, 103, True),
  'viola': (48, 91, True),
  'cello': (36, 76, True),
  'flute': (60, 98, True),
  'oboe': (58, 93, True),
  'clarinet': (50, 94, True),
  'bassoon': (34, 75, True),
  'trumpet': (54, 86, True),
  'tuba': (26, 65, True),
  'piano': (21, 108, False),
  'harp': (23, 104, False),
}


def keyboard(seed, notes=80):
  """A pianist's piece: chords of up to five notes, held over each other."""
  rng = np.random.default_rng(seed)
  onset = np.sort(rng.integers(0, 64, notes)) * 2
  table = np.unique(
    np.stack([onset, rng.integers(30, 96, notes)], axis=1), axis=0
  )
  columns = {
    'onset': table[:, 0],
    'pitch': table[:, 1],
    'duration': rng.integers(1, 9, len(table)),
    'velocity': rng.integers(30, 110, len(table)),
  }
  return Notes.build(4, columns, tempos=[(0, 400_000)], meters=[(0, 3, 4)])


def facts(notes):
  """What a note is, whoever plays it: onset, pitch class, velocity."""
  columns = (notes.onset, notes.pitch % 12, notes.velocity)
  return Counter(zip(*(c.tolist() for c in columns), strict=True))


def judged(found, before, names):
  """Checks by hand what must hold of any orchestration."""
  after = found.notes
  for track, name in enumerate(names):
    own = after.track == track
    low, high, single = KNOWN[name]
    assert ((after.pitch[own] >= low) & (after.pitch[own] <= high)).all()
    spans = sorted(
      zip(after.onset[own].tolist(), after.duration[own].tolist(), strict=True)
    )
    if single:
      for (onset, length), (following, _) in itertools.pairwise(spans):
        assert onset + length <= following
        assert onset < following
  lost = Counter((note.tick, note.pitch % 12) for note in found.lost)
  kept = Counter({(a, b): 0 for a, b, _ in facts(after)})
  for (onset, chroma, _), count in facts(after).items():
    kept[onset, chroma] += count
  wanted = Counter()
  for (onset, chroma, _), count in facts(before).items():
    wanted[onset, chroma] += count
  assert kept + lost == wanted
  assert len(after) + len(found.lost) == len(before)
  changed = before.pitch.tolist()
  for note in found.lost:
    changed.remove(note.pitch)
  missing = Counter(after.pitch.tolist()) - Counter(changed)
  assert found.moved >= missing.total()
  assert after.tempos.tolist() == before.tempos.tolist()
  assert after.meters.tolist() == before.meters.tolist()


@pytest.mark.parametrize(
  'names',
  [
    QUARTET,
    ('flute', 'oboe', 'clarinet', 'bassoon'),
    ('flute', 'piano'),
    ('trumpet', 'tuba'),
    ('violin', 'cello', 'harp'),
  ],
)
def test_every_player_can_play_its_part_and_losses_are_told(names):
  for seed in range(4):
    before = keyboard(seed)
    judged(orchestrate(before, names), before, names)


def test_parts_stay_whole_where_each_has_a_player():
  for seed in range(3):
    before = pieces.chorale(seed)
    found = orchestrate(before, QUARTET)
    assert found.report == {
      'players': ['Violin 1', 'Violin 2', 'Viola', 'Cello'],
      'moved': 0,
      'ended': 0,
      'lost': 0,
      'silent': [],
      'controls': 0,
    }
    for track in range(4):
      for name in ('onset', 'duration', 'pitch', 'velocity'):
        own = getattr(found.notes, name)[found.notes.track == track]
        given = getattr(before, name)[before.track == track]
        assert own.tolist() == given.tolist()


def test_players_may_be_named_in_any_order():
  before = pieces.chorale(1)
  found = orchestrate(before, ('cello', 'viola', 'violin', 'flute'))
  means = [found.notes.pitch[found.notes.track == p].mean() for p in range(4)]
  assert means == sorted(means)


def test_a_melody_stays_with_one_player():
  onset = np.arange(32) * 4
  melody = {'onset': onset, 'pitch': 74 + np.arange(32) % 5, 'track': 0}
  chords = {
    'onset': np.repeat(onset[::2], 3),
    'pitch': np.tile([48, 52, 55], 16),
    'track': 1,
  }
  both = {
    name: np.concatenate(
      [
        np.broadcast_to(part[name], n)
        for part, n in ((melody, 32), (chords, 48))
      ]
    )
    for name in melody
  }
  notes = Notes.build(4, both | {'duration': 4})
  for players in (('flute', 'piano'), ('piano', 'flute')):
    found = orchestrate(notes, players)
    flute = found.notes.track == players.index('flute')
    assert found.notes.pitch[flute].tolist() == melody['pitch'].tolist()
  # Of one keyboard, too, without tracks to go by.
  single = rebuilt(notes, {'track': notes.track * 0}, tracks=[Track()])
  found = orchestrate(single, ('flute', 'piano'))
  flute = found.notes.track == 0
  own = found.notes.pitch[flute].tolist()
  assert sum(a in melody['pitch'] for a in own) >= 0.9 * 32


def test_octaves_are_moved_only_where_they_must_be():
  low = Notes.build(
    4, {'onset': np.arange(4) * 4, 'duration': 4, 'pitch': [40, 41, 43, 72]}
  )
  found = orchestrate(low, ('flute',))
  assert found.notes.pitch.tolist() == [64, 65, 67, 72]
  assert found.moved == 3
  assert orchestrate(low, ('flute', 'cello')).moved == 0


def test_what_cannot_be_played_is_given_up_from_the_inside():
  chord = Notes.build(
    4, {'onset': 0, 'duration': 4, 'pitch': [48, 60, 64, 67, 76]}
  )
  found = orchestrate(chord, ('violin', 'viola', 'cello'))
  assert {48, 76} <= set(found.notes.pitch.tolist())
  assert {note.pitch for note in found.lost} < {60, 64, 67}
  assert len(found.lost) == 2


def test_drums_go_to_drums_or_are_told_as_lost():
  tracks = [Track(program=0), Track(is_drum=True)]
  both = Notes.build(
    4,
    {
      'onset': [0, 0, 4],
      'duration': 2,
      'pitch': [60, 36, 38],
      'track': [0, 1, 1],
    },
    tracks=tracks,
  )
  found = orchestrate(both, ('drums', 'flute'))
  assert found.lost == ()
  assert found.notes.is_drum.tolist() == [True, False, True]
  without = orchestrate(both, ('flute',))
  assert [(n.tick, n.pitch) for n in without.lost] == [(0, 36), (4, 38)]


def test_controls_and_words_go_with_their_part():
  pedal = np.array([(2, 0, 64, 127)], CONTROL)
  line = Notes.build(
    4,
    {'onset': [0, 4], 'duration': 4, 'pitch': [72, 74]},
    controls=pedal,
    texts=[Text(0, 0, 'lyric', 'la'), Text(0, -1, 'marker', 'A')],
  )
  found = orchestrate(line, ('drums', 'violin', 'piano'))
  assert found.silent == ('drums', 'Acoustic Grand Piano')
  own = int(found.notes.track[0])
  assert found.notes.controls['track'].tolist() == [own]
  told = {text.text: text.track for text in found.notes.texts}
  assert told == {'la': own, 'A': -1}
  dealt = orchestrate(keyboard(0).replace(controls=pedal), ('flute', 'cello'))
  assert dealt.controls == 1
  assert len(dealt.notes.controls) == 0


def test_who_plays_must_be_known():
  with pytest.raises(InstrumentError, match='no instrument'):
    orchestrate(keyboard(0), ('kazoo',))
  with pytest.raises(ValueError, match='no players'):
    orchestrate(keyboard(0), ())


def test_what_is_known_here_is_what_the_package_says():
  for name, (low, high, single) in KNOWN.items():
    number = instruments.program(name)
    assert instruments.playable(number) == (low, high)
    assert instruments.single(number) == single


def test_a_piece_without_notes_stays_without():
  found = orchestrate(Notes.build(4), ('violin',))
  assert len(found.notes) == 0
  assert found.silent == ('Violin',)
