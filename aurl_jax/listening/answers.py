"""What listeners said, in one SQLite file: an answer is kept, or refused.

Kept are a random code, a number for the order, answers, and how many seconds
each took: no name, address, browser or time of day. Answers cannot be changed,
come in the listener's own order, and the same one may be sent twice, as a page
does whose network failed. The file knows of which test it is.
"""

import contextlib
import pathlib
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from aurl_jax.core import files
from aurl_jax.core.errors import AurlError
from aurl_jax.listening import design, order
from aurl_jax.listening.design import Test

_ALPHABET = '23456789abcdefghjkmnpqrstuvwxyz'
"""Of codes: without what is easily taken for another."""
_LENGTH = 10
_PATIENCE = 30.0
"""Seconds that one waits for another who writes."""
_LONGEST = 86_400.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (
  digest TEXT NOT NULL, version INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS listeners (
  code TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, finish TEXT
);
CREATE TABLE IF NOT EXISTS answers (
  code TEXT NOT NULL REFERENCES listeners (code), place INTEGER NOT NULL,
  trial TEXT NOT NULL, value TEXT NOT NULL, flipped INTEGER NOT NULL,
  seconds REAL NOT NULL,
  PRIMARY KEY (code, place), UNIQUE (code, trial)
);
"""


class AnswerError(AurlError):
  """An answer that is not kept; codes are stable names of why."""


class Answer(NamedTuple):
  """What was kept of one answer.

  Attributes:
    code: Whose it is.
    place: Which of the listener's trials it was, from 0.
    trial: The trial's name.
    value: One of the test's choices, as it was shown.
    flipped: Whether the sides were exchanged.
    seconds: How long it took.
  """

  code: str
  place: int
  trial: str
  value: str
  flipped: bool
  seconds: float


class Answers:
  """The answers to one test.

  Example:
    >>> import tempfile
    >>> Answers.open_in(tempfile.mkdtemp())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    aurl_jax.core.errors.DataError: ... holds no listening test; ...
  """

  def __init__(self, folder: files.StrPath, test: Test) -> None:
    """Opens the answers of a test, which are none at first.

    Raises:
      AnswerError: They are of another test (code `other_test`), or the file
        cannot be used (code `database`).
    """
    home = pathlib.Path(folder).expanduser()
    self.test = test
    self._path = home / design.ANSWERS
    # The database lets one write at a time, and who waits for it long.
    self._turn = threading.Lock()
    digest = files.digest(home / design.FILE)
    with self._open() as link:
      link.executescript(_SCHEMA)
      with _write(link):
        found = link.execute('SELECT digest FROM about').fetchone()
        if found is None:
          link.execute(
            'INSERT INTO about VALUES (?, ?)', (digest, design.VERSION)
          )
      if found is not None and found[0] != digest:
        raise AnswerError(
          f'{self._path} holds answers to another test: {design.FILE} was '
          'changed since; put it back, or move the answers away',
          code='other_test',
        )

  @classmethod
  def open_in(cls, folder: files.StrPath) -> 'Answers':
    """Returns the answers of the test in a folder.

    Raises:
      DataError: As `design.load`.
      AnswerError: As `Answers`.
    """
    return cls(folder, design.load(folder))

  def begin(self) -> str:
    """Returns the code of a new listener.

    Raises:
      AnswerError: There are as many as the test takes (code `full`).
    """
    with self._turn, self._open() as link, _write(link):
      (number,) = link.execute('SELECT COUNT(*) FROM listeners').fetchone()
      if number >= self.test.most:
        raise AnswerError(
          f'this test takes {self.test.most} listeners, and has them all',
          code='full',
        )
      code = ''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
      link.execute('INSERT INTO listeners VALUES (?, ?, NULL)', (code, number))
    return code

  def state(self, code: str) -> dict[str, Any]:
    """Returns where a listener stands.

    Returns:
      `done` of `trials`, the next `trial` as `design.shown`, or None, and the
      code of who is through, `finish`, or None.

    Raises:
      AnswerError: There is no such listener (code `no_listener`).
    """
    with self._open() as link:
      return self._state(link, code)

  def keep(
    self, code: str, trial: str, value: str, seconds: float | int
  ) -> dict[str, Any]:
    """Keeps an answer to a listener's next trial; returns the new state.

    Args:
      code: Whose it is.
      trial: The trial's name.
      value: One of the test's choices.
      seconds: How long it took.

    Raises:
      AnswerError: There is no such listener (code `no_listener`) or choice
        (`value`), it is another trial's turn (`turn`), or the trial has been
        answered otherwise (`answered`). Nothing is kept then.
    """
    if value not in self.test.choices():
      raise AnswerError(
        f'{value!r:.40} is none of {self.test.choices()}', code='value'
      )
    if not 0 <= seconds <= _LONGEST:
      raise AnswerError(f'{seconds!r:.40} seconds are none', code='value')
    with self._turn, self._open() as link, _write(link):
      turn, done = self._order(link, code)
      kept = link.execute(
        'SELECT value FROM answers WHERE code = ? AND trial = ?', (code, trial)
      ).fetchone()
      if kept is None:
        given = Answer(code, done, trial, value, False, float(seconds))
        self._add(link, turn, given)
      elif kept[0] != value:
        raise AnswerError('that was answered already', code='answered')
      return self._state(link, code)

  def _add(
    self, link: sqlite3.Connection, turn: order.Order, given: Answer
  ) -> None:
    """Writes the answer to the next trial; after the last a finishing code."""
    trials, place = self.test.trials, given.place
    if place >= len(trials) or trials[turn.trials[place]].id != given.trial:
      raise AnswerError('it is the turn of another trial', code='turn')
    flipped = turn.flipped[turn.trials[place]]
    kept = given._replace(flipped=flipped, seconds=round(given.seconds, 1))
    link.execute('INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)', kept)
    if place + 1 == len(trials):
      finish = secrets.token_hex(4)
      link.execute(
        'UPDATE listeners SET finish = ? WHERE code = ?', (finish, given.code)
      )

  def all(self) -> tuple[list[Answer], dict[str, bool]]:
    """Returns all answers, and of each listener if they are through."""
    with self._open() as link:
      rows = link.execute(
        'SELECT a.code, place, trial, value, flipped, seconds FROM answers a '
        'JOIN listeners l ON l.code = a.code ORDER BY l.number, place'
      ).fetchall()
      known = link.execute(
        'SELECT code, finish IS NOT NULL FROM listeners ORDER BY number'
      ).fetchall()
    found = [
      Answer(code, place, trial, value, bool(flipped), seconds)
      for code, place, trial, value, flipped, seconds in rows
    ]
    return found, {code: bool(through) for code, through in known}

  def _order(
    self, link: sqlite3.Connection, code: str
  ) -> tuple[order.Order, int]:
    """Returns a listener's order, and how many trials are answered."""
    found = link.execute(
      'SELECT number FROM listeners WHERE code = ?', (code,)
    ).fetchone()
    if found is None:
      raise AnswerError('there is no listener of that code', code='no_listener')
    (done,) = link.execute(
      'SELECT COUNT(*) FROM answers WHERE code = ?', (code,)
    ).fetchone()
    turn = order.of(found[0], len(self.test.trials), self.test.seed)
    return turn, done

  def _state(self, link: sqlite3.Connection, code: str) -> dict[str, Any]:
    turn, done = self._order(link, code)
    trials = self.test.trials
    (finish,) = link.execute(
      'SELECT finish FROM listeners WHERE code = ?', (code,)
    ).fetchone()
    trial = None
    if done < len(trials):
      index = turn.trials[done]
      trial = design.shown(trials[index], flipped=turn.flipped[index])
    told = {'done': done, 'trials': len(trials), 'trial': trial}
    return told | {'finish': finish}

  @contextlib.contextmanager
  def _open(self) -> Iterator[sqlite3.Connection]:
    """Gives a connection of its own; the file's faults name it."""
    try:
      link = sqlite3.connect(
        self._path, timeout=_PATIENCE, isolation_level=None
      )
      try:
        link.execute('PRAGMA foreign_keys = ON')
        link.execute('PRAGMA synchronous = FULL')
        yield link
      finally:
        link.close()
    except sqlite3.Error as error:
      raise AnswerError(
        f'{self._path} cannot be used: {error}; see if the disk is full, or if '
        'the file is damaged',
        code='database',
      ) from error


@contextlib.contextmanager
def _write(link: sqlite3.Connection) -> Iterator[None]:
  """Makes what the body writes one transaction, which keeps all or nothing."""
  link.execute('BEGIN IMMEDIATE')
  try:
    yield
  except BaseException:
    link.execute('ROLLBACK')
    raise
  link.execute('COMMIT')
