"""The transform of `aurl prepare` as an Apache Beam pipeline.

For corpora that one machine would read for days. Workers read, mend and
encode the files and write parts; then `merge` streams the parts, in the order
of the sources, into the same folder that `aurl prepare` makes. What costs
runs on the workers; the merge copies bytes.

Beam runs in an environment of its own (`tools/env/beam.txt`); only
`pipeline` imports it.
"""

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from aurl_jax.core import config, files
from aurl_jax.core.errors import AurlError, DataError
from aurl_jax.data import cache, metadata, report, splits
from aurl_jax.data import parts as parts_lib
from aurl_jax.data.builders import note_sequences
from aurl_jax.data.builders.note_sequences import Example
from aurl_jax.data.parts import Piece
from aurl_jax.data.report import FileReport, Report, Tally
from aurl_jax.data.sources import MidiFile, Source
from aurl_jax.tokens import tokenizer as tokenizer_lib
from aurl_jax.tokens.tokenizer import Tokenizer

_HELD = 100
"""As in `data.prepare`: so many pieces are split together."""


def transform(
  index: int, source: Source, tokenizer: Tokenizer, given: Mapping[str, str]
) -> Piece:
  """Reads and encodes one source; what cannot be used says why.

  Args:
    index: Of the source.
    source: What to read.
    tokenizer: Makes the ids.
    given: Name or digest -> split.
  """
  try:
    return _transformed(index, source, tokenizer, given)
  except (OSError, ValueError) as error:
    code = getattr(error, 'code', 'unreadable')
    file = FileReport(
      name=source.name, status='dropped', code=code, reason=str(error)
    )
    return Piece(index=index, file=file)


def _transformed(
  index: int, source: Source, tokenizer: Tokenizer, given: Mapping[str, str]
) -> Piece:
  reading = source.read()
  notes = reading.notes
  if not len(notes):
    raise DataError(f'{source.name} has no notes', code='no_notes')
  told = metadata.describe(source, notes)
  issues = (*reading.issues, *told.issues)
  digest = splits.digest(notes)
  ids = tokenizer.encode(notes)
  example = note_sequences.as_example(notes, source.name, digest, told.metadata)
  split = given.get(digest) or given.get(source.name) or source.split or ''
  return Piece(
    index=index,
    file=FileReport(
      name=source.name,
      status='repaired' if issues else 'ok',
      split=split,
      digest=digest,
      notes=len(notes),
      steps=len(ids),
      issues=tuple((i.code, i.where, i.action) for i in issues),
    ),
    sequence=example['sequence'],
    ids=np.asarray(ids, np.int64),
    bars=np.asarray(tokenizer.bar_steps(ids), np.int64),
    described=report.describe(notes, len(ids), told.metadata),
  )


def merge(
  pieces: Iterable[Piece],
  tokenizer: Tokenizer,
  out: files.StrPath,
  *,
  official: bool,
) -> Report:
  """Writes a prepared folder from what the workers made.

  Args:
    pieces: In the order of their sources.
    tokenizer: What made their ids.
    out: The folder to publish; it appears whole or not at all.
    official: Whether the set, or the caller, puts any piece into a split.

  Raises:
    DataError: No piece can be used (code `nothing_usable`).
  """
  out = pathlib.Path(out).expanduser()
  with files.atomic_folder(out) as work:
    writer = cache.CacheWriter(
      work / 'tokens',
      sizes=tokenizer.codec.sizes,
      tokenizer=tokenizer_lib.save(tokenizer),
    )
    tally = Tally(work)
    with tally, writer:
      kept = _keep(pieces, tally, writer, held=0 if official else _HELD)
      note_sequences.write(work / 'records', kept)
    done = tally.report(out)
    if not done.splits:
      raise DataError(
        f'none of {done.counts["files"]} files can be used: {done.reasons}',
        code='nothing_usable',
      )
  return done


