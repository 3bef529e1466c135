"""Which of some labelled styles sets are of, in a report."""

import csv
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from aurl_jax.core.errors import DataError, MidiError
from aurl_jax.evaluation import style
from aurl_jax.experiment import measuring, progress
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

TABLE = 'info.csv'
"""Of a data set such as Groove: a line a file, with its style."""
_ENDINGS = ('.mid', '.midi')
_MOST = 120
"""Pieces of a style that are read, spread evenly."""


def labelled(path: pathlib.Path) -> tuple[list[Notes], list[str]]:
  """Returns pieces and their styles.

  Either each folder of a folder is a style, or the folder holds `info.csv`
  whose columns `midi_filename` and `style` tell (as Groove's; of 'jazz/funk'
  the first word counts). Files that hold no music are left out, and so are
  styles of fewer than `style.FEWEST` pieces.

  Args:
    path: The folder.

  Raises:
    DataError: There is no such folder, or fewer than two styles in it.
  """
  if not path.is_dir():
    raise DataError(
      f'{path} is no folder; name one whose folders are styles, or that holds '
      f'{TABLE}',
      code='missing',
    )
  table = path / TABLE
  homes = _of_table(table) if table.is_file() else _of_folders(path)
  pieces, labels = [], []
  for name, files in sorted(homes.items()):
    count = min(len(files), _MOST)
    some = [_read(files[k * len(files) // count]) for k in range(count)]
    found = [notes for notes in some if notes is not None and len(notes)]
    if len(found) >= style.FEWEST:
      pieces += found
      labels += [name] * len(found)
  if len(set(labels)) < 2:
    raise DataError(
      f'{path} holds {len(set(labels))} styles of {style.FEWEST} pieces or '
      'more; a classifier takes two',
      code='styles',
    )
  return pieces, labels


class Styles:
  """A classifier of labelled pieces, and how far it can be trusted."""

  def __init__(
    self,
    name: str,
    jobs: int = 1,
    seed: int = 0,
    told: progress.Report | None = None,
  ) -> None:
    """Reads the pieces and fits the classifier.

    Args:
      name: As of `labelled`.
      jobs: As of `measuring.measured`.
      seed: Of the folds.
      told: Likewise.

    Raises:
      DataError: As of `labelled`.
    """
    pieces, labels = labelled(pathlib.Path(name).expanduser())
    table = measuring.measured(pieces, jobs, told).table
    self._name, self._labels = name, labels
    self._scores = style.scores(table, labels, seed=seed)
    self._made = style.fit(table, labels)

  def told(self, made: np.ndarray, real: np.ndarray) -> dict[str, Any]:
    """Returns the part of a report on a set.

    Args:
      made: Metrics of its pieces, as of `metrics.table`.
      real: Those of the reference.
    """
    styles = self._made.styles
    chances = [self._made.chances(table) for table in (made, real)]
    shares = [
      np.bincount(x.argmax(axis=1), minlength=len(styles)) / max(len(x), 1)
      for x in chances
    ]
    main = int(shares[1].argmax())
    apart = abs(shares[0] - shares[1]).sum() / 2
    return {
      'styles_of': self._name,
      'pieces': {name: self._labels.count(name) for name in styles},
      'accuracy_held_out': self._scores.accuracy,
      'chance': self._scores.chance,
      'generated': _rounded(styles, shares[0]),
      'reference': _rounded(styles, shares[1]),
      'style_of_reference': styles[main],
      'consistency': 1 - float(apart),
      'likelihood_of_style': [float(x[:, main].mean()) for x in chances],
    }


def _rounded(styles: Sequence[str], shares: np.ndarray) -> dict[str, float]:
  return dict(zip(styles, shares.round(4).tolist(), strict=True))


def _of_folders(path: pathlib.Path) -> dict[str, list[pathlib.Path]]:
  """Returns the files below each folder, by its name."""
  return {
    home.name: sorted(
      file for file in home.rglob('*') if file.suffix.lower() in _ENDINGS
    )
    for home in sorted(path.iterdir())
    if home.is_dir()
  }


def _of_table(table: pathlib.Path) -> dict[str, list[pathlib.Path]]:
  """Returns the files of each style that a table tells."""
  found: dict[str, list[pathlib.Path]] = {}
  try:
    with table.open(encoding='utf-8', newline='') as lines:
      for row in csv.DictReader(lines):
        name = row['style'].partition('/')[0]
        found.setdefault(name, []).append(table.parent / row['midi_filename'])
  except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
    raise DataError(
      f'{table} has no columns midi_filename and style in each line ({error})',
      code='table',
    ) from error
  return found


def _read(path: pathlib.Path) -> Notes | None:
  try:
    return midi.read(path).notes
  except (MidiError, OSError):
    return None
