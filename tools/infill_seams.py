"""Whether infilled bars go on from what is given, and into it, as songs do.

  python tools/infill_seams.py pop --gaps 128 [--around 8] [--out out]

Gaps of one to four bars, drawn by chance from songs of POP909 that the model
has not learnt from (AURL_DATA), are infilled with so many bars given on both
sides. Prints lines of JSON: of how many gaps all that was given came back as it
was, note by note in every field, with meters and tempos; then, for the bar line
before the gap (`left`) and the one behind it (`right`), the statistics of
`evaluation.seams`, those of the songs themselves at the same lines (`songs`),
the band in which 95 % of as many bar lines lie that are drawn from these songs
(bootstrap; as beside gaps, notes begin in the bars on both sides), and whether
the infilled ones lie in it. Exits with 1 if anything given was changed. The
folder gets the pieces as MIDI files.
"""

import argparse
import collections
import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from aurl_jax.core.errors import AurlError, DataError
from aurl_jax.deploy.composer import Composer
from aurl_jax.evaluation import seams, structure
from aurl_jax.experiment import generate, pages, sections
from aurl_jax.generation.piece import Piece
from aurl_jax.music import cut, midi
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import controls

LONGEST = 4
"""Bars of a gap."""
_ROOM = 384
"""Steps beyond those of the song."""


