"""Writes music with an ONNX export: onnxruntime and numpy, nothing else.

    python loop.py [STEPS] [TEMPERATURE] [SEED]

prints the ids, a step a line. One row; `loop.js` is the same in JavaScript.
"""

import json
import os
import pathlib
import sys
from typing import Any

import numpy as np

from aurl_jax.deploy.hosted.rules import Rules


class Loop:
  """The graphs of an export, and the rules of what they write."""

  def __init__(self, folder: str | os.PathLike[str]) -> None:
    """Loads an export."""
    # Here, since the package that this file is of can do without.
    import onnxruntime as ort

    folder = pathlib.Path(folder)
    self.told = json.loads((folder / 'manifest.json').read_text())['model']
    self.rules = Rules(folder / 'grammar.json')
    names = [f'field_{k}' for k in range(len(self.told['vocabulary']))]
    if self.told.get('latent'):
      names.append('encoder')
    self.graphs = {
      name: ort.InferenceSession(
        str(folder / f'{name}.onnx'), providers=_PROVIDERS
      )
      for name in ('decoder', *names)
    }

  def run(self, name: str, feed: dict[str, Any]) -> dict[str, np.ndarray]:
    """Returns what a graph gives, by name; it takes what it wants of a feed."""
    graph = self.graphs[name]
    wanted = {each.name: feed[each.name] for each in graph.get_inputs()}
    names = [each.name for each in graph.get_outputs()]
    return dict(zip(names, graph.run(names, wanted), strict=True))

  def cache(self, rows: int, room: int) -> dict[str, np.ndarray]:
    """Returns room for the keys and values of so many steps."""
    told, names = self.told, ('past_key', 'past_value')
    shape = (rows, told['key_heads'], room, told['head_dim'])
    layers = range(told['layers'])
    return {
      f'{n}_{i}': np.zeros(shape, np.float32) for n in names for i in layers
    }

  def encode(self, ids: Any) -> dict[str, np.ndarray]:
    """Returns the distributions of the latents of pieces, as the graph does.

    Args:
      ids: Of pieces, `[b, t, f]`, padded with 0 behind their ends.
    """
    ids = np.asarray(ids, np.int64)
    where = np.zeros((*ids.shape[:2], 2), np.int64)
    for row, piece in enumerate(ids):
      clock = self.rules('start')
      for index, step in enumerate(piece):
        if not step[0]:
          break
        clock = self.rules('tick', *clock, step)
        where[row, index] = self.rules('where', *clock)[0][2:]
    time, position = where[..., 0], where[..., 1]
    return self.run('encoder', {'ids': ids, 'time': time, 'position': position})

  def latents(
    self, told: dict[str, np.ndarray] | None = None, rows: int = 1, **how: Any
  ) -> dict[str, np.ndarray]:
    """Returns what pieces are written of, which `write` takes.

    Args:
      told: As of `encode`; None is the middle of the standard normal.
      rows: Of the middle.
      **how: `strength` 0..1 of noise within the distributions, and its `seed`;
        names of dials, each with the deviations of the data that it is turned
        by.
    """
    latent, found = self.told['latent'], {}
    chance = np.random.default_rng(how.pop('seed', 0))
    strength = how.pop('strength', 0.0)
    shapes: dict[str, Any] = {'slots': (latent['slots'], latent['slot'])}
    shapes['piece'] = (latent['piece'],)
    for name, before in (('slots', ''), ('piece', 'piece_')):
      if not shapes[name][-1]:
        continue
      found[name] = np.zeros((rows, *shapes[name]), np.float32)
      if told is not None:
        wide = np.exp(0.5 * told[f'{before}log_variance'])
        noise = chance.normal(size=wide.shape).astype(np.float32)
        found[name] = told[f'{before}mean'] + strength * wide * noise
    turns = dict.fromkeys(latent['dials'], 0.0)
    for name, far in how.items():
      turns[name] += far
      for other, share in latent['dials'][name]['holds'].items():
        turns[other] += share * far
    for name, far in turns.items():
      if far:
        dial = latent['dials'][name]
        moved = found['slots'][..., dial['dim']]
        found['slots'][..., dial['dim']] = _turned(moved, dial, far)
    return found

  def write(
    self,
    prompt: Any = None,
    steps: int = 128,
    temperature: float = 0.0,
    seed: int = 0,
    latents: dict[str, np.ndarray] | None = None,
  ) -> np.ndarray:
    """Returns the ids of one piece, int64 `[t, f]`.

    Args:
      prompt: Steps to begin with; None takes the opening of the export.
      steps: At most so many, the prompt included.
      temperature: Of the draw; 0 takes the likeliest id.
      seed: Of the draw.
      latents: As of the method `latents`, of one row; None is the middle.
    """
    rules, lead = self.rules, self.told['lead']
    begun = self.told['opening'] if prompt is None else prompt
    ids = [np.array(step, np.int64) for step in begun]
    given, chance = len(ids), np.random.default_rng(seed)
    state, clock = rules('init', steps), rules('start')
    for step in ids:
      state = rules('advance', *state, step)
    feed = {'start': np.zeros(1, np.int64), **self.cache(1, steps)}
    feed['state'] = np.zeros((1, self.told['width']), np.float32)
    if self.told.get('latent'):
      feed |= self.latents() if latents is None else latents
    draw = {'temperature': temperature, 'chance': chance}
    for index in range(steps - 1):
      last, written = ids[index], index + 1 >= given
      step = np.zeros(rules.fields, np.int64) if written else ids[index + 1]
      feed |= {'first': np.array([index == 0]), 'last': last[None]}
      if written:
        self._draw(range(lead), step, feed, state, **draw)
      clock = rules('tick', *clock, last)
      self._read(feed, index, step, rules('where', *clock)[0])
      if written:
        self._draw(range(lead, rules.fields), step, feed, state, **draw)
        ids.append(step)
        state = rules('advance', *state, step)
      if len(ids) >= given and rules('distance', *state)[0][0] <= 0:
        break
    return np.array(ids)

  def _read(self, feed: Any, index: int, step: Any, where: Any) -> None:
    """Has the decoder read the last step; what it gives goes into the feed."""
    place, cell, *time = where.astype(np.int64)
    feed |= {'ids': feed['last'], 'following': step[None]}
    feed |= {'index': np.array(index), 'place': place[None], 'cell': cell[None]}
    feed['time'] = np.array(time[:1])
    found = self.run('decoder', feed)
    feed['state'] = found.pop('hidden')
    for name, new in found.items():
      feed[name.replace('new', 'past')][:, :, index] = new[:, :, 0]

  def _draw(
    self, which: range, step: Any, feed: Any, state: Any, **how: Any
  ) -> None:
    """Writes some fields of a step, one after the other."""
    for field in which:
      now = {**feed, 'partial': step[None]}
      logits = self.run(f'field_{field}', now)['logits'][0]
      if field == 0 and 'weighed' in self.rules:
        logits = self.rules('weighed', *state, logits)[0]
      may = self.rules(f'mask_{field}', *state, step)[0]
      step[field] = _drawn(np.where(may, logits, -np.inf), **how)


