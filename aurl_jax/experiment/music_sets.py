"""Sets of pieces by name: of files, or written by a model."""

import pathlib
from typing import NamedTuple

from aurl_jax.core.errors import DataError, MidiError
from aurl_jax.data import frames, preprocess, sources
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.experiment import generate, progress
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

_AT_ONCE = 32
"""Pieces that are written at a time."""


class Music(NamedTuple):
  """A set of pieces.

  Attributes:
    name: As it was asked for.
    pieces: The notes.
    names: Of the pieces.
    composer: What wrote them; None of files.
    unread: Files that hold no music.
  """

  name: str
  pieces: list[Notes]
  names: list[str]
  composer: Composer | None = None
  unread: int = 0


def music(
  name: str,
  count: int,
  seed: int,
  told: progress.Report | None = None,
  beats: str = 'keep',
) -> Music:
  """Returns what a model writes, or what a folder of MIDI files holds.

  Args:
    name: A run, a bundle, a shipped name, or a folder of MIDI files.
    count: Pieces that a model writes.
    seed: Of the first of them.
    told: Is told how many are written, of how many.
    beats: As of `of_files`.

  Raises:
    DataError: There is no such music, or nothing of it can be read.
    BundleError: There is no such model.
  """
  path = pathlib.Path(name).expanduser()
  bundled = (path / bundle_lib.CONFIG).exists()
  if path.is_dir() and not Workdir(path).holds_run and not bundled:
    return of_files(name, beats)
  composer = generate.load(name)
  pieces: list[Notes] = []
  while len(pieces) < count:
    some = min(_AT_ONCE, count - len(pieces))
    asked = composer.request(n=some, seed=seed + len(pieces))
    pieces += [piece.notes for piece in composer.generate(asked)]
    if told is not None:
      told(len(pieces), count)
  names = [f'seed {seed + number}' for number in range(len(pieces))]
  return Music(name, pieces, names, composer)


def of_files(name: str, beats: str = 'keep') -> Music:
  """Returns the pieces of a folder of MIDI files, or of JSON of frames.

  Files that hold no music are counted and left out.

  Args:
    name: Of the folder or the file.
    beats: What is done to tempo maps and bar lines of MIDI files
      (`data.preprocess.Preprocess.beats`): music whose ticks mean nothing is
      judged fairly only as a model has learnt it.

  Raises:
    DataError: There is no such file or folder, or it holds no music.
    ValueError: There is no such way with beats.
  """
  prepared = preprocess.Preprocess(beats=beats)
  path = pathlib.Path(name).expanduser()
  if path.is_file():
    pieces = frames.read(path)
    return Music(name, pieces, [f'no. {k}' for k in range(1, len(pieces) + 1)])
  found = list(sources.folder(path))
  pieces, names, unread = [], [], 0
  for source in found:
    try:
      notes = midi.read(path / source.name).notes
    except (MidiError, OSError):
      unread += 1
      continue
    pieces.append(prepared(notes))
    names.append(source.name)
  if not pieces:
    raise DataError(
      f'{path}: none of {len(found)} files holds music that can be read',
      code='nothing_usable',
    )
  return Music(name, pieces, names, unread=unread)
