"""Checks that hold for every tokenization."""

import numpy as np

from aurl_jax.music import transform
from tests import recogniser


def rounded(tokenizer, notes):
  """Returns what decoding has to give back."""
  return transform.merge_equal(transform.quantise(notes, tokenizer.grid))[0]


def assert_round_trip(tokenizer, notes):
  """Encodes, judges and decodes; returns the ids."""
  ids = tokenizer.encode(notes)
  assert ids.dtype == np.int32
  assert ids.shape == (len(ids), len(tokenizer.codec.fields))
  assert tokenizer.decode(ids) == rounded(tokenizer, notes)
  assert recogniser.fault(tokenizer, ids.tolist()) == ''
  return ids


def assert_canonical(tokenizer, notes):
  """The piece is on the grid already, and encoding keeps all of it."""
  notes.check()
  assert rounded(tokenizer, notes) == notes
  if len(notes):
    assert_round_trip(tokenizer, notes)


def noise(tokenizer, seed, steps):
  """Returns ids [steps, f] of events in any order, PAD and EOS rare."""
  rng = np.random.default_rng(seed)
  columns = []
  for field in tokenizer.codec.fields:
    # By event first: else the few large ranges would hide the small ones.
    event = rng.integers(-1, len(field.ranges), steps)
    event[rng.random(steps) < 0.1] = -1
    low = np.array([0, *field.starts.values()])[event + 1]
    size = np.array([1, *(part.size for part in field.ranges)])[event + 1]
    columns.append(low + rng.integers(0, size))
  ids = np.stack(columns, axis=1).astype(np.int32)
  ends = np.asarray(tokenizer.is_end(ids)) & (rng.random(steps) < 0.95)
  ids[ends] = 0
  return ids


def shuffled(ids, seed):
  """Returns a piece's ids with some steps moved, doubled or left out."""
  rng = np.random.default_rng(seed)
  order = np.arange(len(ids))
  for _ in range(int(rng.integers(1, 6))):
    at = int(rng.integers(0, len(order)))
    what = rng.integers(3)
    if what == 0:
      order = np.delete(order, at) if len(order) > 1 else order
    elif what == 1:
      order = np.insert(order, at, order[rng.integers(0, len(order))])
    else:
      other = int(rng.integers(0, len(order)))
      order[[at, other]] = order[[other, at]]
  return ids[order]
