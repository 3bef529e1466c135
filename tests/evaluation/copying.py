"""Training music, copies of it, and a judge that compares note by note.

Nothing here hashes: the judge lays each line beside each other, pitch by pitch
and onset by onset, in plain Python.
"""

import itertools

import numpy as np

from aurl_jax.music.notes import Notes, Track

TICKS = 8


def tune(seed, notes=60, tracks=2):
  """Returns a piece of lines that no other seed has, and some drums."""
  rng = np.random.default_rng([7, seed])
  onset = [np.cumsum(rng.integers(1, 4, notes)) * 2 for _ in range(tracks)]
  pitch = [60 + np.cumsum(rng.integers(-4, 5, notes)) for _ in range(tracks)]
  pitch = [np.clip(line, 30, 95) for line in pitch]
  track = np.repeat(np.arange(tracks + 1), notes)
  return Notes.build(
    TICKS,
    {
      'onset': np.concatenate([*onset, onset[0]]),
      'pitch': np.concatenate([*pitch, np.full(notes, 36)]),
      'duration': rng.integers(1, 9, len(track)),
      'velocity': rng.integers(1, 128, len(track)),
      'track': track,
    },
    tracks=[*[Track() for _ in range(tracks)], Track(is_drum=True)],
  )


def rows(notes):
  """The lines of a piece: (onset, pitch) in order, by track; no drums."""
  found = {}
  columns = (notes.track, notes.onset, notes.pitch, notes.is_drum)
  lists = (column.tolist() for column in columns)
  for track, onset, pitch, drum in zip(*lists, strict=True):
    if not drum:
      found.setdefault(track, set()).add((onset, pitch))
  return {track: sorted(line) for track, line in found.items()}


def planted(host, source, track, first, count, *, at, up, shift=0, skip=()):
  """Returns a host some of whose notes are a copy.

  Args:
    host: A piece of the same ticks.
    source: What is copied from.
    track: Of the notes, in the source and in the host.
    first: The first note of the line that is copied.
    count: How many.
    at: Tick of the host where the copy begins, in place of what is there.
    up: Semitones by which it is higher.
    shift: Ticks by which it is later than `at`.
    skip: Notes of the copy that are left out.
  """
  line = rows(source)[track][first : first + count]
  begin, end = at + shift, at + shift + line[-1][0] - line[0][0]
  notes = [
    (begin + onset - line[0][0], pitch + up, track)
    for number, (onset, pitch) in enumerate(line)
    if number not in skip
  ]
  for other, own in rows(host).items():
    notes += [
      (onset, pitch, other)
      for onset, pitch in own
      if other != track or not begin <= onset <= end
    ]
  onset, pitch, of = zip(*notes, strict=True)
  columns = {'onset': onset, 'pitch': pitch, 'track': of, 'duration': 2}
  return Notes.build(TICKS, columns, tracks=host.tracks)


def longest(notes, pieces):
  """The longest run that a piece shares with a line of others.

  Returns:
    Its notes, and all (track, first onset, name, first onset there, semitones)
    that have so many.
  """
  most, places = 0, []
  others = [
    (name, line, steps(line))
    for name, piece in pieces.items()
    for line in rows(piece).values()
  ]
  for track, line in rows(notes).items():
    own = steps(line)
    for name, other, theirs in others:
      length = [0] * (len(other) + 1)
      for i in range(len(line)):
        before, length = length, [0] * (len(other) + 1)
        for j in range(len(other)):
          same = i and j and own[i] == theirs[j]
          length[j + 1] = before[j] + 1 if same else 1
          if length[j + 1] > most:
            most, places = length[j + 1], []
          if length[j + 1] == most:
            a, b = i - most + 1, j - most + 1
            up = line[i][1] - other[j][1]
            places.append((track, line[a][0], name, other[b][0], up))
  return most, places


def steps(line):
  """What tells each note from the one before; None of the first."""
  pairs = itertools.pairwise(line)
  return [None, *((b[0] - a[0], b[1] - a[1]) for a, b in pairs)]
