"""Names for pitches: C sharp or D flat, by what is played around them.

A name is a place on the line of fifths: … B♭ -2, F -1, C 0, G 1, D 2 …, so
that a sharp is seven to the right and names that sound alike are twelve
apart. The speller is the first stage of ps13 (Meredith, "The ps13 pitch
spelling algorithm", Journal of New Music Research 35 (2), 2006): each pitch
class of the surroundings is taken for the tonic in turn, names the note as a
step of its chromatic scale, and votes with the number of its notes. What is
ours is where tonics stand: on the line around the key signature, so that the
names follow it. Axis: `n` notes, in order of time.
"""

import numpy as np

from aurl_jax.music.notes import Notes

_BEFORE, _AFTER = 10, 42
"""Notes of the surroundings (Meredith's best values)."""
_STEPS = np.array([0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5])
"""Semitones above a tonic -> fifths to the right of it."""
_LOWEST = -4
"""The leftmost tonic, from the signature's major key; twelve are in use."""
_CENTRE = 2
"""The middle of the seven names of a signature, from its major key."""
_TIE = 1e-3
_LETTERS = 'FCGDAEB'
_ALTERS = 2
"""Double sharps and double flats are the most that is printed."""

# Krumhansl and Kessler, Psychological Review 89, 1982.
_PROFILES = np.array(
  [
    [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
    [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
  ]
)


def spell(pitch: np.ndarray, fifths: np.ndarray) -> np.ndarray:
  """Returns the place of each note on the line of fifths, [n] int64.

  Args:
    pitch: [n] int64, MIDI pitches in order of time.
    fifths: [n] int64, sharps of the signature at each note.

  Example:
    >>> melody = np.array([69, 68, 69, 71, 72, 71, 69])  # A minor
    >>> name(spell(melody, np.zeros(7, int)).tolist()[1])
    ('G', 1)
  """
  chroma = pitch % 12
  size = len(pitch)
  counts = np.zeros((size + 1, 12))
  counts[np.arange(1, size + 1), chroma] = 1
  counts = counts.cumsum(axis=0)
  rows = np.arange(size)
  around = (
    counts[np.minimum(rows + _AFTER, size)]
    - counts[np.maximum(rows - _BEFORE, 0)]
  )
  tonic = np.arange(12)
  left = fifths[:, None] + _LOWEST
  place = left + (7 * tonic - left) % 12
  place = place + _STEPS[(chroma[:, None] - tonic) % 12]
  # Votes for names that sound alike, twelve apart.
  lowest = (7 * chroma) % 12 - 24
  votes = np.zeros((size, 5))
  for vote in tonic.tolist():
    octave = (place[:, vote] - lowest) // 12
    np.add.at(votes, (rows, octave), around[:, vote])
  # Where votes are equal the name nearest to the signature wins.
  names = lowest[:, None] + 12 * np.arange(5)
  votes -= _TIE * np.abs(names - fifths[:, None] - _CENTRE)
  best = lowest + 12 * votes.argmax(axis=1)
  best = np.where(alter_of(best) > _ALTERS, best - 12, best)
  return np.where(alter_of(best) < -_ALTERS, best + 12, best)


def alter_of(place: np.ndarray) -> np.ndarray:
  """Returns sharps (flats negative) of places on the line of fifths."""
  return (place + 1) // 7


def name(place: int) -> tuple[str, int]:
  """Returns letter and sharps (flats negative) of a place.

  Example:
    >>> name(0), name(7), name(-2)
    (('C', 0), ('C', 1), ('B', -1))
  """
  return _LETTERS[(place + 1) % 7], (place + 1) // 7


def octave_of(pitch: int, place: int) -> int:
  """Returns the octave that is printed; B♯3 sounds like C4."""
  return (pitch - name(place)[1]) // 12 - 1


def place_of(letter: str, alter: int) -> int:
  """Returns the place of a name on the line of fifths."""
  return _LETTERS.index(letter) - 1 + 7 * alter


def of_key(letter: str, fifths: int) -> int:
  """Returns the sharps (flats negative) that a signature gives a letter.

  Example:
    >>> of_key('F', 1), of_key('B', -2), of_key('C', 1)
    (1, -1, 0)
  """
  place = _LETTERS.index(letter)
  return int(place < fifths) - int(place >= 7 + fifths)


def near(place: int, semitones: int) -> int:
  """Returns the name of the note some semitones above another name."""
  return place + int(_STEPS[semitones % 12])


def estimate_key(notes: Notes) -> tuple[int, bool]:
  """Returns sharps and mode of the key that correlates best with a piece.

  By the key profiles of Krumhansl and Kessler; C major without notes.

  Example:
    >>> scale = Notes.build(1, {'onset': range(7), 'duration': 1,
    ...                         'pitch': [62, 64, 66, 67, 69, 71, 73]})
    >>> estimate_key(scale)
    (2, False)
  """
  heard = ~notes.is_drum
  weight = np.bincount(
    notes.pitch[heard] % 12, notes.duration[heard] + 1, minlength=12
  )
  if np.ptp(weight) == 0:
    return 0, False
  best = (-2.0, 0, False)
  for minor in (False, True):
    for tonic in range(12):
      profile = np.roll(_PROFILES[int(minor)], tonic)
      score = float(np.corrcoef(weight, profile)[0, 1])
      fifths = (7 * tonic - 3 * minor + 5) % 12 - 5
      best = max(best, (score, fifths, minor))
  return best[1:]
