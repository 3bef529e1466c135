"""Pieces as files: MIDI, piano rolls, and one page that shows them.

The page needs no network: images lie beside it, and it plays the notes with
plain oscillators of the browser.
"""

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
<div class="roll"><img src="$name.png" alt="Piano roll of $name"></div>
<p><button data-piece="$number">Play</button>
<a class="file" href="$name.mid" download>MIDI</a></p>
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
  names = [f'piece_{number}' for number in range(1, len(pieces) + 1)]
  for name, piece in zip(names, pieces, strict=True):
    piece.save(folder / f'{name}.mid')
    piece.plot(folder / f'{name}.png', title=name)
  path = folder / PAGE
  files.write_atomic(path, page(names, pieces, title))
  return path


def page(names: Sequence[str], pieces: Sequence[Piece], title: str) -> str:
  """Returns the page as HTML.

  Args:
    names: File names of the pieces, without suffix.
    pieces: What it shows.
    title: Its heading.
  """
  template = importlib.resources.files('aurl_jax.generation').joinpath(
    'page.html'
  )
  articles = [
    _ARTICLE.substitute(
      name=html.escape(name), facts=html.escape(_facts(piece)), number=number
    )
    for number, (name, piece) in enumerate(zip(names, pieces, strict=True))
  ]
  return string.Template(template.read_text()).substitute(
    title=html.escape(title),
    subtitle=f'{len(pieces)} pieces',
    articles='\n'.join(articles),
    pieces=json.dumps([_playable(piece.notes) for piece in pieces]),
  )


def _facts(piece: Piece) -> str:
  report = piece.report
  end = 'ended by itself' if report['ended'] else 'cut at its last step'
  return (
    f'{report["notes"]} notes in {report["seconds"]:.1f} s, {end}; '
    f'seed {report["seed"]}, piece {report["row"]}'
  )


def _playable(notes: Notes) -> list[list[float]]:
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
