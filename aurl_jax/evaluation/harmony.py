"""Metrics of harmony: chord tones, tonal distance and tension.

Drums are left out, and time is weighted: a pitch class counts as long as it
sounds. Tonal distance: Harte, Sandler and Gasser, "Detecting harmonic change in
musical audio", AMCMM 2006: pitch classes are points of three circles (fifths,
minor thirds, major thirds), and a harmony is their centre. Tension: Herremans
and Chew, "Tension ribbons: quantifying and visualising tonal tension", TENOR
2016, on Chew's spiral array, along which names of pitches climb by fifths.
Axes: `n` notes, `b` stretches of time.
"""

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from aurl_jax.music import chords as chords_lib
from aurl_jax.music import spelling
from aurl_jax.music.notes import Notes
from aurl_jax.studies.chords import Recogniser
from aurl_jax.studies.structure import views

_RADII = np.array([1.0, 1.0, 1.0, 1.0, 0.5, 0.5])
"""Of the circles of fifths, minor and major thirds, both axes of each."""
_TURNS = np.array([7, 7, 3, 3, 4, 4]) / np.array([6, 6, 2, 2, 1.5, 1.5])
"""Half turns of a circle for a semitone: fifths, minor and major thirds."""
_CLIMB = math.sqrt(2 / 15)
"""How high the spiral climbs with a fifth, at radius 1: with it the intervals
of a triad are the shortest distances (Chew 2000)."""


def chord_tone_rate(notes: Notes) -> float:
  """Returns the share of the sounding time that is of the chord at hand.

  Chords are those written into the piece, or heard in it where it has none
  (`studies.chords`); time without a chord does not count. `nan` without any.
  """
  heard = Recogniser()(notes)
  start = np.array([text.tick for text in heard.chords], np.int64)
  if not len(start):
    return math.nan
  tones = np.zeros((len(start), 12), np.bool_)
  for row, text in zip(tones, heard.chords, strict=True):
    row[list(chords_lib.parse(text.text).pitch_classes())] = True
  sounds = sounding(notes, np.append(start, max(notes.end, int(start[-1]) + 1)))
  named = tones.any(axis=1)
  total = sounds[named].sum()
  return float((sounds * tones)[named].sum() / total) if total else math.nan


def sounding(
  notes: Notes, bounds: Int[np.ndarray, ' c']
) -> Float[np.ndarray, 'b 12']:
  """Returns how many ticks each pitch class sounds between bounds.

  Args:
    notes: The piece.
    bounds: Ticks, ascending: one more than there are stretches.
  """
  rows = np.flatnonzero(~notes.is_drum)
  begin = notes.onset[rows]
  note, stretch, held = cut(begin, begin + notes.duration[rows], bounds)
  table = np.zeros((len(bounds) - 1, 12))
  np.add.at(table, (stretch, notes.pitch[rows][note] % 12), held)
  return table


