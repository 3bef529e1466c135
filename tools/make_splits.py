"""Writes tools/splits/*.json: which piece is in which split, frozen.

  python tools/make_splits.py            # writes the tables
  python tools/make_splits.py --check    # exits 1 if one would change

Needs the shared data (AURL_DATA). A table holds names and digests of music,
never the music.

Sets that come with splits (groove, jsb_chorales, nottingham, pop909) keep
them. `chorales` (the music21 corpus) follows the canonical JSB split of
Boulanger-Lewandowski et al., ICML 2012, as far as it is known here: the
pieces of its train and valid parts are found by content, whatever the key,
and variants of a piece follow it. What is left, the pieces of the canonical
test part among it, is test; so that nothing of the canonical test part is
ever trained on.

The other sets are split by composer and work (`works.py`), over all sets at
once: pieces that share a work, a digest or their phrases (`fingerprint.py`)
stand together, in the split of what they are like in a set that comes split.
See `spread_works`. What then still crosses between training and evaluation,
within or between sets that came split, a table lists as `excluded`.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import sys
from collections.abc import Iterable

import corpora
import fingerprint
import numpy as np
from corpora import Piece
from fingerprint import Pair

from aurl_jax.data import bach, splits
from aurl_jax.music.notes import Notes

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLES = ROOT / 'tools' / 'splits'
_PHRASE = 8
"""Changes of harmony that are compared at once."""
_ALIKE = 0.3
"""Share of equal phrases from which two pieces are one. Editions of a piece
mostly share over 0.5, Bach's other settings of a melody 0.25 at most. A piece
that is missed goes to test, which harms nothing."""

Cells = np.ndarray
"""Pitches int [16ths, 4], -1 for a rest."""


def main() -> int:
  """Writes or checks the tables."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--check', action='store_true')
  check = parser.parse_args().check
  default = ROOT.parent / 'shared' / 'data'
  data = pathlib.Path(os.environ.get('AURL_DATA') or default)
  tables = make_tables(data)
  stale = [name for name, table in tables.items() if not same(name, table)]
  for name in stale if not check else ():
    (TABLES / f'{name}.json').write_text(render(tables[name]))
  print('stale:' if check else 'written:', ', '.join(stale) or 'none')
  return int(check and bool(stale))


ABOUT = {
  'free': 'by composer and work, no work and no copy in two splits',
  'official': 'as the data set itself is split',
  'chorales': (
    'canonical JSB train and valid by content; variants follow; rest is test'
  ),
}
SEED = 'aurl_jax splits 1'
SHARE = 0.1
"""Of a set's pieces that test takes, and valid."""


def make_tables(data: pathlib.Path) -> dict[str, dict]:
  """Returns name -> table of all sets."""
  music21 = music21_splits(data / 'jsb_chorales')
  pieces = corpora.read(data) + corpora.chorales(music21)
  pairs = fingerprint.alike([piece.phrases for piece in pieces])
  chosen = spread_works(pieces, pairs)
  crossing = dict(cross(pieces, pairs, chosen))
  tables = {}
  for name in sorted({piece.table for piece in pieces}):
    about = 'free' if name in corpora.FREE else 'official'
    tables[name] = make(
      ABOUT.get(name, ABOUT[about]),
      [(p, chosen[i]) for i, p in enumerate(pieces) if p.table == name],
      {p.name: like for p, like in crossing.items() if p.table == name},
    )
  return tables


def cross(
  pieces: list[Piece], pairs: list[Pair], chosen: list[str]
) -> Iterable[tuple[Piece, str]]:
  """Yields what is evaluated though it is like a piece of training."""
  for one, other in sorted(linked(pieces, pairs)):
    for here, there in ((one, other), (other, one)):
      if chosen[here] != 'train' and chosen[there] == 'train':
        yield pieces[here], pieces[there].label


def linked(pieces: list[Piece], pairs: list[Pair]) -> set[tuple[int, int]]:
  """Returns the pairs of indices that have the same music or are alike."""
  found = {(pair.one, pair.other) for pair in pairs}
  same = collections.defaultdict(list)
  for index, piece in enumerate(pieces):
    same[piece.digest].append(index)
  for group in same.values():
    found |= {(a, b) for i, a in enumerate(group) for b in group[i + 1 :]}
  return found


