"""The sets of the shared data, read once, for the tools that compare them."""

import csv
import dataclasses
import pathlib
from collections.abc import Callable, Iterator

import fingerprint
import numpy as np
import works

from aurl_jax.data import bach, sources, splits

Works = Callable[[pathlib.Path], dict[str, list[str]]]

FREE: dict[str, tuple[str, Works]] = {
  'freedoom': ('multitrack/freedoom', works.pieces),
  'giantmidi': ('giantmidi', works.giantmidi),
  'hauptstimme': ('hauptstimme', works.hauptstimme),
  'js_fakes': ('js_fakes', works.pieces),
  'openewld': ('openewld', works.openewld),
  'openmsx': ('multitrack/openmsx', works.pieces),
  'openscore_lieder': ('openscore_lieder', works.indexed),
  'openscore_quartets': ('openscore_quartets', works.indexed),
  'piano_midi_de': ('piano_midi_de', works.piano_midi_de),
  's3_symphonies': ('s3_symphonies', works.symphonies),
  'when_in_rome': ('when_in_rome', works.indexed),
}
"""Table -> folder, and what tells works, of sets that come without splits."""
OFFICIAL = ('groove', 'jsb_chorales', 'nottingham', 'pop909')
"""Sets that come with splits."""
_PARTS = ('melody/', 'chords/')
"""Of Nottingham: tracks of tunes that stand in the set whole, too."""


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
  """A piece of a set.

  Attributes:
    table: Its set.
    name: Below the set's folder.
    digest: Of its music, see `aurl_jax.data.splits`.
    phrases: See `fingerprint`.
    works: Keys of its work, see `works`; empty where the set is split.
    split: Of the set itself, or ''.
  """

  table: str
  name: str
  digest: str
  phrases: np.ndarray
  works: tuple[str, ...] = ()
  split: str = ''

  @property
  def label(self) -> str:
    """Returns set and name."""
    return f'{self.table}/{self.name}'


def read(data: pathlib.Path, tables: tuple[str, ...] = ()) -> list[Piece]:
  """Returns the pieces of all sets but the chorales of music21.

  Args:
    data: The shared data.
    tables: Which sets; by default all.
  """
  wanted = tables or (*OFFICIAL, *FREE)
  return [
    piece
    for table in sorted(wanted)
    for piece in (
      _official(data, table) if table in OFFICIAL else _free(data, table)
    )
  ]


def chorales(told: dict[str, str]) -> list[Piece]:
  """Returns the chorales of music21.

  Args:
    told: Name -> split.
  """
  pieces = []
  for path in sorted(bach.corpus().glob('*.mxl')):
    if path.stem in told:
      notes = bach.read(path)
      digest, own = splits.digest(notes), fingerprint.phrases(notes)
      pieces.append(
        Piece('chorales', path.stem, digest, own, split=told[path.stem])
      )
  return pieces


def _free(data: pathlib.Path, table: str) -> Iterator[Piece]:
  place, tell = FREE[table]
  told = tell(data / place)
  for source in sources.folder(data / place):
    notes = source.read().notes
    digest, own = splits.digest(notes), fingerprint.phrases(notes)
    yield Piece(table, source.name, digest, own, tuple(told[source.name]))


def _official(data: pathlib.Path, table: str) -> Iterator[Piece]:
  told = _groove(data / table) if table == 'groove' else {}
  for source in sources.folder(data / table):
    split, _, rest = source.name.partition('/')
    name = source.name
    if table == 'nottingham' and rest.startswith(_PARTS):
      continue
    if table == 'jsb_chorales':
      split = split.removeprefix('midi_')
      name = f'{split}/{rest}'
    notes = source.read().notes
    digest, own = splits.digest(notes), fingerprint.phrases(notes)
    yield Piece(table, name, digest, own, split=told.get(name, split))


def _groove(folder: pathlib.Path) -> dict[str, str]:
  """Returns name -> split of `info.csv` (Gillick et al., ICML 2019)."""
  with (folder / 'info.csv').open(newline='') as file:
    rows = list(csv.DictReader(file))
  names = {'validation': 'valid'}
  return {
    row['midi_filename']: names.get(row['split'], row['split']) for row in rows
  }
