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
import functools
import hashlib
import json
import logging
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.data import cache, duplicates, excerpts, sources
from aurl_jax.data import piece as piece_lib
from aurl_jax.data import report as report_lib
from aurl_jax.data import splits as splits_lib
from aurl_jax.data import store as store_lib
from aurl_jax.data.builders import note_sequences
from aurl_jax.data.builders.note_sequences import Example
from aurl_jax.data.cache import KEY
from aurl_jax.data.parts import Piece
from aurl_jax.data.piece import Options, Transform
from aurl_jax.data.preprocess import Preprocess
from aurl_jax.data.report import Report, Tally
from aurl_jax.data.sources import Source
from aurl_jax.data.store import Store
from aurl_jax.tokens import tokenizer as tokenizer_lib
from aurl_jax.tokens.tokenizer import Tokenizer

VERSION = 3
"""Of what is written; folders of another version are made anew."""
_HELD = 100
"""So many pieces are split together. Of more, chance leaves a split of a
tenth empty once in 38,000 sets."""

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Told how many sources are done, of how many."""


def prepare(
  source: files.StrPath | Sequence[Source],
  tokenizer: Tokenizer,
  out: files.StrPath,
  *,
  options: Options = piece_lib.UNCHANGED,
  splits: str | Mapping[str, str] | None = None,
  progress: Progress | None = None,
  store: Store | None = None,
) -> Report:
  """Prepares music for training, or finds it prepared.

  Args:
    source: Sources, or what `sources.find` takes.
    tokenizer: Makes the ids.
    out: The folder to publish; replaced if it holds other prepared data.
    options: What is done to pieces, and which are left out.
    splits: Name or digest -> split, or a frozen table's name. What is not in
      it goes by the source's own split, then by the digest of its music.
    progress: Called after each source.
    store: Keeps single pieces, for this set made anew and for others.

  Returns:
    What became of every file; `report.reused` if nothing had to be done.

  Raises:
    DataError: No source can be used, or `out` holds something else.
  """
  transform = _transform(tokenizer, options, splits, store)
  job = _job(_found(source), transform, progress)
  return job.run(pathlib.Path(out).expanduser())


def keep(
  source: files.StrPath | Sequence[Source],
  tokenizer: Tokenizer,
  root: files.StrPath,
  *,
  options: Options = piece_lib.UNCHANGED,
  splits: str | Mapping[str, str] | None = None,
  progress: Progress | None = None,
  store: Store | None = None,
) -> Report:
  """Prepares music in a folder of its own, named by what it is made of.

  As `prepare`, for a folder that many sets share: whatever changes, a file,
  an option or this library, leads to another folder, and nothing that is in
  use is ever replaced. Of processes that ask for the same set at once, one
  makes it and the others wait.

  Args:
    source: As of `prepare`.
    tokenizer: As of `prepare`.
    root: The folder of the folders.
    options: As of `prepare`.
    splits: As of `prepare`.
    progress: As of `prepare`.
    store: As of `prepare`.

  Returns:
    As `prepare`; its `folder` is where the set lies.

  Raises:
    DataError: As `prepare`.
  """
  transform = _transform(tokenizer, options, splits, store)
  job = _job(_found(source), transform, progress)
  name = f'{_short_name(source)}_{store_lib.key_of(job.made_of)[:16]}'
  out = pathlib.Path(root) / name

  def waiting() -> None:
    _log.warning('another process prepares %s: waiting for it', out)

  with files.lock(out.with_name(f'.{out.name}.lock'), waiting):
    return job.run(out)


def _found(source: files.StrPath | Sequence[Source]) -> Sequence[Source]:
  if isinstance(source, str | os.PathLike):
    source = sources.find(source)
  if not source:
    raise DataError('there are no sources to prepare', code='no_sources')
  return source


def _short_name(source: files.StrPath | Sequence[Source]) -> str:
  if not isinstance(source, str | os.PathLike):
    return 'pieces'
  name = '_'.join(
    pathlib.Path(part).expanduser().resolve().name
    for part in files.parts(source)
  )
  return re.sub(r'[^A-Za-z0-9]+', '_', name)[:40]


def _transform(
  tokenizer: Tokenizer,
  options: Options,
  splits: str | Mapping[str, str] | None,
  store: Store | None,
) -> Transform:
  return Transform(
    tokenizer=tokenizer,
    options=options,
    given=splits_lib.given(splits),
    store=store,
  )


def _job(
  found: Sequence[Source], transform: Transform, progress: Progress | None
) -> '_Job':
  """Returns the job, of excerpts if they are asked for."""
  options = transform.options
  if options.excerpt:
    found = excerpts.of(
      found,
      options.excerpt,
      preprocess=options.preprocess,
      given=transform.given,
      store=transform.store,
    )
    # Whole pieces have been changed before they were cut.
    cut = dataclasses.replace(options, preprocess=Preprocess())
    transform = dataclasses.replace(transform, options=cut)
  return _Job(found, transform, progress or _silent)


@dataclasses.dataclass(frozen=True)
class _Job:
  """One pass over sources."""

  found: Sequence[Source]
  transform: Transform
  progress: Progress

  @functools.cached_property
  def made_of(self) -> dict[str, Any]:
    """The key of what the job makes."""
    return key(self.found, self.transform)

  def run(self, out: pathlib.Path) -> Report:
    """Makes the folder, unless it is there as it would be made."""
    if _is_current(out, self.made_of):
      return Report.load(out)
    return write(self._pieces(), self.found, self.transform, out, self.made_of)

  def _pieces(self) -> Iterator[Piece]:
    for index, source in enumerate(self.found):
      yield self.transform(index, source)
      self.progress(index + 1, len(self.found))


def _silent(done: int, total: int) -> None:
  del done, total


def key(found: Sequence[Source], transform: Transform) -> dict[str, Any]:
  """Returns what the prepared data depends on, as JSON values."""
  given = json.dumps(transform.given, sort_keys=True)
  return piece_lib.recipe(transform.tokenizer) | {
    'version': VERSION,
    'options': json.loads(json.dumps(transform.options.as_dict())),
    'splits': files.digest(given.encode()),
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


def write(
  pieces: Iterable[Piece],
  found: Sequence[Source],
  transform: Transform,
  out: pathlib.Path,
  made_of: Mapping[str, Any],
) -> Report:
  """Publishes records, token cache and report of the pieces of sources.

  Args:
    pieces: In the order of their sources.
    found: The sources.
    transform: What made pieces of them.
    out: The folder.
    made_of: The `key` of all this, taken before the sources were read.

  Raises:
    DataError: No piece can be used (code `nothing_usable`).
  """
  # Whether the set, or the caller, puts any piece into a split.
  official = bool(transform.given) or any(source.split for source in found)
  with files.atomic_folder(out) as work:
    tally = Tally(work)
    writer = cache.CacheWriter(
      work / 'tokens',
      sizes=transform.tokenizer.codec.sizes,
      tokenizer=tokenizer_lib.save(transform.tokenizer),
    )
    with tally, writer:
      usable = _usable(pieces, tally, transform.options.near)
      placed = splits_lib.decide(
        ((piece.file.split, piece.file.digest, piece) for piece in usable),
        held=0 if official else _HELD,
      )
      note_sequences.write(work / 'records', _keep(placed, tally, writer))
    report = tally.report(out)
    if not report.splits:
      raise _nothing(report, work)
    files.write_atomic(work / KEY, json.dumps(made_of, indent=1) + '\n')
  return report


def _usable(
  pieces: Iterable[Piece], tally: Tally, near: duplicates.Options | None
) -> Iterator[Piece]:
  """Yields what can be used, and reports what cannot."""
  known = duplicates.Duplicates(near) if near else None
  for piece in pieces:
    file = piece.file
    first = None
    if known is not None and file.status != 'dropped':
      first = known.add(file.name, piece.notes())
    if first is not None:
      reason = f'{file.name} is the music of {first}, or very near to it'
      piece = piece_lib.dropped(piece.index, file.name, 'duplicate', reason)
    if piece.file.status == 'dropped':
      tally.add(piece.file)
    else:
      yield piece


def _keep(
  pieces: Iterable[tuple[str, Piece]], tally: Tally, writer: cache.CacheWriter
) -> Iterator[tuple[str, Example]]:
  """Adds pieces to cache and report, and yields their records."""
  for split, piece in pieces:
    file = dataclasses.replace(piece.file, split=split)
    writer.add(split, dataclasses.asdict(file), piece.ids, piece.bars)
    tally.add(file)
    tally.add_described(piece.described)
    yield (
      split,
      {'id': file.name, 'digest': file.digest, 'sequence': piece.sequence},
    )


def _nothing(report: Report, work: pathlib.Path) -> DataError:
  """Returns the error for a set of which nothing is left, with an example."""
  reasons = ', '.join(f'{n} × {code}' for code, n in report.reasons.items())
  first = dataclasses.replace(report, folder=work).files()[0]
  named = first.name in first.reason
  example = first.reason if named else f'{first.name}: {first.reason}'
  return DataError(
    f'none of {report.counts["files"]} files can be used ({reasons}), such as '
    f'{example}; `aurl inspect FILE` says more about one, and another '
    'tokenizer may take what this one cannot',
    code='nothing_usable',
  )
