"""Data sets as they are published: one archive, read without unpacking it.

`fetch` downloads an archive through TFDS, which checks it against
`checksums.tsv`, or takes one that lies on the disk, and writes its pieces as
NoteSequence records with the set's official splits. `builders.published` has
the sets.
"""

import abc
import contextlib
import dataclasses
import json
import pathlib
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core import utils
from tensorflow_datasets.core.download import checksums, download_manager
from tensorflow_datasets.core.download import util as download_util

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.data import metadata as metadata_lib
from aurl_jax.data import splits
from aurl_jax.data.builders import note_sequences
from aurl_jax.data.builders.note_sequences import Example, NoteSequences
from aurl_jax.data.metadata import Metadata
from aurl_jax.music import midi
from aurl_jax.music.midi_chunks import LIMITS

LEFT_OUT = 'left_out.json'
"""Beside the records: name -> [code, reason]."""
CHECKSUMS = pathlib.Path(__file__).parent / 'checksums.tsv'
"""Address, bytes, sha256 and name of archives, as TFDS keeps them."""


@dataclasses.dataclass(frozen=True)
class Member:
  """A MIDI file in an archive.

  Attributes:
    name: Inside the archive, without its first folder.
    data: Its bytes.
    split: Of `splits.SPLITS`; '' to go by the digest of the music.
    metadata: What the set tells of it.
  """

  name: str
  data: bytes
  split: str = ''
  metadata: Metadata = dataclasses.field(default_factory=Metadata)


class Archive(NoteSequences):
  """A set whose pieces come from one published archive.

  Attributes:
    URL: Where it is published.
    FILENAME: What the archive is called.
    KNOWN: What holds for all pieces.
  """

  URL: ClassVar[str] = ''
  FILENAME: ClassVar[str] = ''
  KNOWN: ClassVar[Metadata] = Metadata()

  def __init__(
    self, *, archive: files.StrPath | None = None, **kwargs: Any
  ) -> None:
    self._archive = archive
    self.left_out: dict[str, tuple[str, str]] = {}
    super().__init__(**kwargs)

  @utils.classproperty
  @classmethod
  def _checksums_path(cls) -> Any:
    return _as_path(CHECKSUMS)

  @utils.classproperty
  @classmethod
  def url_infos(cls) -> dict[str, Any]:
    """What TFDS compares downloads with; read anew, as --record adds to it."""
    return registered()

  @abc.abstractmethod
  def members(self, archive: pathlib.Path) -> Iterator[Member]:
    """Yields the pieces of an archive, in its order.

    Raises:
      DataError: It is not laid out as published (code `layout`).
    """

  def _download_and_prepare(
    self, dl_manager: Any, download_config: Any = None
  ) -> None:
    # TFDS checks what it downloads, and remembers it by its checksum.
    archive = self._archive or dl_manager.download(self.URL)
    self._examples = self._read(pathlib.Path(archive))
    super()._download_and_prepare(dl_manager, download_config)

  def _read(self, archive: pathlib.Path) -> Iterator[tuple[str, Example]]:
    found = False
    for member in self.members(archive):
      try:
        yield self._example(member)
      except ValueError as error:
        code = getattr(error, 'code', 'unreadable')
        self.left_out[member.name] = (code, str(error))
        continue
      found = True
    if not found:
      raise DataError(
        f'{archive} holds no piece of {self.name} that can be read; is it '
        f'{self.FILENAME} of {self.URL}?',
        code='layout',
      )

  def _example(self, member: Member) -> tuple[str, Example]:
    reading = midi.read(member.data)
    if not len(reading.notes):
      raise DataError(f'{member.name} has no notes', code='no_notes')
    digest = splits.digest(reading.notes)
    known = member.metadata.filled(metadata_lib.of_midi(member.data))
    example = note_sequences.as_example(
      reading.notes, member.name, digest, self.KNOWN.filled(known)
    )
    return member.split or splits.by_digest(digest), example


def fetch(
  builder: type[Archive],
  out: files.StrPath,
  *,
  archive: files.StrPath | None = None,
  record: bool = False,
) -> pathlib.Path:
  """Writes the records of a set, or finds them written.

  Args:
    builder: Of `builders.published`.
    out: A folder; `aurl prepare` takes it as its source afterwards. What is
      downloaded stays in `downloads` there.
    archive: A local archive, where there is no network.
    record: Whether the archive's checksum is written to `CHECKSUMS` instead
      of being compared. What has none there is refused otherwise.

  Returns:
    The folder of the records.

  Raises:
    DataError: It cannot be downloaded (code `download`), is another archive
      than was registered (`checksum`), has no checksum registered
      (`no_checksum`), or is not laid out as published (`layout`).
  """
  out = pathlib.Path(out).expanduser()
  if archive is not None:
    archive = pathlib.Path(archive).expanduser()
    check(builder, archive, record=record)
  elif not record and builder.URL not in registered():
    raise _unregistered(builder)
  config = tfds.download.DownloadConfig(
    register_checksums=record and archive is None,
    force_checksums_validation=not record,
    try_download_gcs=False,
  )
  made = builder(data_dir=out / 'records', archive=archive)
  with _download_errors(builder):
    made.download_and_prepare(
      download_dir=out / 'downloads', download_config=config
    )
  folder = pathlib.Path(made.data_dir)
  if made.left_out:
    text = json.dumps(made.left_out, indent=1)
    files.write_atomic(folder / LEFT_OUT, text + '\n')
  return folder


