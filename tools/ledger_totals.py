"""What tokenizations keep and lose of a whole folder of MIDI files.

  python tools/ledger_totals.py FOLDER
  python tools/ledger_totals.py FOLDER --tokenizer remi performance --json
  python tools/ledger_totals.py FOLDER --limit 100

Adds up the ledger of every file (see `tokens.ledger`), one file at a time, so
that memory does not grow with the folder. Mean errors are of all events that
were kept; the 95th percentile of the errors of notes is told to 0.1 ms, and
`over 10 s` beyond that. A file that a tokenization cannot hold, or that has
no music, is counted by its code.
"""

import argparse
import collections
import json
import pathlib
import sys
from typing import Any

import numpy as np

from aurl_jax.core.errors import AurlError
from aurl_jax.data import sources
from aurl_jax.experiment import inspect
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import ledger as ledger_lib
from aurl_jax.tokens.tokenizer import Tokenizer

_STEP, _STEPS = 0.1, 100_000
"""Width in milliseconds, and number, of the bins of a percentile."""
_NAMES = ('remi', 'compound', 'expressive', 'performance', 'grid')
_COUNTS = ('count', 'kept', 'merged', 'dropped')


class Totals:
  """The sums of one tokenization, of constant size."""

  def __init__(self, tokenizer: Tokenizer) -> None:
    self._tokenizer = tokenizer
    self.files: collections.Counter[str] = collections.Counter()
    self._steps = 0
    self._counts: dict[str, collections.Counter[str]] = {}
    self._sums: dict[tuple[str, str], list[float]] = {}
    self._bins = {
      name: np.zeros(_STEPS + 1, np.int64) for name in ('onset', 'duration')
    }

  def add(self, notes: Notes) -> None:
    """Adds a piece, or why it cannot be held."""
    try:
      ids = self._tokenizer.encode(notes)
    except AurlError as error:
      self.files[error.code] += 1
      return
    self.files['ok'] += 1
    self._steps += len(ids)
    back = self._tokenizer.decode(ids)
    ledger = ledger_lib.compare(self._tokenizer, notes, back)
    for kind, entry in ledger.entries.items():
      counts = self._counts.setdefault(kind, collections.Counter())
      for name in _COUNTS:
        counts[name] += getattr(entry, name)
      for name, (mean, worst) in entry.errors.items():
        total = self._sums.setdefault((kind, name), [0.0, 0, 0.0])
        # Every change of tempo has an error, kept or not.
        weight = entry.count if name == 'percent' else entry.kept
        total[0] += mean * weight
        total[1] += weight
        total[2] = max(total[2], worst)
    errors = ledger_lib.note_errors(self._tokenizer, notes, back)
    for name, bins in self._bins.items():
      found = (errors[f'{name}_ms'] / _STEP).astype(np.int64)
      bins += np.bincount(np.minimum(found, _STEPS), minlength=_STEPS + 1)

  def as_dict(self) -> dict[str, Any]:
    """Returns the sums as plain values."""
    kinds: dict[str, dict[str, Any]] = {
      kind: dict(counts) for kind, counts in self._counts.items()
    }
    for (kind, name), (total, count, worst) in self._sums.items():
      kinds[kind][f'{name}_mean'] = round(total / count, 3) if count else 0
      kinds[kind][f'{name}_max'] = round(worst, 3)
    for name, bins in self._bins.items():
      if bins.sum():
        kinds['notes'][f'{name}_ms_p95'] = _percentile(bins)
    return {'files': dict(self.files), 'steps': self._steps, 'kinds': kinds}


def _percentile(bins: np.ndarray) -> float | str:
  """Returns the upper end of the bin that 95 % do not pass."""
  at = int(np.searchsorted(bins.cumsum(), 0.95 * bins.sum()))
  return round((at + 1) * _STEP, 1) if at < _STEPS else 'over 10 s'


def totals(
  folder: pathlib.Path, names: list[str], limit: int | None = None
) -> dict[str, Any]:
  """Returns tokenizer name -> its sums, over the MIDI files of a folder."""
  found = {n: Totals(inspect.tokenizer_named(n)) for n in names}
  for source in sources.folder(folder)[:limit]:
    try:
      notes = source.read().notes
    except (AurlError, OSError) as error:
      for total in found.values():
        total.files[getattr(error, 'code', 'unreadable')] += 1
      continue
    for total in found.values():
      total.add(notes)
  return {name: total.as_dict() for name, total in found.items()}


def table(found: dict[str, Any]) -> str:
  """Returns the sums as a table of Markdown, a row for each kind of event."""
  lines = [
    '| tokenizer | files | steps | event | count | kept | merged | dropped '
    '| errors: mean, 95 %, max |',
    '|---|---|---|---|---|---|---|---|---|',
  ]
  for name, sums in found.items():
    files = ', '.join(f'{n} {code}' for code, n in sums['files'].items())
    head = f'| {name} | {files} | {sums["steps"]:,} '
    for kind, row in sums['kinds'].items():
      numbers = ' | '.join(f'{row[count]:,}' for count in _COUNTS)
      lines.append(f'{head}| {kind} | {numbers} | {_errors(row)} |')
      head = '| | | '
    if not sums['kinds']:
      lines.append(f'{head}| | | | | | |')
  return '\n'.join(lines)


def _errors(row: dict[str, Any]) -> str:
  names = [key[: -len('_mean')] for key in row if key.endswith('_mean')]
  shown = []
  for name in names:
    middle = row.get(f'{name}_p95')
    parts = [row[f'{name}_mean'], *([middle] if middle else [])]
    parts.append(row[f'{name}_max'])
    numbers = ', '.join(str(part) for part in parts)
    shown.append(f'{name} {numbers}')
  return '; '.join(shown)


def main() -> int:
  """Prints the totals; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('folder', type=pathlib.Path)
  parser.add_argument('--tokenizer', nargs='+', default=list(_NAMES))
  parser.add_argument('--limit', type=int, help='take the first files only')
  parser.add_argument('--json', action='store_true')
  args = parser.parse_args()
  try:
    found = totals(args.folder, args.tokenizer, args.limit)
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  print(json.dumps(found, indent=2) if args.json else table(found))
  return 0


if __name__ == '__main__':
  sys.exit(main())
