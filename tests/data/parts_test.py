import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurl_jax.core.errors import DataError
from aurl_jax.data import parts
from aurl_jax.data.parts import Piece
from aurl_jax.data.report import FileReport


def piece(index, steps=3, fields=2):
  ids = np.arange(steps * fields).reshape(steps, fields) + index
  file = FileReport(
    name=f'pièce {index}', status='ok', digest=str(index), steps=steps
  )
  return Piece(
    index=index,
    file=file,
    sequence=bytes([index % 256]) * index,
    ids=ids,
    bars=np.array([0, steps - 1]),
    described={'pitch': {'60': index}},
  )


def assert_same(one, other):
  for field in dataclasses.fields(Piece):
    a, b = getattr(one, field.name), getattr(other, field.name)
    if isinstance(a, np.ndarray):
      np.testing.assert_array_equal(a, b)
      assert a.shape == b.shape
    else:
      assert a == b


@given(
  st.integers(0, 2**31),
  st.binary(max_size=50),
  st.integers(1, 5),
  st.integers(1, 20),
  st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=3),
)
def test_a_piece_comes_back(index, sequence, fields, steps, issues):
  file = FileReport(
    name='a', status='repaired', split='train', issues=tuple(issues)
  )
  rng = np.random.default_rng(steps)
  one = Piece(
    index=index,
    file=file,
    sequence=sequence,
    ids=rng.integers(0, 2**40, (steps, fields)),
    bars=np.array([0]),
    described={'é': {'b': 1}},
  )
  assert_same(Piece.from_bytes(one.to_bytes()), one)


def test_a_piece_of_nothing_comes_back():
  file = FileReport(name='a', status='dropped', code='c', reason='r')
  one = Piece(index=3, file=file)
  assert_same(Piece.from_bytes(one.to_bytes()), one)


def test_parts_are_read_in_the_order_of_sources(tmp_path, monkeypatch):
  monkeypatch.setattr(parts, 'PART', 4)
  pieces = [piece(index) for index in range(10)]
  for part in (2, 0, 1):
    parts.write_part(tmp_path, part, pieces[part * 4 : part * 4 + 4][::-1])
  found = list(parts.read_parts(tmp_path, 10))
  for one, other in zip(found, pieces, strict=True):
    assert_same(one, other)
  # A worker that is run again replaces its part.
  parts.write_part(tmp_path, 1, pieces[4:8])
  assert len(list(parts.read_parts(tmp_path, 10))) == 10
  assert len(list(tmp_path.iterdir())) == 3


def test_a_part_that_is_missing_or_not_whole_is_told(tmp_path, monkeypatch):
  monkeypatch.setattr(parts, 'PART', 4)
  parts.write_part(tmp_path, 0, [piece(index) for index in range(4)])
  with pytest.raises(DataError, match='part-00001') as caught:
    list(parts.read_parts(tmp_path, 6))
  assert caught.value.code == 'parts'
  parts.write_part(tmp_path, 1, [piece(5)])
  with pytest.raises(DataError, match='source 5 where 4 belongs'):
    list(parts.read_parts(tmp_path, 6))
  parts.write_part(tmp_path, 1, [piece(4)])
  with pytest.raises(DataError, match='5 of 6'):
    list(parts.read_parts(tmp_path, 6))
