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

  def write(
    self,
    prompt: Any = None,
    steps: int = 128,
    temperature: float = 0.0,
    seed: int = 0,
  ) -> np.ndarray:
    """Returns the ids of one piece, int64 `[t, f]`.

    Args:
      prompt: Steps to begin with; None takes the opening of the export.
      steps: At most so many, the prompt included.
      temperature: Of the draw; 0 takes the likeliest id.
      seed: Of the draw.
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
    place, cell = where.astype(np.int64)
    feed |= {'ids': feed['last'], 'following': step[None]}
    feed |= {'index': np.array(index), 'place': place[None], 'cell': cell[None]}
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
