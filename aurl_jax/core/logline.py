r"""The log line, both ways: what people read is what programs read back.

    [2026-03-01 14:05:09.123] [INFO] [aurl_jax.training] step 20/200: loss 1.31
    - Epoch: 1/9, Batch: 20/24
    - Files processed: 187 (187 augmented)
    - Losses: {recon: 1.31}
    - Memory: GPU 3.1GB/80.0GB, RAM: 2.4GB
    - Samples saved: samples/step_20/piece_1.mid

Lines with a dash follow the records of training only; a part that there is
nothing to tell of is left out. Further lines of a message are indented by two
blanks, so that no message can be taken for a heading or a part. GB are 10^9
bytes, times are local.
"""

import dataclasses
import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Any

_GB = 1e9
_INDENT = '  '
_HEAD = re.compile(
  r'\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})\] \[([^\]]+)\] \[([^\]]*)\] (.*)'
)
_POSITION = re.compile(r'- Epoch: (\d+)/(\d+), Batch: (\d+)/(\d+)')
_FILES = re.compile(r'- Files processed: (\d+) \((\d+) augmented\)')
_LOSSES = re.compile(r'- Losses: \{(.*)\}')
_MEMORY = re.compile(
  r'- Memory: (?:([A-Z]+) (\d+\.\d)GB(?:/(\d+\.\d)GB)?(?:, |$))?'
  r'(?:RAM: (\d+\.\d)GB)?'
)
_SAMPLES = re.compile(r'- Samples saved: (.*)')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Details:
  """What the lines under a record of training tell; None is left out.

  Attributes:
    position: Epoch, epochs of the run, batch in the epoch, batches of one;
      the first two and the last two count from 1.
    files: Pieces read so far, and how many of them were open to augmentation.
    losses: Name -> value; told with two decimals.
    device: Platform of the accelerator, such as `GPU`; '' for none.
    used: GB in use on the accelerator.
    limit: GB that it has; None if it does not say.
    ram: GB of the process and its children.
    samples: Paths of what was written.
  """

  position: tuple[int, int, int, int] | None = None
  files: tuple[int, int] | None = None
  losses: Mapping[str, float] = dataclasses.field(default_factory=dict)
  device: str = ''
  used: float = 0.0
  limit: float | None = None
  ram: float | None = None
  samples: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
  """One message of a log.

  Attributes:
    time: Local, to the millisecond.
    level: Such as `INFO`.
    module: Name of the logger.
    message: All its lines.
    details: None unless lines of a training record follow.
  """

  time: datetime.datetime
  level: str
  module: str
  message: str
  details: Details | None = None


def details(record: Mapping[str, Any]) -> Details:
  """Returns what a training record tells in lines; see `training.records`.

  Example:
    >>> details({'step': 1, 'loss': 0.5, 'system/host_bytes': 2e9})
    Details(position=None, files=None, losses={'recon': 0.5}, device='',
    used=0.0, limit=None, ram=2.0, samples=())
  """
  losses = {'recon': 'loss', 'kl': 'kl', 'adv': 'adv'}
  places = ('data/epoch', 'data/epochs', 'data/batch', 'data/batches')
  counts = ('data/files', 'data/augmented')
  used = record.get('system/device_bytes')
  ram = record.get('system/host_bytes')
  limit = record.get('system/device_limit_bytes')
  children = record.get('system/children_bytes', 0)
  return Details(
    position=_integers(record, places),
    files=_integers(record, counts),
    losses={a: float(record[b]) for a, b in losses.items() if b in record},
    device='' if used is None else str(record.get('system/platform', 'GPU')),
    used=(used or 0) / _GB,
    limit=None if used is None or not limit else limit / _GB,
    ram=None if ram is None else (ram + children) / _GB,
    samples=tuple(record.get('samples', ())),
  )


def _integers(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
  found = tuple(int(record[name]) for name in names if name in record)
  return found if len(found) == len(names) else None


def render(entry: Entry) -> str:
  """Returns an entry as it stands in a log, without the last line's end."""
  time = entry.time.isoformat(sep=' ', timespec='milliseconds')
  message = entry.message.replace('\n', f'\n{_INDENT}')
  head = f'[{time}] [{entry.level}] [{entry.module}] {message}'
  told = _lines(entry.details) if entry.details else []
  return '\n'.join([head, *told])


def _lines(told: Details) -> list[str]:
  lines = []
  if told.position:
    epoch, epochs, batch, batches = told.position
    lines.append(f'- Epoch: {epoch}/{epochs}, Batch: {batch}/{batches}')
  if told.files:
    files, augmented = told.files
    lines.append(f'- Files processed: {files} ({augmented} augmented)')
  if told.losses:
    cells = (f'{name}: {value:.2f}' for name, value in told.losses.items())
    lines.append(f'- Losses: {{{", ".join(cells)}}}')
  memory = []
  if told.device:
    most = '' if told.limit is None else f'/{told.limit:.1f}GB'
    memory.append(f'{told.device} {told.used:.1f}GB{most}')
  if told.ram is not None:
    memory.append(f'RAM: {told.ram:.1f}GB')
  if memory:
    lines.append(f'- Memory: {", ".join(memory)}')
  if told.samples:
    lines.append(f'- Samples saved: {", ".join(told.samples)}')
  return lines


def parse(text: str) -> Iterator[Entry]:
  """Returns the entries of a log; lines that a crash tore are passed over.

  What `render` gives reads back equal, numbers with the decimals that they
  were told with.
  """
  lines: list[str] = []
  for line in text.split('\n'):
    if _HEAD.fullmatch(line):
      yield from _entry(lines)
      lines = []
    lines.append(line)
  yield from _entry(lines)


def _entry(lines: list[str]) -> Iterator[Entry]:
  head = _HEAD.fullmatch(lines[0]) if lines else None
  if head is None:
    return
  time, level, module, message = head.groups()
  more = [line[len(_INDENT) :] for line in lines if line.startswith(_INDENT)]
  yield Entry(
    time=datetime.datetime.fromisoformat(time),
    level=level,
    module=module,
    message='\n'.join([message, *more]),
    details=_read(line for line in lines[1:] if line.startswith('- ')),
  )


def _read(lines: Iterator[str]) -> Details | None:
  found: dict[str, Any] = {}
  for line in lines:
    if match := _POSITION.fullmatch(line):
      found['position'] = tuple(int(part) for part in match.groups())
    elif match := _FILES.fullmatch(line):
      found['files'] = tuple(int(part) for part in match.groups())
    elif match := _LOSSES.fullmatch(line):
      cells = (cell.split(': ') for cell in match[1].split(', '))
      found['losses'] = {name: float(value) for name, value in cells}
    elif match := _SAMPLES.fullmatch(line):
      found['samples'] = tuple(match[1].split(', '))
    elif match := _MEMORY.fullmatch(line):
      found |= _memory(*match.groups())
  return Details(**found) if found else None


def _memory(
  device: str | None, used: str | None, limit: str | None, ram: str | None
) -> dict[str, Any]:
  found: dict[str, Any] = {}
  if device and used:
    found |= {'device': device, 'used': float(used)}
    found['limit'] = float(limit) if limit else None
  if ram:
    found['ram'] = float(ram)
  return found
