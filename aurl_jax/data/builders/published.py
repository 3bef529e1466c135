"""The public sets, by the archives in which their makers publish them.

`SETS` names them for `tools/download_data.py`. Splits are the official ones;
POP909 and Lakh have none, see there. Checksums stand in `checksums.tsv`: of
Groove as TFDS registers it, of MAESTRO as public code quotes it, of Lakh and
the JSB chorales as MusPy (Dong et al., ISMIR 2020) does.
"""

import csv
import io
import pathlib
from collections.abc import Iterator
from typing import ClassVar

from aurl_jax.core.errors import DataError
from aurl_jax.data import splits
from aurl_jax.data.builders import archives
from aurl_jax.data.builders.archives import Archive, Member
from aurl_jax.data.metadata import Metadata

_SPLITS = {'train': 'train', 'validation': 'valid', 'valid': 'valid'}
_SPLITS |= {'test': 'test'}


def _inside(name: str) -> str:
  """Returns a name without the archive's first folder."""
  return name.partition('/')[2]


def _table(archive: pathlib.Path, ending: str) -> list[dict[str, str]]:
  """Returns the rows of a CSV file in an archive.

  Raises:
    DataError: There is none (code `layout`).
  """
  found = archives.walk(archive, lambda name: _inside(name) == ending)
  for _, data in found:
    text = data.decode('utf-8-sig')
    return list(csv.DictReader(io.StringIO(text, newline='')))
  raise DataError(
    f'{archive} holds no {ending}, which tells the splits of the set; it is '
    'not laid out as published',
    code='layout',
  )


def _in_folders(archive: pathlib.Path) -> Iterator[Member]:
  """Yields `NAME/SPLIT/piece.mid`, as Boulanger-Lewandowski et al. publish."""
  for name, data in archives.walk(archive, archives.is_midi):
    inside = _inside(name)
    split = _SPLITS.get(inside.partition('/')[0])
    if split:
      yield Member(inside, data, split)


class JsbChorales(Archive):
  """Bach's chorales as Boulanger-Lewandowski et al. (ICML 2012) split them."""

  URL: ClassVar[str] = (
    'http://www-etud.iro.umontreal.ca/~boulanni/JSB%20Chorales.zip'
  )
  FILENAME: ClassVar[str] = 'JSB Chorales.zip'
  KNOWN: ClassVar[Metadata] = Metadata(
    composers=('Johann Sebastian Bach',),
    genres=('chorale',),
    source='JSB Chorales',
    kind='score',
  )

  def members(self, archive: pathlib.Path) -> Iterator[Member]:
    """Yields the pieces that are in a split's folder."""
    return _in_folders(archive)


class Nottingham(Archive):
  """Folk tunes with chords; splits of Boulanger-Lewandowski et al., 2012."""

  URL: ClassVar[str] = (
    'http://www-etud.iro.umontreal.ca/~boulanni/Nottingham.zip'
  )
  FILENAME: ClassVar[str] = 'Nottingham.zip'
  KNOWN: ClassVar[Metadata] = Metadata(
    genres=('folk',), source='Nottingham Music Database', kind='score'
  )

  def members(self, archive: pathlib.Path) -> Iterator[Member]:
    """Yields the pieces that are in a split's folder."""
    return _in_folders(archive)


