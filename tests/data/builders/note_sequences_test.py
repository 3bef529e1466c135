import subprocess
import sys
import weakref

import tensorflow_datasets as tfds

from aurl_jax.data.builders import note_sequences


def example(index):
  return {
    'id': f'folder/pièce {index}.mid',
    'digest': f'{index:032x}',
    'sequence': bytes(range(256)) * index,
  }


def stream(count):
  for index in range(count):
    yield ('valid' if index % 3 == 1 else 'train'), example(index)


def as_example(record):
  return {
    'id': record['id'].decode(),
    'digest': record['digest'].decode(),
    'sequence': record['sequence'],
  }


def test_what_is_written_is_read_in_order(tmp_path):
  splits = note_sequences.read(note_sequences.write(tmp_path, stream(10)))
  assert {name: len(split) for name, split in splits.items()} == {
    'train': 7,
    'valid': 3,
  }
  assert [as_example(record) for record in splits['valid']] == [
    example(index) for index in (1, 4, 7)
  ]
  assert as_example(splits['train'][6]) == example(9)


def test_tfds_reads_it_without_this_library(tmp_path):
  folder = note_sequences.write(tmp_path, stream(4))
  builder = tfds.builder_from_directory(folder)
  source = builder.as_data_source(split='train')
  assert builder.info.splits['train'].num_examples == 3
  assert as_example(source[2]) == example(3)
  assert sorted(path.name for path in tmp_path.iterdir()) == ['note_sequences']


def test_shards_fill_one_after_the_other(tmp_path, monkeypatch):
  monkeypatch.setattr(note_sequences, '_SHARD', 5)
  monkeypatch.setattr(note_sequences, '_FLUSH', 4)
  folder = note_sequences.write(
    tmp_path, (('train', example(index)) for index in range(13))
  )
  shards = sorted(path.name for path in folder.glob('*.array_record-*'))
  assert [name[-5:] for name in shards] == ['00000', '00001', '00002']
  source = note_sequences.read(folder)['train']
  assert [as_example(record) for record in source] == [
    example(index) for index in range(13)
  ]


class Held(dict):
  """An example whose life can be watched."""

  __hash__ = object.__hash__


def test_the_stream_is_never_held(tmp_path):
  alive = weakref.WeakSet()
  most = 0

  def watched():
    nonlocal most
    for _ in range(300):
      held = Held(example(1))
      alive.add(held)
      most = max(most, len(alive))
      yield 'train', held

  note_sequences.write(tmp_path, watched())
  assert most <= note_sequences._FLUSH + 2


def test_tensorflow_stays_out_and_nothing_is_printed(tmp_path):
  code = (
    'import sys, pathlib\n'
    'from aurl_jax.data.builders import note_sequences as n\n'
    'one = {"id": "a", "digest": "b", "sequence": b"c"}\n'
    f'folder = n.write(pathlib.Path({str(tmp_path)!r}), [("train", one)])\n'
    'assert n.read(folder)["train"][0]["sequence"] == b"c"\n'
    'assert "tensorflow" not in sys.modules\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert done.stdout == ''
