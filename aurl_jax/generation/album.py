"""`Album`: music that a notebook shows side by side and plays.

A `Piece` shows itself. An album does so for any music: what people wrote, what
was written in its manner, and what was made of both, under names of your own.
"""

import dataclasses
import struct
from collections.abc import Mapping

from aurl_jax.core.errors import DataError
from aurl_jax.generation import page as page_lib
from aurl_jax.music import midi, plot
from aurl_jax.music import time as time_lib
from aurl_jax.music.notes import Notes

_HEAD, _ARTICLE = 130, 150
"""Pixels above all pieces, and around the roll of each."""
_WIDE = 1000
"""Pixels that a notebook's frame is taken to be wide."""
_SIZE = struct.Struct('>II')
"""Width and height of a PNG image, behind the name of its first chunk."""


@dataclasses.dataclass(frozen=True)
class Album:
  """Pieces to see and to hear, in a frame that loads nothing.

  Attributes:
    pieces: Name -> music.
    title: Above them.

  Raises:
    DataError: There are no pieces (code `album`).

  Example:
    >>> tune = Notes.build(4, {'onset': [0, 4], 'duration': 4, 'pitch': 60})
    >>> Album({'A tune': tune}).page().count('<article>')
    1
  """

  pieces: Mapping[str, Notes]
  title: str = 'Pieces'

  def __post_init__(self) -> None:
    if not self.pieces:
      raise DataError('an album needs music; give name -> notes', code='album')

  def page(self) -> str:
    """Returns the page that the frame shows, whole in itself."""
    return self._page(self._rolls())

  def _page(self, rolls: Mapping[str, bytes]) -> str:
    articles = [
      page_lib.article(
        number, name, facts(notes), midi=midi.write(notes), roll=rolls[name]
      )
      for number, (name, notes) in enumerate(self.pieces.items())
    ]
    music = list(self.pieces.values())
    return page_lib.whole(articles, music, title=self.title)

  def _rolls(self) -> dict[str, bytes]:
    # The name stands above the picture, and so not in it.
    return {
      name: plot.piano_roll(notes, title=' ')
      for name, notes in self.pieces.items()
    }

  def _repr_html_(self) -> str:
    """Shows rolls and players in a notebook; nothing is loaded from a net."""
    rolls = self._rolls()
    height = _HEAD + sum(_ARTICLE + _high(roll) for roll in rolls.values())
    return page_lib.frame(self._page(rolls), height=height)


def facts(notes: Notes) -> str:
  """Returns how long music is, for people.

  Example:
    >>> facts(Notes.build(4, {'onset': [0, 4], 'duration': 4, 'pitch': 60}))
    '2 notes in 1.0 s'
  """
  count = f'{len(notes)} note' + 's' * (len(notes) != 1)
  return f'{count} in {time_lib.duration_seconds(notes):.1f} s'


def _high(image: bytes) -> int:
  """Returns how high an image is in a frame that it does not fit."""
  width, height = _SIZE.unpack_from(image, 16)
  return round(height * min(1, _WIDE / width))
