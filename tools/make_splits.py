"""Writes tools/splits/*.json: which piece is in which split, frozen.

  python tools/make_splits.py            # writes the tables
  python tools/make_splits.py --check    # exits 1 if one would change

Needs the shared data (AURL_DATA). A table holds names and digests of music,
never the music.

`pop909` and `jsb_chorales` are split as their folders are. `chorales` (the
music21 corpus) follows the canonical JSB split of Boulanger-Lewandowski et
al., ICML 2012, as far as it is known here: the pieces of its train and valid
parts are found by content, whatever the key, and variants of a piece follow
it. What is left, the pieces of the canonical test part among it, is test; so
that nothing of the canonical test part is ever trained on.
"""

import argparse
import collections
import json
import os
import pathlib
import sys

import numpy as np

from aurl_jax.data import bach, sources, splits
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
  tables = {
    'chorales': music21_table(data / 'jsb_chorales'),
    'jsb_chorales': folder_table(
      {
        'train': data / 'jsb_chorales' / 'midi_train',
        'valid': data / 'jsb_chorales' / 'midi_valid',
      }
    ),
    'pop909': folder_table(
      {
        'train': data / 'pop909' / 'train',
        'valid': data / 'pop909' / 'valid',
      }
    ),
  }
  stale = [name for name, table in tables.items() if not same(name, table)]
  for name in stale if not check else ():
    (TABLES / f'{name}.json').write_text(render(tables[name]))
  print('stale:' if check else 'written:', ', '.join(stale) or 'none')
  return int(check and bool(stale))


def render(table: dict) -> str:
  """Returns a table as JSON, one piece a line."""
  lines = ',\n'.join('  ' + json.dumps(piece) for piece in table['pieces'])
  about = json.dumps(table['about'])
  counts = json.dumps(table['counts'])
  return (
    f'{{\n "about": {about},\n "counts": {counts},\n'
    f' "pieces": [\n{lines}\n ]\n}}\n'
  )


def same(name: str, table: dict) -> bool:
  """Returns whether the file says what the table says."""
  path = TABLES / f'{name}.json'
  return path.exists() and path.read_text() == render(table)


def make(about: str, rows: list[tuple[str, str, str]]) -> dict:
  """Returns a table of (name, digest, split)."""
  return {
    'about': about,
    'counts': dict(collections.Counter(split for *_, split in sorted(rows))),
    'pieces': [
      {'name': name, 'digest': digest, 'split': split}
      for name, digest, split in sorted(rows)
    ],
  }


def folder_table(folders: dict[str, pathlib.Path]) -> dict:
  """Returns the table of folders that are splits."""
  rows = [
    (f'{split}/{source.name}', splits.digest(source.read().notes), split)
    for split, folder in folders.items()
    for source in sources.folder(folder)
  ]
  return make('as the data set itself is split', rows)


def music21_table(jsb: pathlib.Path) -> dict:
  """Returns the table of the embedded corpus."""
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
  chosen = spread(
    {name: phrases(cells_of(notes)) for name, notes in pieces.items()},
    canonical,
  )
  rows = [
    (name, splits.digest(notes), chosen[name]) for name, notes in pieces.items()
  ]
  return make(
    'canonical JSB train and valid by content; variants follow; rest is test',
    rows,
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