def _keep(
  pieces: Iterable[Piece], tally: Tally, writer: cache.CacheWriter, held: int
) -> Iterator[tuple[str, Example]]:
  """Adds pieces to cache and report, and yields their records."""

  def usable() -> Iterator[tuple[str, str, Piece]]:
    for piece in pieces:
      if piece.file.status == 'dropped':
        tally.add(piece.file)
      else:
        yield piece.file.split, piece.file.digest, piece

  for split, piece in splits.decide(usable(), held):
    file = dataclasses.replace(piece.file, split=split)
    writer.add(split, dataclasses.asdict(file), piece.ids, piece.bars)
    tally.add(file)
    tally.add_described(piece.described)
    yield (
      split,
      {'id': file.name, 'digest': file.digest, 'sequence': piece.sequence},
    )


def prepare(
  sources: Sequence[Source],
  tokenizer: Tokenizer,
  out: files.StrPath,
  *,
  given: str | Mapping[str, str] | None = None,
  parts: files.StrPath | None = None,
  flags: Sequence[str] = (),
) -> Report:
  """Prepares a corpus with Beam; the folder is as `aurl prepare` makes it.

  Args:
    sources: MIDI files that every worker can read.
    tokenizer: Makes the ids; an object of a class that can be named.
    out: The folder to publish.
    given: Name or digest -> split, or a frozen table's name.
    parts: A folder that workers and this process share; by default beside
      `out`. It stays, so that a merge can be run again.
    flags: Beam's own, such as `--runner=FlinkRunner`.

  Raises:
    AurlError: Beam is not installed (code `no_beam`).
    DataError: As `merge` and `parts.read_parts`.
  """
  if not sources:
    raise DataError('there are no sources to prepare', code='no_sources')
  out = pathlib.Path(out).expanduser()
  folder = pathlib.Path(parts or out.with_name(out.name + '.parts'))
  told = splits.given(given)
  run = pipeline(sources, tokenizer_lib.save(tokenizer), told, folder, flags)
  run.run().wait_until_finish()
  official = bool(told) or any(source.split for source in sources)
  pieces = parts_lib.read_parts(folder, len(sources))
  return merge(pieces, tokenizer, out, official=official)


def pipeline(
  sources: Sequence[Source],
  saved: Any,
  given: Mapping[str, str],
  folder: pathlib.Path,
  flags: Sequence[str] = (),
) -> Any:
  """Returns the `apache_beam.Pipeline` that writes the parts.

  Args:
    sources: What to read.
    saved: The tokenizer, as `tokenizer.save` gives it.
    given: Name or digest -> split.
    folder: Of the parts.
    flags: Beam's own; by default it runs here, on one core.

  Raises:
    AurlError: Beam is not installed (code `no_beam`).
  """
  try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
  except ImportError as error:
    raise AurlError(
      'Apache Beam is not installed here; make its own environment, as '
      'tools/env/beam.txt says',
      code='no_beam',
    ) from error
  rows = [(index, _row(source)) for index, source in enumerate(sources)]
  made = beam.Pipeline(options=PipelineOptions(list(flags)))
  _ = (
    made
    | 'Sources' >> beam.Create(rows)
    | 'Spread' >> beam.Reshuffle()
    | 'Read and encode' >> beam.Map(_work, saved=saved, given=dict(given))
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
  row: tuple[int, dict[str, Any]], *, saved: Any, given: dict[str, str]
) -> tuple[int, bytes]:
  """Runs on a worker: one row to (part, bytes)."""
  index, values = row
  if 'code' in values:
    file = FileReport(status='dropped', **values)
    return index // parts_lib.PART, Piece(index=index, file=file).to_bytes()
  root = values['root']
  source = MidiFile(
    values['name'],
    pathlib.Path(values['path']),
    values['split'],
    pathlib.Path(root) if root else None,
  )
  # Whoever starts the pipeline has named the class already.
  allow = (saved['name'].partition(':')[0],)
  tokenizer = config.build(saved, 'tokenizer', allow)
  piece = transform(index, source, tokenizer, given)
  return index // parts_lib.PART, piece.to_bytes()


def _write_bytes(grouped: tuple[int, Iterable[bytes]], *, folder: str) -> str:
  """Runs on a worker: (part, its pieces) to a file."""
  part, pieces = grouped
  found = (Piece.from_bytes(piece) for piece in pieces)
  return parts_lib.write_part(pathlib.Path(folder), part, found)
