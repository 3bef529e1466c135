"""What studies hear in a file or in a folder, as JSON, numbers and a page.

out/index.html      pictures of some pieces, a table of features
out/a/song.json     what is told of a piece
out/features.csv    a row a piece
out/records.jsonl   all lines (`studies.analysis`); a run that was killed
                    goes on by them
"""

import collections
import csv
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.data import sources
from aurl_jax.experiment import analysis_page, features, progress
from aurl_jax.studies import corpus
from aurl_jax.studies import study as study_lib
from aurl_jax.studies.corpus import Item, Row
from aurl_jax.studies.study import Study, StudyError

_FORMULAS = ('=', '+', '-', '@', '\t', '\r')
"""How formulas begin."""
RECORDS, TABLE, PAGE = 'records.jsonl', 'features.csv', 'index.html'
_MOST_ROWS, _MOST_ERRORS = 200, 100
"""Pieces and errors that the page lists; the files hold all."""

Studies = Mapping[str, Study[Any]]


def cell(text: str) -> str:
  """Returns text as a cell that no table program takes for a formula.

  Example:
    >>> cell('=1+1.mid'), cell('a=b.mid')
    ("'=1+1.mid", 'a=b.mid')
  """
  return f"'{text}" if text[:1] in _FORMULAS else text


class Found(NamedTuple):
  """What a path stands for.

  Attributes:
    items: Its pieces, sorted by name.
    single: Whether it is one file.
  """

  items: list[Item]
  single: bool


def find(path: files.StrPath) -> Found:
  """Returns the pieces of a MIDI file, or of a folder of them.

  Raises:
    DataError: The path is not there (code `no_path`), or as `sources.folder`.
  """
  path = pathlib.Path(path).expanduser()
  if path.is_dir():
    return Found(
      [_item(source, path) for source in sources.folder(path)], False
    )
  if not path.exists():
    raise DataError(
      f'{path} does not exist; name a MIDI file, or a folder of them',
      code='no_path',
    )
  return Found([Item(path.name, path)], True)


def _item(source: sources.Source, root: pathlib.Path) -> Item:
  # What cannot be listed cannot be read either, and says so then.
  return Item(source.name, getattr(source, 'path', root / source.name))


def studies_named(wanted: str) -> Studies:
  """Returns studies by names with commas between them, or `all` of them.

  Raises:
    StudyError: As `study.load`, or none is named (code `study.none`).
  """
  asked = [name.strip() for name in wanted.split(',') if name.strip()]
  if 'all' in asked:
    asked = list(study_lib.names())
  if not asked:
    raise StudyError(
      'no study is named; name some with commas between them, or all',
      code='study.none',
    )
  return study_lib.load(list(dict.fromkeys(asked)))


def told(
  path: files.StrPath, wanted: str = 'all', *, workers: int | None = None
) -> Iterator[dict[str, Any]]:
  """Yields what is told of each piece, and writes nothing.

  Args:
    path: A MIDI file, or a folder of them.
    wanted: As of `studies_named`.
    workers: Processes for a folder; by default one a core.

  Yields:
    Of a file, the parts that its studies tell, side by side. Of each file of
    a folder the same with its name as `file`, and `error` (`code`, `message`)
    where it cannot be read or a study failed.

  Raises:
    DataError: There is no such path, or a single file cannot be heard.
    StudyError: As `studies_named` and `corpus.merged`.
  """
  found, studies = find(path), studies_named(wanted)
  workers = 0 if found.single else workers
  for rows in corpus.stream(found.items, studies, workers=workers):
    yield _told(rows, single=found.single)


def written(
  path: files.StrPath, out: files.StrPath
) -> Iterator[dict[str, Any]]:
  """Yields as `told` what `write` has found, without hearing it again."""
  single = find(path).single
  for rows in corpus.by_piece(corpus.read(pathlib.Path(out) / RECORDS)):
    yield _told(rows, single=single)


def _told(rows: Sequence[Row], *, single: bool) -> dict[str, Any]:
  if single:
    _check(rows)
    return corpus.merged(rows)
  return {'file': rows[0]['piece'], **_error(rows), **corpus.merged(rows)}


def summary(
  path: files.StrPath, wanted: str = 'all', *, workers: int | None = None
) -> tuple[features.Table, int, list[Row]]:
  """Returns features over a folder, how many pieces, and lines of errors."""
  found, studies = find(path), studies_named(wanted)
  table, errors = features.Table(), []
  for rows in corpus.stream(found.items, studies, workers=workers):
    table.add(features.flat(rows))
    errors += [row for row in rows if 'error' in row]
  return table, len(found.items), errors


def write(
  path: files.StrPath,
  out: files.StrPath,
  wanted: str = 'all',
  *,
  pictures: int = 12,
  workers: int | None = None,
  quiet: bool = False,
) -> dict[str, Any]:
  """Hears a file or a folder and writes JSON, a table and a page.

  Args:
    path: A MIDI file, or a folder of them.
    out: The folder to write to. What a run there has heard already, even one
      that was killed, is not heard again.
    wanted: As of `studies_named`.
    pictures: Pieces of which the page has pictures, from all over the folder.
    workers: As of `told`.
    quiet: Whether to show no progress.

  Returns:
    `page`, `pieces`, `kept` (heard before), `unreadable` (pieces) and
    `failed` (times that a study failed).

  Raises:
    DataError: As `told`, or nothing could be heard (code `nothing_usable`).
    StudyError: As `told`.
    AurlError: The folder is in use or cannot be written.
  """
  found, studies = find(path), studies_named(wanted)
  folder = pathlib.Path(out).expanduser()
  folder.mkdir(parents=True, exist_ok=True)
  with progress.bar('hearing', quiet=quiet) as bar:
    report = corpus.run(
      found.items,
      studies,
      folder / RECORDS,
      workers=0 if found.single else workers,
      progress=(lambda done: bar(done, len(found.items))) if bar else None,
    )
  heard = _Heard(folder, found, studies)
  heard.write(pictures)
  return {
    'page': str(folder / PAGE),
    'pieces': report.pieces,
    'kept': report.kept,
    'unreadable': heard.unreadable,
    'failed': heard.failed,
  }


