"""From sources to a prepared folder: records, token cache, report.

    out/records/     NoteSequences, read by TFDS (`data.builders`)
    out/tokens/      ids, memory-mapped (`data.cache`)
    out/report.json, out/files.jsonl
    out/key.json     what all of it was made of

One pass, one piece in memory at a time (a few dozen small ones while a set
is so small that chance might leave a split empty). The folder appears whole
or not at all, and is used again as long as its key would be the same.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import aurl_jax
from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.data import cache, metadata, sources
from aurl_jax.data import report as report_lib
from aurl_jax.data import splits as splits_lib
from aurl_jax.data.builders import note_sequences
from aurl_jax.data.builders.note_sequences import Example
from aurl_jax.data.metadata import Metadata
from aurl_jax.data.report import FileReport, Report, Tally
from aurl_jax.data.sources import Source
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import tokenizer as tokenizer_lib
from aurl_jax.tokens.tokenizer import Tokenizer

VERSION = 2
"""Of what is written; folders of another version are made anew."""
KEY = 'key.json'
_HELD = 100
"""So many pieces are split together. Of more, chance leaves a split of a
tenth empty once in 38,000 sets."""

Progress = Callable[[int, int], None]
"""Told how many sources are done, of how many."""


def prepare(
  source: files.StrPath | Sequence[Source],
  tokenizer: Tokenizer,
  out: files.StrPath,
  *,
  splits: str | Mapping[str, str] | None = None,
  progress: Progress | None = None,
) -> Report:
  """Prepares music for training, or finds it prepared.

  Args:
    source: Sources, or what `sources.find` takes.
    tokenizer: Makes the ids.
    out: The folder to publish; replaced if it holds other prepared data.
    splits: Name or digest -> split, or a frozen table's name. What is not in
      it goes by the source's own split, then by the digest of its music.
    progress: Called after each source.

  Returns:
    What became of every file; `report.reused` if nothing had to be done.

  Raises:
    DataError: No source can be used, or `out` holds something else.
  """
  if isinstance(source, str | os.PathLike):
    source = sources.find(source)
  if not source:
    raise DataError('there are no sources to prepare', code='no_sources')
  out = pathlib.Path(out).expanduser()
  given = splits_lib.given(splits)
  key = _key(source, tokenizer, given)
  if _is_current(out, key):
    return Report.load(out)
  with files.atomic_folder(out) as work:
    job = _Job(tokenizer, given, Tally(work))
    report = job.run(source, work, out, progress or _silent)
    files.write_atomic(work / KEY, json.dumps(key, indent=1) + '\n')
  return report


def _silent(done: int, total: int) -> None:
  del done, total


def _key(
  found: Sequence[Source], tokenizer: Tokenizer, given: Mapping[str, str]
) -> dict[str, Any]:
  """Returns what the prepared data depends on, as JSON values."""
  return {
    'version': VERSION,
    'library': aurl_jax.__version__,
    'tokenizer': json.loads(json.dumps(tokenizer_lib.save(tokenizer))),
    'codec': files.digest(repr(tokenizer.codec).encode()),
    'splits': files.digest(json.dumps(given, sort_keys=True).encode()),
    'count': len(found),
    'sources': _digest(found),
  }


def _digest(found: Sequence[Source]) -> str:
  sha = hashlib.sha256()
  for source in found:
    try:
      content = source.digest()
    except OSError as error:
      # Once it can be read, the key differs and all is made anew.
      content = f'unreadable {error.errno}'
    sha.update(json.dumps([source.name, source.split, content]).encode())
  return sha.hexdigest()


def _is_current(out: pathlib.Path, key: Mapping[str, Any]) -> bool:
  """Returns whether `out` holds what `key` says, undamaged.

  Raises:
    DataError: `out` holds something that was not prepared here.
  """
  try:
    stored = json.loads((out / KEY).read_text())
  except (OSError, ValueError) as error:
    foreign = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if foreign and not (out / KEY).exists():
      raise DataError(
        f'{out} holds other files, which are not overwritten; name a new '
        'folder or empty this one',
        code='not_ours',
      ) from error
    return False
  if stored != key or not (out / report_lib.REPORT).exists():
    return False
  try:
    cache.TokenCache.open(out)
  except DataError:
    return False
  return True


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Piece:
  """A piece that can be used, on its way to the records and the cache.

  `split` is empty as long as nothing has decided it.
  """

  name: str
  split: str
  digest: str
  notes: Notes
  ids: np.ndarray
  issues: tuple[Any, ...]
  metadata: Metadata


class _Job:
  """One pass over the sources."""

  def __init__(
    self, tokenizer: Tokenizer, given: Mapping[str, str], tally: Tally
  ) -> None:
    self._tokenizer = tokenizer
    self._given = given
    self._tally = tally

  def run(
    self,
    found: Sequence[Source],
    work: pathlib.Path,
    out: pathlib.Path,
    progress: Progress,
  ) -> Report:
    """Fills `work`, which will become `out`."""
    writer = cache.CacheWriter(
      work / 'tokens',
      sizes=self._tokenizer.codec.sizes,
      tokenizer=tokenizer_lib.save(self._tokenizer),
    )
    official = bool(self._given) or any(source.split for source in found)
    pieces = splits_lib.decide(
      ((p.split, p.digest, p) for p in self._read(found, progress)),
      held=0 if official else _HELD,
    )
    with self._tally, writer:
      note_sequences.write(work / 'records', self._keep(pieces, writer))
    report = self._tally.report(out)
    if not report.splits:
      raise _nothing(report)
    return report

  def _read(
    self, found: Sequence[Source], progress: Progress
  ) -> Iterator[_Piece]:
    """Yields what can be used, and reports what cannot."""
    for done, source in enumerate(found, 1):
      try:
        yield self._piece(source)
      except (OSError, ValueError) as error:
        self._tally.add(
          FileReport(
            name=source.name,
            status='dropped',
            code=getattr(error, 'code', 'unreadable'),
            reason=str(error),
          )
        )
      progress(done, len(found))

  def _piece(self, source: Source) -> _Piece:
    reading = source.read()
    if not len(reading.notes):
      raise DataError(f'{source.name} has no notes', code='no_notes')
    told = metadata.describe(source, reading.notes)
    digest = splits_lib.digest(reading.notes)
    given = self._given.get(digest) or self._given.get(source.name)
    return _Piece(
      name=source.name,
      split=given or source.split or '',
      digest=digest,
      notes=reading.notes,
      ids=self._tokenizer.encode(reading.notes),
      issues=(*reading.issues, *told.issues),
      metadata=told.metadata,
    )

  def _keep(
    self, pieces: Iterator[tuple[str, _Piece]], writer: cache.CacheWriter
  ) -> Iterator[tuple[str, Example]]:
    """Adds pieces to cache and report, and yields their records."""
    for split, piece in pieces:
      file = FileReport(
        name=piece.name,
        status='repaired' if piece.issues else 'ok',
        split=split,
        digest=piece.digest,
        notes=len(piece.notes),
        steps=len(piece.ids),
        issues=tuple((i.code, i.where, i.action) for i in piece.issues),
      )
      bars = self._tokenizer.bar_steps(piece.ids)
      writer.add(split, dataclasses.asdict(file), piece.ids, bars)
      self._tally.add(file)
      self._tally.add_music(piece.notes, file.steps, piece.metadata)
      yield (
        split,
        note_sequences.as_example(
          piece.notes, piece.name, piece.digest, piece.metadata
        ),
      )


def _nothing(report: Report) -> DataError:
  reasons = ', '.join(f'{n} × {code}' for code, n in report.reasons.items())
  files_ = report.counts['files']
  return DataError(
    f'none of {files_} files can be used ({reasons}); `aurl inspect FILE` '
    'says more about one, and another tokenizer may take what this one cannot',
    code='nothing_usable',
  )