def spread_works(pieces: list[Piece], pairs: list[Pair]) -> list[str]:
  """Returns the split of each piece.

  Groups of pieces that belong together are taken in the order of a hash.
  One that is like music of a split set goes where that is, to train if to
  several. Another goes to test, then to valid, if that exceeds a tenth of
  none of its sets; else to train. A set of three groups leaves no split
  empty: its smallest groups move.
  """
  links = linked(pieces, pairs)
  groups = together(pieces, links)
  held = collections.defaultdict(set)
  for one, other in links:
    for here, there in ((one, other), (other, one)):
      if pieces[there].split:
        held[here].add(pieces[there].split)
  sizes = collections.Counter(piece.table for piece in pieces)
  used: collections.Counter[tuple[str, str]] = collections.Counter()
  chosen = [piece.split for piece in pieces]
  free = []
  for group in sorted(groups, key=lambda group: group_hash(pieces, group)):
    told = set().union(*(held[index] for index in group))
    parts = collections.Counter(pieces[index].table for index in group)
    if told:
      split = next(s for s in ('train', 'test', 'valid') if s in told)
    else:
      free.append(group)
      split = next(
        (
          split
          for split in ('test', 'valid')
          if all(
            used[table, split] + count <= SHARE * sizes[table]
            for table, count in parts.items()
          )
        ),
        'train',
      )
    for index in group:
      chosen[index] = split
    for table, count in parts.items():
      used[table, split] += count
  fill(pieces, free, chosen)
  return chosen


def fill(
  pieces: list[Piece], groups: list[list[int]], chosen: list[str]
) -> None:
  """Moves groups so that no split of a set is empty, where it can be."""
  for table in corpora.FREE:
    own = [g for g in groups if {pieces[i].table for i in g} == {table}]
    members = [i for i, piece in enumerate(pieces) if piece.table == table]
    for split in ('test', 'valid'):
      sizes = collections.Counter(chosen[i] for i in members)
      movable = [g for g in own if len(g) < sizes[chosen[g[0]]]]
      if sizes[split] or not movable:
        continue
      # From train if possible; of equal ones the first in name, so that the
      # choice is for ever.
      least = min(
        movable,
        key=lambda g: (chosen[g[0]] != 'train', len(g), pieces[g[0]].name),
      )
      for index in least:
        chosen[index] = split


def together(
  pieces: list[Piece], links: set[tuple[int, int]]
) -> list[list[int]]:
  """Returns the groups of pieces without a split that belong together."""
  parent = list(range(len(pieces)))

  def root(index: int) -> int:
    while parent[index] != index:
      parent[index] = parent[parent[index]]
      index = parent[index]
    return index

  first: dict[str, int] = {}
  for index, piece in enumerate(pieces):
    for key in piece.works:
      parent[root(index)] = root(first.setdefault(key, index))
  for one, other in sorted(links):
    if not pieces[one].split and not pieces[other].split:
      parent[root(one)] = root(other)
  groups = collections.defaultdict(list)
  for index, piece in enumerate(pieces):
    if not piece.split:
      groups[root(index)].append(index)
  return list(groups.values())


def group_hash(pieces: list[Piece], group: list[int]) -> str:
  """Returns what orders groups, the same on every machine."""
  name = min(key for index in group for key in pieces[index].works)
  return hashlib.sha256(f'{SEED} {name}'.encode()).hexdigest()


def render(table: dict) -> str:
  """Returns a table as JSON, one piece a line."""
  head = {key: table[key] for key in ('about', 'counts')}
  parts = [
    f' {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}'
    for key, value in head.items()
  ]
  for key in ('excluded', 'pieces'):
    lines = ',\n'.join(
      '  ' + json.dumps(row, ensure_ascii=False) for row in table.get(key, ())
    )
    if lines:
      parts.append(f' {json.dumps(key)}: [\n{lines}\n ]')
  return '{\n' + ',\n'.join(parts) + '\n}\n'


def same(name: str, table: dict) -> bool:
  """Returns whether the file says what the table says."""
  path = TABLES / f'{name}.json'
  return path.exists() and path.read_text() == render(table)


