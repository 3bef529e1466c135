"""A data worker: makes some of the batches and writes them to its output.

    python -m aurl_jax.data.worker < JOB

The first line of the input is the job as JSON, see `Job`. A message is 4
bytes, the length of a header; the header, JSON; and the arrays it names, all
int32; one of a dict has its name behind that of the dict, `aux/NAME`. The
worker holds one message until it is taken, and ends when its input does: with
the process that started it, however that ends.
"""

import dataclasses
import io
import json
import os
import signal
import struct
import threading
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from aurl_jax.core.errors import AurlError
from aurl_jax.data.cache import TokenCache
from aurl_jax.data.curriculum import Curriculum
from aurl_jax.data.gather import Made, Maker, Options
from aurl_jax.data.objective import Mixture

LENGTH = struct.Struct('<I')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
  """What a worker makes.

  Attributes:
    folder: Of the token cache.
    split: Its name.
    options: As of `gather.Options`.
    index: Share of the rows, as of `gather.Maker`.
    count: Likewise.
    known: Block -> first batch; see `checks.Checker`.
    batches: First, end and step of the numbers of its batches.
  """

  folder: str
  split: str
  options: Options
  index: int
  count: int
  known: dict[int, int]
  batches: tuple[int, int, int]

  def to_json(self) -> str:
    """Returns the job as a line of JSON."""
    return json.dumps(dataclasses.asdict(self)) + '\n'

  @classmethod
  def from_json(cls, text: str) -> 'Job':
    """Returns the job that `to_json` wrote."""
    values = json.loads(text)
    options = values['options']
    if options.get('curriculum') is not None:
      options['curriculum'] = Curriculum(**options['curriculum'])
    if options.get('objective') is not None:
      options['objective'] = Mixture.from_dict(options['objective'])
    values['known'] = {int(k): v for k, v in values['known'].items()}
    values['batches'] = tuple(values['batches'])
    return cls(**values)

  def maker(self) -> Maker:
    """Returns what makes the batches."""
    # The process that asks has verified the cache, and what has rotted since
    # is found batch by batch.
    cache = TokenCache.open(self.folder, verify=False)
    return Maker(
      cache[self.split],
      self.options,
      index=self.index,
      count=self.count,
      known=self.known,
    )


def main() -> None:
  """Works until the job is done or nobody reads."""
  for number in (signal.SIGINT, signal.SIGTERM):
    # Meant for the trainer, which lets its workers go when it is ready.
    signal.signal(number, signal.SIG_IGN)
  # What a library prints must not stand among the messages.
  out = os.fdopen(os.dup(1), 'wb')
  os.dup2(2, 1)
  source = io.BufferedReader(io.FileIO(0, closefd=False))
  job = Job.from_json(source.readline().decode())
  threading.Thread(target=_leave_with, args=(source,), daemon=True).start()
  try:
    _work(job, out)
  except BrokenPipeError:
    os._exit(0)


def _leave_with(source: BinaryIO) -> None:
  """Ends the process when the input ends."""
  source.read()
  os._exit(0)


def _work(job: Job, out: BinaryIO) -> None:
  try:
    maker = job.maker()
    for number in range(*job.batches):
      _send(out, maker(number))
  except AurlError as error:
    _write(out, {'error': str(error), 'code': error.code})


def _send(out: BinaryIO, made: Made) -> None:
  arrays = _flat(made.arrays)
  shapes = {name: array.shape for name, array in arrays.items()}
  header = {
    'number': made.number,
    'rotten': list(made.rotten.items()),
    'arrays': shapes,
  }
  _write(out, header, *arrays.values())


def _flat(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """Returns the arrays of dicts beside the others."""
  flat: dict[str, np.ndarray] = {}
  for name, value in arrays.items():
    inner = value if isinstance(value, Mapping) else {'': value}
    flat |= {f'{name}/{key}'.rstrip('/'): array for key, array in inner.items()}
  return flat


def _write(out: BinaryIO, header: dict[str, Any], *arrays: np.ndarray) -> None:
  text = json.dumps(header).encode()
  out.write(LENGTH.pack(len(text)) + text)
  for array in arrays:
    out.write(np.ascontiguousarray(array, np.int32).data.cast('B'))
  out.flush()


def read(source: BinaryIO) -> tuple[dict[str, Any], dict[str, Any]]:
  """Returns the header and the arrays of the next message.

  Raises:
    EOFError: The worker has ended, perhaps inside a message.
  """
  (length,) = LENGTH.unpack(_exactly(source, LENGTH.size))
  header = json.loads(_exactly(source, length))
  arrays: dict[str, Any] = {}
  for name, shape in header.get('arrays', {}).items():
    array = np.empty(shape, np.int32)
    if array.size:
      _fill(source, array.data.cast('B'))
    outer, _, inner = name.partition('/')
    if inner:
      arrays.setdefault(outer, {})[inner] = array
    else:
      arrays[outer] = array
  return header, arrays


def _exactly(source: BinaryIO, size: int) -> bytes:
  data = bytearray(size)
  _fill(source, memoryview(data))
  return bytes(data)


def _fill(source: BinaryIO, view: memoryview) -> None:
  if source.readinto(view) != len(view):  # type: ignore[attr-defined]
    raise EOFError


if __name__ == '__main__':
  main()