class _Heard:
  """A finished file of lines, and what is made of it."""

  def __init__(
    self, folder: pathlib.Path, found: Found, studies: Studies
  ) -> None:
    self._folder, self._found, self._studies = folder, found, studies
    self._names = _json_names(item.name for item in found.items)
    self._table = features.Table()
    self._errors: list[Row] = []
    self.unreadable = self.failed = self._good = 0

  def write(self, pictures: int) -> None:
    """Writes all files."""
    for rows in self._pieces():
      self._take(rows)
    if not self._good:
      raise _nothing(self._errors, len(self._found.items))
    listed = self._write_table()
    shown = [self._shown(rows) for rows in self._chosen(pictures)]
    page = analysis_page.page(
      self._found.items[0].name if self._found.single else '',
      self._counts(),
      self._table,
      shown,
      listed,
      self._errors,
    )
    files.write_atomic(self._folder / PAGE, page)

  def _pieces(self) -> Iterator[list[Row]]:
    return corpus.by_piece(corpus.read(self._folder / RECORDS))

  def _take(self, rows: Sequence[Row]) -> None:
    """Counts a piece and writes its JSON."""
    if self._found.single:
      _check(rows)
    bad = [row for row in rows if 'error' in row]
    room = _MOST_ERRORS - len(self._errors)
    self._errors += bad[: max(0, room)]
    if rows[0]['study'] is None:
      self.unreadable += 1
      return
    self.failed += len(bad)
    self._good += not bad
    self._table.add(features.flat(rows))
    self._write_json(rows)

  def _write_json(self, rows: Sequence[Row]) -> None:
    told = corpus.merged(rows)
    numbers = {r['study']: r['features'] for r in rows if 'features' in r}
    text = json.dumps({**told, 'features': numbers, **_error(rows)}) + '\n'
    path = self._folder / self._names[rows[0]['piece']]
    # Made again and again, a big folder costs reads and no writes.
    if not path.exists() or path.read_text() != text:
      files.write_atomic(path, text)

  def _write_table(self) -> list[dict[str, Any]]:
    """Writes the rows of all pieces, and returns the first of them."""
    names = self._table.names
    listed: list[dict[str, Any]] = []
    part = self._folder / f'.{TABLE}.part'
    with files.disk_errors(part), part.open('w', encoding='utf-8') as file:
      writer = csv.DictWriter(file, ['piece', *names], lineterminator='\n')
      writer.writeheader()
      for rows in self._pieces():
        if rows[0]['study'] is None:
          continue
        row = {'piece': cell(rows[0]['piece']), **features.flat(rows)}
        writer.writerow(row)
        if len(listed) < _MOST_ROWS:
          listed.append(row)
    part.replace(self._folder / TABLE)
    return listed

  def _chosen(self, count: int) -> Iterator[list[Row]]:
    """Yields pieces that were heard, evenly from all of them."""
    count = min(count, self._good)
    places = np.linspace(0, self._good - 1, count).astype(int).tolist()
    wanted, good = set(places), 0
    for rows in self._pieces() if count > 0 else ():
      if any('error' in row for row in rows):
        continue
      if good in wanted:
        yield rows
      good += 1

  def _shown(self, rows: Sequence[Row]) -> analysis_page.Shown:
    name = rows[0]['piece']
    music = next(i.music for i in self._found.items if i.name == name)
    return analysis_page.Shown(
      name=name,
      file=self._names[name],
      told=corpus.merged(rows),
      pictures=analysis_page.pictures(Item(name, music), self._studies),
    )

  def _counts(self) -> dict[str, Any]:
    return {
      'pieces': len(self._found.items),
      'unreadable': self.unreadable,
      'failures of studies': self.failed,
      'studies': ', '.join(self._studies),
    }


def _json_names(names: Iterable[str]) -> dict[str, str]:
  """Returns a file for each piece: its name without the suffix.

  Where that would be one for two pieces, they keep their suffixes.
  """
  names = list(names)
  stems = [os.path.splitext(name)[0] for name in names]
  often = collections.Counter(stems)
  return {
    name: f'{name if often[stem] > 1 else stem}.json'
    for name, stem in zip(names, stems, strict=True)
  }


def _error(rows: Sequence[Row]) -> dict[str, Any]:
  """Returns the first error of a piece as `error`, or nothing."""
  return next(({'error': r['error']} for r in rows if 'error' in r), {})


def _check(rows: Sequence[Row]) -> None:
  """Raises DataError where a single piece has an error."""
  for row in rows:
    if 'error' in row:
      raise DataError(row['error']['message'], code=row['error']['code'])


def _nothing(errors: Sequence[Row], count: int) -> DataError:
  first = errors[0]
  return DataError(
    f'none of {count} files can be heard, such as {first["piece"]}: '
    f'{first["error"]["message"]}',
    code='nothing_usable',
  )
