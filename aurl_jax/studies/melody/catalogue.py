"""A catalogue of melodies and their motifs: one SQLite file.

Tables `melodies`, `motifs`, `words` and `about`. It is written whole or not at
all, and read only: whoever adds to it writes it anew. What is asked for is
found by intervals, so in any key; `words` finds those worth comparing.
"""

import contextlib
import dataclasses
import json
import pathlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import AurlError
from aurl_jax.studies.melody import grams, likeness
from aurl_jax.studies.melody.line import Line
from aurl_jax.studies.melody.motifs import Motif

KIND, VERSION = 'aurl_jax melodies', 1
_STEPS = 3
"""Steps of the words that melodies are looked up by."""
_COMPARED = 60
"""Melodies that are compared note by note."""
_TABLES = """
create table about (kind text, version integer);
create table melodies (
  id integer primary key, name text unique, notes text, intervals text);
create table motifs (
  id integer primary key, melody integer references melodies,
  notes text, intervals text, spans text, kinds text, saved real);
create table words (word integer, melody integer, count integer,
  primary key (word, melody)) without rowid;
"""


class CatalogueError(AurlError):
  """A file that is no catalogue, or something that none can hold."""


@dataclasses.dataclass(frozen=True)
class Entry:
  """A melody to be kept.

  Attributes:
    name: Of the piece; no two have the same.
    line: Its melody.
    motifs: Its motifs.
  """

  name: str
  line: Line
  motifs: Sequence[Motif] = ()


@dataclasses.dataclass(frozen=True)
class Match:
  """What was found.

  Attributes:
    name: Of the piece.
    score: 0..1, 1 for equal.
    places: Quarter notes at which it stands in the piece, ascending.
    line: What is alike: a melody, or a motif from onset 0.
  """

  name: str
  score: float
  places: tuple[float, ...]
  line: Line


def write(path: files.StrPath, entries: Iterable[Entry]) -> int:
  """Writes a catalogue; returns how many melodies it has.

  Args:
    path: The file; one that is there is replaced when all is done.
    entries: The melodies; those without notes are left out.

  Raises:
    CatalogueError: Two have one name (code `catalogue.name`).
    AurlError: The file cannot be written (as `files.write_atomic`).
  """
  with contextlib.closing(sqlite3.connect(':memory:')) as base:
    base.executescript(_TABLES)
    base.execute('insert into about values (?, ?)', (KIND, VERSION))
    count = sum(_add(base, entry) for entry in entries if len(entry.line))
    base.commit()
    files.write_atomic(path, base.serialize())
  return count


def _add(base: sqlite3.Connection, entry: Entry) -> int:
  """Adds a melody."""
  line = entry.line
  row = (entry.name, _packed(line), _text(grams.intervals(line)))
  try:
    made = base.execute(
      'insert into melodies (name, notes, intervals) values (?, ?, ?)', row
    )
  except sqlite3.IntegrityError as error:
    raise CatalogueError(
      f'two melodies are called {entry.name!r}; give each its own name',
      code='catalogue.name',
    ) from error
  number = made.lastrowid
  base.executemany(
    'insert into motifs (melody, notes, intervals, spans, kinds, saved) '
    'values (?, ?, ?, ?, ?, ?)',
    [
      (
        number,
        _packed(of_motif(motif)),
        _text(np.diff(motif.pitch)),
        json.dumps(motif.spans.tolist()),
        json.dumps(motif.kinds),
        motif.saved,
      )
      for motif in entry.motifs
    ],
  )
  words, counts = np.unique(grams.words(line, _STEPS), return_counts=True)
  base.executemany(
    'insert into words values (?, ?, ?)',
    [
      (word, number, count)
      for word, count in zip(words.tolist(), counts.tolist(), strict=True)
    ],
  )
  return 1


def of_motif(motif: Motif) -> Line:
  """Returns the notes of a motif as a line from onset 0, around middle C."""
  length = np.diff(np.append(motif.beats, motif.length))
  pitch = motif.pitch + 60
  return Line(
    motif.beats, length, pitch, motif.beats / 2, (motif.beats + length) / 2
  )


