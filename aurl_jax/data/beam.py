"""The transform of `aurl prepare` as an Apache Beam pipeline.

For corpora that one machine would read for days. Workers read, mend and
encode the files and write parts; then one process streams the parts, in the
order of the sources, into the same folder that `aurl prepare` makes. What
costs runs on the workers; the merge copies bytes.

Beam runs in an environment of its own (`tools/env/beam.txt`); only
`pipeline` imports it.
"""

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aurl_jax.core import beam as beam_lib
from aurl_jax.core import config, files
from aurl_jax.core.errors import DataError
from aurl_jax.data import parts as parts_lib
from aurl_jax.data import piece as piece_lib
from aurl_jax.data import prepare as prepare_lib
from aurl_jax.data import splits
from aurl_jax.data.parts import Piece
from aurl_jax.data.piece import Options, Transform
from aurl_jax.data.report import Report
from aurl_jax.data.sources import MidiFile, Source
from aurl_jax.tokens import tokenizer as tokenizer_lib
from aurl_jax.tokens.tokenizer import Tokenizer


def prepare(
  sources: Sequence[Source],
  tokenizer: Tokenizer,
  out: files.StrPath,
  *,
  options: Options = piece_lib.UNCHANGED,
  given: str | Mapping[str, str] | None = None,
  parts: files.StrPath | None = None,
  flags: Sequence[str] = (),
) -> Report:
  """Prepares a corpus with Beam; the folder is as `aurl prepare` makes it.

  Args:
    sources: MIDI files that every worker can read.
    tokenizer: Makes the ids; an object of a class that can be named.
    out: The folder to publish.
    options: What is done to pieces, and which are left out.
    given: Name or digest -> split, or a frozen table's name.
    parts: A folder that workers and this process share; by default beside
      `out`. It stays, so that a merge can be run again.
    flags: Beam's own, such as `--runner=FlinkRunner`.

  Raises:
    AurlError: Beam is not installed (code `no_beam`).
    DataError: As `prepare.write` and `parts.read_parts`.
  """
  if not sources:
    raise DataError('there are no sources to prepare', code='no_sources')
  out = pathlib.Path(out).expanduser()
  folder = pathlib.Path(parts or out.with_name(out.name + '.parts'))
  transform = Transform(
    tokenizer=tokenizer, options=options, given=splits.given(given)
  )
  made_of = prepare_lib.key(sources, transform)
  run = pipeline(sources, transform, folder, flags)
  run.run().wait_until_finish()
  pieces = parts_lib.read_parts(folder, len(sources))
  return prepare_lib.write(pieces, sources, transform, out, made_of)


def pipeline(
  sources: Sequence[Source],
  transform: Transform,
  folder: pathlib.Path,
  flags: Sequence[str] = (),
) -> Any:
  """Returns the `apache_beam.Pipeline` that writes the parts.

  Args:
    sources: What to read.
    transform: What makes pieces of them.
    folder: Of the parts.
    flags: Beam's own; by default it runs here, on one core.

  Raises:
    AurlError: Beam is not installed (code `no_beam`).
  """
  beam, made = beam_lib.begin(flags)
  recipe = _plain(transform)
  rows = [(index, _row(source)) for index, source in enumerate(sources)]
  _ = (
    made
    | 'Sources' >> beam.Create(rows)
    | 'Spread' >> beam.Reshuffle()
    | 'Read and encode' >> beam.Map(_work, recipe=recipe)
    | 'By part' >> beam.GroupByKey()
    | 'Write parts' >> beam.Map(_write_bytes, folder=str(folder))
  )
  return made


def _row(source: Source) -> dict[str, str | None]:
  """Returns a source as plain values.

  Raises:
    DataError: It is no MIDI file (code `source`).
  """
  if not isinstance(source, MidiFile):
    try:
      source.read()
    except (OSError, ValueError) as error:
      code = getattr(error, 'code', 'unreadable')
      return {'name': source.name, 'code': code, 'reason': str(error)}
    raise DataError(
      f'{source.name} is no MIDI file; Beam prepares folders of MIDI only',
      code='source',
    )
  return {
    'name': source.name,
    'path': str(source.path),
    'split': source.split,
    'root': str(source.root) if source.root else None,
  }


def _work(
  row: tuple[int, dict[str, Any]], *, recipe: dict[str, Any]
) -> tuple[int, bytes]:
  """Runs on a worker: one row to (part, bytes)."""
  index, values = row
  if 'code' in values:
    piece = piece_lib.dropped(index, **values)
    return index // parts_lib.PART, piece.to_bytes()
  root = values['root']
  source = MidiFile(
    values['name'],
    pathlib.Path(values['path']),
    values['split'],
    pathlib.Path(root) if root else None,
  )
  piece = _transform(recipe)(index, source)
  return index // parts_lib.PART, piece.to_bytes()


def _plain(transform: Transform) -> dict[str, Any]:
  """Returns a transform as plain values, for another process."""
  return {
    'tokenizer': tokenizer_lib.save(transform.tokenizer),
    'options': transform.options.as_dict(),
    'given': dict(transform.given),
  }


def _transform(recipe: dict[str, Any]) -> Transform:
  """Inverts `_plain`."""
  saved = recipe['tokenizer']
  # Whoever starts the pipeline has named the class already.
  allow = (saved['name'].partition(':')[0],)
  return Transform(
    tokenizer=config.build(saved, 'tokenizer', allow),
    options=config.from_section(Options, recipe['options'], 'options'),
    given=recipe['given'],
  )


def _write_bytes(grouped: tuple[int, Iterable[bytes]], *, folder: str) -> str:
  """Runs on a worker: (part, its pieces) to a file."""
  part, pieces = grouped
  found = (Piece.from_bytes(piece) for piece in pieces)
  return parts_lib.write_part(pathlib.Path(folder), part, found)