@dataclasses.dataclass(frozen=True, eq=False)
class Gap:
  """Bars that are taken out of an excerpt, quantised.

  Attributes:
    excerpt: With what is given on both sides, from tick 0.
    first: The first of these bars.
    last: One past the last.
    name: Of the song, and the excerpt's first bar.
  """

  excerpt: Notes
  first: int
  last: int
  name: str


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the lines; returns the exit status."""
  args = _parser().parse_args(argv)
  try:
    composer = generate.load(args.model)
    songs = read(composer, args.config, args.split)
    gaps = [
      # Notes that end with the excerpt may have got lengths that none has.
      dataclasses.replace(gap, excerpt=composer.tokenizer.quantise(gap.excerpt))
      for gap in drawn(songs, args.gaps, args.around, args.seed)
    ]
    start = time.monotonic()
    pieces = infilled(composer, gaps, args)
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  seconds = round(time.monotonic() - start, 1)
  changed = faults(gaps, pieces)
  told = {'gaps': len(gaps), 'kept': len(gaps) - len(changed)}
  bars = sum(gap.last - gap.first for gap in gaps)
  print(json.dumps({**told, 'bars': bars, 'seconds': seconds, **changed}))
  # As beside a gap, too, notes begin in both bars.
  lines = np.concatenate(
    [seams.lines(song, rests=False) for song in songs.values()]
  )
  for line in compared(gaps, [piece.notes for piece in pieces], lines, args):
    print(json.dumps(line))
  if args.out:
    saved(gaps, pieces, args.out)
  return int(bool(changed))


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('model', help='a run, a bundle or a shipped name')
  parser.add_argument('--config', default='pop', help='page of the songs')
  parser.add_argument('--split', default='valid')
  parser.add_argument('--gaps', type=int, default=128)
  parser.add_argument('--around', type=int, default=8, help='bars, each side')
  parser.add_argument('--seed', type=int, default=0, help='of all choices')
  parser.add_argument('--samples', type=int, default=2000, help='of a band')
  parser.add_argument('--temperature', type=float)
  parser.add_argument('--top-p', type=float)
  parser.add_argument(
    '--tell', action='store_true', help='controls, those of the bars beside'
  )
  parser.add_argument('--drafts', type=int, help='of each gap')
  parser.add_argument('--out', type=pathlib.Path)
  return parser


def read(composer: Composer, page: str, split: str) -> dict[str, Notes]:
  """Returns songs as the model reads them, by name.

  Raises:
    DataError: There are none.
  """
  run = sections.parse(pages.load(page))
  folder = pathlib.Path(run.data.source) / split
  prepare = run.data.options.preprocess
  songs = {
    file.stem: composer.tokenizer.quantise(prepare(midi.read(file).notes))
    for file in sorted(folder.rglob('*.mid'))
  }
  if not songs:
    raise DataError(f'no songs in {folder}; set AURL_DATA', code='source')
  return songs


def drawn(
  songs: dict[str, Notes], count: int, around: int, seed: int
) -> list[Gap]:
  """Returns gaps of one to four bars in turn, songs and places by chance.

  The bars on both sides, and what is taken out, have notes; a song gives
  another gap when all have given one.
  """
  rng = np.random.default_rng(seed)
  names: list[str] = []
  found: list[Gap] = []
  tries = 0
  while len(found) < count:
    names = names or rng.permutation(sorted(songs)).tolist()
    length = 1 + len(found) % LONGEST
    gap = _gap(songs, names.pop(), length, around, rng)
    tries += 1
    if gap is not None:
      found.append(gap)
    elif tries > 100 * count:
      raise DataError(f'no gaps with {around} bars on both sides', code='short')
  return found


def _gap(
  songs: dict[str, Notes],
  name: str,
  length: int,
  around: int,
  rng: np.random.Generator,
) -> Gap | None:
  """Returns a gap of a song; None where a bar that must sound does not."""
  song = songs[name]
  edges = structure.edges(song)
  rest = len(edges) - (length + 2 * around)
  if rest < 1:
    return None
  begin = int(rng.integers(rest))
  stop = begin + length + 2 * around
  count, _ = np.histogram(song.onset, edges[begin : stop + 1])
  first, last = around, around + length
  if not count[first - 1 : last + 1].all() or not count[[0, -1]].all():
    return None
  start, end = int(edges[begin]), int(edges[stop])
  excerpt = cut.slice_ticks(song, start, end)
  return Gap(excerpt, first, last, f'{name}:{begin + 1}')


def infilled(
  composer: Composer, gaps: Sequence[Gap], args: argparse.Namespace
) -> list[Piece]:
  """Returns the excerpts with their gaps written anew."""
  changes = {
    name: getattr(args, name)
    for name in ('temperature', 'top_p', 'drafts')
    if getattr(args, name) is not None
  }
  if args.tell:
    grid = composer.tokenizer.grid
    told = [controls.beside(g.excerpt, grid, g.first, g.last) for g in gaps]
  else:
    told = [None] * len(gaps)
  requests = [
    composer.request(
      prompt=gap.excerpt,
      rewrite=(gap.first, gap.last),
      # Ample, and smaller programs than those of the whole context.
      steps=len(composer.tokenizer.encode(gap.excerpt)) + _ROOM,
      seed=args.seed + index * max(1, args.drafts or 0),
      controls=told[index],
      **changes,
    )
    for index, gap in enumerate(gaps)
  ]
  return [pieces[0] for pieces in composer.generate(requests)]


def faults(gaps: Sequence[Gap], pieces: Sequence[Piece]) -> dict[str, Any]:
  """Returns what did not come back as it was given, by name of the gap."""
  found = {}
  for gap, piece in zip(gaps, pieces, strict=True):
    due, got = (given(notes, gap) for notes in (gap.excerpt, piece.notes))
    wrong = {
      'missing': [str(row) for row in (due - got).elements()],
      'alien': [str(row) for row in (got - due).elements()],
      'grammatical': piece.grammatical,
    }
    if due != got or not piece.grammatical:
      found[gap.name] = wrong
  return {'changed': found} if found else {}


def given(notes: Notes, gap: Gap) -> collections.Counter[tuple[Any, ...]]:
  """Returns all that is given: notes that begin outside a gap, and tables."""
  edges = structure.edges(gap.excerpt)
  inside = (notes.onset >= edges[gap.first]) & (notes.onset < edges[gap.last])
  names = ('onset', 'duration', 'pitch', 'velocity', 'program', 'is_drum')
  columns = [getattr(notes, name)[~inside].tolist() for name in names]
  rows = collections.Counter(
    ('note', notes.ticks_per_beat, *row) for row in zip(*columns, strict=True)
  )
  rows.update(('meter', *row) for row in notes.meters.tolist())
  rows.update(('tempo', *row) for row in notes.tempos.tolist())
  return rows


def compared(
  gaps: Sequence[Gap],
  written: Sequence[Notes],
  corpus: seams.Table,
  args: argparse.Namespace,
) -> list[dict[str, Any]]:
  """Returns a line of each statistic on each side."""
  bounds = seams.band(
    corpus, len(gaps), samples=args.samples, seed=args.seed + 1
  )
  real = [gap.excerpt for gap in gaps]
  found = []
  for side in ('left', 'right'):
    own, songs = (
      seams.summary(of_side(gaps, music, side)) for music in (written, real)
    )
    for name, (low, high) in bounds.items():
      found.append(
        {
          'side': side,
          'statistic': name,
          'infilled': round(own[name], 4),
          'songs': round(songs[name], 4),
          'band': [round(low, 4), round(high, 4)],
          'inside': bool(low <= own[name] <= high),
        }
      )
  return found


def of_side(
  gaps: Sequence[Gap], music: Sequence[Notes], side: str
) -> seams.Table:
  """Returns the measures of the seams on one side of all gaps."""
  rows = []
  for gap, notes in zip(gaps, music, strict=True):
    at = gap.first if side == 'left' else gap.last
    edges = structure.edges(gap.excerpt)
    rows.append(seams.seam(notes, *edges[at - 1 : at + 2].tolist()))
  return seams.table(rows)


def saved(
  gaps: Sequence[Gap], pieces: Sequence[Piece], out: pathlib.Path
) -> None:
  """Writes the pieces, and the songs beside them."""
  out.mkdir(parents=True, exist_ok=True)
  for gap, piece in zip(gaps, pieces, strict=True):
    name = f'{gap.name.replace(":", "_")}_{gap.first}_{gap.last}'
    piece.save(out / f'{name}.mid')
    midi.write(gap.excerpt, out / f'{name}_song.mid')


if __name__ == '__main__':
  sys.exit(main())
