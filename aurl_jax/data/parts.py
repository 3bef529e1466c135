"""What workers make of sources: pieces as bytes, in parts of a thousand.

PARTS/part-00003.array_record    pieces 3000..3999, in order
"""

import dataclasses
import itertools
import json
import pathlib
import struct
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from array_record.python import array_record_module

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.data.report import FileReport
from aurl_jax.music import note_sequence
from aurl_jax.music.notes import Notes

PART = 1000
"""Pieces of a part: what one worker holds at once."""
_SIZES = struct.Struct('>IIII')
"""Bytes of header, record, ids and bars."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
  """What a worker makes of one source.

  Attributes:
    index: Of the source; the order of all.
    file: What became of it; its split is empty as long as none is told.
    sequence: The NoteSequence, serialised; empty if it was dropped.
    ids: [steps, fields], of any integers: the cache has its own.
    bars: [bars] int64, the steps at which a bar starts.
    described: Name -> label -> count, see `report.describe`.
  """

  index: int
  file: FileReport
  sequence: bytes = b''
  ids: np.ndarray = dataclasses.field(
    default_factory=lambda: np.zeros((0, 1), np.int64)
  )
  bars: np.ndarray = dataclasses.field(
    default_factory=lambda: np.zeros(0, np.int64)
  )
  described: Mapping[str, Mapping[str, int]] = dataclasses.field(
    default_factory=dict
  )

  def notes(self) -> Notes:
    """Returns the music."""
    proto = note_sequence.load_proto().NoteSequence.FromString(self.sequence)
    return note_sequence.from_note_sequence(proto)

  def to_bytes(self) -> bytes:
    """Returns it as bytes without pickle."""
    header = json.dumps(
      {
        'index': self.index,
        'file': dataclasses.asdict(self.file),
        'fields': self.ids.shape[1],
        'described': self.described,
      }
    ).encode()
    ids = self.ids.astype('<i8').tobytes()
    bars = self.bars.astype('<i8').tobytes()
    parts = (header, self.sequence, ids, bars)
    return _SIZES.pack(*map(len, parts)) + b''.join(parts)

  @classmethod
  def from_bytes(cls, data: bytes) -> 'Piece':
    """Inverts `to_bytes`."""
    ends = np.cumsum([_SIZES.size, *_SIZES.unpack_from(data)]).tolist()
    header, sequence, ids, bars = (
      data[begin:end] for begin, end in itertools.pairwise(ends)
    )
    values = json.loads(header)
    issues = tuple(tuple(issue) for issue in values['file'].pop('issues'))
    return cls(
      index=values['index'],
      file=FileReport(**values['file'], issues=issues),
      sequence=sequence,
      ids=np.frombuffer(ids, '<i8').reshape(-1, values['fields']),
      bars=np.frombuffer(bars, '<i8'),
      described=values['described'],
    )


def write_part(folder: pathlib.Path, part: int, pieces: Iterable[Piece]) -> str:
  """Writes a part, or replaces it as a whole; returns its path.

  Args:
    folder: Of the parts.
    part: Its number.
    pieces: Of it, in any order.
  """
  path = folder / f'part-{part:05d}.array_record'
  folder.mkdir(parents=True, exist_ok=True)
  with files.atomic_folder(folder / f'.{path.name}') as work:
    writer = array_record_module.ArrayRecordWriter(
      str(work / path.name), 'group_size:1'
    )
    for piece in sorted(pieces, key=lambda piece: piece.index):
      writer.write(piece.to_bytes())
    writer.close()
  made = folder / f'.{path.name}' / path.name
  made.replace(path)
  made.parent.rmdir()
  return str(path)


def read_parts(folder: pathlib.Path, count: int) -> Iterator[Piece]:
  """Yields all pieces in the order of their sources.

  Args:
    folder: Of the parts.
    count: How many sources there were.

  Raises:
    DataError: A part is missing or not whole (code `parts`).
  """
  expected = 0
  for part in range(-(-count // PART)):
    path = folder / f'part-{part:05d}.array_record'
    if not path.exists():
      raise DataError(
        f'{path} is missing; run the pipeline again', code='parts'
      )
    reader = array_record_module.ArrayRecordReader(str(path))
    for index in range(reader.num_records()):
      piece = Piece.from_bytes(reader.read([index])[0])
      if piece.index != expected:
        raise DataError(
          f'{path} holds source {piece.index} where {expected} belongs; run '
          'the pipeline again',
          code='parts',
        )
      expected += 1
      yield piece
    reader.close()
  if expected != count:
    raise DataError(
      f'{folder} holds {expected} of {count} sources; run the pipeline again',
      code='parts',
    )
