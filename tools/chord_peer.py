"""What music21 makes of the chords and the key of a piece, as a finding.

Used by `chord_figures.py --ways music21`, as a cross-check on scores: what
sounds in each atom of `studies.chords.atoms` is a `music21.chord.Chord`, which
tells its root by thirds and its kind; the key is that of all notes by
`music21.analysis.discrete` (Krumhansl and Schmuckler), one for the piece. It
hears no passing notes and no local keys: it is no rival, but somebody else's.
"""

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music import time
from aurl_jax.music.chords import Chord
from aurl_jax.music.notes import Notes
from aurl_jax.studies.chords import atoms
from aurl_jax.studies.chords.finding import Harmony

_KINDS = {name: frozenset(t) for name, t in chords_lib.QUALITIES.items()}
_TRIADS = {'major': 'maj', 'minor': 'min', 'diminished': 'dim',
           'augmented': 'aug'}  # fmt: skip
_LONGEST = 4.0
"""Quarter notes of a note in the key's profile: a pedal is no key."""


def hear(notes: Notes) -> Harmony:
  """Returns the finding; a chord that music21 has no kind for is none."""
  heard = atoms.cut(notes)
  pitched = ~notes.is_drum
  onset, pitch = notes.onset[pitched], notes.pitch[pitched]
  end = onset + notes.duration[pitched]
  chord = []
  for start, stop in zip(
    heard.starts.tolist(), heard.ends.tolist(), strict=True
  ):
    middle = (start + stop) / 2
    inside = np.unique(pitch[(onset <= middle) & (end > middle)])
    chord.append(named(inside.tolist()).index)
  edges = np.append(heard.starts, heard.ends[-1:])
  seconds = time.ticks_to_seconds(notes, edges)
  return Harmony(
    starts=seconds[:-1],
    ends=seconds[1:],
    chord=np.array(chord, np.int64),
    bass=np.full(len(chord), -1),
    key=np.full(len(chord), key(notes)),
    bars=np.zeros(0),
  )


def named(pitches: list[int]) -> Chord:
  """Returns the chord of MIDI pitches by the root that music21 tells.

  Example:
    >>> named([52, 60, 67, 72]).label(), named([60]).label()
    ('C:maj', 'N')
  """
  import music21

  if len({pitch % 12 for pitch in pitches}) < 2:
    return Chord()
  found = music21.chord.Chord(pitches)
  root = found.root().pitchClass
  steps = frozenset((pitch - root) % 12 for pitch in pitches)
  for name, tones in _KINDS.items():
    if steps == tones:
      return Chord(root, name)
  kind = _TRIADS.get(found.quality)
  return Chord(root, kind) if kind else Chord()


def key(notes: Notes) -> int:
  """Returns the key of all notes, 0..23, -1 of none."""
  import music21

  pitched = np.flatnonzero(~notes.is_drum & (notes.duration > 0))
  if not len(pitched):
    return -1
  stream = music21.stream.Stream()
  for place in pitched.tolist():
    length = float(notes.duration[place]) / notes.ticks_per_beat
    note = music21.note.Note(int(notes.pitch[place]))
    note.quarterLength = min(length, _LONGEST)
    stream.append(note)
  found = stream.analyze('key')
  return int(found.tonic.pitchClass) + 12 * (found.mode == 'minor')