class Catalogue:
  """A catalogue that is open; close it, or use it in a `with`.

  Raises:
    CatalogueError: There is no file (code `catalogue.missing`), it is no
      catalogue (`catalogue.other`), of a newer version (`catalogue.version`)
      or damaged (`catalogue.damaged`).
  """

  def __init__(self, path: files.StrPath) -> None:
    self._path = pathlib.Path(path)
    if not self._path.is_file():
      raise CatalogueError(
        f'there is no catalogue {path}; write one with catalogue.write',
        code='catalogue.missing',
      )
    address = f'{self._path.resolve().as_uri()}?mode=ro&immutable=1'
    self._base = sqlite3.connect(address, uri=True)
    try:
      self._check()
    except BaseException:
      self._base.close()
      raise

  def __enter__(self) -> 'Catalogue':
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    self.close()

  def close(self) -> None:
    """Closes the file."""
    self._base.close()

  def __len__(self) -> int:
    return int(self._all('select count(*) from melodies')[0][0])

  def names(self) -> tuple[str, ...]:
    """Returns the names of all melodies, in order."""
    rows = self._all('select name from melodies order by name')
    return tuple(row[0] for row in rows)

  def melody(self, name: str) -> Line:
    """Returns a melody.

    Raises:
      CatalogueError: There is none of that name (code `catalogue.name`).
    """
    rows = self._all('select notes from melodies where name = ?', (name,))
    if not rows:
      raise CatalogueError(
        f'{self._path} has no melody {name!r}; ask for one of names()',
        code='catalogue.name',
      )
    return _unpacked(rows[0][0])

  def motifs(self, name: str) -> tuple[Match, ...]:
    """Returns the motifs of a melody, that which saves most first."""
    return tuple(
      _motif(row, 1.0)
      for row in self._all(
        _MOTIFS + 'where name = ? order by saved desc', (name,)
      )
    )

  def with_intervals(
    self, pattern: Sequence[int], *, motifs: bool = False
  ) -> tuple[Match, ...]:
    """Returns the melodies, or motifs, that have a pattern of intervals.

    Args:
      pattern: Semitones from note to note, one at least.
      motifs: Whether motifs are meant.

    Raises:
      CatalogueError: The pattern is empty (code `catalogue.pattern`).
    """
    if not len(pattern):
      raise CatalogueError(
        'a pattern has one interval at least, such as [2, 2, -4]',
        code='catalogue.pattern',
      )
    like = f'%{_text(np.array(pattern, np.int64))}%'
    if motifs:
      rows = self._all(_MOTIFS + 'where motifs.intervals like ?', (like,))
      return tuple(_motif(row, 1.0) for row in rows)
    rows = self._all(
      'select name, notes from melodies where intervals like ? order by name',
      (like,),
    )
    return tuple(
      Match(name, 1.0, _places(line, pattern), line)
      for name, line in ((row[0], _unpacked(row[1])) for row in rows)
    )

  def nearest(self, line: Line, most: int = 10) -> tuple[Match, ...]:
    """Returns the melodies in which a line is most nearly heard.

    Those that share most of its rarer words are compared note by note, by
    `likeness.edit`; the line may lie anywhere in them, or they in it.

    Args:
      line: A melody or a part of one, three notes at least.
      most: How many.
    """
    found = []
    for number in self._sharing(line):
      row = self._all(
        'select name, notes from melodies where id = ?', (number,)
      )
      other = _unpacked(row[0][1])
      score = likeness.edit(line, other, local=True)
      found.append(Match(row[0][0], score, (), other))
    found.sort(key=lambda match: (-match.score, match.name))
    return tuple(found[:most])

  def like(self, line: Line, most: int = 10) -> tuple[Match, ...]:
    """Returns the motifs most like a few notes, in any key and at any speed.

    Args:
      line: The notes, two at least.
      most: How many.
    """
    rows = self._all(_MOTIFS)
    scores = [
      likeness.edit(line, _unpacked(row[1]), local=False) for row in rows
    ]
    order = np.argsort(-np.nan_to_num(scores), kind='stable')[:most]
    return tuple(_motif(rows[place], scores[place]) for place in order)

  def _sharing(self, line: Line) -> list[int]:
    """Returns the melodies that share words with a line, the best first."""
    words = np.unique(grams.words(line, _STEPS)).tolist()
    worth: dict[int, float] = {}
    total = max(len(self), 1)
    for word in words:
      rows = self._all('select melody from words where word = ?', (word,))
      rarity = np.log((total + 1) / (len(rows) + 0.5))
      for (number,) in rows:
        worth[number] = worth.get(number, 0.0) + float(rarity)
    ranked = sorted(worth, key=lambda number: (-worth[number], number))
    return ranked[:_COMPARED]

  def _check(self) -> None:
    """Raises unless the file is a catalogue that can be read."""
    remedy = 'write it anew with catalogue.write'
    try:
      sound = self._base.execute('pragma quick_check').fetchone()[0]
      rows = self._base.execute('select kind, version from about').fetchall()
    except sqlite3.Error as error:
      if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT:
        raise _damaged(self._path, str(error)) from error
      raise CatalogueError(
        f'{self._path} is no catalogue of melodies ({error}); {remedy}',
        code='catalogue.other',
      ) from error
    if not rows or rows[0][0] != KIND:
      raise CatalogueError(
        f'{self._path} is a database of something else; {remedy}',
        code='catalogue.other',
      )
    if rows[0][1] != VERSION:
      raise CatalogueError(
        f'{self._path} has version {rows[0][1]}, this reads {VERSION}; '
        f'{remedy}, or use the version that wrote it',
        code='catalogue.version',
      )
    if sound != 'ok':
      raise _damaged(self._path, sound)

  def _all(
    self, query: str, values: Sequence[str | int] = ()
  ) -> list[tuple[Any, ...]]:
    """Returns the rows of a query."""
    try:
      return self._base.execute(query, tuple(values)).fetchall()
    except sqlite3.DatabaseError as error:
      if isinstance(error, sqlite3.ProgrammingError):
        raise
      raise _damaged(self._path, str(error)) from error


