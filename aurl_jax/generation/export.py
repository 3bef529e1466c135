"""Pieces as files: MIDI, piano rolls, and one page that shows them.

What a piece alone can become, `Piece` tells; `clean` mends it before.
"""

import pathlib
from collections.abc import Sequence

from aurl_jax.core import files
from aurl_jax.generation import page as page_lib
from aurl_jax.generation.piece import Piece
from aurl_jax.music.clean import clean

__all__ = ['PAGE', 'clean', 'numbered', 'write']

PAGE = 'index.html'


def write(
  folder: files.StrPath,
  pieces: Sequence[Piece],
  *,
  title: str = 'Generated pieces',
  names: Sequence[str] = (),
) -> pathlib.Path:
  """Writes `piece_1.mid`, `piece_1.png`, … and the page.

  Files of the same names are replaced; others stay.

  Args:
    folder: Where to; made if need be.
    pieces: What to write.
    title: Of the page.
    names: Of the pieces and their files; by default `piece_1` and so on.

  Returns:
    The path of the page.

  Raises:
    AurlError: No space is left (code `disk_full`).
  """
  folder = pathlib.Path(folder)
  articles = []
  names = names or numbered(len(pieces))
  for number, (name, piece) in enumerate(zip(names, pieces, strict=True)):
    midi, roll = piece.midi(), piece.plot(title=name)
    files.write_atomic(folder / f'{name}.mid', midi)
    files.write_atomic(folder / f'{name}.png', roll)
    articles.append(
      page_lib.article(number, name, piece.facts(), midi=midi, roll=roll)
    )
  path = folder / PAGE
  music = [piece.notes for piece in pieces]
  files.write_atomic(path, page_lib.whole(articles, music, title=title))
  return path


def numbered(count: int) -> list[str]:
  """Returns the names that pieces have by default.

  Example:
    >>> numbered(2)
    ['piece_1', 'piece_2']
  """
  return [f'piece_{number}' for number in range(1, count + 1)]
