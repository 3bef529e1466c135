"""What the Space does, without its page: from wishes to files."""

import dataclasses
import functools
import pathlib
import tempfile
from typing import Any

import aurl_jax
from aurl_jax.core.errors import AurlError
from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import Wish
from aurl_jax.music import midi, time

MODELS = {'pop': 'pop, piano', 'chorale': 'chorale, four voices'}
"""Shipped model -> what it is called on the page."""
MOST_BARS = 32
_SOME = 4
"""Bars of a prompt that are gone on from; all of them may be too many."""


@dataclasses.dataclass(frozen=True)
class Made:
  """A piece, as the page shows it; paths of files that were written."""

  midi: str
  roll: str
  sound: str
  told: str


@functools.cache
def model(name: str) -> Composer:
  """Returns a shipped model, loaded once.

  Raises:
    BundleError: There is no such model.
  """
  return aurl_jax.load(name)


def write(
  name: str = 'pop',
  bars: float = 8,
  seed: float = 1,
  temperature: float = 1.0,
  key: str = '',
  chords: str = '',
  tempo: float = 0,
  prompt: str | None = None,
) -> Made:
  """Writes a piece, and what shows it, into a new folder.

  Args:
    name: One of `MODELS`.
    bars: To be written, 1 to `MOST_BARS`, behind those of a prompt.
    seed: The same one gives the same piece.
    temperature: 0 (the likeliest) to 2.
    key: Such as 'D minor'; '' is any.
    chords: Such as 'Dm7 | A7 | Gm | %'; '' is any.
    tempo: Quarter notes a minute; 0 leaves it to the model.
    prompt: A MIDI file, of whose first bars the piece goes on.

  Raises:
    AurlError: What is asked for cannot be; the message says what could.
  """
  composer = model(name)
  rules = {
    'key': key.strip(),
    'chords': chords.strip(),
    # A prompt has a tempo of its own.
    'tempo': 0 if prompt else int(tempo),
  }
  asked = {rule: value for rule, value in rules.items() if value}
  changes = _going_on(prompt) if prompt else {}
  request = composer.request(
    bars=min(max(int(bars), 1), MOST_BARS),
    seed=int(seed),
    temperature=float(temperature),
    **({'wish': Wish(**asked)} if asked else {}),
    **changes,
  )
  (piece,) = composer.generate(request)
  folder = pathlib.Path(tempfile.mkdtemp(prefix='piece_'))
  paths = [
    str(piece.save(folder / f'piece.{suffix}'))
    for suffix in ('mid', 'png', 'wav')
  ]
  return Made(*paths, told=_told(piece))


def _going_on(path: str) -> dict[str, Any]:
  """Returns what a request says of a prompt: its first bars, if it has many."""
  notes = midi.read(path).notes
  bars = len(time.bar_starts(notes))
  return {'prompt': notes, 'excerpt': (0, min(bars, _SOME))}


def _told(piece: aurl_jax.Piece) -> str:
  """Returns what the page says of a piece."""
  lines = [piece.facts() + '.']
  if piece.kept:
    kept = ', '.join(f'{name} {k.share:.0%}' for name, k in piece.kept.items())
    lines.append(f'Rules kept: {kept}.')
  if piece.index is not None and piece.originality is not None:
    run = piece.originality.run
    lines.append(
      f'No run of {piece.index.notes} notes stands in the training music.'
      if run is None
      else f'{run.notes} notes in a row stand in the training music, too.'
    )
  return ' '.join(lines)


def cause(error: AurlError) -> str:
  """Returns an error as the page says it."""
  return str(error)[:500]
