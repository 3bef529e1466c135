"""Studies over any stream of pieces, on all cores, into one file of lines.

    pieces = sorted(pathlib.Path('midi').rglob('*.mid'))
    corpus.run(pieces, study.load(['chords']), 'found.jsonl')
    for row in corpus.read('found.jsonl'):
      row['piece'], row['study'], row['features']

What a line holds says `studies.analysis`. A bad file is a line that tells its
error. Memory does not grow with the pieces, but for 32 bytes a line. What was
killed goes on when it is run again (`studies.records`): only what is new or
changed, of pieces and of studies, costs anything.
"""

import contextlib
import dataclasses
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import ConfigError
from aurl_jax.studies import analysis, pool, records
from aurl_jax.studies.analysis import Item, Job, Line
from aurl_jax.studies.records import Records
from aurl_jax.studies.study import Study, StudyError

__all__ = ['Item', 'Report', 'by_piece', 'merged', 'read', 'run', 'stream']

read = records.read

Progress = Callable[[int], None]
"""Told how many pieces are done."""
Row = dict[str, Any]
"""A line, read."""
Pieces = Iterable[Item | str | os.PathLike[str]]
"""Named pieces, or paths, which are then their names."""


@dataclasses.dataclass(frozen=True)
class Report:
  """What a run did.

  Attributes:
    pieces: Of the stream.
    kept: Those of which all that was wanted was there already.
    made: Lines that were made.
    failed: How many of these tell an error.
  """

  pieces: int
  kept: int
  made: int
  failed: int


def run(
  pieces: Pieces,
  studies: Mapping[str, Study[Any]],
  path: files.StrPath,
  *,
  workers: int | None = None,
  limit: float = pool.LIMIT,
  progress: Progress | None = None,
) -> Report:
  """Hears pieces, or goes on hearing them.

  Args:
    pieces: As many as there are; names are unique.
    studies: What they are heard by, by name.
    path: The file of lines. When this returns it holds those of these pieces
      and studies, in their order, and no others.
    workers: Processes; by default one a core. With 0, this one works, and
      ends if a study ends it.
    limit: Seconds that a piece may take; then it has a line with an error
      instead. Lines of studies that failed are tried again when this is run
      again, those of pieces that cannot be read when the piece has changed.
    progress: Called after each piece.

  Raises:
    AurlError: The file is in use or cannot be written, or no worker starts.
    StudyError: A study cannot be handed to workers.
  """
  count = kept = made = failed = 0
  with Records(path) as lines:
    jobs = (_missing(job, lines) for job in _jobs(pieces, studies))
    with contextlib.closing(
      pool.results(jobs, studies, workers=_workers(workers), limit=limit)
    ) as results:
      for job, new in results:
        lines.append(new)
        lines.want(_keys(job, new, lines))
        count, kept, made = count + 1, kept + (not new), made + len(new)
        failed += sum(line.failed for line in new)
        if progress:
          progress(count)
    lines.finish()
  return Report(count, kept, made, failed)


def stream(
  pieces: Pieces,
  studies: Mapping[str, Study[Any]],
  *,
  workers: int | None = None,
  limit: float = pool.LIMIT,
) -> Iterator[list[Row]]:
  """Yields the lines of each piece, and keeps nothing.

  Args:
    pieces: As of `run`.
    studies: As of `run`.
    workers: As of `run`.
    limit: As of `run`.

  Raises:
    AurlError: As of `run`.
  """
  with contextlib.closing(
    pool.results(
      _jobs(pieces, studies), studies, workers=_workers(workers), limit=limit
    )
  ) as results:
    for _, lines in results:
      yield [json.loads(line.text) for line in lines]


def by_piece(rows: Iterable[Row]) -> Iterator[list[Row]]:
  """Yields the lines of a finished file piece by piece.

  Args:
    rows: Of `read`.
  """
  for _, group in itertools.groupby(rows, key=lambda row: row['piece']):
    yield list(group)


def merged(rows: Iterable[Row]) -> dict[str, Any]:
  """Returns what studies tell of one piece, side by side.

  Args:
    rows: The lines of the piece; those with an error add nothing.

  Raises:
    StudyError: Two studies tell a part of one name (code `study.keys`).

  Example:
    >>> merged([{'study': 'chords', 'told': {'key': [], 'chords': []}},
    ...   {'study': 'melody', 'told': {'melody': {}}}])
    {'key': [], 'chords': [], 'melody': {}}
  """
  told: dict[str, Any] = {}
  by: dict[str, str] = {}
  for row in rows:
    for name, part in row.get('told', {}).items():
      if name in told:
        raise StudyError(
          f'studies {by[name]!r} and {row["study"]!r} both tell {name!r}; '
          'ask for one of them',
          code='study.keys',
        )
      told[name], by[name] = part, row['study']
  return told


def _workers(asked: int | None) -> int:
  if asked is None:
    return pool.cores()
  if asked < 0:
    raise ConfigError(
      f'workers {asked} is not 0 (this process) or more', code='workers'
    )
  return asked


def _jobs(pieces: Pieces, studies: Mapping[str, Study[Any]]) -> Iterator[Job]:
  recipes = {name: analysis.recipe(made) for name, made in studies.items()}
  for piece in pieces:
    if not isinstance(piece, Item):
      piece = Item(os.fspath(piece), piece)
    yield analysis.job(piece, recipes)


def _missing(job: Job, lines: Records) -> Job:
  """Returns the job of those lines that are not there yet."""
  if lines.has(job.bad):
    return dataclasses.replace(job, wanted=())
  wanted = [name for name, key in job.keys.items() if not lines.has(key)]
  return dataclasses.replace(job, wanted=tuple(wanted))


def _keys(job: Job, new: Sequence[Line], lines: Records) -> list[str]:
  """Returns the keys of all lines of a piece, made now or there before."""
  bad = any(line.key == job.bad for line in new) or lines.has(job.bad)
  return [job.bad] if bad else list(job.keys.values())