class Pop909(Archive):
  """Piano arrangements of 909 pop songs (Wang et al., ISMIR 2020).

  There is no official split: songs are where the frozen table `pop909` has
  them, and in test if it does not know them. The archive's other versions of
  a song are left out.
  """

  URL: ClassVar[str] = (
    'https://github.com/music-x-lab/POP909-Dataset/archive/refs/heads/'
    'master.zip'
  )
  FILENAME: ClassVar[str] = 'POP909-Dataset-master.zip'
  KNOWN: ClassVar[Metadata] = Metadata(
    genres=('pop',), source='POP909', licence='MIT', kind='performance'
  )

  def members(self, archive: pathlib.Path) -> Iterator[Member]:
    """Yields `POP909/001/001.mid` and so on."""
    frozen = splits.frozen('pop909', key='name')
    told = {pathlib.PurePosixPath(k).stem: v for k, v in frozen.items()}
    for name, data in archives.walk(archive, archives.is_midi):
      parts = pathlib.PurePosixPath(_inside(name)).parts
      if len(parts) == 3 and parts[0] == 'POP909':
        number = parts[1]
        if parts[2] == f'{number}.mid':
          yield Member(f'{number}.mid', data, told.get(number, 'test'))


class GrooveMidi(Archive):
  """Drummers on an electronic kit (Gillick et al., ICML 2019)."""

  URL: ClassVar[str] = (
    'https://storage.googleapis.com/magentadata/datasets/groove/'
    'groove-v1.0.0-midionly.zip'
  )
  FILENAME: ClassVar[str] = 'groove-v1.0.0-midionly.zip'
  KNOWN: ClassVar[Metadata] = Metadata(
    source='Groove MIDI Dataset 1.0.0',
    licence='CC BY 4.0',
    kind='performance',
  )

  def members(self, archive: pathlib.Path) -> Iterator[Member]:
    """Yields the pieces that `info.csv` lists."""
    rows = {row['midi_filename']: row for row in _table(archive, 'info.csv')}
    for name, data in archives.walk(archive, archives.is_midi):
      row = rows.get(_inside(name))
      if row:
        known = Metadata(artist=row['drummer'], genres=(row['style'],))
        yield Member(_inside(name), data, _SPLITS[row['split']], known)


class Maestro(Archive):
  """Concert pianists' performances, v3.0.0 (Hawthorne et al., ICLR 2019)."""

  URL: ClassVar[str] = (
    'https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/'
    'maestro-v3.0.0-midi.zip'
  )
  FILENAME: ClassVar[str] = 'maestro-v3.0.0-midi.zip'
  KNOWN: ClassVar[Metadata] = Metadata(
    genres=('classical',),
    source='MAESTRO 3.0.0',
    licence='CC BY-NC-SA 4.0',
    kind='performance',
  )

  def members(self, archive: pathlib.Path) -> Iterator[Member]:
    """Yields the pieces that `maestro-v3.0.0.csv` lists."""
    table = _table(archive, 'maestro-v3.0.0.csv')
    rows = {row['midi_filename']: row for row in table}
    for name, data in archives.walk(archive, archives.is_midi):
      row = rows.get(_inside(name))
      if row:
        names = tuple(
          part.strip() for part in row['canonical_composer'].split('/')
        )
        known = Metadata(title=row['canonical_title'], composers=names)
        yield Member(_inside(name), data, _SPLITS[row['split']], known)


class Lakh(Archive):
  """The 178,561 files of LMD-full (Raffel, 2016).

  There is no official split: a piece goes by the digest of its music, so
  that equal music never stands on two sides.
  """

  URL: ClassVar[str] = 'http://hog.ee.columbia.edu/craffel/lmd/lmd_full.tar.gz'
  FILENAME: ClassVar[str] = 'lmd_full.tar.gz'
  KNOWN: ClassVar[Metadata] = Metadata(
    source='Lakh MIDI Dataset (full)', licence='CC BY 4.0'
  )

  def members(self, archive: pathlib.Path) -> Iterator[Member]:
    """Yields `lmd_full/0/MD5.mid` and so on, in the archive's order."""
    for name, data in archives.walk(archive, archives.is_midi):
      yield Member(_inside(name), data)


SETS: dict[str, type[Archive]] = {
  'groove': GrooveMidi,
  'jsb_chorales': JsbChorales,
  'lakh': Lakh,
  'maestro': Maestro,
  'nottingham': Nottingham,
  'pop909': Pop909,
}
"""Name -> builder."""
