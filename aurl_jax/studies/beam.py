"""Studies over a corpus of many machines, as an Apache Beam pipeline.

The pieces are cut into parts of a hundred. A worker of Beam hears a part as
`studies.corpus` does, in a process of its own, into a file of lines; a part
that is there already costs a look, so that a pipeline that was killed goes on
when it is run again. At the end one process joins the parts, by bytes, into
the file that `corpus.run` makes of the same pieces.

Beam runs in an environment of its own (`tools/env/beam.txt`); only
`pipeline` imports it.
"""

import itertools
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from aurl_jax.core import beam as beam_lib
from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.studies import corpus, pool, study
from aurl_jax.studies.corpus import Item

PART = 100
"""Pieces of a part."""


class Task(NamedTuple):
  """What a worker hears.

  Attributes:
    path: Of the part's lines.
    pieces: Names and paths.
    studies: Names.
    limit: Seconds that a piece may take.
  """

  path: str
  pieces: tuple[tuple[str, str], ...]
  studies: tuple[str, ...]
  limit: float


def run(
  pieces: Iterable[Item],
  studies: Sequence[str],
  path: files.StrPath,
  *,
  parts: files.StrPath | None = None,
  limit: float = pool.LIMIT,
  flags: Sequence[str] = (),
) -> int:
  """Hears a corpus with Beam; the file is as `corpus.run` makes it.

  Args:
    pieces: MIDI files, by paths that every worker can read.
    studies: Names, which every worker must know (`study.load`).
    path: The file of lines to publish.
    parts: A folder that workers and this process share; by default beside
      the file. It stays: what is in it is not heard again.
    limit: As of `corpus.run`.
    flags: Beam's own, such as `--runner=FlinkRunner`.

  Returns:
    How many pieces were heard.

  Raises:
    AurlError: Beam is not installed (code `no_beam`).
    StudyError: There is no such study.
    DataError: As `join`, or there is no piece (code `no_sources`).
  """
  study.load(studies)
  path = pathlib.Path(path).expanduser()
  folder = pathlib.Path(parts or path.with_name(path.name + '.parts'))
  tasks = list(cut(pieces, studies, folder, limit))
  if not tasks:
    raise DataError('there are no pieces to hear', code='no_sources')
  pipeline(tasks, flags).run().wait_until_finish()
  join(tasks, path)
  return sum(len(task.pieces) for task in tasks)


def cut(
  pieces: Iterable[Item],
  studies: Sequence[str],
  folder: pathlib.Path,
  limit: float = pool.LIMIT,
) -> Iterator[Task]:
  """Yields the parts of a corpus.

  Args:
    pieces: By paths.
    studies: Names.
    folder: Of the parts.
    limit: As of `Task`.
  """
  named = ((name, os.fspath(music)) for name, music in _paths(pieces))
  for number in itertools.count():
    part = tuple(itertools.islice(named, PART))
    if not part:
      return
    path = folder / f'part-{number:06d}.jsonl'
    yield Task(str(path), part, tuple(studies), limit)


def _paths(
  pieces: Iterable[Item],
) -> Iterator[tuple[str, str | os.PathLike[str]]]:
  for name, music in pieces:
    if not isinstance(music, str | os.PathLike):
      raise DataError(
        f'{name} is no path; Beam hears files that its workers can read',
        code='source',
      )
    yield name, music


def hear(task: Task) -> str:
  """Runs on a worker: hears a part and returns where its lines are."""
  path = pathlib.Path(task.path)
  path.parent.mkdir(parents=True, exist_ok=True)
  corpus.run(
    (Item(*piece) for piece in task.pieces),
    study.load(task.studies),
    path,
    workers=1,
    limit=task.limit,
  )
  return task.path


def pipeline(tasks: Sequence[Task], flags: Sequence[str] = ()) -> Any:
  """Returns the `apache_beam.Pipeline` that hears the parts.

  Args:
    tasks: The parts.
    flags: Beam's own; by default it runs here, on one core.

  Raises:
    AurlError: Beam is not installed (code `no_beam`).
  """
  beam, made = beam_lib.begin(flags)
  _ = (
    made
    | 'Parts' >> beam.Create([tuple(task) for task in tasks])
    | 'Spread' >> beam.Reshuffle()
    | 'Hear' >> beam.Map(_hear)
  )
  return made


def _hear(task: Iterable[Any]) -> str:
  return hear(Task(*task))


def join(tasks: Sequence[Task], path: pathlib.Path) -> None:
  """Publishes the lines of all parts as one file.

  Raises:
    DataError: A part is missing (code `parts`).
  """
  joined = path.with_name(f'.{path.name}.joined')
  with files.atomic_folder(joined) as work:
    for task in tasks:
      _append(work / path.name, task.path)
  (joined / path.name).replace(path)
  joined.rmdir()


def _append(path: pathlib.Path, part: str) -> None:
  try:
    with open(part, 'rb') as lines, path.open('ab') as out:
      shutil.copyfileobj(lines, out)
  except FileNotFoundError as error:
    raise DataError(
      f'{part} is missing; run the pipeline again, with a folder of parts that '
      'its workers share',
      code='parts',
    ) from error
