"""The small network that tells melody, second voice and accompaniment apart.

Blocks over the notes in order of time. Each sees a note, those so many notes
before and after it, its neighbours in its own line, and (some blocks) what it
asks of all notes by attention; what it finds is added to what is known.
The first pass hears all notes; those that are surely accompaniment go, and a
second one hears the rest, what the first said of them, and where in the piece
they are. `tools/fit_melody.py` fits both to POP909's training songs; weights
are bytes, with a scale a column. Axes: `n` notes, `f` facts, `d` width.
"""

import dataclasses
import functools
import json
import pathlib

import numpy as np
import safetensors
import safetensors.numpy

from aurl_jax.studies.groups import Played
from aurl_jax.studies.melody import facts, manner

PATH = pathlib.Path(__file__).with_name('roles.safetensors')
ROLES = ('melody', 'bridge', 'piano')
"""What a note can be: the tracks of POP909."""
KEPT = 0.95
"""Notes that are accompaniment by less than this are heard again."""
FAR, ASKED = 32, 3
"""Notes that are far from each other, to attention, and one in how many is
asked: each knows of those beside it."""
_MANY, _MARGIN = 1024, 256
"""Notes that are heard at once, and those on either side that are heard
with them: attention is over as many notes as a song has."""


@dataclasses.dataclass(frozen=True)
class Pass:
  """The weights of one pass.

  Attributes:
    arrays: By name, float32.
    steps: How many notes away each block looks.
  """

  arrays: dict[str, np.ndarray]
  steps: tuple[int, ...]

  def __call__(self, rows: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Returns the log of how likely each role is, [n, 3] float32.

    Args:
      rows: [n, f] facts.
      near: [n, 2] neighbours.
    """
    parts = [np.zeros((0, len(ROLES)), np.float32)]
    for start in range(0, len(rows), _MANY):
      low = max(start - _MARGIN, 0)
      high = min(start + _MANY + _MARGIN, len(rows))
      inside = np.clip(near[low:high] - low, 0, high - low - 1)
      heard = self._hear(rows[low:high], inside)
      parts.append(heard[start - low : start - low + _MANY])
    return np.concatenate(parts)

  def _hear(self, rows: np.ndarray, near: np.ndarray) -> np.ndarray:
    a = self.arrays
    known = _rectified((rows - a['mean']) / a['std'] @ a['in'] + a['inb'])
    for block, away in enumerate(self.steps):
      now = _normal(known)
      beside = [now, _moved(now, away), _moved(now, -away)]
      beside += [now[near[:, 0]], now[near[:, 1]]]
      made = np.concatenate(beside, axis=1) @ a[f'w{block}'] + a[f'b{block}']
      if f'a{block}' in a:
        asked = now @ a[f'a{block}']
        made += _attended(asked, a[f'd{block}']) @ a[f'p{block}']
      known = known + a[f's{block}'] * _rectified(made)
    now = _normal(known)
    if len(a['out']) > now.shape[1]:
      every = np.broadcast_to(now.mean(axis=0), now.shape)
      now = np.concatenate([now, every], axis=1)
    odds = now @ a['out'] + a['outb']
    odds -= odds.max(axis=1, keepdims=True)
    return odds - np.log(np.exp(odds).sum(axis=1, keepdims=True))


def _rectified(values: np.ndarray) -> np.ndarray:
  return np.maximum(values, 0)


def _normal(values: np.ndarray) -> np.ndarray:
  square = np.square(values).mean(axis=1, keepdims=True)
  return values / np.sqrt(square + np.float32(1e-6))


def _moved(values: np.ndarray, away: int) -> np.ndarray:
  """Returns the rows `away` before each one; zeros where there are none."""
  moved = np.zeros_like(values)
  if away > 0:
    moved[away:] = values[:-away]
  else:
    moved[:away] = values[-away:]
  return moved


def _attended(asked: np.ndarray, slopes: np.ndarray) -> np.ndarray:
  """Returns what each note's heads pick from every third note, [n, h * d].

  Args:
    asked: [n, 3 * h * d] questions, keys and values, head by head.
    slopes: [h] what `FAR` notes between two of them cost.
  """
  many = len(asked)
  heads = asked.reshape(many, 3, len(slopes), -1)
  place = np.arange(many, dtype=np.float32) / FAR
  away = np.abs(place[:, None] - place[::ASKED])
  picked = np.empty_like(heads[:, 0])
  for head, slope in enumerate(slopes):
    question, key, value = heads[:, :, head].transpose(1, 0, 2)
    key, value = key[::ASKED], value[::ASKED]
    score = question @ key.T / np.float32(np.sqrt(key.shape[1]))
    score -= slope * away
    score -= score.max(axis=1, keepdims=True)
    share = np.exp(score, out=score)
    picked[:, head] = share @ value / share.sum(axis=1, keepdims=True)
  return picked.reshape(many, -1)


@functools.cache
def load(path: pathlib.Path = PATH) -> tuple[Pass, Pass]:
  """Returns the two passes of a file that `packed` made."""
  stored = safetensors.numpy.load_file(path)
  with safetensors.safe_open(path, 'numpy') as file:
    steps = json.loads(file.metadata()['steps'])
  passes = []
  for number, own in enumerate(steps):
    prefix = f'{number}.'
    names = [name[2:] for name in stored if name.startswith(prefix)]
    arrays = {
      name: _opened(stored[prefix + name], stored[f'scale.{prefix}{name}'])
      for name in names
    }
    passes.append(Pass(arrays, tuple(own)))
  return passes[0], passes[1]


def packed(passes: tuple[Pass, Pass]) -> bytes:
  """Returns both passes as a safetensors file of bytes and scales."""
  stored = {}
  for number, one in enumerate(passes):
    for name, array in one.arrays.items():
      wide = np.asarray(array, np.float32)
      if wide.ndim < 2:
        stored[f'{number}.{name}'] = wide
        stored[f'scale.{number}.{name}'] = np.ones((), np.float32)
        continue
      scale = np.maximum(np.abs(wide).max(axis=0) / 127, 1e-12)
      stored[f'{number}.{name}'] = np.round(wide / scale).astype(np.int8)
      stored[f'scale.{number}.{name}'] = scale.astype(np.float32)
  steps = json.dumps([one.steps for one in passes])
  return safetensors.numpy.save(stored, {'steps': steps})


def _opened(array: np.ndarray, scale: np.ndarray) -> np.ndarray:
  return np.asarray(array.astype(np.float32) * scale)


def second(
  first: facts.Facts, said: np.ndarray
) -> tuple[np.ndarray, facts.Facts, np.ndarray]:
  """Returns what the second pass hears.

  Args:
    first: The facts of the first pass.
    said: [n, 3] what it said, as logs.

  Returns:
    Which notes of the first pass are heard again, in the order in which the
    second one has them, [k] int64; their facts; and the rows of those, with
    what was said and where they are, [k, f].
  """
  kept = np.flatnonzero(said[:, 2] < np.log(KEPT))
  old = first.heard
  group = old.group[kept]
  firsts = np.flatnonzero(np.append(True, np.diff(group) != 0)[: len(kept)])
  columns = {
    name: getattr(old, name)[kept]
    for name in ('onset', 'end', 'pitch', 'velocity')
  }
  again = facts.of(Played(np.arange(len(kept)), **columns, first=firsts))
  order = kept[again.heard.index]
  if not len(order):
    return order, again, np.zeros((0, again.rows.shape[1] + 6), np.float32)
  last = max(float(old.onset[-1]), 1.0)
  # What is left of a piece tells its grid worse than all of it.
  again.rows[:, -manner.FACTS :] = first.rows[order, -manner.FACTS :]
  now = again.heard.onset
  extra = np.stack(
    [
      *(np.clip(said[order], -6, 0).T / 2),
      now / last * 2 - 1,
      np.log1p(now) / 3,
      np.log1p(last - now) / 3,
    ],
    axis=1,
  )
  rows = np.concatenate([again.rows, extra], axis=1).astype(np.float32)
  return order, again, rows


def roles(first: facts.Facts) -> np.ndarray:
  """Returns how likely each role is of each note, [n, 3] float32."""
  one, two = load()
  said = one(first.rows, first.near)
  order, again, rows = second(first, said)
  said[order] = two(rows, again.near)
  return np.exp(said)
