"""The model card of a run: what it is, what it was trained on, its figures.

After Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import json
import os
import pathlib
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from aurl_jax import __version__
from aurl_jax.core import config as config_lib
from aurl_jax.core import files
from aurl_jax.core.writers import numbers, read_jsonl
from aurl_jax.data import splits
from aurl_jax.data.cache import TokenCache
from aurl_jax.experiment.build import Parts
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import mesh as mesh_lib

_LICENCES = {
  'chorales': 'J. S. Bach, public domain; as encoded in the music21 corpus',
  'jsb_chorales': (
    'J. S. Bach, public domain; in the canonical splits of Boulanger-'
    'Lewandowski et al. 2012, as published with TonicNet under Apache-2.0'
  ),
  'pop909': (
    'POP909, Wang et al. 2020, MIT; piano arrangements of commercial pop songs'
  ),
  'groove': 'Groove MIDI Dataset, Gillick et al. 2019, CC BY 4.0',
  'giantmidi': 'GiantMIDI-Piano, Kong et al. 2020, CC BY 4.0',
  'openewld': (
    'OpenEWLD, Simonetta et al. 2018: lead sheets in the public domain'
  ),
  'openscore_lieder': 'OpenScore Lieder Corpus, CC0',
  'openscore_quartets': 'OpenScore String Quartet Corpus, CC0',
}
"""Of the embedded corpus, and of sets whose frozen splits were asked for."""
_USE = (
  'For sketches, studies and research: it continues and writes short pieces '
  'in the style of its data. It is not meant to pass for the work of a '
  'composer or performer, nor to decide anything about anyone. The licence of '
  'the data binds what is done with the weights and with the music.'
)
_LIMITS = (
  'It knows the style of its data and nothing else, and it may repeat '
  'passages of it.'
)

_PATHS = ('data.source', 'train.begin_from')
"""Keys whose values may be places of one machine; their last part is told."""


def write(
  folder: Workdir,
  parts: Parts,
  cache: TokenCache,
  figures: Mapping[str, Any] | None = None,
) -> None:
  """Writes `MODEL_CARD.md`.

  Args:
    folder: The run's folder, whose records tell how far it came.
    parts: The run's objects.
    cache: The data that it was trained on.
    figures: What was measured at the end; None for a run that was stopped,
      whose last records have to do.
  """
  records = read_jsonl(folder.metrics)
  done = max([r['step'] for r in records] + list(folder.saved), default=0)
  config = folder.read_config() if folder.holds_run else {}
  sections = (
    ('Intended use', _USE),
    ('Data', _data(parts, cache)),
    ('Training', _training(parts, records, done)),
    ('Figures', _figures(_last(records) if figures is None else figures)),
    ('Limits', _LIMITS),
    ('Configuration', _config(config)),
  )
  body = '\n\n'.join(f'## {title}\n\n{told}' for title, told in sections)
  state = ''
  if figures is None:
    state = (
      f'**Stopped** after step {done:,} of {parts.run.train.steps:,}; the '
      'figures are those of the last records.\n\n'
    )
  text = f'# Model card\n\n{state}{_model(parts)}\n\n{body}\n'
  files.write_atomic(folder.card, text)


def _last(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
  """Returns the last value of each loss and figure in the records."""
  found: dict[str, float] = {}
  for record in records:
    found |= {
      name: float(value)
      for name, value in numbers(record).items()
      if name in ('loss', 'accuracy') or name.startswith('valid/')
    }
  return found


def _model(parts: Parts) -> str:
  model = parts.run.model
  weights = jax.tree.leaves(parts.abstract_state()['params'])
  return (
    f'A `{model.mode}` of {sum(leaf.size for leaf in weights):,} parameters '
    f'over `{type(parts.run.tokenizer).__name__}` tokens: {model.layers} '
    f'layers of width {model.width}, context {model.context} steps.'
  )


def _data(parts: Parts, cache: TokenCache) -> str:
  data = parts.run.data
  told = [
    f'Source: {_source(place, data.splits)}.'
    for place in files.parts(data.source)
  ]
  rows = [
    f'- {name}: {counts["pieces"]:,} pieces, {counts["notes"]:,} notes'
    for name, counts in cache.manifest['splits'].items()
  ]
  return '\n'.join(['\n\n'.join(told), '', *rows])


def _source(place: str, table: str) -> str:
  """Returns the name and the licence of a folder, or of the corpus.

  Args:
    place: The folder, or `chorales`.
    table: The frozen table of splits that was asked for; with that of all
      sets a folder goes by its name.
  """
  name = pathlib.Path(place).name
  known = place if place in _LICENCES else table
  if table == splits.ALL:
    known = name
  licence = _LICENCES.get(known, 'licence: state it here before you share')
  return f'`{name}` ({licence})'


def _place(value: str) -> str:
  """Returns the last part of each of the folders that a value names."""
  return os.pathsep.join(
    pathlib.Path(place).name for place in files.parts(value)
  )


def _training(
  parts: Parts, records: Sequence[Mapping[str, Any]], done: int
) -> str:
  train = parts.run.train
  device = jax.devices()[0]
  kind = device.device_kind
  if device.platform == 'cpu':
    kind = f'{platform.machine()} CPU'
  return (
    f'{done:,} of {train.steps:,} steps of {train.batch_size} rows, seed '
    f'{parts.run.seed}, {duration(seconds(records))} on steps; '
    f'{jax.device_count()} × {kind}, {mesh_lib.describe(parts.mesh)}; '
    f'aurl_jax {__version__}, jax {jax.__version__}, Python '
    f'{platform.python_version()}.'
  )


def seconds(records: Sequence[Mapping[str, Any]]) -> float | int:
  """Returns the time spent on steps, restarts and all, from the records."""
  return sum(
    record['tokens'] / record['tokens_per_second']
    for record in records
    if record.get('tokens') and record.get('tokens_per_second')
  )


def duration(value: float | int) -> str:
  """Returns seconds as people say them.

  Example:
    >>> duration(8.4), duration(84), duration(8400)
    ('8 s', '1 min 24 s', '2 h 20 min')
  """
  whole = round(value)
  if whole < 60:
    return f'{whole} s'
  if whole < 3600:
    return f'{whole // 60} min {whole % 60} s'
  return f'{whole // 3600} h {whole % 3600 // 60} min'


def _figures(figures: Mapping[str, Any]) -> str:
  rows = [
    f'| {name} | {value:.4f} |'
    for name, value in figures.items()
    if isinstance(value, float)
  ]
  note = (
    'Losses are nats a predicted id; a perplexity belongs to this '
    'tokenization only. `bits_per_note` compares tokenizations, `frames` are '
    'nats a voice and 16th of chorales, `table` is a table of counts.'
  )
  return '\n'.join(['| figure | value |', '|---|---|', *rows, '', note])


def _config(config: Mapping[str, Any]) -> str:
  # A path of the machine that trained it is nobody else's business.
  flat = {
    name: _place(value) if name in _PATHS else value
    for name, value in config_lib.flatten(config).items()
  }
  rows = [f'{name} = {json.dumps(value)}' for name, value in flat.items()]
  return '\n'.join(['```', *rows, '```'])
