"""Music of a file for other players, or as people play it, in a folder."""

import pathlib
from typing import Any

import numpy as np

from aurl_jax.experiment import generate
from aurl_jax.generation import source
from aurl_jax.generation.arranging import arranged
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.remake import Arrange
from aurl_jax.music import transform
from aurl_jax.music.grid import Grid


def to_folder(
  path: str, out: str, asked: Arrange, *, seed: int = 0, n: int = 1, grid: int
) -> dict[str, Any]:
  """Arranges a MIDI file and writes MIDI, rolls and a page.

  Args:
    path: The file.
    out: Folder for the files.
    asked: Who plays, and how humanly.
    seed: Of the first piece; the others count on.
    n: Pieces: humanised ones differ.
    grid: Cells a beat that it is quantised to first; 0 leaves it as it is.

  Returns:
    As `generate.leave`, and `arranged`: what the first piece tells of it.

  Raises:
    MidiError, RequestError: The file holds no music, or cannot be arranged.
  """
  notes = source.read('music to arrange', path)
  if grid:
    notes = transform.quantise(notes, Grid(cells_per_beat=grid))
    notes = transform.merge_equal(notes)[0]
  given = [
    Piece(
      notes=notes,
      ids=np.zeros((0, 1), np.int32),
      seed=seed + index,
      ended=True,
      grammatical=True,
    )
    for index in range(n)
  ]
  pieces = [arranged(piece, asked) for piece in given]
  title = notes.title or pathlib.Path(path).stem
  result = generate.leave(pieces, pathlib.Path(out), title=title)
  return {**result, 'arranged': dict(pieces[0].more)}
