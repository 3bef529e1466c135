"""Where music comes from: a folder of MIDI, the chorales, or records.

A source is one piece that has not been read yet. Listing sources is quick;
what is wrong with a piece shows when it is read, so that one bad file never
stops the others.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.data import metadata as metadata_lib
from aurl_jax.data import splits
from aurl_jax.music import midi, note_sequence
from aurl_jax.music.midi import Reading

SUFFIXES = ('.mid', '.midi', '.kar')
"""Of MIDI files, in any case."""


@runtime_checkable
class Source(Protocol):
  """One piece."""

  @property
  def name(self) -> str:
    """What reports call it; unique in its set."""
    ...

  @property
  def split(self) -> str | None:
    """The split that the set itself puts it in, if it does."""
    ...

  def digest(self) -> str:
    """Returns what changes whenever the stored bytes do.

    Raises:
      OSError: They cannot be read.
    """
    ...

  def read(self) -> Reading:
    """Returns the music and what was repaired.

    Raises:
      AurlError: There is no music to be had; the code says why.
      OSError: It cannot be read.
    """
    ...


@dataclasses.dataclass(frozen=True)
class MidiFile:
  """A MIDI file on the disk."""

  name: str
  path: pathlib.Path
  split: str | None = None
  root: pathlib.Path | None = None

  def digest(self) -> str:
    """Returns a sha256 of the file, and of the sidecars that tell of it."""
    return metadata_lib.digest(self.path, self.root)

  def metadata(self, title: str = '') -> metadata_lib.Told:
    """Returns what is known of the piece.

    Args:
      title: What the music calls itself.
    """
    return metadata_lib.of_file(self.path, self.root, title)

  def read(self) -> Reading:
    """Returns the music and what was repaired."""
    return midi.read(self.path)


@dataclasses.dataclass(frozen=True)
class Record:
  """A piece of a data set that `data.builders.note_sequences` wrote."""

  name: str
  split: str | None
  examples: Any
  index: int

  @property
  def _sequence(self) -> bytes:
    return self.examples[self.index]['sequence']

  def digest(self) -> str:
    """Returns the sha256 of the record."""
    return hashlib.sha256(self._sequence).hexdigest()

  @property
  def _proto(self) -> Any:
    return note_sequence.load_proto().NoteSequence.FromString(self._sequence)

  def read(self) -> Reading:
    """Returns the music."""
    return Reading(note_sequence.from_note_sequence(self._proto))

  def metadata(self, title: str = '') -> metadata_lib.Told:
    """Returns what is known of the piece.

    Args:
      title: What the music calls itself.
    """
    told = metadata_lib.get(self._proto)
    return metadata_lib.Told(told.filled(metadata_lib.Metadata(title=title)))


@dataclasses.dataclass(frozen=True)
class Unusable:
  """A piece that is known to be of no use; reading it says why."""

  name: str
  code: str
  reason: str
  split: str | None = None

  def digest(self) -> str:
    """Returns a digest of the reason."""
    return hashlib.sha256(f'{self.code} {self.reason}'.encode()).hexdigest()

  def read(self) -> Reading:
    """Raises the reason."""
    raise DataError(self.reason, code=self.code)


def find(source: files.StrPath) -> Sequence[Source]:
  """Returns the sources that a name stands for.

  Args:
    source: `chorales`, a folder that `aurl prepare` made, one of MIDI, or
      several folders of MIDI with the system's separator of paths (`:`)
      between them, whose names then begin with those of their folders.

  Raises:
    DataError: There is nothing of use, or two folders share a name.
  """
  if os.fspath(source) == 'chorales':
    return chorales()
  places = files.parts(source)
  if len(places) > 1:
    return _several(places)
  prepared = pathlib.Path(source, 'records').is_dir()
  return records(source) if prepared else folder(source)


def _several(places: Sequence[str]) -> list[Source]:
  """Returns the files of folders, each told its folder's name first."""
  found: dict[str, list[MidiFile | Unusable]] = {}
  for place in places:
    name = pathlib.Path(place).expanduser().resolve().name
    if name in found:
      raise DataError(
        f'two folders of music are called {name!r}, so that their pieces '
        'could not be told apart; rename one of them',
        code='same_name',
      )
    found[name] = folder(place)
  return [
    dataclasses.replace(source, name=f'{name}/{source.name}')
    for name, listed in found.items()
    for source in listed
  ]


