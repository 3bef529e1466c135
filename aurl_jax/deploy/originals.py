"""The index of training music, and the file `originality.safetensors` of it.

It holds hashes and places, no music: `evaluation.originality` tells what is
done with them. The filter is kept as it is, all else packed: differences of
ascending numbers, a plane of bytes at a time, by zlib.
"""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import sealed
from aurl_jax.evaluation.fingerprints import Table
from aurl_jax.evaluation.fuse import Fuse
from aurl_jax.evaluation.originality import Index

NAME = 'originality.safetensors'
FORMAT = 1
"""Of the file; one of a later format is refused."""
_REMEDY = 'make it again with `aurl original RUN`'
_MOST = 1 << 30
"""Bytes of an unpacked array at most."""


def to_bytes(index: Index) -> bytes:
  """Returns the content of a file; `from_bytes` inverts it."""
  table, names = index.table, '\n'.join(map(_line, index.pieces))
  config = {
    'format': FORMAT,
    'notes': index.notes,
    'cells_per_beat': index.cells_per_beat,
    'seed': index.filter.seed,
    'segment': index.filter.segment,
    'entries': len(table.hash),
    'pieces': len(index.pieces),
    'bars': len(index.bars),
    'names': len(names.encode()),
  }
  arrays = {
    'prints': index.filter.prints,
    'hash': _packed(table.hash, ascending=True),
    'place': _packed(table.place),
    'pitch': _packed(table.pitch),
    'starts': _packed(index.starts, ascending=True),
    'bars': _packed(index.bars, ascending=True),
    'names': _packed(np.frombuffer(names.encode(), np.uint8)),
  }
  return sealed.seal(arrays, config)


def from_bytes(data: bytes, where: str) -> Index:
  """Returns the index of a file.

  Args:
    data: Its content.
    where: What it is called in messages.

  Raises:
    BundleError: The file is damaged (code `altered`), or of another format
      (`format`).
  """
  config, arrays = sealed.unseal(data, where, FORMAT, _REMEDY)
  try:
    return _index(config, arrays)
  except (KeyError, TypeError, ValueError, zlib.error) as error:
    raise BundleError(
      f'{where} is no index of training music: {error}; {_REMEDY}',
      code='format',
    ) from error


def _index(config: Mapping[str, Any], arrays: Mapping[str, Any]) -> Index:
  entries, pieces = config['entries'], config['pieces']

  def read(name: str, dtype: Any, count: int, **kind: Any) -> np.ndarray:
    return _unpacked(arrays[name], dtype, count, **kind)

  names = read('names', np.uint8, config['names']).tobytes().decode()
  told = tuple(names.split('\n')) if pieces else ()
  if len(told) != pieces or min(config['notes'], config['cells_per_beat']) < 1:
    raise ValueError(f'{len(told)} names of {pieces} pieces, or no grid')
  return Index(
    notes=config['notes'],
    cells_per_beat=config['cells_per_beat'],
    filter=Fuse(
      arrays['prints'].astype(np.uint16), config['seed'], config['segment']
    ),
    table=Table(
      read('hash', np.uint32, entries, ascending=True),
      read('place', np.uint32, entries),
      read('pitch', np.uint8, entries),
    ),
    pieces=told,
    starts=read('starts', np.int64, pieces, ascending=True),
    bars=read('bars', np.int64, config['bars'], ascending=True),
  )


def _line(name: str) -> str:
  """Returns a name on one line, of characters that can be written."""
  return ' '.join(name.split('\n')).encode('utf-8', 'replace').decode()


def _packed(array: np.ndarray, *, ascending: bool = False) -> np.ndarray:
  """Returns the bytes of an array, plane by plane, compressed."""
  if ascending:
    array = np.diff(array, prepend=array.dtype.type(0))
  planes = array.view(np.uint8).reshape(len(array), array.itemsize).T
  return np.frombuffer(zlib.compress(planes.tobytes(), 9), np.uint8)


def _unpacked(
  packed: np.ndarray, dtype: Any, count: int, *, ascending: bool = False
) -> np.ndarray:
  """Returns an array of so many numbers that was packed."""
  size = np.dtype(dtype).itemsize
  if not 0 <= count * size <= _MOST:
    raise ValueError(f'{count} numbers are too many')
  # No more is unpacked than there should be, whatever the file says.
  data = zlib.decompressobj().decompress(packed.tobytes(), count * size + 1)
  if len(data) != count * size:
    raise ValueError(f'{len(data)} bytes in place of {count * size}')
  planes = np.frombuffer(data, np.uint8).reshape(size, count)
  array = np.ascontiguousarray(planes.T).reshape(-1).view(dtype)
  return np.cumsum(array, dtype=dtype) if ascending else array
