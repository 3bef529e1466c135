"""Who made a piece and who owns it: from sidecars, folders and MIDI text.

What is told nearest to the piece holds, field by field:

1. `NAME.json` beside `NAME.mid`
2. `metadata.json` of its folder, then of the folders above: first the file's
   entry in `files`, then what `folders` says that folder names mean, then
   the fields themselves
3. the texts of the MIDI file
4. as `source`, the name of the folder that is read

A sidecar is a JSON object of these fields, none of them needed; what is
wrong with it is an issue and never keeps the music out:

    title, artist, source, licence   text (`license` is understood, too)
    composer, genre                  text, or a list of texts
    kind                             "score" or "performance"

`metadata.json` may also hold

    folders    ["composer", "genre"]: what the first, the second folder
               below it names
    files      {"a/b.mid": {...}}: fields of single files

Nothing is read before it is asked for.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Iterator
from typing import Any

from aurl_jax.core import files
from aurl_jax.music.midi_chunks import Issue

SHARED = 'metadata.json'
"""Tells of all files of a folder."""
LONGEST = 500
"""Characters of a field; what is longer is cut."""
_MAX_BYTES = 16 << 20
_MAX_TEXTS = 64
_LISTS = ('composers', 'genres')
_TEXTS = ('title', 'artist', 'source', 'licence')
KINDS = ('score', 'performance')
_ALIASES = {'composer': 'composers', 'genre': 'genres', 'license': 'licence'}
_KEYS = {*_LISTS, *_TEXTS, *_ALIASES, 'kind'}
_STATED = re.compile(
  r'\s*(?:(title|artist|composer|genre|style|source|licen[cs]e)\s*[:=]'
  r'|(composed by|music by)\s*:?\s)\s*(\S.*)',
  re.IGNORECASE,
)
_STATED_AS = {
  'composed by': 'composers',
  'music by': 'composers',
  'style': 'genres',
}
_LICENCE = 'licence@-1:'
"""Begins the text annotation that holds it: the proto has no field."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metadata:
  """What is known of a piece beside its music; '' and () are unknown.

  Attributes:
    title: Its name.
    artist: Who plays it.
    composers: Who wrote it.
    genres: Such as `folk`.
    source: Where it comes from: a collection, an address.
    licence: Under which it may be used, or a copyright notice.
    kind: `score`, `performance` or ''.
  """

  title: str = ''
  artist: str = ''
  composers: tuple[str, ...] = ()
  genres: tuple[str, ...] = ()
  source: str = ''
  licence: str = ''
  kind: str = ''

  def filled(self, other: 'Metadata') -> 'Metadata':
    """Returns this, and from another what is unknown here.

    Example:
      >>> Metadata(title='A').filled(Metadata(title='B', artist='C'))
      Metadata(title='A', artist='C', composers=(), genres=(), source='',
      licence='', kind='')
    """
    return Metadata(
      **{
        field.name: getattr(self, field.name) or getattr(other, field.name)
        for field in dataclasses.fields(self)
      }
    )


@dataclasses.dataclass(frozen=True)
class Told:
  """Metadata, and what was wrong with where it stood."""

  metadata: Metadata
  issues: tuple[Issue, ...] = ()


def of_file(
  path: files.StrPath, root: files.StrPath | None = None, title: str = ''
) -> Told:
  """Returns what is known of a MIDI file.

  Args:
    path: The file.
    root: The folder that is read; sidecars above it do not count. By
      default the file's own.
    title: What its music calls itself.
  """
  path = pathlib.Path(path)
  root = path.parent if root is None else pathlib.Path(root)
  issues: list[Issue] = []
  known = Metadata()
  for told in _layers(path, root, issues):
    known = known.filled(told)
  known = known.filled(_of_midi_file(path)).filled(Metadata(title=title))
  name = root.name or root.resolve().name
  return Told(known.filled(Metadata(source=name)), tuple(issues))


def sidecars(
  path: files.StrPath, root: files.StrPath | None = None
) -> list[pathlib.Path]:
  """Returns the files that tell of a MIDI file, nearest first."""
  path = pathlib.Path(path)
  root = path.parent if root is None else pathlib.Path(root)
  folders = [path.parent, *path.parent.parents]
  below = folders[: folders.index(root) + 1] if root in folders else folders[:1]
  places = [path.with_suffix('.json'), *(place / SHARED for place in below)]
  # A piece may be called `metadata.mid`; its sidecar counts once.
  return [place for place in dict.fromkeys(places) if place.is_file()]


