"""Melodies for tests, and strategies that draw them."""

import numpy as np
from hypothesis import strategies as st

from aurl_jax.music.notes import Notes
from aurl_jax.studies.melody import line


def notes_of(pitches, lengths=1.0, beat=480):
  """Returns a piece of one voice without rests; lengths in quarters."""
  lengths = np.broadcast_to(np.asarray(lengths, float), (len(pitches),))
  ends = np.round(np.cumsum(lengths) * beat).astype(int)
  starts = np.append(0, ends[:-1])[: len(pitches)]
  return Notes.build(
    beat,
    {'onset': starts, 'duration': ends - starts, 'pitch': list(pitches)},
  )


def line_of(pitches, lengths=1.0):
  """Returns such a piece as a line."""
  return line.of(notes_of(pitches, lengths))


pitches = st.lists(st.integers(40, 90), min_size=2, max_size=40)
lengths = st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0])


@st.composite
def lines(draw, least=2, most=40):
  """Draws a line of a few rhythms."""
  tune = draw(st.lists(st.integers(40, 90), min_size=least, max_size=most))
  long = draw(st.lists(lengths, min_size=len(tune), max_size=len(tune)))
  return line_of(tune, long)
