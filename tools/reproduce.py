"""The published figures of the shipped models, worked out from their weights.

  python tools/reproduce.py                 # all: half an hour on one core
  python tools/reproduce.py chorale pop

Reads the held-out music of AURL_DATA and prints a line of JSON a figure: what
it is, what comes out now, what was published (`docs/published.json`, whose
rows stand in `docs/results.md`), and whether both agree to within half a
percent, or half a unit of the last digit that was published. The exit status is
1 if one does not. `--write` publishes what came out.
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence

import reconstruct
import turn_dials

from aurl_jax.core import files
from aurl_jax.data import frames
from aurl_jax.data.preprocess import Preprocess
from aurl_jax.deploy import bundle
from aurl_jax.experiment import appraise, data, pages, sections
from aurl_jax.experiment import dials as dials_lib
from aurl_jax.experiment.latents import opened
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

ROOT = pathlib.Path(__file__).resolve().parent.parent
PUBLISHED = ROOT / 'docs' / 'published.json'
_WITHIN = 0.005
Figures = Iterator[tuple[str, float]]


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('models', nargs='*', default=[*MODELS])
  parser.add_argument('--write', action='store_true')
  args = parser.parse_args(argv)
  told = json.loads(PUBLISHED.read_text()) if PUBLISHED.exists() else {}
  right = True
  for model in args.models:
    for name, value in MODELS[model]():
      line = compared(f'{model}: {name}', value, told)
      right &= line['agrees'] or args.write
      print(json.dumps(line), flush=True)
      if args.write:
        told[line['figure']] = line['value']
  if args.write:
    files.write_atomic(PUBLISHED, json.dumps(told, indent=1) + '\n')
  return 0 if right else 1


def compared(
  name: str, value: float, told: dict[str, float]
) -> dict[str, object]:
  """Returns the line of a figure.

  Example:
    >>> compared('a', 1.2041, {'a': 1.2})
    {'figure': 'a', 'value': 1.2041, 'published': 1.2, 'agrees': True}
  """
  published = told.get(name)
  near = published is not None and (
    abs(value - published) <= max(_WITHIN * abs(published), 5e-5)
  )
  return {
    'figure': name,
    'value': round(value, 4),
    'published': published,
    'agrees': near,
  }


def _likelihood(model: str, pieces: Sequence[Notes]) -> Figures:
  found = appraise.likelihoods(bundle.load(model), pieces)
  for name in ('nats_per_token', 'perplexity', 'bits_per_note'):
    yield f'{name}, {len(pieces)} pieces', float(found[name])


def _chorale() -> Figures:
  pieces = frames.read(_data() / 'jsb_chorales' / 'jsb16_valid.json')
  return _likelihood('chorale', pieces)


def _pop() -> Figures:
  paths = sorted((_data() / 'pop909' / 'valid').glob('*/*.mid'))
  aligned = Preprocess(beats='align')
  return _likelihood('pop', [aligned(midi.read(path).notes) for path in paths])


def _multi() -> Figures:
  run = sections.parse(pages.load(pages.find('multi')))
  cache = data.prepared(run, quiet=True)
  pieces = [run.tokenizer.decode(ids) for ids in cache['valid']]
  return _likelihood('multi', pieces)


def _pop_dials() -> Figures:
  space, cache = opened(pathlib.Path('pop_dials'), page='vae_pop')
  context = space.composer.model.config.context
  some = reconstruct.chosen(cache['valid'], 512, 0, context)
  for name, value in reconstruct.report(space, some).items():
    if name != 'pieces':
      yield f'reconstruction, {name}, 512 excerpts', float(value)
  dials = dials_lib.fit(space, cache, 1024)
  pieces = dials_lib.excerpts(cache['valid'], 256, 0, context)
  music = turn_dials.written(space, dials, pieces)
  for line in turn_dials.report(space, dials, pieces, music):
    furthest = max(max(path) - min(path) for path in line['others'].values())
    yield f'dial {line["attribute"]}, correlation', float(line['correlation'])
    yield f'dial {line["attribute"]}, span', line['span']
    yield f'dial {line["attribute"]}, others', furthest / line['span']


def _data() -> pathlib.Path:
  default = ROOT.parent / 'shared' / 'data'
  return pathlib.Path(os.environ.get('AURL_DATA', default))


MODELS: dict[str, Callable[[], Figures]] = {
  'chorale': _chorale,
  'pop': _pop,
  'multi': _multi,
  'pop_dials': _pop_dials,
}

if __name__ == '__main__':
  sys.exit(main())
