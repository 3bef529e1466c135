"""Finds music that stands in training and in evaluation, across all sets.

  python tools/contamination.py             # a table for docs/results.md
  python tools/contamination.py --pairs     # each pair, too

Needs the shared data (AURL_DATA) and the corpus of music21. Compares every
piece of every set of `tools/splits` with every other: by the digest of its
music, by its phrases (`fingerprint.py`) and by its work (`works.py`). A pair
crosses if one is in train and the other in valid or test. Exits 1 if a pair
crosses that no table lists as `excluded`.
"""

import argparse
import collections
import itertools
import os
import pathlib
import sys

import corpora
import fingerprint

from aurl_jax.data import splits

ROOT = pathlib.Path(__file__).resolve().parent.parent
Crossing = tuple[str, corpora.Piece, corpora.Piece, float]
"""Kind (`digest`, `phrases`, `work`), training, evaluation, containment."""


def main() -> int:
  """Prints what crosses."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--pairs', action='store_true', help='print each pair')
  told = parser.parse_args()
  default = ROOT.parent / 'shared' / 'data'
  data = pathlib.Path(os.environ.get('AURL_DATA') or default)
  own = splits.frozen('chorales', key='name')
  pieces = corpora.read(data) + corpora.chorales(own)
  found = crossings(pieces)
  print(f'{len(pieces)} pieces of {len(splits.tables())} sets\n')
  print(table(found))
  for kind, train, held, share in found if told.pairs else ():
    print(f'{kind} {share:.2f} {train.label} -> {held.label}')
  left = [one for one in found if not is_excluded(one)]
  print(f'\n{len(found)} pairs cross, {len(left)} of them not excluded')
  return int(bool(left))


def crossings(pieces: list[corpora.Piece]) -> list[Crossing]:
  """Returns the pairs that cross, by the tables as they are frozen."""
  told = {
    f'{name}/{piece}': split
    for name in splits.tables()
    for piece, split in splits.frozen(name, key='name').items()
  }
  links: dict[tuple[int, int], tuple[str, float]] = {}
  for kind, keys in (
    ('work', [piece.works for piece in pieces]),
    ('digest', [(piece.digest,) for piece in pieces]),
  ):
    for pair in sharing(keys):
      links[pair] = (kind, 1.0)
  for pair in fingerprint.alike([piece.phrases for piece in pieces]):
    links.setdefault((pair.one, pair.other), ('phrases', pair.share))
  found = []
  for (one, other), (kind, share) in sorted(links.items()):
    for train, held in ((one, other), (other, one)):
      sides = told[pieces[train].label], told[pieces[held].label]
      if sides[0] == 'train' != sides[1]:
        found.append((kind, pieces[train], pieces[held], share))
  return found


def sharing(keys: list[tuple[str, ...]]) -> set[tuple[int, int]]:
  """Returns the pairs of indices that have a key in common."""
  groups = collections.defaultdict(list)
  for index, own in enumerate(keys):
    for key in own:
      groups[key].append(index)
  return {
    pair
    for group in groups.values()
    for pair in itertools.combinations(group, 2)
  }


def is_excluded(crossing: Crossing) -> bool:
  """Returns whether the table of the evaluated piece lists it."""
  held = crossing[2]
  return held.name in splits.excluded(held.table)


def table(found: list[Crossing]) -> str:
  """Returns a Markdown table: sets, kinds, and how many pairs cross."""
  counts = collections.Counter(
    (train.table, held.table, kind) for kind, train, held, _ in found
  )
  rows = [
    '| trains | evaluates | by | pairs |',
    '|---|---|---|---|',
    *(
      f'| {train} | {held} | {kind} | {count} |'
      for (train, held, kind), count in sorted(counts.items())
    ),
  ]
  return '\n'.join(rows)


if __name__ == '__main__':
  sys.exit(main())
