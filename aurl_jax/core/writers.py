"""Who takes the records of a run: files for machines, a log for people.

A record is a flat mapping that holds `step`: names to numbers, and a few
texts. Names with a slash belong together: `valid/loss`, `system/host_bytes`.
"""

import json
import logging
import math
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from aurl_jax.core import files, logline

LOGGER = 'aurl_jax.training'
"""The name under which records of training stand in the log."""


class Media(NamedTuple):
  """A sample to see and to hear.

  Attributes:
    name: Such as `piece_1`.
    image: PNG.
    audio: WAV, one channel of 16 bits.
    text: What it is, as Markdown.
  """

  name: str
  image: bytes
  audio: bytes
  text: str


class JsonlWriter:
  """One JSON object a line, whole lines only, on the disk at once.

  A number that is not finite is written as null, as JSON has no other way.
  """

  def __init__(self, path: files.StrPath) -> None:
    """Opens a file to append to; a line that a crash tore is dropped."""
    self._path = pathlib.Path(path)
    self._path.parent.mkdir(parents=True, exist_ok=True)
    if self._path.exists():
      content = self._path.read_bytes()
      if content and not content.endswith(b'\n'):
        files.write_atomic(self._path, content[: content.rfind(b'\n') + 1])
    self._file = self._path.open('ab', buffering=0)

  def write(self, record: Mapping[str, Any]) -> None:
    """Appends a record.

    Raises:
      AurlError: No space is left (code `disk_full`).
    """
    text = json.dumps({key: plain(value) for key, value in record.items()})
    line, start = f'{text}\n'.encode(), self._file.tell()
    with files.disk_errors(self._path):
      try:
        while line:
          line = line[self._file.write(line) :]
      except OSError:
        self._file.truncate(start)
        raise

  def truncate(self, step: int) -> None:
    """Drops the records after `step`, which a resumed run writes again."""
    self._file.close()
    lines = self._path.read_text(encoding='utf-8').splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line).get('step', 0) <= step]
    files.write_atomic(self._path, ''.join(kept))
    self._file = self._path.open('ab', buffering=0)

  def close(self) -> None:
    """Closes the file."""
    self._file.close()


def read_jsonl(path: files.StrPath) -> list[dict[str, Any]]:
  """Returns the whole records of a file that may be written to right now.

  A file that is not there has none; a line that is no JSON object, such as
  one that is not complete yet, is passed over.
  """
  try:
    lines = pathlib.Path(path).read_bytes().split(b'\n')
  except FileNotFoundError:
    return []
  records = []
  for line in lines:
    try:
      record = json.loads(line)
    except ValueError:
      continue
    if isinstance(record, dict) and isinstance(record.get('step'), int):
      records.append(record)
  return records


class LogWriter:
  """An entry of the log a record; see `core.logline`."""

  def __init__(
    self, total: int | None = None, shown: Collection[str] = ()
  ) -> None:
    """Logs through `LOGGER`.

    Args:
      total: Steps of the whole run, told beside each step.
      shown: Which values of a record its first line tells.
    """
    self._total, self._shown = total, shown
    self._log = logging.getLogger(LOGGER)

  def write(self, record: Mapping[str, Any]) -> None:
    """Logs a record."""
    of = '' if self._total is None else f'/{self._total}'
    cells = [f'{n} {show(record[n])}' for n in self._shown if n in record]
    step = f'step {plain(record["step"])}{of}'
    told = f'{step}: {", ".join(cells)}' if cells else step
    self._log.info('%s', told, extra={'details': logline.details(record)})

  def close(self) -> None:
    """Leaves the log, which is not ours to close."""


def plain(value: Any) -> Any:
  """Returns a value as what JSON holds; arrays of one number as that number.

  Example:
    >>> import numpy as np
    >>> plain(np.float32(0.5)), plain(float('nan')), plain('a')
    (0.5, None, 'a')
  """
  if hasattr(value, 'item'):
    value = value.item()
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value


def numbers(record: Mapping[str, Any]) -> dict[str, float | int]:
  """Returns the finite numbers of a record, but for the step.

  Example:
    >>> numbers({'step': 3, 'loss': 0.5, 'rate': float('inf'), 'note': 'x'})
    {'loss': 0.5}
  """
  found = {key: plain(value) for key, value in record.items() if key != 'step'}
  return {k: v for k, v in found.items() if isinstance(v, int | float)}


def show(value: Any) -> str:
  """Returns a value as people read it: four significant digits.

  Example:
    >>> show(0.123456), show(12345.678), show(3), show(float('nan'))
    ('0.1235', '12,346', '3', 'nan')
  """
  if hasattr(value, 'item'):
    value = value.item()
  if isinstance(value, int) and not isinstance(value, bool):
    return f'{value:,}'
  if isinstance(value, float):
    return f'{value:,.0f}' if abs(value) >= 10_000 else f'{value:.4g}'
  return str(value)


def hand_out(writers: Sequence[Any], step: int, media: Sequence[Media]) -> None:
  """Gives samples to those writers that take any."""
  for writer in writers:
    if hasattr(writer, 'samples'):
      writer.samples(step, media)
