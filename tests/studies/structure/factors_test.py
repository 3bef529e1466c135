"""Groups by decomposition, of matrices whose groups are known."""

import numpy as np

from aurl_jax.studies.structure.factors import Spectral, eigenvectors


def test_blocks_are_groups():
  matrix = np.kron(np.eye(3), np.ones((16, 16)))
  group = Spectral(groups=3).grouped(matrix + 1e-3)
  assert [len(set(part)) for part in np.split(group, 3)] == [1, 1, 1]
  assert len(set(group.tolist())) == 3


def test_what_returns_is_one_group():
  kinds = np.repeat([0, 1, 0, 1], 16)
  matrix = (kinds[:, None] == kinds) * 1.0
  group = Spectral(groups=2, links=20).grouped(matrix)
  assert group[8] == group[40]
  assert group[24] == group[56]
  assert group[8] != group[24]


def test_the_first_eigenvector_of_one_piece_is_even():
  found = eigenvectors(np.ones((12, 12)), 1)
  assert np.allclose(np.abs(found), 1)
