"""Pieces as NoteSequence records in ArrayRecord shards, laid out by TFDS.

`tfds.builder_from_directory(folder).as_data_source()` reads them, with or
without this library. An example is

    id        the piece's name
    digest    of its music, see `data.splits`
    sequence  a serialised note_seq `NoteSequence`

The usual base class, `GeneratorBasedBuilder`, collects up to 1 GB of a split
in memory and needs TensorFlow beyond that. This one hands examples to TFDS's
own `SequentialWriter` as they come, in whatever order of splits, so that
memory stays bounded and one pass over the source is enough.
"""

import contextlib
import errno
import io
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypedDict, runtime_checkable

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_builder, dataset_info

from aurl_jax.data import metadata as metadata_lib
from aurl_jax.data.metadata import Metadata
from aurl_jax.music import note_sequence
from aurl_jax.music.notes import Notes

_SHARD = 4096
"""Pieces a shard."""
_FLUSH = 64
"""Pieces handed to the writer at once: each time it rewrites its metadata."""


class Example(TypedDict):
  """One piece."""

  id: str
  digest: str
  sequence: bytes


def as_example(
  notes: Notes, name: str, digest: str, metadata: Metadata | None = None
) -> Example:
  """Returns the record of a piece.

  Args:
    notes: Its music.
    name: What the set calls it.
    digest: Of its music.
    metadata: What is known of it beside its music.
  """
  proto = note_sequence.to_note_sequence(notes, id=name, filename=name)
  if metadata is not None:
    metadata_lib.put(metadata, proto)
  sequence = proto.SerializeToString(deterministic=True)
  return {'id': name, 'digest': digest, 'sequence': sequence}


@runtime_checkable
class Examples(Protocol):
  """A split as TFDS's data source gives it: random access by index."""

  def __len__(self) -> int: ...

  def __getitem__(self, index: int) -> Mapping[str, Any]: ...


class NoteSequences(dataset_builder.FileReaderBuilder):
  """Writes pieces that are given as a stream of (split, example)."""

  VERSION = tfds.core.Version('1.0.0')

  def __init__(
    self, *, examples: Iterable[tuple[str, Example]] = (), **kwargs: Any
  ) -> None:
    self._examples = examples
    super().__init__(file_format='array_record', **kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    raw = tfds.features.Tensor(shape=(), dtype=np.object_)
    text = tfds.features.Text
    return tfds.core.DatasetInfo(
      builder=self,
      description='Pieces of music as NoteSequence protos.',
      features=tfds.features.FeaturesDict(
        {'id': text(), 'digest': text(), 'sequence': raw}
      ),
    )

  def _download_and_prepare(
    self, dl_manager: Any, download_config: Any = None
  ) -> None:
    # TFDS moves its folder into place at the end, and `info` already names
    # the last place; the writer must go by the folder of now.
    identity = dataset_info.DatasetIdentity(
      name=self.name,
      version=self.version,
      data_dir=self.data_dir,
      module_name=__name__,
    )
    info = tfds.core.DatasetInfo(builder=identity, features=self.info.features)
    writer = tfds.core.SequentialWriter(
      info, max_examples_per_shard=_SHARD, file_format='array_record'
    )
    waiting: dict[str, list[Example]] = {}
    for split, example in self._examples:
      waiting.setdefault(split, []).append(example)
      if sum(map(len, waiting.values())) >= _FLUSH:
        _flush(writer, waiting)
    _flush(writer, waiting)
    writer.close_all()
    self.info.set_splits(info.splits)


def _flush(
  writer: tfds.core.SequentialWriter, waiting: dict[str, list[Example]]
) -> None:
  writer.initialize_splits(list(waiting), fail_if_exists=False)
  writer.add_examples(waiting)
  waiting.clear()


def write(
  folder: pathlib.Path, examples: Iterable[tuple[str, Example]]
) -> pathlib.Path:
  """Writes a data set.

  Args:
    folder: The TFDS `data_dir`; the data set gets a folder in it.
    examples: (split, example), at least one.

  Returns:
    The folder that `read` and `tfds.builder_from_directory` take.

  Raises:
    OSError: The disk is full.
  """
  builder = NoteSequences(data_dir=folder, examples=examples)
  # TFDS prints two lines about downloads, and there are none.
  with contextlib.redirect_stdout(io.StringIO()), _disk_errors():
    builder.download_and_prepare(download_dir=folder / 'downloads')
  for empty in ('downloads/extracted', 'downloads'):
    (folder / empty).rmdir()
  return pathlib.Path(builder.data_dir)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
  """Makes what ArrayRecord says of a full disk the OSError that it is."""
  try:
    yield
  except RuntimeError as error:
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
      if os.strerror(code) in str(error):
        raise OSError(code, os.strerror(code)) from error
    raise


def read(folder: pathlib.Path) -> dict[str, Examples]:
  """Returns split -> examples of a data set that `write` made."""
  builder = tfds.builder_from_directory(folder)
  return {
    split: builder.as_data_source(split=split) for split in builder.info.splits
  }