def make(
  about: str, rows: list[tuple[Piece, str]], excluded: dict[str, str]
) -> dict:
  """Returns the table of a set.

  Args:
    about: How it was split.
    rows: Its pieces, and the split of each.
    excluded: Name of a piece -> the one of training that it is like.
  """
  rows = sorted(rows, key=lambda row: row[0].name)
  counts = collections.Counter(split for _, split in rows)
  return {
    'about': about,
    'counts': {
      split: counts[split] for split in splits.SPLITS if counts[split]
    },
    'excluded': [
      {'name': name, 'like': like} for name, like in sorted(excluded.items())
    ],
    'pieces': [
      {'name': piece.name, 'digest': piece.digest, 'split': split}
      | ({'work': piece.works[0]} if piece.works else {})
      for piece, split in rows
    ],
  }


def music21_splits(jsb: pathlib.Path) -> dict[str, str]:
  """Returns name -> split of the embedded corpus."""
  pieces = {}
  for path in sorted(bach.corpus().glob('*.mxl')):
    try:
      pieces[path.stem] = bach.read(path)
    except ValueError:
      continue
  canonical = [
    (split, phrases(np.array(cells)))
    for split in ('train', 'valid')
    for cells in json.loads((jsb / f'jsb16_{split}.json').read_text())
  ]
  print(f'{len(pieces)} chorales against {len(canonical)} canonical ones')
  return spread(
    {name: phrases(cells_of(notes)) for name, notes in pieces.items()},
    canonical,
  )


def cells_of(notes: Notes) -> Cells:
  """Returns four voices by 16ths."""
  scale = 4 / notes.ticks_per_beat
  cells = np.full((int(np.ceil(notes.end * scale)), 4), -1)
  rows = zip(notes.onset, notes.duration, notes.track, notes.pitch, strict=True)
  for onset, duration, track, pitch in rows:
    begin, end = round(onset * scale), round((onset + duration) * scale)
    cells[begin:end, track] = pitch
  return cells


def phrases(cells: Cells) -> collections.Counter:
  """Returns the runs of harmonies of a piece, in whatever key.

  A harmony is what sounds until something changes; durations do not count,
  since editions differ in fermatas and repeats.
  """
  changed = np.append(True, (cells[1:] != cells[:-1]).any(axis=1))
  chords = cells[changed].tolist()
  runs = (
    chords[start : start + _PHRASE]
    for start in range(len(chords) - _PHRASE + 1)
  )
  return collections.Counter(
    tuple(
      tuple(pitch - run[0][3] if pitch >= 0 else None for pitch in chord)
      for chord in run
    )
    for run in runs
  )


def likeness(one: collections.Counter, other: collections.Counter) -> float:
  """Returns the share of phrases of the shorter piece that both have."""
  shorter = min(one.total(), other.total())
  return (one & other).total() / max(1, shorter)


def spread(
  pieces: dict[str, collections.Counter],
  canonical: list[tuple[str, collections.Counter]],
) -> dict[str, str]:
  """Returns name -> split: canonical ones, then their variants, then test."""
  chosen: dict[str, str] = {}
  found = 0
  for split, known in canonical:
    alike = {name: likeness(known, own) for name, own in pieces.items()}
    names = [name for name, share in alike.items() if share >= _ALIKE]
    found += bool(names)
    for name in names:
      # Train comes first, so what is in both is not used to validate.
      chosen.setdefault(name, split)
  print(f'{found} canonical ones found, as {len(chosen)} chorales')
  rest = [name for name in pieces if name not in chosen]
  while rest:
    follow = {
      name: next(
        chosen[other]
        for other in chosen
        if likeness(pieces[name], pieces[other]) >= _ALIKE
      )
      for name in rest
      if any(
        likeness(pieces[name], pieces[other]) >= _ALIKE for other in chosen
      )
    }
    print(f'{len(follow)} variants follow')
    chosen |= follow
    rest = [name for name in rest if name not in chosen]
    if not follow:
      break
  return chosen | dict.fromkeys(rest, 'test')


if __name__ == '__main__':
  sys.exit(main())
