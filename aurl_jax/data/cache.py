"""The token cache: all ids of a prepared data set, memory-mapped.

    tokens/cache.json             what made it, and a fingerprint of each file
    tokens/<split>/ids.npy        [steps, fields], smallest unsigned type
    tokens/<split>/offsets.npy    [pieces + 1] int64, where pieces begin
    tokens/<split>/bars.npy       [bars] int64, where a piece may be cut
    tokens/<split>/checks.npy     [blocks] uint32, see `data.blocks`
    tokens/<split>/pieces.json    [{name, digest, steps, notes}, ...]

Positions in `offsets` and `bars` count steps from the split's start. A split
without pieces has no folder.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal, TypedDict

import numpy as np
from jaxtyping import Int32, Int64, Integer, UInt, UInt32

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.data import blocks

VERSION = 2
"""Of the layout above; a cache of another version is made anew."""
MANIFEST = 'cache.json'
KEY = 'key.json'
"""In the folder of a prepared set: what all of it was made of."""

_BLOCK = 1 << 16
_BLOCKS = 1024
"""Fingerprints read at most 64 MiB of a file, so that opening stays cheap."""


class PieceEntry(TypedDict):
  """What `pieces.json` says of a piece; `digest` is of its music."""

  name: str
  digest: str
  steps: int
  notes: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenSplit:
  """One split of a cache; `p` pieces.

  Attributes:
    name: Such as `train`.
    folder: Where it lies.
    ids: [steps, fields] unsigned, memory-mapped.
    offsets: [p + 1] int64, first step of each piece and the end of all.
    bars: [bars] int64, ascending: the steps at which a bar starts.
    checks: [blocks] CRC-32 of each block of ids, see `data.blocks`.
  """

  name: str
  folder: pathlib.Path
  ids: UInt[np.ndarray, 'steps fields']
  offsets: Int64[np.ndarray, ' starts']
  bars: Int64[np.ndarray, ' bars']
  checks: UInt32[np.ndarray, ' blocks']

  def __repr__(self) -> str:
    """Returns what it is in a line; its arrays have millions of numbers."""
    steps, fields = self.ids.shape
    return (
      f'TokenSplit({self.name!r}: {len(self):,} pieces, {steps:,} steps of '
      f'{fields} fields, in {os.fspath(self.folder)!r})'
    )

  def __len__(self) -> int:
    return len(self.offsets) - 1

  def __getitem__(self, piece: int) -> Int32[np.ndarray, 'time fields']:
    """Returns the ids of one piece, int32 [time, fields]."""
    if not 0 <= piece < len(self):
      raise IndexError(f'piece {piece} of {len(self)}')
    begin, end = self.offsets[piece : piece + 2]
    return self.ids[begin:end].astype(np.int32)

  def __iter__(self) -> Iterator[Int32[np.ndarray, 'time fields']]:
    """Yields the ids of each piece."""
    return (self[piece] for piece in range(len(self)))

  @functools.cached_property
  def pieces(self) -> list[PieceEntry]:
    """Name, digest, steps and notes of each piece."""
    return json.loads((self.folder / 'pieces.json').read_text())


def fitting(
  split: Any, context: int, seed: int
) -> Iterator[Int32[np.ndarray, 'time fields']]:
  """Yields the pieces of a split that fit a context, in a random order.

  Args:
    split: A `TokenSplit`, or what has its `ids` and `offsets`.
    context: Most steps of a piece.
    seed: Of the order.
  """
  lengths = np.diff(split.offsets)
  order = np.random.default_rng(seed).permutation(len(lengths))
  for piece in order[lengths[order] <= context].tolist():
    begin, end = split.offsets[piece : piece + 2]
    yield split.ids[begin:end].astype(np.int32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenCache:
  """A prepared data set, split by split. Use `TokenCache.open`.

  Attributes:
    folder: Where it lies.
    manifest: The content of `cache.json`.
    splits: Split name -> its arrays; only splits that hold pieces.
  """

  folder: pathlib.Path
  manifest: Mapping[str, Any]
  splits: Mapping[str, TokenSplit]

  @classmethod
  def open(cls, folder: files.StrPath, *, verify: bool = True) -> 'TokenCache':
    """Opens a cache and checks that its files are those that were written.

    Args:
      folder: The folder `tokens`, or the prepared folder that holds it.
      verify: False leaves the check out, for another process of those that
        have made it.

    Raises:
      DataError: There is no cache, it is of another version, or altered.
    """
    folder = pathlib.Path(folder)
    if (folder / 'tokens' / MANIFEST).exists():
      folder = folder / 'tokens'
    manifest = _read_manifest(folder)
    for name, expected in manifest['files'].items() if verify else ():
      _check_file(folder / name, expected)
    splits = {name: _open_split(folder, name) for name in manifest['splits']}
    return cls(folder=folder, manifest=manifest, splits=splits)

  def __getitem__(self, split: str) -> TokenSplit:
    if split not in self.splits:
      raise DataError(
        f'{self.folder} has no split {split!r} with pieces in it; it has '
        f'{", ".join(self.splits)}: prepare more files or name another split',
        code='empty_split',
      )
    return self.splits[split]

  def __contains__(self, split: str) -> bool:
    return split in self.splits

  def __iter__(self) -> Iterator[str]:
    return iter(self.splits)

  @property
  def tokenizer(self) -> dict[str, Any]:
    """The config section of the tokenizer that made the ids."""
    return self.manifest['tokenizer']

  @property
  def sizes(self) -> tuple[int, ...]:
    """Vocabulary size of each field."""
    return tuple(self.manifest['sizes'])


class CacheWriter:
  """Writes a cache piece by piece; ids never pile up in memory.

  Example:
    with CacheWriter(folder, sizes=(90,), tokenizer={...}) as writer:
      writer.add('train', entry, ids, bars)
  """

  def __init__(
    self, folder: pathlib.Path, *, sizes: tuple[int, ...], tokenizer: Any
  ) -> None:
    self._folder = folder
    self._sizes = sizes
    self._tokenizer = tokenizer
    self._dtype = np.min_scalar_type(max(sizes) - 1)
    self._splits: dict[str, _SplitWriter] = {}

  def __enter__(self) -> 'CacheWriter':
    return self

  def __exit__(self, kind: type | None, *_: object) -> None:
    for split in self._splits.values():
      split.close()
    if kind is None:
      self._write_manifest()

  def add(
    self,
    split: str,
    entry: Mapping[str, Any],
    ids: Integer[np.ndarray, 'time fields'],
    bars: Integer[np.ndarray, ' bars'],
  ) -> None:
    """Adds a piece.

    Args:
      split: Which split it belongs to.
      entry: Its `name`, `digest` and count of `notes`.
      ids: int [time, fields], time at least 1, each below its field's size.
      bars: [bars] the steps at which a bar starts, ascending, below time.

    Raises:
      ValueError: The ids have another shape or range.
    """
    if ids.ndim != 2 or ids.shape[1] != len(self._sizes) or not len(ids):
      raise ValueError(f'ids of shape {ids.shape} for sizes {self._sizes}')
    if ids.min() < 0 or (ids.max(axis=0) >= self._sizes).any():
      raise ValueError(f'ids of {entry["name"]} beyond sizes {self._sizes}')
    if split not in self._splits:
      folder = self._folder / split
      self._splits[split] = _SplitWriter(folder, self._dtype, ids.shape[1])
    self._splits[split].add(entry, ids, bars)

  def _write_manifest(self) -> None:
    names = sorted(
      path.relative_to(self._folder).as_posix()
      for split in self._splits
      for path in (self._folder / split).iterdir()
    )
    manifest = {
      'version': VERSION,
      'tokenizer': self._tokenizer,
      'sizes': list(self._sizes),
      'splits': {name: w.counts() for name, w in sorted(self._splits.items())},
      'files': {name: fingerprint(self._folder / name) for name in names},
    }
    self._folder.mkdir(parents=True, exist_ok=True)
    files.write_atomic(
      self._folder / MANIFEST, json.dumps(manifest, indent=1) + '\n'
    )


class _SplitWriter:
  """The files of one split, growing."""

  def __init__(self, folder: pathlib.Path, dtype: np.dtype, fields: int):
    folder.mkdir(parents=True)
    self._folder, self._dtype, self._fields = folder, dtype, fields
    self._file: BinaryIO = open(folder / 'ids.npy', 'wb')  # noqa: SIM115
    self._offsets = [0]
    self._bars: list[np.ndarray] = [np.zeros(0, np.int64)]
    self._checks: list[np.ndarray] = [np.zeros(0, np.uint32)]
    self._pieces: list[PieceEntry] = []
    self._write_header()

  def _write_header(self) -> None:
    # numpy pads the header so that the first axis may grow in place.
    header = np.lib.format.header_data_from_array_1_0(
      np.zeros((0, self._fields), self._dtype)
    )
    header['shape'] = (self._offsets[-1], self._fields)
    self._file.seek(0)
    np.lib.format.write_array_header_1_0(self._file, header)

  def add(
    self, entry: Mapping[str, Any], ids: np.ndarray, bars: np.ndarray
  ) -> None:
    data = np.ascontiguousarray(ids, self._dtype).tobytes()
    self._file.write(data)
    self._checks.append(blocks.sums(data, len(data) // len(ids)))
    self._bars.append(np.asarray(bars, np.int64) + self._offsets[-1])
    self._offsets.append(self._offsets[-1] + len(ids))
    self._pieces.append(
      {
        'name': entry['name'],
        'digest': entry['digest'],
        'steps': len(ids),
        'notes': entry['notes'],
      }
    )

  def close(self) -> None:
    self._write_header()
    self._file.close()
    np.save(self._folder / 'offsets.npy', np.array(self._offsets, np.int64))
    np.save(self._folder / 'bars.npy', np.concatenate(self._bars))
    np.save(self._folder / 'checks.npy', np.concatenate(self._checks))
    text = ',\n'.join(json.dumps(piece) for piece in self._pieces)
    (self._folder / 'pieces.json').write_text(f'[\n{text}\n]\n')

  def counts(self) -> dict[str, int]:
    return {
      'pieces': len(self._pieces),
      'steps': self._offsets[-1],
      'notes': sum(piece['notes'] for piece in self._pieces),
    }


def fingerprint(path: files.StrPath) -> dict[str, Any]:
  """Returns a file's size and a sha256 of its content.

  Of a file beyond 64 MiB, only 1,024 blocks evenly spread over it are read,
  the first and the last among them: enough to tell a truncated, swapped or
  overwritten file, in the time of a small one.
  """
  size = os.path.getsize(path)
  blocks = -(-size // _BLOCK)
  chosen = np.linspace(0, blocks - 1, min(blocks, _BLOCKS)).astype(np.int64)
  sha = hashlib.sha256()
  with open(path, 'rb') as file:
    for block in chosen.tolist():
      file.seek(block * _BLOCK)
      sha.update(file.read(_BLOCK))
  return {'bytes': size, 'sha256': sha.hexdigest()}


def _read_manifest(folder: pathlib.Path) -> dict[str, Any]:
  path = folder / MANIFEST
  try:
    manifest = json.loads(path.read_text())
  except FileNotFoundError as error:
    raise DataError(
      f'no token cache at {folder}; make one with `aurl prepare`',
      code='no_cache',
    ) from error
  except (UnicodeDecodeError, json.JSONDecodeError) as error:
    raise _altered(path, str(error)) from error
  if not isinstance(manifest, dict) or manifest.get('version') != VERSION:
    raise DataError(
      f'{path} is of another version than {VERSION}; delete {folder} and '
      'prepare the data again',
      code='cache_version',
    )
  return manifest


def _check_file(path: pathlib.Path, expected: Mapping[str, Any]) -> None:
  try:
    found = fingerprint(path)
  except FileNotFoundError as error:
    raise _altered(path, 'it is missing') from error
  if found != expected:
    raise _altered(path, 'its content is not what was written')


def _altered(path: pathlib.Path, cause: str) -> DataError:
  return DataError(
    f'token cache file {path} is damaged: {cause}; delete {path.parent} and '
    'prepare the data again',
    code='cache_damaged',
  )


def _open_split(folder: pathlib.Path, name: str) -> TokenSplit:
  place = folder / name

  def load(part: str, mode: Literal['r'] | None = None) -> np.ndarray:
    path = place / f'{part}.npy'
    try:
      return np.load(path, mmap_mode=mode)
    except (OSError, ValueError, EOFError) as error:
      raise _altered(path, str(error)) from error

  return TokenSplit(
    name=name,
    folder=place,
    ids=load('ids', 'r'),
    offsets=load('offsets'),
    bars=load('bars'),
    checks=load('checks'),
  )