def _turned(told: np.ndarray, dial: Any, far: float) -> np.ndarray:
  """Returns the dims of a dial, moved; what is counted stays whole numbers.

  What a number lacks of what is wanted, the next one gets.
  """
  middle, width, beats = dial['middle'], dial['width'], dial['counted']
  wanted = told.astype(float) * width + middle + far * dial['deviation']
  if beats:
    left, found = np.zeros(len(wanted)), np.zeros_like(wanted)
    for slot in range(wanted.shape[1]):
      left = left + wanted[:, slot] * beats
      found[:, slot] = np.maximum(np.floor(left + 0.5), 0)
      left = left - found[:, slot]
    wanted = found / beats
  return ((wanted - middle) / width).astype(np.float32)


_PROVIDERS = ['CPUExecutionProvider']


def _drawn(logits: np.ndarray, temperature: float, chance: Any) -> int:
  if not temperature:
    return int(logits.argmax())
  weights = np.exp((logits - logits.max()) / temperature)
  return int(chance.choice(len(weights), p=weights / weights.sum()))


if __name__ == '__main__':
  words = sys.argv[1:]
  here = Loop(pathlib.Path(__file__).parent)
  found = here.write(
    steps=int(words[0]) if words else 128,
    temperature=float(words[1]) if words[1:] else 0.0,
    seed=int(words[2]) if words[2:] else 0,
  )
  for one in found.tolist():
    print(*one)