_MOTIFS = (
  'select name, motifs.notes, spans from motifs '
  'join melodies on melodies.id = motifs.melody '
)


def _damaged(path: pathlib.Path, cause: str) -> CatalogueError:
  return CatalogueError(
    f'{path} is damaged: {cause}; write it anew with catalogue.write',
    code='catalogue.damaged',
  )


def _motif(row: tuple[Any, ...], score: float) -> Match:
  places = tuple(span[0] for span in json.loads(row[2]))
  return Match(row[0], float(score), places, _unpacked(row[1]))


def _text(intervals: np.ndarray) -> str:
  """Returns intervals as text in which any part of them can be found."""
  return ',' + ''.join(f'{step},' for step in intervals.tolist())


def _packed(line: Line) -> str:
  """Returns a line as JSON."""
  return json.dumps(
    {
      field.name: np.round(getattr(line, field.name), 6).tolist()
      for field in dataclasses.fields(line)
    }
  )


def _unpacked(text: str) -> Line:
  rows = json.loads(text)
  pitch = np.array(rows.pop('pitch'), np.int64)
  return Line(
    pitch=pitch,
    **{name: np.array(row, np.float64) for name, row in rows.items()},
  )


def _places(line: Line, pattern: Sequence[int]) -> tuple[float, ...]:
  """Returns the onsets at which a pattern of intervals begins."""
  return tuple(float(line.onset[place]) for place in _starts(line, pattern))


def _starts(line: Line, pattern: Sequence[int]) -> Iterator[int]:
  steps = grams.intervals(line)
  many = len(steps) - len(pattern) + 1
  for place in range(max(many, 0)):
    if np.array_equal(steps[place : place + len(pattern)], pattern):
      yield place
