"""One page that shows pieces and plays them, whole in itself.

Rolls and MIDI files are embedded, the notes are played by plain oscillators
of the browser, and its policy forbids it to load anything, so that it works
without a network and wherever it is moved.
"""

import base64
import html
import importlib.resources
import json
import string
from collections.abc import Sequence

from aurl_jax.music import time as time_lib
from aurl_jax.music.notes import Notes

_ARTICLE = string.Template("""\
<article>
<h2>$name</h2>
<p>$facts</p>
<div class="roll"><img src="$roll" alt="Piano roll of $name"></div>
<div class="tools"><button type="button" data-piece="$number">Play</button>
<progress value="0" max="1" aria-label="Played of $name"></progress>
<a class="file" href="$midi" download="$name.mid">MIDI</a></div>
</article>""")


def article(
  number: int, name: str, facts: str, *, midi: bytes, roll: bytes
) -> str:
  """Returns the part of a page that shows one piece.

  Args:
    number: Its place among the pieces of the page, from 0.
    name: Printed above, and of the file.
    facts: Printed below the name.
    midi: Its MIDI file.
    roll: Its piano roll, a PNG image.
  """
  return _ARTICLE.substitute(
    name=html.escape(name),
    facts=html.escape(facts),
    number=number,
    midi=data_url('audio/midi', midi),
    roll=data_url('image/png', roll),
  )


def whole(
  articles: Sequence[str], pieces: Sequence[Notes], *, title: str
) -> str:
  """Returns the page of some articles and the music that they play."""
  template = string.Template(_read('page.html'))
  count = f'{len(pieces)} piece' + 's' * (len(pieces) != 1)
  return template.substitute(
    title=html.escape(title),
    subtitle=count,
    articles='\n'.join(articles),
    player=player(pieces),
  )


def frame(page: str, *, height: int) -> str:
  """Returns a page as a frame inside another one, such as a notebook.

  It may run its own scripts and reach nothing outside.
  """
  return (
    f'<iframe sandbox="allow-scripts allow-downloads" width="100%" '
    f'height="{height}" style="border: 0" '
    f'srcdoc="{html.escape(page)}"></iframe>'
  )


def player(pieces: Sequence[Notes]) -> str:
  """Returns the JavaScript that plays pieces in a page, by oscillators.

  It belongs at the page's end. `<button data-piece="0">`, beside a
  `<progress>` in the same element, plays the first one.
  """
  told = json.dumps([_playable(notes) for notes in pieces])
  tone = _read('tone.js').replace('export function', 'function')
  return string.Template(_read('player.js')).substitute(pieces=told, tone=tone)


def data_url(kind: str, data: bytes) -> str:
  """Returns bytes as an address that needs no file, such as an image's."""
  return f'data:{kind};base64,{base64.b64encode(data).decode()}'


def _read(name: str) -> str:
  home = importlib.resources.files('aurl_jax.generation')
  return home.joinpath(name).read_text('utf-8')


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
