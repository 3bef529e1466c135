"""A bundle as ONNX graphs with rules, loops and a page that run them.

decoder.onnx, field_0.onnx …   see `deploy.onnx_model`
encoder.onnx    of a model with latents, see `deploy.onnx_encoder`
weights.bin     of all graphs, as the bundle stores them
grammar.json    rules and clock of the tokenizer (`deploy.programs`)
loop.py, rules.py              write with onnxruntime and numpy alone
loop.js, rules.js              the same with onnxruntime-web
index.html, demo.js, demo.css  a page that does; it wants the folder `ort`
                of onnxruntime-web beside it
manifest.json   see `deploy.exports`
"""

import importlib.resources
import os
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Int

from aurl_jax.core import files
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy import exports, onnx_model, parity, programs, weights
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.dials import COUNTED
from aurl_jax.deploy.hosted.loop import Loop
from aurl_jax.deploy.onnx_graph import WEIGHTS, Store
from aurl_jax.deploy.parity import Parity
from aurl_jax.generation.prompt import Prompts
from aurl_jax.generation.request import Request
from aurl_jax.tokens import sounds

KIND = 'onnx'
GRAMMAR = 'grammar.json'
_HOSTED = (
  'loop.py',
  'rules.py',
  'loop.js',
  'rules.js',
  'index.html',
  'demo.js',
  'demo.css',
)


def write(
  folder: files.StrPath,
  bundle: str | os.PathLike[str],
  prompts: Int[np.ndarray, 'n t f'] | None = None,
) -> dict[str, Any]:
  """Writes the export of a bundle.

  Args:
    folder: Where to.
    bundle: A folder, or the name of a shipped model.
    prompts: Music by which it is held against the model; None measures
      nothing, and does not need onnxruntime.

  Returns:
    The manifest.

  Raises:
    BundleError: There is no such bundle, it cannot be told so (code `export`),
      or onnx is not installed (`extra`).
  """
  composer = bundle_lib.load(bundle)
  model = composer.model
  stored, packing = bundle_lib.stored(bundle)
  shapes, whole = weights.shapes(model), model.config.activations > 0
  store = Store(stored, shapes, packing, whole)
  made = onnx_model.graphs(model, store)
  contents = {f'{k}.onnx': v.SerializeToString() for k, v in made.items()}
  contents[WEIGHTS] = bytes(store.data)
  told = programs.program(model, composer.tokenizer.grammar)
  contents[GRAMMAR] = programs.to_json(told).encode()
  contents |= {name: _hosted(name) for name in _HOSTED}

  def measured(work: pathlib.Path) -> Parity | None:
    if prompts is None:
      return None
    return parity.measure(composer, prompts, Host(work))

  facts = _facts(composer) | {
    'inputs': {k: [x.name for x in v.graph.input] for k, v in made.items()}
  }
  return exports.write(folder, KIND, facts, contents, measured)


class Host:
  """An export that is checked, for whole batches of known steps."""

  def __init__(self, folder: files.StrPath) -> None:
    """Loads an export.

    Raises:
      BundleError: As `exports.read`; or onnxruntime is not installed (code
        `extra`).
    """
    exports.read(folder, KIND, _names)
    try:
      self.loop = Loop(folder)
    except ImportError as error:
      raise BundleError(
        "onnxruntime is not installed; pip install 'aurl-jax[export]'",
        code='extra',
      ) from error

  def __call__(self, ids: Int[np.ndarray, 'n t f']) -> list[np.ndarray]:
    """Returns logits of all fields of all steps but the first."""
    rows, steps = len(ids), ids.shape[1] - 1
    loop, lead = self.loop, self.loop.told['lead']
    fields = range(loop.rules.fields)
    feed = {'start': np.zeros(rows, np.int64), **loop.cache(rows, steps)}
    feed['state'] = np.zeros((rows, loop.told['width']), np.float32)
    if loop.told['latent']:
      feed |= loop.latents(loop.encode(ids[:, :-1]))
    clocks = [loop.rules('start')] * rows
    found: list[list[np.ndarray]] = [[] for _ in fields]
    for index in range(steps):
      last, after = ids[:, index], ids[:, index + 1]
      clocks = [
        loop.rules('tick', *clock, step)
        for clock, step in zip(clocks, last, strict=True)
      ]
      where = [loop.rules('where', *clock)[0] for clock in clocks]
      place, cell, *time = np.stack(where).astype(np.int64).T
      feed |= {'ids': last.astype(np.int64), 'last': last.astype(np.int64)}
      feed |= {'index': np.array(index), 'place': place, 'cell': cell}
      feed['time'] = time[0] if time else place
      feed |= dict.fromkeys(('following', 'partial'), after.astype(np.int64))
      feed['first'] = np.full(rows, index == 0)
      early = [loop.run(f'field_{f}', feed)['logits'] for f in fields[:lead]]
      read = loop.run('decoder', feed)
      feed['state'] = read.pop('hidden')
      for name, new in read.items():
        feed[name.replace('new', 'past')][:, :, index] = new[:, :, 0]
      late = [loop.run(f'field_{f}', feed)['logits'] for f in fields[lead:]]
      for column, logits in zip(found, early + late, strict=True):
        column.append(logits)
    return [np.stack(column, axis=1) for column in found]


def _names(model: Any) -> set[str]:
  """Returns the files that are read of an export."""
  fields = range(len(model['vocabulary']))
  graphs = {f'field_{field}.onnx' for field in fields}
  if model['latent']:
    graphs.add('encoder.onnx')
  return graphs | {'decoder.onnx', WEIGHTS, GRAMMAR}


def _facts(composer: Composer) -> dict[str, Any]:
  """Returns what a loop has to know of a model."""
  config = composer.model.config
  opening = Prompts(composer.tokenizer).prompt(Request())
  return {
    'vocabulary': list(composer.model.vocabulary),
    'width': config.width,
    'layers': config.layers,
    'key_heads': config.key_heads,
    'head_dim': config.head_dim,
    'context': config.context,
    'lead': config.lead,
    'opening': opening.tolist(),
    'latent': _latent(composer) if config.has_latents else None,
  }


def _latent(composer: Composer) -> dict[str, Any]:
  """Returns what a loop has to know of latents, and of what turns them."""
  latent, dials = composer.model.config.latent, composer.dials
  found = {}
  for dim, name in enumerate(latent.dial_names if dials else ()):
    assert dials is not None
    middle, width = sounds.SCALES[name]
    found[name] = {
      'dim': dim,
      'middle': middle,
      'width': width,
      'deviation': dials.deviations[name],
      'counted': latent.beats if name in COUNTED else 0,
      'holds': dict(dials.holds.get(name, {})),
    }
  return {
    'slots': latent.slots,
    'slot': latent.slot,
    'piece': latent.piece,
    'beats': latent.beats,
    'dials': found,
  }


def _hosted(name: str) -> bytes:
  """Returns a file that goes with each export."""
  home = importlib.resources.files('aurl_jax.deploy.hosted')
  text = (home / name).read_text()
  # In an export they lie side by side, without the package.
  return text.replace('from aurl_jax.deploy.hosted.', 'from ').encode()
