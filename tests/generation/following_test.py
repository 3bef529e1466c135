"""What follows is scored as a plain forward scores it, and the best is kept."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import following
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from tests.generation import writers

TOKENIZER = Compound(voices=2, cells_per_beat=4, bar_beats=4, infill=True)
MODEL, PARAMS = writers.small(TOKENIZER)
FORWARD = jax.jit(functools.partial(MODEL.apply, PARAMS))
ROOM = 48


def music(seed):
  """24 notes in six bars."""
  rng = np.random.default_rng(seed)
  return Notes.build(
    4,
    {
      'onset': 4 * np.arange(24),
      'duration': 3,
      'pitch': rng.integers(50, 80, 24),
    },
  )


def ids_of(seed):
  return TOKENIZER.encode(music(seed))


def plain(ids, start, stop):
  """Nats of steps, each by the logits of a forward over the whole piece."""
  padded = np.zeros((ROOM, ids.shape[1]), np.int32)
  padded[: len(ids)] = ids
  segments = np.arange(ROOM) < len(ids)
  inputs = (padded, segments.astype(np.int32), np.arange(ROOM))
  targets = np.roll(padded, -1, axis=0)
  out = FORWARD(*(jnp.asarray(x)[None] for x in (*inputs, targets)))
  total = 0.0
  for field, logits in enumerate(out.logits):
    found = jax.nn.log_softmax(logits[0].astype(jnp.float32))
    for at in range(start, stop):
      if ids[at, field]:
        total += float(found[at - 1, ids[at, field]])
  return total


def test_a_stretch_is_the_next_four_bars():
  ids = ids_of(0)
  bars = TOKENIZER.bar_steps(ids).tolist()
  end = len(ids) - 1
  assert len(bars) == 6
  spans = [following.span(TOKENIZER, ids, bar) for bar in range(8)]
  edges = [*bars, *[end] * 6]
  assert spans == [(edges[b], edges[b + 4]) for b in range(8)]
  assert following.span(TOKENIZER, ids[:-1], 3) == spans[3]


def test_scores_are_those_of_a_plain_forward():
  pieces = [ids_of(0), ids_of(1)[:15], ids_of(2)]
  spans = [(5, 12), (1, 15), (9, 9)]
  found = following.scores(MODEL, PARAMS, pieces, spans)
  wanted = [plain(ids, *span) for ids, span in zip(pieces, spans, strict=True)]
  np.testing.assert_allclose(found, wanted, rtol=1e-4)
  assert found[2] == 0
  assert following.scores(MODEL, PARAMS, [], []).shape == (0,)


def test_of_the_drafts_the_one_is_kept_that_goes_on_best():
  composer = Composer(model=MODEL, params=PARAMS, tokenizer=TOKENIZER)
  asked = {'prompt': music(3), 'rewrite': (3, 4), 'retries': 0}
  every = composer.generate(Request(n=6, seed=4, **asked))
  kept = composer.generate(Request(n=2, drafts=3, seed=4, **asked))
  scores = []
  for piece in every:
    ids = TOKENIZER.encode(piece.notes)
    scores.append(plain(ids, TOKENIZER.bar_steps(ids)[4], len(ids) - 1))
  best = [int(np.argmax(scores[:3])), 3 + int(np.argmax(scores[3:]))]
  assert len(set(scores)) > 3
  assert [piece.seed for piece in kept] == [4 + at for at in best]
  assert [p.notes for p in kept] == [every[at].notes for at in best]


def test_drafts_are_of_bars_that_are_written_anew():
  with pytest.raises(RequestError, match='give rewrite too'):
    Request(drafts=2)
  prompt = music(3)
  with pytest.raises(RequestError, match='leave out beams'):
    Request(prompt=prompt, rewrite=(1, 2), drafts=2, beams=2)
  composer = Composer(model=MODEL, params=PARAMS, tokenizer=TOKENIZER)
  with pytest.raises(RequestError, match='cannot be streamed'):
    next(composer.stream(Request(prompt=prompt, rewrite=(1, 2), drafts=2)))


def test_leaps_are_told_at_both_ends_of_a_gap():
  # A bar of four notes each: the second one is a gap.
  pitch = [60] * 4 + [72, 60, 60, 73] + [60] * 8
  piece = Notes.build(
    4, {'onset': 4 * np.arange(16), 'duration': 4, 'pitch': pitch}
  )
  gap = Request(prompt=piece, rewrite=(1, 2))
  up = piece.replace(pitch=np.where(np.arange(16) == 4, 73, piece.pitch))
  assert following.leaps([piece, up], gap).tolist() == [1, 2]
  # Nothing stands before the first bar, or behind the last.
  whole = Request(prompt=piece, rewrite=(0, 4))
  assert following.leaps([up], whole).tolist() == [0]
