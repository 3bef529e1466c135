"""Bits a note and nats a frame, against plain sums over the decoded music."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.evaluation import targets as targets_lib
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.bpe import Bpe
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi


def song(count=24, seed=3):
  rng = np.random.default_rng(seed)
  return Notes.build(
    480,
    {
      'onset': np.arange(count) * 240,
      'duration': rng.choice([120, 240, 480], count),
      'pitch': rng.integers(50, 70, count),
      'velocity': rng.integers(40, 100, count),
    },
  )


def chorale(cells=20, seed=1):
  """Four voices that change at random; equal pitches in a row are one note."""
  rng = np.random.default_rng(seed)
  frames = np.full((cells, 4), -1)
  for cell, voice in np.ndindex(cells, 4):
    if cell and rng.random() < 0.6:
      frames[cell, voice] = frames[cell - 1, voice]
    elif rng.random() < 0.9:
      frames[cell, voice] = 70 - 7 * voice + rng.integers(6)
  columns = {'onset': [], 'duration': [], 'pitch': [], 'track': []}
  for voice in range(4):
    cell = 0
    while cell < cells:
      pitch, begin = frames[cell, voice], cell
      while cell < cells and frames[cell, voice] == pitch:
        cell += 1
      if pitch >= 0:
        found = (begin * 120, (cell - begin) * 120, pitch, voice)
        for column, value in zip(columns.values(), found, strict=True):
          column.append(value)
  return Notes.build(480, columns), frames


def scores(targets, sizes, seed=0):
  rng = np.random.default_rng(seed)
  shape = targets.shape[:2]
  return [
    jnp.asarray(2 * rng.normal(size=(*shape, size)), jnp.float32)
    for size in sizes
  ]


def chances(logits):
  logits = np.asarray(logits, np.float64)
  found = np.exp(logits - logits.max(-1, keepdims=True))
  return found / found.sum(-1, keepdims=True)


@pytest.mark.parametrize(
  'tokenizer', [Remi(), Compound(), Performance(), Compound(micro=8)]
)
def test_bits_are_shared_among_the_notes(tokenizer):
  notes = tokenizer.quantise(song())
  targets = tokenizer.encode(notes)[None, 1:]
  logits = scores(targets, tokenizer.codec.sizes)
  measure = targets_lib.NoteCounts(tokenizer)
  bits, count = jax.jit(measure)(logits, jnp.asarray(targets))['bits_per_note']
  assert int(count) == len(notes)
  lost = 0.0
  for field, found in enumerate(map(chances, logits)):
    for t, id_ in enumerate(targets[0, :, field]):
      lost -= np.log2(found[0, t, id_]) if id_ else 0
  assert float(bits) == pytest.approx(lost, rel=1e-4)


def test_a_merged_id_counts_every_note_in_it():
  base = Remi()
  ids = base.encode(song())[:, 0].tolist()
  struck = [
    i for i in range(len(ids)) if base.codec.event(ids[i])[0] == 'pitch'
  ]
  merges = []
  for at in struck[:3]:
    merges.append((ids[at - 1], ids[at]))
  merges.append((merges[0][1], ids[struck[0] + 1]))
  tokenizer = Bpe(base=base, merges=tuple(dict.fromkeys(merges)))
  merged = np.arange(base.codec.sizes[0], tokenizer.codec.sizes[0])
  targets = jnp.asarray(merged[None, :, None], jnp.int32)
  found = targets_lib.NoteCounts(tokenizer)(
    scores(targets, tokenizer.codec.sizes), targets
  )
  expected = sum(
    base.codec.event(id_)[0] == 'pitch'
    for spelled in tokenizer.expansions[base.codec.sizes[0] :]
    for id_ in spelled
  )
  assert int(found['bits_per_note'][1]) == expected > 0


def test_a_frame_is_a_strike_or_a_hold():
  tokenizer = VoiceGrid()
  notes, frames = chorale()
  ids = tokenizer.encode(notes)
  # Without the beginning, and with the end and padding, which do not count.
  targets = np.pad(ids[1:], ((0, 3), (0, 0)))[None]
  logits = scores(targets, tokenizer.codec.sizes)
  found = jax.jit(targets_lib.Frames(tokenizer))(logits, jnp.asarray(targets))
  nats, count = found['frames']
  cells = len(ids) - 2
  assert int(count) == 4 * cells
  lost = 0.0
  for cell, voice in np.ndindex(cells, 4):
    spread = chances(logits[voice])[0, cell]
    pitch = int(frames[cell, voice])
    events = [('rest', 0)] if pitch < 0 else [('pitch', pitch), ('hold', pitch)]
    lost -= np.log(
      sum(spread[tokenizer.codec.id(*e, field=voice)] for e in events)
    )
  assert float(nats) == pytest.approx(lost, rel=1e-4)


def test_nothing_counts_where_there_is_no_target():
  tokenizer = VoiceGrid()
  targets = jnp.zeros((2, 5, 4), jnp.int32)
  logits = scores(targets, tokenizer.codec.sizes)
  for measure in (
    targets_lib.Frames(tokenizer),
    targets_lib.NoteCounts(tokenizer),
  ):
    for nats, count in measure(logits, targets).values():
      assert (float(nats), int(count)) == (0, 0)
