"""Bar lines of a piece of steady pulse, put where its downbeats are.

Many files are played to a click that is not the file's own: the ticks are as
even as the music, but beats lie at a constant offset from them, and the meter
says nothing (62 % of POP909 say 1/4). Here the offset is found and taken
away; nothing else is touched. The beats are those of `studies.beats`, which
tell the pulse well and the downbeat less so: it is the beat of the bar on
which most chords change (`studies.chords`), as in Goto and Muraoka,
"Real-time beat tracking for drumless audio signals", Speech Communication
1999. Positions are beats of ticks, quarter notes. Axis: `b` beats.
"""

import numpy as np

from aurl_jax.music import cut, time
from aurl_jax.music import notes as notes_lib
from aurl_jax.music.notes import Notes
from aurl_jax.studies import beats as beats_lib
from aurl_jax.studies.beats import Beats
from aurl_jax.studies.chords.recogniser import Recogniser

_BAR = 4
_FEWEST = 8
"""Beats: fewer tell no pulse."""
_STEADY = 0.6
"""Vector strength of a pulse that heeds the ticks. Of POP909's training songs
12 of 565 in fours lie below it (7 would have come out right), and 5 of the 13
in threes that no meter tells; 0.1 to 0.7 differ by few songs."""
_GRID = 0.25
_ON_GRID = 0.5
"""Vector strength of onsets that tell the phase of their 16ths."""


def aligned(notes: Notes, beats: Beats | None = None) -> Notes:
  """Returns the piece with its bar lines where its downbeats are, in 4/4.

  All is moved by one number of ticks, so that the last downbeat at or before
  the first onset is tick 0; an upbeat has its bar, longer silence is cut off.
  Durations, distances and the tempo map stay; texts of what is cut off stand
  at tick 0. The downbeat is the beat of the bar on which most chords change;
  where two are equal, or there are no chords, the tracked downbeats decide.

  The very same piece comes back if its bars are right, if fewer than 8 beats
  are found, if they do not lie evenly on the ticks (`beats.follow` is for
  those), or if a meter of it has a numerator that is no power of two: only
  bars of four are found, and who wrote 3/4 or 6/8 is believed.

  Args:
    notes: Any piece. Its meters do not count otherwise.
    beats: Of the piece; tracked if not given, which is most of the work.

  Example:
    >>> chords = np.tile([48, 64, 67, 53, 60, 69], 8)
    >>> late = Notes.build(480, {
    ...   'onset': 100 + 1920 * np.repeat(np.arange(16), 3),
    ...   'duration': 1920, 'pitch': chords}, meters=[(0, 1, 4)])
    >>> aligned(late).onset[::3][:3].tolist()
    [0, 1920, 3840]
  """
  if not len(notes) or not _in_fours(notes):
    return notes
  beats = beats_lib.track(notes) if beats is None else beats
  size, first = notes.ticks_per_beat, int(notes.onset[0])
  place = time.seconds_to_ticks(notes, beats.seconds) / size
  # Before the music, beats are only a guess.
  heard = place >= first / size - 0.5
  place, downbeat = place[heard], beats.place[heard] == 0
  phase = _phase(notes, place)
  if phase is None:
    return notes
  tracked = np.rint(place[downbeat] - phase / size).astype(np.int64)
  line = phase + size * _downbeat(notes, phase, tracked)
  return _from(notes, first - (first - line) % (_BAR * size))


def _in_fours(notes: Notes) -> bool:
  """Whether no meter divides its bar by anything but two."""
  numerators = [row[1] for row in time.meter_changes(notes)]
  return all(count & (count - 1) == 0 for count in numerators)


def _phase(notes: Notes, place: np.ndarray) -> int | None:
  """Returns how many ticks beats lie behind the ticks' own, if steadily.

  Args:
    notes: The piece.
    place: [b] beats, in quarter notes.
  """
  phase, strength = _circular(place, 1)
  if len(place) < _FEWEST or strength < _STEADY:
    return None
  onset = notes.onset / notes.ticks_per_beat
  fine, strength = _circular(onset, _GRID)
  if strength >= _ON_GRID:
    phase = fine + _GRID * round((phase - fine) / _GRID)
  return round(phase * notes.ticks_per_beat) % notes.ticks_per_beat


def _circular(values: np.ndarray, period: float | int) -> tuple[float, float]:
  """Returns the circular mean, in -period/2..period/2, and its strength."""
  if not len(values):
    return 0.0, 0.0
  mean = np.exp(2j * np.pi * values / period).mean()
  return float(np.angle(mean)) / (2 * np.pi) * period, float(abs(mean))


def _downbeat(notes: Notes, phase: int, tracked: np.ndarray) -> int:
  """Returns which beat of four is the downbeat, 0..3 from `phase` on.

  Args:
    notes: The piece.
    phase: Ticks from tick 0 to a beat.
    tracked: Tracked downbeats, counted in beats from `phase`.
  """
  size = notes.ticks_per_beat
  starts, chords = Recogniser().recognise(cut.shift(notes, size - phase))
  changes = starts[np.flatnonzero(np.diff(chords, prepend=-1))] // size - 1
  votes = np.bincount(changes % _BAR, minlength=_BAR).astype(np.float64)
  share = np.bincount(tracked % _BAR, minlength=_BAR) / (len(tracked) + 1)
  return int((votes + share).argmax())


def _from(notes: Notes, start: int) -> Notes:
  """Returns the piece from a tick on, which may lie before 0, in 4/4."""
  if not start and time.meter_changes(notes) == [(0, _BAR, 4)]:
    return notes
  moved = cut.shift(notes, -start)
  early = [
    text._replace(tick=0)
    for text in notes.texts
    if text.tick < start and text.kind != 'chord'
  ]
  texts = sorted(
    [*early, *moved.texts], key=lambda text: (text.tick, text.track)
  )
  meters = np.array([(0, _BAR, 4)], notes_lib.METER)
  return moved.replace(meters=meters, texts=tuple(texts))