def cut(
  begin: Int[np.ndarray, ' n'],
  end: Int[np.ndarray, ' n'],
  bounds: Int[np.ndarray, ' c'],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns the parts into which bounds cut stretches of time.

  Args:
    begin: Where each stretch begins.
    end: And ends.
    bounds: Ascending; what lies outside of all is left out.

  Returns:
    Of each part the number of its stretch, the number of the bound before it,
    and its length, above 0.
  """
  first = np.searchsorted(bounds, begin, side='right') - 1
  last = np.searchsorted(bounds, end, side='left')
  first, last = np.maximum(first, 0), np.minimum(last, len(bounds) - 1)
  whole, place = views.ranges(first, last)
  length = np.minimum(end[whole], bounds[place + 1]) - np.maximum(
    begin[whole], bounds[place]
  )
  some = length > 0
  return whole[some], place[some], length[some]


def tonal_centre(weights: Float[np.ndarray, '*b 12']) -> np.ndarray:
  """Returns the place of harmonies in tonal space, float64 `[*b, 6]`.

  Args:
    weights: Of the pitch classes, at least 0; of nothing the centre is `nan`.
  """
  with np.errstate(invalid='ignore'):
    share = weights / weights.sum(axis=-1, keepdims=True)
  angle = np.arange(12)[:, None] * _TURNS * math.pi
  points = _RADII * np.where(
    np.arange(6) % 2 == 0, np.sin(angle), np.cos(angle)
  )
  return np.asarray(share @ points)


def tonal_distance(
  one: Float[np.ndarray, '*b 12'], other: Float[np.ndarray, '*b 12']
) -> np.ndarray:
  """Returns how far harmonies are from each other in tonal space.

  Example:
    >>> c, g, f_sharp = np.eye(12)[[0, 7, 6]]
    >>> float(tonal_distance(c, g) < tonal_distance(c, f_sharp))
    1.0
  """
  apart = tonal_centre(one) - tonal_centre(other)
  return np.asarray(np.sqrt((apart**2).sum(axis=-1)))


def harmonic_change(notes: Notes) -> float:
  """Returns the mean tonal distance of beats that follow each other, or `nan`.

  Of quarter notes; beats in which no pitch sounds are passed over.
  """
  beats = _beats(notes)
  table = sounding(notes, beats)
  table = table[table.sum(axis=1) > 0]
  if len(table) < 2:
    return math.nan
  return float(tonal_distance(table[1:], table[:-1]).mean())


def tension(notes: Notes) -> dict[str, float]:
  """Returns tonal tension by `diameter`, `momentum` and `strain`.

  Of the clouds of notes that sound in each quarter note, on the spiral array:
  the largest distance inside a cloud (how dissonant it is), the distance of a
  cloud's centre from the last one's (how it moves), and from that of the whole
  piece (how far it is from home; in the paper, of the key). Means over the
  beats in which a pitch sounds; `nan` where there are too few.
  """
  clouds = list(_clouds(notes))
  if not clouds:
    return dict.fromkeys(('diameter', 'momentum', 'strain'), math.nan)
  centres = np.array(
    [weight @ place / weight.sum() for place, weight in clouds]
  )
  total = np.array([weight.sum() for _, weight in clouds])
  home = total @ centres / total.sum()
  wide = [
    np.sqrt(((place[:, None] - place) ** 2).sum(axis=-1)).max()
    for place, _ in clouds
  ]
  moved = np.sqrt((np.diff(centres, axis=0) ** 2).sum(axis=1))
  return {
    'diameter': float(np.mean(wide)),
    'momentum': float(moved.mean()) if len(moved) else math.nan,
    'strain': float(np.sqrt(((centres - home) ** 2).sum(axis=1)).mean()),
  }


def spiral(fifths: Int[np.ndarray, ' n']) -> Float[np.ndarray, 'n 3']:
  """Returns the places of names of pitches, 0 for C, 1 for G, on the spiral."""
  turn = np.asarray(fifths) * math.pi / 2
  return np.stack([np.sin(turn), np.cos(turn), fifths * _CLIMB], axis=-1)


def _clouds(notes: Notes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Yields places and weights of what sounds in each quarter note."""
  rows = np.flatnonzero(~notes.is_drum)
  if not len(rows):
    return
  signature, _ = spelling.estimate_key(notes)
  places = spiral(
    spelling.spell(notes.pitch[rows], np.full(len(rows), signature))
  )
  begin = notes.onset[rows]
  note, beat, held = cut(begin, begin + notes.duration[rows], _beats(notes))
  order = np.argsort(beat, kind='stable')
  borders = np.flatnonzero(np.diff(beat[order])) + 1
  for part in np.split(order, borders) if len(order) else ():
    yield places[note[part]], held[part].astype(float)


def _beats(notes: Notes) -> Int[np.ndarray, ' c']:
  """Returns the ticks of quarter notes up to the last end, and one past it."""
  beat = notes.ticks_per_beat
  return np.arange(0, notes.end + beat, beat)
