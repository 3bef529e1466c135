"""From a model to the same one in few bits, and what that has cost."""

import dataclasses
import pathlib
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import BundleError, TokenError
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy import quantise as quantise_lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.packing import Packing
from aurl_jax.deploy.tuning import Told, Tuning
from aurl_jax.evaluation import comparison
from aurl_jax.experiment import appraise, generate, measuring, music_sets
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.music import transform
from aurl_jax.music.notes import Notes

MOST = 256
"""Pieces that reaches are seen in."""
_KEYS = -5, 7
"""Semitones that music is moved by to fine-tune, the last left out."""
_ROUNDS, _AT_ONCE, _SPEED_BARS = 3, 8, 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
  """What is done beside rounding weights.

  Music is a folder of MIDI files, or JSON of frames.

  Attributes:
    calibrate: Music by which the inputs of products are rounded; '' rounds
      weights alone.
    reference: Held-out music that both models are judged by; '' judges by none.
    n: Pieces that both write, by the same seeds; 0 writes none, and tells no
      speed.
    tuning: How the model is fine-tuned; None for not at all.
    data: Music that it is fine-tuned by, in all keys where it is of MIDI's
      pitches.
    beats: What is done to tempo maps and bar lines of all MIDI files, as in
      training (`music_sets.of_files`).
  """

  calibrate: str = ''
  reference: str = ''
  n: int = 16
  tuning: Tuning | None = None
  data: str = ''
  beats: str = 'keep'


def run(
  model: str,
  out: files.StrPath,
  packing: Packing,
  asked: Asked = Asked(),
  *,
  tell: Told = lambda step, loss: None,
) -> dict[str, Any]:
  """Writes a bundle of a model in few bits, with a report of before and after.

  Args:
    model: A run, a bundle or a shipped name.
    out: Folder of the new bundle.
    packing: How its weights are stored.
    asked: What else is done.
    tell: Is told of each step of fine-tuning.

  Returns:
    The report, which the bundle has as `quantised.json`, and `bundle`.

  Raises:
    BundleError, DataError: There is no such model or music, the tokenizer holds
      none of the music, or the model cannot be quantised so.
  """
  _check(asked)
  before = generate.load(model)
  music = _encoded(before, asked.calibrate, asked) if asked.calibrate else []
  after = _made(before, packing, music, asked, tell)
  report: dict[str, Any] = {
    'model': pathlib.Path(model).name,
    'bits': packing.bits,
    'group': packing.group,
    'scheme': quantise_lib.SCHEMES[bool(music)],
    'calibrated_on': len(music),
  }
  if asked.tuning is not None:
    report['tuning'] = dataclasses.asdict(asked.tuning)
  if asked.reference:
    models = {'before': before, 'after': after}
    if asked.tuning is not None:
      models['untuned'] = quantise_lib.quantised(before, packing, music)
    report['likelihood'] = _likelihoods(models, asked)
  if asked.n:
    report |= {
      'speed': _speeds(before, after),
      'samples': _samples(before, after, asked.n),
    }
  whole = _saved(out, after, packing, _card(model, report), report)
  return {'bundle': str(out), **whole}


def _check(asked: Asked) -> None:
  if asked.n == 1 or asked.n < 0:
    raise BundleError(
      f'{asked.n} pieces cannot be compared; write 2 or more, or 0 for none',
      code='few',
    )
  if bool(asked.data) != (asked.tuning is not None):
    raise BundleError(
      'a model is fine-tuned by music, and music is for fine-tuning; give both '
      '--train STEPS and --data PATH, or neither',
      code='tuning',
    )


def _made(
  before: Composer,
  packing: Packing,
  music: list[np.ndarray],
  asked: Asked,
  tell: Told,
) -> Composer:
  """Returns the model in few bits, fine-tuned if that is asked."""
  lessons = _lessons(before, asked) if asked.tuning is not None else []
  return quantise_lib.quantised(
    before, packing, music, asked.tuning, lessons=lessons, tell=tell
  )


def _lessons(composer: Composer, asked: Asked) -> list[np.ndarray]:
  """Returns ids of pieces in twelve keys, as far as the tokenizer holds them.

  Raises:
    BundleError: It holds none of them.
  """
  found = []
  for notes in music_sets.of_files(asked.data, asked.beats).pieces:
    for semitones in range(*_KEYS):
      try:
        moved = transform.transpose(notes, semitones)
        found.append(composer.tokenizer.encode(moved))
      except (TokenError, transform.TransformError):
        continue
  if not found:
    raise _none_held(asked.data, 'fine-tune')
  return found


def music_for(scheme: str, calibrate: str) -> str:
  """Returns the music that a scheme is calibrated by, '' for weights alone.

  Raises:
    BundleError: Scheme and music do not fit (code `calibrate`).
  """
  if (scheme == quantise_lib.SCHEMES[1]) != bool(calibrate):
    raise BundleError(
      f'scheme {scheme!r} with music {calibrate!r} to calibrate by: inputs of '
      'products are rounded by music, weights without; give both --scheme '
      'weights_activations and --calibrate PATH, or neither',
      code='calibrate',
    )
  return calibrate


