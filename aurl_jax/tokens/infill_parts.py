"""What may be taken out of bars, and which notes that is.

See `tokens.infill`. Axes: `n` notes; a table of notes is int `[5, n]`: bar,
position, program, voice, pitch.
"""

import dataclasses

import numpy as np

from aurl_jax.core import errors
from aurl_jax.tokens import events
from aurl_jax.tokens.codec import Codec

Track = tuple[int, int]
"""Program (128 for drums) and voice."""

LINES = ('melody', 'bass')
GIVEN = (*LINES, 'chords')
ALL_NOTES = 'notes'
"""Given, too, but in no training: all notes that there are."""
_MOST_VOICES = 1 << 11
_MOST_CELLS = 1 << 13


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
  """What is taken out of bars; by default everything but tempos.

  Attributes:
    tracks: Take the notes, and pedals, of these alone.
    given: Take everything but what is given: `melody`, `bass` (the track of
      the highest, or lowest, mean pitch; of a single track the highest, or
      lowest, note of each onset), `chords` (the symbols) or `notes` (all that
      there are: others are to be written to them).
  """

  tracks: tuple[Track, ...] = ()
  given: str = ''

  def __post_init__(self) -> None:
    known = (*GIVEN, ALL_NOTES)
    if self.given and (self.given not in known or self.tracks):
      raise errors.ConfigError(
        f'given {self.given!r} (tracks {list(self.tracks)}); give one of '
        f'{", ".join(GIVEN)}, or tracks'
      )


def _kept_line(notes: np.ndarray, given: str) -> np.ndarray:
  """Returns bool [n]: the notes of the melody, or of the bass.

  Args:
    notes: int [5, n]: bar, position, program, voice, pitch.
    given: Which of the two.
  """
  bar, position, program, voice, pitch = notes
  sign = 1 if given == 'melody' else -1
  pitched = np.flatnonzero(program != events.DRUMS)
  track = program * _MOST_VOICES + voice
  names, number = np.unique(track[pitched], return_inverse=True)
  if len(names) > 1:
    mean = np.bincount(number, pitch[pitched]) / np.bincount(number)
    return track == names[np.argmax(sign * mean)]
  place = (bar * _MOST_CELLS + position)[pitched]
  order = np.lexsort([sign * pitch[pitched], place])
  last = np.ones(len(order), np.bool_)
  last[:-1] = place[order][1:] != place[order][:-1]
  kept = np.zeros(len(track), np.bool_)
  kept[pitched[order[last]]] = True
  return kept


def taken_notes(notes: np.ndarray, part: Part) -> np.ndarray:
  """Returns bool [n]: which notes, `[5, n]`, a part takes."""
  if part.tracks:
    return of_tracks(notes[2], notes[3], part)
  if part.given == ALL_NOTES:
    return np.zeros(notes.shape[1], np.bool_)
  if part.given in LINES:
    return ~_kept_line(notes, part.given)
  return np.ones(notes.shape[1], np.bool_)


def of_tracks(program: np.ndarray, voice: np.ndarray, part: Part) -> np.ndarray:
  """Returns bool [n]: which are of the tracks of a part."""
  slots = [number * _MOST_VOICES + own for number, own in part.tracks]
  return np.isin(program * _MOST_VOICES + voice, slots)


def check_chords(codec: Codec, part: Part) -> None:
  """Raises TokenError if chords are given that no id tells."""
  if part.given == 'chords' and not any(
    field.tells('chord') for field in codec.fields
  ):
    raise errors.TokenError(
      'no chords can be given: this tokenization tells none; build it with '
      'chords=True, or give melody or bass',
      code='part',
    )


def unique(program: np.ndarray, voice: np.ndarray) -> list[Track]:
  """Returns the tracks of notes, ascending."""
  slots = np.unique(program * _MOST_VOICES + voice)
  pairs = np.divmod(slots, _MOST_VOICES)
  return list(zip(*(column.tolist() for column in pairs), strict=True))
