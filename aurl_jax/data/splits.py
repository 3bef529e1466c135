"""Which piece is in which split, by what it sounds like.

Official splits come first: folders named after splits, or a frozen table
(`tools/splits/*.json`: names and digests of music, never the music). All else
goes by the digest of the music, which ignores names, transposition, tempo and
loudness, so that a copy of a piece never stands on the other side.
"""

import hashlib
import importlib.util
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aurl_jax.core.errors import DataError
from aurl_jax.music.notes import Notes
from aurl_jax.music.quantise import to_cells

SPLITS = ('train', 'valid', 'test')
ALL = 'all'
"""Names all frozen tables at once."""
SHARES = (0.8, 0.1, 0.1)
"""Of the pieces, by digest."""
_CELLS = 12
_ALIASES = {
  'train': 'train',
  'training': 'train',
  'valid': 'valid',
  'validation': 'valid',
  'val': 'valid',
  'dev': 'valid',
  'test': 'test',
}


def digest(notes: Notes) -> str:
  """Returns 32 hex digits that equal music shares.

  Taken from onsets (from the first one on) and durations in 12ths of a beat
  and from pitches above the lowest, drums aside: so a transposed, renamed,
  louder or slower copy has the same digest.
  """
  onset = to_cells(notes.onset, notes.ticks_per_beat, _CELLS)
  duration = to_cells(notes.duration, notes.ticks_per_beat, _CELLS)
  tuned = ~notes.is_drum
  lowest = notes.pitch[tuned].min(initial=127)
  columns = np.stack(
    [
      onset - onset.min(initial=np.iinfo(np.int64).max),
      notes.pitch - np.where(tuned, lowest, 0),
      duration,
      notes.is_drum,
    ]
  )
  order = np.lexsort(columns[::-1])
  data = columns[:, order].astype('<i8').tobytes()
  return hashlib.sha256(data).hexdigest()[:32]


def by_digest(value: str) -> str:
  """Returns the split that a digest falls into, for ever the same."""
  place = int(hashlib.sha256(value.encode()).hexdigest()[:12], 16) / 16**12
  bounds = np.cumsum(SHARES)
  return SPLITS[min(int(np.searchsorted(bounds, place, side='right')), 2)]


def assign(digests: Sequence[str]) -> dict[str, str]:
  """Returns digest -> split for a small set, no split empty if avoidable.

  Chance may leave a split of a few pieces empty; then it gets the piece
  whose digest is smallest from the largest split. One piece goes to train,
  a second one to valid.
  """
  chosen = {value: by_digest(value) for value in sorted(set(digests))}
  for split in SPLITS[: len(chosen)]:
    if split not in chosen.values():
      groups = {s: [d for d in chosen if chosen[d] == s] for s in SPLITS}
      # Of equal ones the last: what has just been filled is not emptied.
      largest = max(SPLITS[::-1], key=lambda name: len(groups[name]))
      chosen[groups[largest][0]] = split
  return chosen


def from_folders(names: Sequence[str]) -> dict[str, str]:
  """Returns name -> split if the first folders of all names are splits.

  Args:
    names: Relative paths, such as `train/a.mid`, `validation/b.mid`.

  Returns:
    Empty unless every name is in such a folder and train is among them.
  """
  told = {}
  for name in names:
    first, *rest = pathlib.PurePosixPath(name).parts
    if not rest or first.lower() not in _ALIASES:
      return {}
    told[name] = _ALIASES[first.lower()]
  return told if {'train'} < set(told.values()) else {}


def frozen(name: str, key: str = 'digest') -> dict[str, str]:
  """Returns what each piece of a frozen table is in.

  Args:
    name: Such as `chorales`, `pop909`, `openewld`; or `all`, see
      `frozen_together`.
    key: What tells pieces apart: their `digest`, or their `name`.

  Raises:
    DataError: There is no such table.
  """
  if name == ALL:
    return frozen_together()
  return {piece[key]: piece['split'] for piece in _table(name)['pieces']}


def frozen_together() -> dict[str, str]:
  """Returns digest -> split of all frozen tables, for a mix of sets.

  A piece that one table evaluates and that is like a piece on which another
  trains is of training here, so that nothing crosses. See `excluded`.
  """
  chosen: dict[str, str] = {}
  for name in tables():
    left_out = excluded(name)
    for piece in _table(name)['pieces']:
      split = 'train' if piece['name'] in left_out else piece['split']
      if chosen.get(piece['digest']) != 'train':
        chosen[piece['digest']] = split
  return chosen


def excluded(name: str) -> dict[str, str]:
  """Returns what a frozen table evaluates though it is like training music.

  Args:
    name: Of the table.

  Returns:
    Name of the piece -> `TABLE/NAME` of the one on which a set trains. Leave
    these out of an evaluation if the model has seen that set.

  Raises:
    DataError: There is no such table.
  """
  rows = _table(name).get('excluded', ())
  return {row['name']: row['like'] for row in rows}


def tables() -> list[str]:
  """Returns the names of the frozen tables, sorted."""
  return sorted(path.stem for path in folder().glob('*.json'))


def _table(name: str) -> dict[str, Any]:
  path = folder() / f'{name}.json'
  if not path.exists():
    raise DataError(
      f'no frozen split {name!r} at {path}; there are {", ".join(tables())}, '
      f'and {ALL!r} for all of them',
      code='no_split',
    )
  return json.loads(path.read_text(encoding='utf-8'))


def folder() -> pathlib.Path:
  """Returns where the tables are: installed, or in the checkout."""
  spec = importlib.util.find_spec('aurl_jax.splits')
  places = list((spec and spec.submodule_search_locations) or ())
  checkout = pathlib.Path(__file__).parents[2] / 'tools' / 'splits'
  return pathlib.Path(places[0]) if places else checkout


def given(splits: str | Mapping[str, str] | None) -> Mapping[str, str]:
  """Returns name or digest -> split, of what a caller asks for.

  Args:
    splits: The name of a frozen table, such a mapping, or None.

  Raises:
    DataError: No such table, or a split of another name than `SPLITS`.
  """
  if isinstance(splits, str):
    return frozen(splits)
  unknown = sorted(set((splits or {}).values()) - set(SPLITS))
  if unknown:
    raise DataError(f'splits {unknown} are none of {SPLITS}', code='no_split')
  return splits or {}
