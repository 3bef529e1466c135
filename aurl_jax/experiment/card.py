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
  sections = (
    ('Data', _data(parts, cache)),
    ('Training', _training(parts)),
    ('Figures', _figures(figures)),
    (
      'Limits',
      'It knows the style of its data and nothing else, and it may repeat '
      'passages of it.',
    ),
  )
  body = '\n\n'.join(f'## {title}\n\n{told}' for title, told in sections)
  return f'# Model card\n\n{_model(parts)}\n\n{body}\n'


def _model(parts: Parts) -> str:
  model = parts.run.model
  weights = jax.tree.leaves(parts.abstract_state()['params'])
  return (
    f'A `{model.mode}` of {sum(leaf.size for leaf in weights):,} parameters '
    f'over `{type(parts.run.tokenizer).__name__}` tokens: {model.layers} '
    f'layers of width {model.width}, context {model.context} steps.'
  )


def _data(parts: Parts, cache: TokenCache) -> str:
  source = parts.run.data.source
  licence = _LICENCES.get(source, 'licence: state it here before you share')
  rows = [
    f'- {name}: {counts["pieces"]:,} pieces, {counts["notes"]:,} notes'
    for name, counts in cache.manifest['splits'].items()
  ]
  name = pathlib.Path(source).name
  return '\n'.join([f'Source: `{name}` ({licence}).', '', *rows])


def _training(parts: Parts) -> str:
  train = parts.run.train
  return (
    f'{train.steps:,} steps of {train.batch_size} rows, seed '
    f'{parts.run.seed}, {mesh_lib.describe(parts.mesh)}; aurl_jax '
    f'{__version__}, jax {jax.__version__}.'
  )


def _figures(figures: Mapping[str, Any]) -> str:
  rows = [
    f'| {name} | {value:.4f} |'
    for name, value in figures.items()
    if isinstance(value, float)
  ]
  note = (
    'Losses are nats a predicted id; a perplexity belongs to this '
    'tokenization only.'
  )
  return '\n'.join(['| figure | value |', '|---|---|', *rows, '', note])