def digest(path: files.StrPath, root: files.StrPath | None = None) -> str:
  """Returns what changes when a MIDI file or what tells of it does.

  Raises:
    OSError: The MIDI file cannot be read.
  """
  own = files.digest(path)
  beside = sidecars(path, root)
  if not beside:
    return own
  told = [_load(place, _stamp(place)).digest for place in beside]
  return hashlib.sha256(' '.join([own, *told]).encode()).hexdigest()


def of_midi(data: bytes) -> Metadata:
  r"""Returns what the texts of a MIDI file tell.

  A copyright notice counts as licence; texts such as `Composer: X` as what
  they say, and in karaoke files the first `@T` as title, the second as
  artist. Only the texts of the first track count.

  Example:
    >>> of_midi(b'MTrk....\x00\xff\x02\x06(c) Me').licence
    '(c) Me'
  """
  known = Metadata()
  karaoke = 0
  for kind, text in _texts(data):
    if kind == 2:
      known = known.filled(Metadata(licence=text))
    elif text.startswith('@T') and karaoke < 2:
      name = _clean(text[2:])
      told = Metadata(artist=name) if karaoke else Metadata(title=name)
      known = known.filled(told)
      karaoke += 1
    elif stated := _STATED.match(text):
      key = (stated[1] or stated[2]).lower()
      key = _STATED_AS.get(key, key)
      fields, _ = parse({key: stated[3]}, '')
      known = known.filled(fields)
  return known


def parse(values: Any, where: str) -> tuple[Metadata, list[Issue]]:
  """Returns the fields of a JSON object, and what is wrong with them.

  Args:
    values: What the JSON says.
    where: Names it in issues.
  """
  if not isinstance(values, dict):
    action = f'a {type(values).__name__} where an object was expected; ignored'
    return Metadata(), [Issue('sidecar', where, action)]
  fields: dict[str, Any] = {}
  issues = []
  for key, value in values.items():
    if key not in _KEYS:
      continue
    field = str(_ALIASES.get(key, key))
    checked = _checked(field, value)
    if checked is None:
      wanted = f'one of {KINDS}' if field == 'kind' else 'text'
      action = f'{key!r} is not {wanted}; ignored'
      issues.append(Issue('sidecar_field', where, action))
    elif checked:
      fields.setdefault(field, checked)
  return Metadata(**fields), issues


def put(metadata: Metadata, proto: Any) -> None:
  """Writes what is known into a NoteSequence.

  `source` is its `collection_name`, `kind` its `source_info`; a licence,
  for which the proto has no place, is a text annotation `licence@-1:...`.
  """
  into = proto.sequence_metadata
  if metadata.title:
    into.title = metadata.title
  if metadata.artist:
    into.artist = metadata.artist
  into.composers.extend(metadata.composers)
  into.genre.extend(metadata.genres)
  proto.collection_name = metadata.source
  proto.source_info.encoding_type = proto.source_info.MIDI
  if metadata.kind:
    proto.source_info.source_type = 1 + KINDS.index(metadata.kind)
  if metadata.licence:
    proto.text_annotations.add(text=_LICENCE + metadata.licence)


def get(proto: Any) -> Metadata:
  """Returns what a NoteSequence tells; inverts `put`."""
  kind = proto.source_info.source_type
  licences = [
    row.text.removeprefix(_LICENCE)
    for row in proto.text_annotations
    if row.text.startswith(_LICENCE)
  ]
  return Metadata(
    title=proto.sequence_metadata.title,
    artist=proto.sequence_metadata.artist,
    composers=tuple(proto.sequence_metadata.composers),
    genres=tuple(proto.sequence_metadata.genre),
    source=proto.collection_name,
    licence=next(iter(licences), ''),
    kind=KINDS[kind - 1] if 0 < kind <= len(KINDS) else '',
  )


def describe(source: Any, title: str) -> Told:
  """Returns what is known of a source's piece.

  Args:
    source: A `sources.Source`; one that can tell has `metadata(title)`.
    title: What the music calls itself.
  """
  tell = getattr(source, 'metadata', None)
  return tell(title) if tell else Told(Metadata(title=title))


@dataclasses.dataclass(frozen=True)
class _Sidecar:
  """What a file holds: JSON values, or why there are none."""

  values: Any
  fault: str
  digest: str


def _stamp(path: pathlib.Path) -> tuple[int, int]:
  try:
    status = path.stat()
  except OSError:
    return 0, 0
  return status.st_mtime_ns, status.st_size


