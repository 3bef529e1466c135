"""The model card of a run: what it is, what it was trained on, its figures."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax

from aurl_jax import __version__
from aurl_jax.core import files
from aurl_jax.data.cache import TokenCache
from aurl_jax.experiment.build import Parts
from aurl_jax.parallel import mesh as mesh_lib

_LICENCES = {
  'chorales': 'J. S. Bach, public domain; as encoded in the music21 corpus',
}


def write(
  path: pathlib.Path,
  parts: Parts,
  cache: TokenCache,
  figures: Mapping[str, Any],
) -> None:
  """Writes `MODEL_CARD.md`.

  Args:
    path: Where to.
    parts: The run's objects.
    cache: The data that it was trained on.
    figures: What was measured at the end.
  """
  files.write_atomic(path, text(parts, cache, figures))


def text(parts: Parts, cache: TokenCache, figures: Mapping[str, Any]) -> str:
  """Returns the card as Markdown."""
  run = parts.run
  weights = jax.tree.leaves(parts.abstract_state()['params'])
  count = sum(leaf.size for leaf in weights)
  source = run.data.source
  splits = cache.manifest['splits']
  rows = [
    f'| {name} | {value:.4f} |'
    for name, value in figures.items()
    if isinstance(value, float)
  ]
  return '\n'.join(
    [
      '# Model card',
      '',
      f'A `{run.model.mode}` of {count:,} parameters over '
      f'`{type(run.tokenizer).__name__}` tokens: {run.model.layers} layers of '
      f'width {run.model.width}, context {run.model.context} steps.',
      '',
      '## Data',
      '',
      f'Source: `{pathlib.Path(source).name}` '
      f'({_LICENCES.get(source, "licence: state it here before you share")}).',
      '',
      *(
        f'- {name}: {counts["pieces"]:,} pieces, {counts["notes"]:,} notes'
        for name, counts in splits.items()
      ),
      '',
      '## Training',
      '',
      f'{run.train.steps:,} steps of {run.train.batch_size} rows, seed '
      f'{run.seed}, {mesh_lib.describe(parts.mesh)}; aurl_jax {__version__}, '
      f'jax {jax.__version__}.',
      '',
      '## Figures',
      '',
      '| figure | value |',
      '|---|---|',
      *rows,
      '',
      'Losses are nats a predicted id; a perplexity belongs to this '
      'tokenization only.',
      '',
      '## Limits',
      '',
      'It knows the style of its data and nothing else, and it may repeat '
      'passages of it.',
      '',
    ]
  )
