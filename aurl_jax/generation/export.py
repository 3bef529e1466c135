"""Pieces as files: MIDI, piano rolls, and one page that shows them.

The page is whole in itself: rolls and MIDI files are embedded, the notes are
played by plain oscillators of the browser, and its policy forbids it to load
anything, so that it works without a network and wherever it is moved.
"""

import base64
import html
import importlib.resources
import json
import pathlib
import string
from collections.abc import Sequence

from aurl_jax.core import files
from aurl_jax.generation.piece import Piece
from aurl_jax.music import time as time_lib
from aurl_jax.music.notes import Notes

PAGE = 'index.html'
_ARTICLE = string.Template("""\
<article>
<h2>$name</h2>
<p>$facts</p>
<div class="roll"><img src="$roll" alt="Piano roll of $name"></div>
<div class="tools"><button type="button" data-piece="$number">Play</button>
<progress value="0" max="1" aria-label="Played of $name"></progress>
<a class="file" href="$midi" download="$name.mid">MIDI</a></div>
</article>""")


def write(
  folder: files.StrPath,
  pieces: Sequence[Piece],
  *,
  title: str = 'Generated pieces',
) -> pathlib.Path:
  """Writes `piece_1.mid`, `piece_1.png`, … and the page.

  Files of the same names are replaced; others stay.

  Args:
    folder: Where to; made if need be.
    pieces: What to write.
    title: Of the page.

  Returns:
    The path of the page.

  Raises:
    AurlError: No space is left (code `disk_full`).
  """
  folder = pathlib.Path(folder)
  articles = []
  for number, piece in enumerate(pieces, 1):
    name = f'piece_{number}'
    midi, roll = piece.midi(), piece.plot(title=name)
    files.write_atomic(folder / f'{name}.mid', midi)
    files.write_atomic(folder / f'{name}.png', roll)
    articles.append(_article(number, name, piece, midi, roll))
  path = folder / PAGE
  files.write_atomic(path, _page(articles, pieces, title))
  return path


def _article(
  number: int, name: str, piece: Piece, midi: bytes, roll: bytes
) -> str:
  return _ARTICLE.substitute(
    name=html.escape(name),
    facts=html.escape(_facts(piece)),
    number=number - 1,
    midi=data_url('audio/midi', midi),
    roll=data_url('image/png', roll),
  )


def _page(articles: list[str], pieces: Sequence[Piece], title: str) -> str:
  template = string.Template(_read('page.html'))
  count = f'{len(pieces)} piece' + 's' * (len(pieces) != 1)
  return template.substitute(
    title=html.escape(title),
    subtitle=count,
    articles='\n'.join(articles),
    player=player([piece.notes for piece in pieces]),
  )


def player(pieces: Sequence[Notes]) -> str:
  """Returns the JavaScript that plays pieces in a page, by oscillators.

  It belongs at the page's end. `<button data-piece="0">`, beside a
  `<progress>` in the same element, plays the first one.
  """
  told = json.dumps([_playable(notes) for notes in pieces])
  return string.Template(_read('player.js')).substitute(pieces=told)


def _read(name: str) -> str:
  home = importlib.resources.files('aurl_jax.generation')
  return home.joinpath(name).read_text('utf-8')


def _facts(piece: Piece) -> str:
  report = piece.report
  end = 'comes to its end' if report['ended'] else 'breaks off'
  return (
    f'{report["notes"]} notes in {report["seconds"]:.1f} s, {end}; '
    f'{report["steps"]} steps, seed {report["seed"]}'
  )


def _playable(notes: Notes) -> list[list[int | float]]:
  """Returns [onset s, duration s, pitch, velocity 0..1, is drum] a note."""
  onset = time_lib.ticks_to_seconds(notes, notes.onset)
  end = time_lib.ticks_to_seconds(notes, notes.onset + notes.duration)
  columns = (
    onset.round(3).tolist(),
    (end - onset).round(3).tolist(),
    notes.pitch.tolist(),
    (notes.velocity / 127).round(2).tolist(),
    notes.is_drum.astype(int).tolist(),
  )
  return [list(row) for row in zip(*columns, strict=True)]


def data_url(kind: str, data: bytes) -> str:
  """Returns bytes as an address that needs no file, such as an image's."""
  return f'data:{kind};base64,{base64.b64encode(data).decode()}'
