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
import logging
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.data import cache, duplicates, sources
from aurl_jax.data import piece as piece_lib
from aurl_jax.data import report as report_lib
from aurl_jax.data import splits as splits_lib
from aurl_jax.data.builders import note_sequences
from aurl_jax.data.builders.note_sequences import Example
from aurl_jax.data.parts import Piece
from aurl_jax.data.piece import Options, Transform
from aurl_jax.data.report import Report, Tally
from aurl_jax.data.sources import Source
from aurl_jax.data.store import Store
from aurl_jax.tokens import tokenizer as tokenizer_lib
from aurl_jax.tokens.tokenizer import Tokenizer

VERSION = 3
"""Of what is written; folders of another version are made anew."""
KEY = 'key.json'
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
  found = _found(source)
  given = splits_lib.given(splits)
  transform = Transform(
    tokenizer=tokenizer, options=options, given=given, store=store
  )
  made_of = key(found, tokenizer, given, options)
  out = pathlib.Path(out).expanduser()
  return _prepare(found, transform, out, made_of, progress or _silent)


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
  found = _found(source)
  given = splits_lib.given(splits)
  transform = Transform(
    tokenizer=tokenizer, options=options, given=given, store=store
  )
  made_of = key(found, tokenizer, given, options)
  digest = files.digest(json.dumps(made_of, sort_keys=True).encode())
  out = pathlib.Path(root) / f'{_short_name(source)}_{digest[:16]}'

  def waiting() -> None:
    _log.warning('another process prepares %s: waiting for it', out)

  with files.lock(out.with_name(f'.{out.name}.lock'), waiting):
    return _prepare(found, transform, out, made_of, progress or _silent)


def _found(source: files.StrPath | Sequence[Source]) -> Sequence[Source]:
  if isinstance(source, str | os.PathLike):
    source = sources.find(source)
  if not source:
    raise DataError('there are no sources to prepare', code='no_sources')
  return source


def _short_name(source: files.StrPath | Sequence[Source]) -> str:
  if not isinstance(source, str | os.PathLike):
    return 'pieces'
  name = pathlib.Path(source).expanduser().resolve().name
  return re.sub(r'[^A-Za-z0-9]+', '_', name)[:40]


def _prepare(
  found: Sequence[Source],
  transform: Transform,
  out: pathlib.Path,
  made_of: Mapping[str, Any],
  progress: Progress,
) -> Report:
  if _is_current(out, made_of):
    return Report.load(out)
  official = bool(transform.given) or any(one.split for one in found)
  with files.atomic_folder(out) as work:
    report = publish(
      _pieces(found, transform, progress),
      transform.tokenizer,
      work,
      out,
      official=official,
      near=transform.options.near,
    )
    write_key(work, made_of)
  return report


def write_key(folder: pathlib.Path, made_of: Mapping[str, Any]) -> None:
  """Writes what a prepared folder was made of."""
  files.write_atomic(folder / KEY, json.dumps(made_of, indent=1) + '\n')


def _pieces(
  found: Sequence[Source], transform: Transform, progress: Progress
) -> Iterator[Piece]:
  for index, source in enumerate(found):
    yield transform(index, source)
    progress(index + 1, len(found))


def _silent(done: int, total: int) -> None:
  del done, total


def key(
  found: Sequence[Source],
  tokenizer: Tokenizer,
  given: Mapping[str, str],
  options: Options,
) -> dict[str, Any]:
  """Returns what the prepared data depends on, as JSON values."""
  return piece_lib.recipe(tokenizer) | {
    'version': VERSION,
    'options': json.loads(json.dumps(options.as_dict())),
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


def publish(
  pieces: Iterable[Piece],
  tokenizer: Tokenizer,
  work: pathlib.Path,
  out: pathlib.Path,
  *,
  official: bool,
  near: duplicates.Options | None = None,
) -> Report:
  """Writes records, token cache and report of pieces.

  Args:
    pieces: In the order of their sources.
    tokenizer: What made their ids.
    work: The folder to fill.
    out: Where it will lie.
    official: Whether the set, or the caller, puts any piece into a split.
    near: Leaves out what is as near as this to an earlier piece.

  Raises:
    DataError: No piece can be used (code `nothing_usable`).
  """
  writer = cache.CacheWriter(
    work / 'tokens',
    sizes=tokenizer.codec.sizes,
    tokenizer=tokenizer_lib.save(tokenizer),
  )
  tally = Tally(work)
  with tally, writer:
    usable = _usable(pieces, tally, near)
    placed = splits_lib.decide(
      ((piece.file.split, piece.file.digest, piece) for piece in usable),
      held=0 if official else _HELD,
    )
    note_sequences.write(work / 'records', _keep(placed, tally, writer))
  report = tally.report(out)
  if not report.splits:
    raise _nothing(report)
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


def _nothing(report: Report) -> DataError:
  reasons = ', '.join(f'{n} × {code}' for code, n in report.reasons.items())
  files_ = report.counts['files']
  return DataError(
    f'none of {files_} files can be used ({reasons}); `aurl inspect FILE` '
    'says more about one, and another tokenizer may take what this one cannot',
    code='nothing_usable',
  )
