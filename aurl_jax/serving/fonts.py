"""A sound font that the studio plays by: looked at once, and then handed out.

It is named when a server starts, and by nobody who asks: no request names a
path. What plays it is the page (`studio/font.js`).
"""

import os
import pathlib
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from aurl_jax.core.errors import ConfigError
from aurl_jax.serving.errors import ServeError

LARGEST = 512 << 20
"""Bytes of a font: those of a whole orchestra have 30 to 250 MB."""
_KINDS = (b'sfbk', b'DLS ')
"""Of RIFF: SoundFont 2 and 3, and Downloadable Sounds."""
_HEAD = 12
_BLOCK = 1 << 18


class NoFont(ServeError):
  """A server has no sound font."""

  status = 404


class Lost(ServeError):
  """The file of a sound font is not what it was when the server started."""

  status = 503


class Font(NamedTuple):
  """A sound font.

  Attributes:
    path: Of its file.
    bytes: That it has.
  """

  path: pathlib.Path
  bytes: int

  @property
  def name(self) -> str:
    """What it is called: its file, without folders."""
    return self.path.name


def find(path: str) -> Font:
  """Returns the sound font of a file.

  Args:
    path: Of a file `.sf2`, `.sf3` or `.dls`.

  Raises:
    ConfigError: There is no such file, it cannot be read, is none of these, is
      cut short, or has more bytes than `LARGEST` (code `sound_font`).
  """
  file = pathlib.Path(path)
  try:
    size = file.stat().st_size
    with file.open('rb') as opened:
      head = opened.read(_HEAD)
  except OSError as error:
    raise _wrong(path, f'cannot be read: {error.strerror}') from error
  if len(head) < _HEAD or head[:4] != b'RIFF' or head[8:] not in _KINDS:
    raise _wrong(
      path, 'is no sound font: it does not begin as RIFF sfbk or DLS'
    )
  (told,) = struct.unpack('<I', head[4:8])
  if told + 8 > size:
    raise _wrong(path, f'is cut short: {size} bytes of {told + 8}')
  if size > LARGEST:
    raise _wrong(path, f'has {size} bytes; at most {LARGEST} are served')
  return Font(file, size)


def _wrong(path: str, what: str) -> ConfigError:
  return ConfigError(
    f'{path} {what}; name a whole file .sf2, .sf3 or .dls by --sound-font or '
    'AURL_SOUNDFONT, or none',
    code='sound_font',
  )


def opened(font: Font | None) -> tuple[int, Iterator[bytes]]:
  """Returns how many bytes a font has, and what gives them block by block.

  Args:
    font: As of `find`; None where a server has none.

  Raises:
    NoFont: There is none.
    Lost: Its file is gone, or has another length than it had.
  """
  if font is None:
    raise NoFont(
      'this server has no sound font; start it with --sound-font FILE',
      code='sound_font',
    )
  try:
    file = font.path.open('rb')
  except OSError as error:
    raise _lost(font) from error
  if os.fstat(file.fileno()).st_size != font.bytes:
    file.close()
    raise _lost(font)
  return font.bytes, _blocks(file, font.bytes)


def _lost(font: Font) -> Lost:
  return Lost(
    f'the sound font {font.name} is not there as it was; put it back, or '
    'start the server again',
    code='sound_font',
  )


def _blocks(file: BinaryIO, left: int) -> Iterator[bytes]:
  with file:
    while left and (block := file.read(min(left, _BLOCK))):
      left -= len(block)
      yield block