def registered() -> dict[str, Any]:
  """Returns address -> `size`, `checksum`, `filename` of known archives."""
  return checksums.load_url_infos(CHECKSUMS) if CHECKSUMS.exists() else {}


def check(
  builder: type[Archive], archive: pathlib.Path, *, record: bool = False
) -> None:
  """Compares a local archive with what is registered, or registers it.

  Raises:
    DataError: It is missing (code `no_archive`), another one (`checksum`),
      or nothing is registered (`no_checksum`).
  """
  if not archive.is_file():
    raise DataError(
      f'{archive} is no file; download {builder.URL} to it', code='no_archive'
    )
  found = checksums.compute_url_info(archive)
  known = registered().get(builder.URL)
  if record:
    info = dataclasses.replace(found, filename=builder.FILENAME)
    try:
      checksums.save_url_infos(_as_path(CHECKSUMS), {builder.URL: info})
    except OSError as error:
      raise DataError(
        f'cannot write {CHECKSUMS}: {error}; record where the library can be '
        'written to, such as a checkout',
        code='not_recorded',
      ) from error
  elif known is None:
    raise _unregistered(builder)
  elif known.checksum != found.checksum:
    raise DataError(
      f'{archive} ({found.size} bytes, sha256 {found.checksum}) is not the '
      f'{builder.FILENAME} that is registered ({known.size} bytes, sha256 '
      f'{known.checksum}); download it again from {builder.URL}',
      code='checksum',
    )


def _as_path(path: pathlib.Path) -> Any:
  return tfds.core.Path(path)


def _unregistered(builder: type[Archive]) -> DataError:
  return DataError(
    f'no checksum of {builder.URL} is registered in {CHECKSUMS.name}, so '
    'what is downloaded cannot be told from anything else; look at it '
    'yourself, then register it with --record',
    code='no_checksum',
  )


@contextlib.contextmanager
def _download_errors(builder: type[Archive]) -> Iterator[None]:
  """Makes what downloading raises an error with a remedy."""
  try:
    yield
  except download_manager.NonMatchingChecksumError as error:
    raise DataError(
      f'what {builder.URL} gives is not the archive that is registered: '
      f'{error}',
      code='checksum',
    ) from error
  except (requests.RequestException, download_util.DownloadError) as error:
    raise DataError(
      f'cannot download {builder.URL}: {error}; where there is no network, '
      f'get {builder.FILENAME} elsewhere and name it with --archive',
      code='download',
    ) from error


def walk(
  archive: pathlib.Path, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
  """Yields name and bytes of files in a zip or tar archive.

  Nothing is unpacked onto the disk. Zip files are read by name, tar files in
  the order in which they are stored.

  Args:
    archive: A `.zip`, or a `.tar` of any compression.
    wanted: Which names to read.

  Raises:
    DataError: It is no archive, is damaged (code `archive`), or a file in it
      is too large (code `too_large`).
  """
  try:
    if zipfile.is_zipfile(archive):
      yield from _walk_zip(archive, wanted)
    else:
      yield from _walk_tar(archive, wanted)
  except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
    raise DataError(
      f'{archive} is no archive, or is damaged: {error}; download it again',
      code='archive',
    ) from error


def _walk_zip(
  archive: pathlib.Path, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
  with zipfile.ZipFile(archive) as opened:
    members = [m for m in opened.infolist() if not m.is_dir()]
    for member in sorted(members, key=lambda member: member.filename):
      if wanted(member.filename):
        _bound(member.filename, member.file_size)
        yield member.filename, opened.read(member)


def _walk_tar(
  archive: pathlib.Path, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
  # Streamed: nothing of the table of a large archive is held.
  with tarfile.open(archive, 'r|*') as opened:
    for member in opened:
      if member.isfile() and wanted(member.name):
        _bound(member.name, member.size)
        file = opened.extractfile(member)
        yield member.name, file.read() if file else b''


def _bound(name: str, size: int) -> None:
  most = LIMITS.bytes
  if size > most:
    raise DataError(
      f'{name} in the archive has {size} bytes; more than '
      f'{most >> 20} MiB is no piece',
      code='too_large',
    )


def is_midi(name: str) -> bool:
  """Returns whether a name in an archive is that of a piece.

  Example:
    >>> is_midi('maestro-v3.0.0/2018/a.midi'), is_midi('__MACOSX/._a.mid')
    (True, False)
  """
  path = pathlib.PurePosixPath(name)
  hidden = path.name.startswith('.') or '__MACOSX' in path.parts
  return path.suffix.lower() in ('.mid', '.midi') and not hidden