def _saved(
  out: files.StrPath,
  after: Composer,
  packing: Packing,
  card: str,
  report: dict[str, Any],
) -> dict[str, Any]:
  """Writes the bundle, twice: its report tells how large it is."""
  wide = [4 * x.size for x in jax.tree.leaves(after.params)]
  sizes: dict[str, Any] = {'float32': sum(wide)}
  folder = bundle_lib.save(out, after, card=card, packing=packing)
  sizes['weights'] = (folder / bundle_lib.WEIGHTS).stat().st_size
  sizes['share'] = round(sizes['weights'] / sizes['float32'], 4)
  whole = report | {'bytes': sizes}
  bundle_lib.save(out, after, card=card, packing=packing, report=whole)
  return whole


def _encoded(composer: Composer, name: str, asked: Asked) -> list[np.ndarray]:
  """Returns the ids of pieces that the model can read."""
  found = []
  for notes in music_sets.of_files(name, asked.beats).pieces:
    try:
      found.append(composer.tokenizer.encode(notes))
    except TokenError:
      continue
    if len(found) == MOST:
      break
  if not found:
    raise _none_held(name, 'calibrate')
  return found


def _none_held(name: str, what: str) -> BundleError:
  return BundleError(
    f"{name}: the model's tokenizer holds none of its pieces; {what} with "
    'music of the kind that the model was trained on',
    code='tuning' if what == 'fine-tune' else what,
  )


def _likelihoods(
  models: Mapping[str, Composer], asked: Asked
) -> dict[str, Any]:
  """Returns how likely models find held-out music, those before and after."""
  pieces = music_sets.of_files(asked.reference, asked.beats).pieces
  told = {k: appraise.likelihoods(one, pieces) for k, one in models.items()}
  old = told['before']
  if 'why' in old:
    return old
  nats = {name: found['nats_per_token'] for name, found in told.items()}
  return {
    'unit': 'nats an id',
    'of': pathlib.Path(asked.reference).name,
    'pieces': old['pieces'],
    'left_out': old['left_out'],
    **nats,
    'change': nats['after'] / nats['before'] - 1,
  }


def _speeds(before: Composer, after: Composer) -> dict[str, Any]:
  """Returns how fast both write, in turn, since machines have moods."""
  rates: tuple[list[float], list[float]] = ([], [])
  for number in range(_ROUNDS + 1):
    for composer, own in zip((before, after), rates, strict=True):
      own.append(_speed(composer, number))
  # The first of each was compiled.
  old, new = (round(statistics.median(own[1:]), 1) for own in rates)
  return {
    'unit': f'steps a second, {_AT_ONCE} pieces of {_SPEED_BARS} bars',
    'before': old,
    'after': new,
  }


def _speed(composer: Composer, seed: int) -> float:
  """Returns the steps a second of one batch."""
  asked = composer.request(bars=_SPEED_BARS, n=_AT_ONCE, seed=seed)
  begun = time.perf_counter()
  pieces = composer.generate(asked)
  took = time.perf_counter() - begun
  return sum(len(piece.ids) for piece in pieces) / took


def _samples(before: Composer, after: Composer, n: int) -> dict[str, Any]:
  """Returns metrics of what both write, by the same seeds."""
  old, new = (_written(one, n) for one in (before, after))
  tables = measuring.measured(new).table, measuring.measured(old).table
  found = comparison.compare(new, old, tables=tables)
  rows = {
    row.name: {
      'before': row.reference.estimate,
      'after': row.generated.estimate,
      'effect': row.effect,
      'p': row.p,
    }
    for row in found.rows
  }
  differ = sorted(name for name, row in rows.items() if row['p'] < 0.05)
  return {'pieces': n, 'differ': differ, 'metrics': rows}


def _written(composer: Composer, n: int) -> Sequence[Notes]:
  return [piece.notes for piece in composer.generate(composer.request(n=n))]


def _card(model: str, report: dict[str, Any]) -> str:
  """Returns the card of the model, and what has become of it."""
  folder = Workdir(pathlib.Path(model))
  if folder.holds_run:
    card = folder.card.read_text() if folder.card.is_file() else ''
  else:
    card = bundle_lib.card(model)
  inputs = ' and the inputs of its products in 8' * bool(
    report['calibrated_on']
  )
  rows = [
    card.strip() or '# Model card',
    '## Quantised',
    f'By `aurl quantise`: weights in {report["bits"]} bits{inputs}. Figures '
    'above are of the model before.',
  ]
  if 'tuning' in report:
    rows.append(
      f'Fine-tuned for {report["tuning"]["steps"]} steps with its weights '
      'rounded, to what it was before.'
    )
  told = report.get('likelihood', {})
  if 'change' in told:
    rows.append(
      f'Nats an id on {told["pieces"]} pieces of `{told["of"]}`: '
      f'{told["after"]:.4f}, before {told["before"]:.4f} '
      f'({100 * told["change"]:+.2f} %).'
    )
  return '\n\n'.join(rows) + '\n'
