import numpy as np

from aurl_jax.generation import playing
from aurl_jax.music.notes import Notes, Track


def test_places_of_a_bar_are_those_of_its_meter():
  onset = np.arange(0, 48, 2)
  notes = Notes.build(
    4,
    {'onset': onset, 'duration': 1, 'pitch': 60},
    meters=[(0, 4, 4), (16, 3, 4), (28, 6, 8)],
  )
  names = [playing.PLACES[i][:4] for i in playing.places(notes)]
  assert names[:8] == [
    'down',
    'offb',
    'back',
    'offb',
    'beat',
    'offb',
    'back',
    'offb',
  ]
  assert names[8:14] == ['down', 'offb', 'beat', 'offb', 'beat', 'offb']
  # Six eighths: every other one is a backbeat.
  assert names[14:20] == ['down', 'back', 'beat', 'back', 'beat', 'back']


def test_triplets_stand_between():
  notes = Notes.build(12, {'onset': [0, 4, 8, 12], 'duration': 1, 'pitch': 60})
  names = [playing.PLACES[i] for i in playing.places(notes)]
  assert names == ['downbeat', 'between', 'between', 'backbeat']


def test_roles_are_those_of_chords_and_kits():
  notes = Notes.build(
    4,
    {
      'onset': [0, 0, 0, 0, 4, 4],
      'duration': 4,
      'pitch': [45, 60, 64, 79, 36, 49],
      'track': [0, 0, 0, 0, 1, 1],
    },
    tracks=[Track(), Track(is_drum=True)],
  )
  found = playing.roles(notes)
  pitched = [playing.PITCHED[i] for i in found[:4]]
  assert pitched == ['bass', 'inner', 'inner', 'melody']
  assert [playing.DRUMS[i] for i in found[4:]] == ['kick', 'crash']
  assert playing.roles(Notes.build(4)).shape == (0,)


def test_the_table_says_what_it_is_of():
  told = playing.table()
  licences = {source['name']: source['licence'] for source in told['sources']}
  assert licences == {
    'Groove MIDI Dataset v1.0.0': 'CC BY 4.0',
    'POP909': 'MIT',
    'GiantMIDI-Piano': 'CC BY 4.0',
  }
  for what in ('timing', 'loudness'):
    means = np.array(told[what]['drums']['means'])
    assert means.shape == (len(playing.DRUMS), len(playing.PLACES))
    assert set(playing.Noise._fields) < told[what]['drums'].keys()
  loud = np.array(told['loudness']['drums']['means'])
  snare = loud[playing.DRUMS.index('snare')]
  # What anybody hears: a backbeat is louder than what stands between.
  assert snare[playing.PLACES.index('backbeat')] > snare[-1] + 20
