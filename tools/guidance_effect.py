"""Whether controls move the music: levels asked for against what is heard.

  python tools/guidance_effect.py runs/mine --guidance 1 2 3 --n 8 --bars 16

For each control (density, polyphony, register) a model writes `n` pieces at
each of some levels, asked of each of their bars, or, with `--of piece`, of the
piece alone. What they are like is measured by plain formulas on the decoded
notes: notes a beat, pitches sounding where any does, mean pitch. Prints a line
of JSON a control and strength: Spearman's rank correlation of asked and
measured over all pieces, and the median measured at each level. Levels are
those of `tokens.controls`, here middle ones; `--levels` asks for others. Of
bars of POP909 polyphony has 0.7 % at level 2, 3 % at 3, 9 to 40 % at 4 to 7.

The model has to be trained with tokenizer.controls=True and data.controls of
`bars`, or of the `piece`.
"""

import argparse
import json
import sys
from collections.abc import Sequence

import numpy as np

from aurl_jax.core.errors import AurlError
from aurl_jax.deploy.composer import Composer
from aurl_jax.experiment import generate
from aurl_jax.generation.request import Request
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.controls import Controls, Levels

LEVELS = {
  'density': (3, 4, 5, 6, 7, 8),
  'polyphony': (2, 3, 4, 5, 6, 7),
  'register': (3, 4, 5, 6),
}


def main() -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('model', help='a run, a bundle or a shipped name')
  parser.add_argument('--guidance', type=float, nargs='+', default=[1.0, 2.0])
  parser.add_argument('--n', type=int, default=8, help='pieces at each level')
  parser.add_argument('--bars', type=int, default=16)
  parser.add_argument('--temperature', type=float, default=0.95)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--of', choices=('bars', 'piece'), default='bars')
  parser.add_argument('--controls', nargs='+', default=list(LEVELS))
  parser.add_argument('--levels', type=int, nargs='+', help='others than those')
  args = parser.parse_args()
  try:
    composer = generate.load(args.model)
    for name in args.controls:
      for weight in args.guidance:
        asked = Request(
          n=args.n,
          bars=args.bars,
          temperature=args.temperature,
          seed=args.seed,
          guidance=weight,
        )
        levels = args.levels or LEVELS[name]
        found = effect(composer, name, levels, asked, args.of)
        print(json.dumps(found), flush=True)
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  return 0


def effect(
  composer: Composer,
  name: str,
  levels: Sequence[int],
  like: Request,
  of: str = 'bars',
) -> dict[str, object]:
  """Returns what a control does to the music.

  Args:
    composer: The model.
    name: A key of `LEVELS`.
    levels: Those that are asked for.
    like: What is asked for beside the control; the seeds go on from it.
    of: Of what it is asked, `bars` or `piece`.
  """
  asked, heard = [], []
  values = {f: getattr(like, f) for f in ('bars', 'temperature', 'guidance')}
  for number, level in enumerate(levels):
    request = Request(
      **values,
      n=like.n,
      seed=like.seed + number * like.n,
      controls=controls(Levels(**{name: level}), of, like.bars),
    )
    pieces = composer.generate(request)
    asked += [level] * like.n
    heard += [measured(piece.notes, name) for piece in pieces]
  table = np.array(heard).reshape(-1, like.n)
  return {
    'control': name,
    'of': of,
    'guidance': like.guidance,
    'spearman': round(spearman(asked, heard), 4),
    'levels': list(levels),
    'medians': np.nanmedian(table, axis=1).round(3).tolist(),
    'pieces': len(heard),
  }


def controls(levels: Levels, of: str, bars: int) -> Controls:
  """Returns levels as asked of each bar, or of the piece."""
  if of == 'piece':
    return Controls(piece=levels)
  return Controls(bars=(levels,) * bars)


def measured(notes: Notes, name: str) -> float:
  """Returns what a piece is like; NaN without notes.

  Example:
    >>> chord = Notes.build(
    ...   4, {'onset': 0, 'duration': 8, 'pitch': [60, 64, 68]})
    >>> [measured(chord, name) for name in LEVELS]
    [1.5, 3.0, 64.0]
  """
  pitched = ~notes.is_drum
  onset, duration = notes.onset, notes.duration
  if not pitched.any():
    return float('nan')
  if name == 'density':
    length = float((onset + duration).max() - onset.min())
    return len(notes) * notes.ticks_per_beat / length
  if name == 'register':
    return float(np.average(notes.pitch[pitched], weights=duration[pitched]))
  spans = sorted(zip(onset[pitched], (onset + duration)[pitched], strict=True))
  covered, reach = 0, spans[0][0]
  for start, end in spans:
    covered += max(0, end - max(start, reach))
    reach = max(reach, end)
  return float(duration[pitched].sum() / covered)


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
  """Returns the rank correlation, ties with their mean rank, NaNs left out.

  Example:
    >>> spearman([1, 2, 2, 4], [10, 20, 20, 5])
    -0.3333333333333333
  """
  pairs = np.array([x, y], float)
  pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
  ranks = []
  for values in pairs:
    _, place, counts = np.unique(
      values, return_inverse=True, return_counts=True
    )
    last = np.cumsum(counts)
    ranks.append((last - (counts - 1) / 2)[place])
  return float(np.corrcoef(ranks)[0, 1])


if __name__ == '__main__':
  sys.exit(main())
