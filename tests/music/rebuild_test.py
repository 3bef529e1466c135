"""Rebuilding keeps what it is not told to change."""

import hypothesis
import numpy as np

from aurl_jax.music.rebuild import rebuilt
from tests.music.pieces import pieces


@hypothesis.given(pieces())
def test_nothing_to_change(notes):
  assert rebuilt(notes, {}) == notes


@hypothesis.given(pieces())
def test_columns_are_sorted_anew(notes):
  turned = rebuilt(notes, {'onset': notes.onset.max(initial=0) - notes.onset})
  turned.check()
  assert (np.sort(turned.pitch) == np.sort(notes.pitch)).all()
  assert turned.texts == notes.texts


@hypothesis.given(pieces())
def test_other_fields(notes):
  named = rebuilt(notes, {}, title='new', ticks_per_beat=7)
  assert (named.title, named.ticks_per_beat) == ('new', 7)
