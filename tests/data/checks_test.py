import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurl_jax.core.errors import DataError
from aurl_jax.data import blocks, checks
from tests.data import streams

SIZES = [700, 3, 512, 1500, 513, 40]


@pytest.fixture
def tokens(tmp_path):
  return streams.write(tmp_path, streams.corpus(SIZES))


def row_of(*chunks):
  rows = np.zeros((1, 4, 3), np.int64)
  rows[0, : len(chunks)] = chunks
  return rows


def test_each_block_of_a_piece_has_its_sum(tokens):
  pieces = streams.corpus(SIZES)
  expected = [
    zlib.crc32(ids[at : at + 512].astype(np.uint8).tobytes())
    for ids in pieces
    for at in range(0, len(ids), 512)
  ]
  assert tokens['train'].checks.tolist() == expected
  starts = blocks.starts(tokens['train'].offsets).tolist()
  assert starts == [0, 2, 3, 4, 7, 9, 10]


@given(
  piece=st.integers(0, len(SIZES) - 1), place=st.floats(0, 1, exclude_max=True)
)
def test_any_flipped_bit_is_found_where_it_is_and_only_there(
  tmp_path_factory, piece, place
):
  tokens = streams.write(
    tmp_path_factory.mktemp('tokens'), streams.corpus(SIZES)
  )
  step = int(place * SIZES[piece])
  streams.rot(tokens, piece, step)
  checker = checks.Checker(tokens['train'])
  for other, size in enumerate(SIZES):
    for begin in range(0, size, 512):
      length = min(512, size - begin)
      hit = other == piece and begin <= step < begin + length
      chunk = other, begin, length
      rows, found = checks.Checker(tokens['train']).sound(row_of(chunk), 0)
      assert len(found) == hit
      assert rows[0, 0].tolist() == ([0, 0, 0] if hit else list(chunk))
      assert {checker.piece(block) for block in found} <= {piece}


def test_the_chunks_that_are_left_move_up(tokens):
  streams.rot(tokens, 3, 600)
  rows = row_of((0, 0, 100), (3, 590, 30), (1, 0, 3), (3, 0, 512))
  sound, found = checks.Checker(tokens['train']).sound(rows, 5)
  assert sound[0].tolist() == [[0, 0, 100], [1, 0, 3], [3, 0, 512], [0, 0, 0]]
  assert found == [5]


def test_sound_rows_stay_as_they_are(tokens):
  rows = row_of((0, 600, 100), (5, 0, 40))
  sound, found = checks.Checker(tokens['train']).sound(rows, 0)
  assert sound is rows
  assert found == []


def test_a_block_is_new_once_and_known_from_its_batch_on(tokens):
  rows = row_of((5, 0, 40))
  checker = checks.Checker(tokens['train'], known={9: 3})
  assert checker.sound(rows, 2)[0] is rows
  # It is sound on the disk, and left out all the same.
  later, found = checker.sound(rows, 3)
  assert not later.any()
  assert found == []
  streams.rot(tokens, 0)
  assert checker.sound(row_of((0, 0, 9)), 4)[1] == [0]
  assert checker.sound(row_of((0, 0, 9)), 5)[1] == []


def test_a_file_that_was_cut_is_told_before_it_is_read(tokens):
  checker = checks.Checker(tokens['train'])
  path = tokens['train'].folder / 'ids.npy'
  with open(path, 'r+b') as file:
    file.truncate(path.stat().st_size - 1)
  with pytest.raises(DataError, match=r'ids\.npy was .* bytes long') as caught:
    checker.sound(row_of((0, 0, 9)), 0)
  assert caught.value.code == 'cache_damaged'


def test_a_file_without_a_name_is_still_mapped(tokens):
  checker = checks.Checker(tokens['train'])
  (tokens['train'].folder / 'ids.npy').unlink()
  assert checker.sound(row_of((0, 0, 9)), 0)[1] == []
