"""Pieces found rotten during a run: named in a file, counted, and bounded.

    {"train": [{"piece": 3, "name": "a.mid", "block": 17, "batch": 120}, ...]}

A run that is resumed reads the file and leaves out the same blocks from the
same batches on, also if the data were prepared again in between: it repeats
what the unbroken run did. To give the pieces back, delete the file.
"""

import json
import logging
import pathlib
from collections.abc import Mapping
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.data.cache import TokenSplit

_log = logging.getLogger(__name__)
_REMEDY = (
  'look at the disk and the memory of this machine, run `aurl cache verify` '
  'and the same command again: it prepares the data anew and goes on'
)


def strict(split: TokenSplit, number: int, rotten: Mapping[int, int]) -> None:
  """Refuses any rot: for readers that have no place to note it.

  Args:
    split: What was read.
    number: Of the batch.
    rotten: Block -> piece.

  Raises:
    DataError: There is some.
  """
  del number
  if rotten:
    name = split.pieces[next(iter(rotten.values()))]['name']
    raise DataError(
      f'{split.folder / "ids.npy"} is damaged: the ids of {name} are not what '
      f'was written; {_REMEDY}',
      code='cache_damaged',
    )


class Quarantine:
  """Notes what is rotten, and stops the run when it is too much."""

  def __init__(
    self, path: files.StrPath, *, process: int = 0, limit: float = 1.0
  ) -> None:
    """Reads what was noted before, by any process.

    Args:
      path: The file; process i > 0 writes beside it, `NAME.i.json`.
      process: Number of this process.
      limit: Percent of the pieces of a split that may be rotten.

    Raises:
      DataError: A file is damaged.
    """
    path = pathlib.Path(path)
    self._limit = limit
    others = sorted(path.parent.glob(f'{path.stem}.*{path.suffix}'))
    self.path = path.with_suffix(f'.{process}.json') if process else path
    self._found: dict[str, dict[int, dict[str, Any]]] = {}
    self._own: dict[str, list[dict[str, Any]]] = {}
    for file in {path, self.path, *others}:
      self._read(file)

  @property
  def count(self) -> int:
    """Pieces noted so far, of all splits."""
    return sum(map(self._pieces, self._found))

  def known(self, split: str) -> dict[int, int]:
    """Returns block -> the batch from which on it counts as rotten."""
    found = self._found.get(split, {})
    return {block: entry['batch'] for block, entry in found.items()}

  def note(
    self, split: TokenSplit, number: int, rotten: Mapping[int, int]
  ) -> None:
    """Notes blocks that a batch has found rotten.

    Args:
      split: What was read.
      number: Of the batch.
      rotten: Block -> piece.

    Raises:
      DataError: More than the limit are rotten now.
    """
    known = self._found.setdefault(split.name, {})
    new = [block for block in rotten if block not in known]
    for block in new:
      name = split.pieces[rotten[block]]['name']
      known[block] = {
        'piece': rotten[block],
        'name': name,
        'block': block,
        'batch': number,
      }
      self._own.setdefault(split.name, []).append(known[block])
      _log.warning(
        '%s: the ids of %s are rotten in block %d; it is left out from batch '
        '%d on, and noted in %s',
        *(split.folder / 'ids.npy', name, block, number, self.path),
      )
    if new:
      files.write_atomic(self.path, json.dumps(self._own, indent=1) + '\n')
      self._stop_above_limit(split)

  def _stop_above_limit(self, split: TokenSplit) -> None:
    count = self._pieces(split.name)
    if 100 * count <= self._limit * len(split):
      return
    raise DataError(
      f'{count} of {len(split)} pieces of {split.folder / "ids.npy"} are '
      f'rotten, more than data.max_bad={self._limit:g} %; they are named in '
      f'{self.path}: {_REMEDY}',
      code='rotten_data',
    )

  def _pieces(self, split: str) -> int:
    return len({entry['piece'] for entry in self._found[split].values()})

  def _read(self, file: pathlib.Path) -> None:
    try:
      splits = json.loads(file.read_text())
      entries = [(name, dict(e)) for name in splits for e in splits[name]]
      for name, entry in entries:
        known = self._found.setdefault(name, {})
        block = int(entry['block'])
        first = known.get(block, entry)
        known[block] = min(entry, first, key=lambda one: int(one['batch']))
    except FileNotFoundError:
      return
    except (ValueError, TypeError, KeyError) as error:
      raise DataError(
        f'{file}, the list of rotten pieces, is damaged: {error}; delete it: '
        'what is still rotten is found again',
        code='quarantine',
      ) from error
    if file == self.path:
      self._own = {name: list(splits[name]) for name in splits}