@functools.lru_cache(maxsize=1024)
def _load(path: pathlib.Path, stamp: tuple[int, int]) -> _Sidecar:
  """Reads a sidecar; a folder's is asked for by each of its files."""
  del stamp
  try:
    if path.stat().st_size > _MAX_BYTES:
      return _Sidecar(None, f'over {_MAX_BYTES >> 20} MiB', 'large')
    data = path.read_bytes()
  except OSError as error:
    return _Sidecar(None, f'cannot be read ({error.strerror})', 'unreadable')
  try:
    values = json.loads(data.decode('utf-8-sig'))
  except (ValueError, RecursionError) as error:
    return _Sidecar(None, f'no JSON ({error})', files.digest(data))
  return _Sidecar(values, '', files.digest(data))


def _layers(
  path: pathlib.Path, root: pathlib.Path, issues: list[Issue]
) -> Iterator[Metadata]:
  """Yields what each sidecar tells, the nearest first."""
  own = path.with_suffix('.json')
  for place in sidecars(path, root):
    loaded = _load(place, _stamp(place))
    where = os.fsencode(place.name).decode('utf-8', 'backslashreplace')
    if loaded.fault:
      issues.append(Issue('sidecar', where, f'{loaded.fault}; ignored'))
      continue
    if place.name == SHARED and place != own:
      yield from _of_folder(loaded.values, path, place, issues)
    told, wrong = parse(loaded.values, where)
    issues += wrong
    yield told


def _of_folder(
  values: Any, path: pathlib.Path, place: pathlib.Path, issues: list[Issue]
) -> Iterator[Metadata]:
  """Yields what a folder's sidecar tells of one file, and of its folders."""
  if not isinstance(values, dict):
    return
  relative = path.relative_to(place.parent)
  entries = values.get('files', {})
  if not isinstance(entries, dict):
    action = "'files' is no object; ignored"
    issues.append(Issue('sidecar_field', SHARED, action))
  elif relative.as_posix() in entries:
    where = f'{SHARED}, {relative.as_posix()}'
    told, wrong = parse(entries[relative.as_posix()], where)
    issues += wrong
    yield told
  names = values.get('folders', [])
  if not (isinstance(names, list) and all(isinstance(n, str) for n in names)):
    action = "'folders' is no list of texts; ignored"
    issues.append(Issue('sidecar_field', SHARED, action))
    return
  pairs = zip(names, relative.parts[:-1], strict=False)
  yield parse({key: name.replace('_', ' ') for key, name in pairs}, SHARED)[0]


def _checked(field: str, value: Any) -> str | tuple[str, ...] | None:
  """Returns the value of a field, or None if it cannot be one."""
  if field in _LISTS:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items):
      return None
    cleaned = dict.fromkeys(_clean(item) for item in items[:_MAX_TEXTS])
    return tuple(item for item in cleaned if item)
  if not isinstance(value, str) or (field == 'kind' and value not in KINDS):
    return None
  return _clean(value)


def _clean(text: str) -> str:
  """Returns text of one line that any encoding can hold."""
  text = ' '.join(text.replace('\0', ' ').split())[:LONGEST].strip()
  return text.encode('utf-8', 'replace').decode()


def _of_midi_file(path: pathlib.Path) -> Metadata:
  """Returns what the texts tell; a file that is no music says it elsewhere."""
  try:
    with path.open('rb') as file:
      return of_midi(file.read(1 << 16))
  except OSError:
    return Metadata()


def _texts(data: bytes) -> Iterator[tuple[int, str]]:
  """Yields type and text of the metas 1 and 2 of the first track.

  Bytes of 0xFF begin a meta wherever they stand: neither channel messages
  nor exclusive ones hold any.
  """
  place = data.find(b'MTrk')
  end = data.find(b'MTrk', place + 4)
  end = len(data) if end < 0 else end
  for _ in range(_MAX_TEXTS):
    place = data.find(b'\xff', place, end)
    if place < 0 or place + 2 >= end:
      return
    kind, place, size = data[place + 1], place + 2, 0
    while place < end:
      size = (size & 0x1FFFFF) << 7 | data[place] & 0x7F
      place += 1
      if data[place - 1] < 128:
        break
    payload = data[place : min(place + size, end)]
    place += size
    if kind in (1, 2):
      yield kind, _clean(_decoded(payload))


def _decoded(payload: bytes) -> str:
  try:
    return payload.decode('utf-8')
  except UnicodeDecodeError:
    return payload.decode('latin-1')