def folder(path: files.StrPath) -> list[MidiFile | Unusable]:
  """Returns the MIDI files below a folder, sorted by name.

  Links are followed, each folder once. If the first folders are named after
  splits (`train/`, `valid/`, …) and every file is in one, they count.

  Raises:
    DataError: The path is missing or no folder, or holds no MIDI.
  """
  path = pathlib.Path(path).expanduser()
  if not path.is_dir():
    what = 'is a file, not a folder' if path.exists() else 'does not exist'
    raise DataError(
      f'{path} {what}; give a folder that holds MIDI files', code='no_folder'
    )
  refused: list[OSError] = []
  found = sorted(_walk(path, refused))
  if not found and not refused:
    empty = not any(path.iterdir())
    raise DataError(
      f'{path} {"is empty" if empty else "holds no MIDI files"}; put files '
      f'that end in {", ".join(SUFFIXES)} there, in subfolders or not',
      code='empty_folder' if empty else 'no_midi',
    )
  named = [(_name(file, path), file) for file in found]
  told = splits.from_folders([name for name, _ in named])
  usable: list[MidiFile | Unusable] = [
    MidiFile(name, file, told.get(name), path) for name, file in named
  ]
  return usable + [
    Unusable(
      _name(pathlib.Path(error.filename), path), 'unreadable', str(error)
    )
    for error in refused
  ]


def _walk(root: pathlib.Path, refused: list[OSError]) -> Iterator[pathlib.Path]:
  """Yields MIDI files; a folder that links lead to twice counts once."""
  seen = set()
  walk = os.walk(root, followlinks=True, onerror=refused.append)
  for place, folders, names in walk:
    status = os.stat(place)
    if (status.st_dev, status.st_ino) in seen:
      folders.clear()
      continue
    seen.add((status.st_dev, status.st_ino))
    folders.sort()
    for name in names:
      if name.lower().endswith(SUFFIXES):
        yield pathlib.Path(place, name)


def _name(file: pathlib.Path, root: pathlib.Path) -> str:
  """Returns the path below the root as text that any encoding can hold."""
  relative = file.relative_to(root).as_posix()
  return os.fsencode(relative).decode('utf-8', 'backslashreplace')


def records(path: files.StrPath) -> list[Record]:
  """Returns the pieces of a prepared folder, or of any folder of records.

  Raises:
    DataError: There are no records.
  """
  from aurl_jax.data.builders import note_sequences

  path = pathlib.Path(path)
  infos = sorted(path.rglob('dataset_info.json'))
  if not infos:
    raise DataError(
      f'{path} holds no records; make them with `aurl prepare`',
      code='no_records',
    )
  return [
    Record(examples[index]['id'].decode(), split, examples, index)
    for split, examples in note_sequences.read(infos[0].parent).items()
    for index in range(len(examples))
  ]


def chorales(cache_dir: files.StrPath | None = None) -> list[Source]:
  """Returns the Bach chorales of the music21 package, four voices each.

  They are read once, which takes a few seconds, and then kept as records.
  Splits are those of the JSB chorales (Boulanger-Lewandowski et al., ICML
  2012) as far as pieces could be found there by content; see
  `tools/make_splits.py`.

  Args:
    cache_dir: Where to keep them; by default `cache_root()`.

  Raises:
    DataError: The music21 package, or its corpus, is not installed.
  """
  from aurl_jax.data import bach

  kept = bach.cached(pathlib.Path(cache_dir or cache_root()))
  told = splits.frozen('chorales', key='name')
  left_out = json.loads((kept / bach.LEFT_OUT).read_text())
  return [
    *(
      dataclasses.replace(record, split=told.get(record.name))
      for record in records(kept)
    ),
    *(Unusable(name, *why) for name, why in left_out.items()),
  ]


def cache_root() -> pathlib.Path:
  """Returns the user's cache folder: under `AURL_CACHE`, or the system's."""
  home = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
  return pathlib.Path(os.environ.get('AURL_CACHE') or home) / 'aurl_jax'
