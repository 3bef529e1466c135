"""The file of an index: it comes back whole, or is refused by name."""

import numpy as np
import pytest

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import bundle, originals, sealed
from aurl_jax.evaluation import originality
from tests.deploy import bundle_test
from tests.evaluation import copying

PIECES = {f'tune\n{number} é': copying.tune(number) for number in range(5)}
INDEX = originality.build(PIECES.items(), copying.TICKS)
DATA = originals.to_bytes(INDEX)


def test_an_index_comes_back_as_it_was():
  found = originals.from_bytes(DATA, 'it')
  assert (found.notes, found.cells_per_beat) == (12, copying.TICKS)
  assert found.filter == INDEX.filter
  assert found.pieces == tuple(f'tune {number} é' for number in range(5))
  pairs = zip(
    (*found.table, found.starts, found.bars),
    (*INDEX.table, INDEX.starts, INDEX.bars),
    strict=True,
  )
  for one, other in pairs:
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one, other)
  assert found.report(PIECES['tune\n3 é']).run.source == ('tune 3 é', 1, 0)


def test_an_empty_index_comes_back():
  data = originals.to_bytes(originality.build([], 4))
  found = originals.from_bytes(data, 'it')
  assert found.pieces == ()
  assert found.report(PIECES['tune\n1 é']).share == 0


def test_no_music_is_in_the_file():
  for piece in PIECES.values():
    for line in copying.rows(piece).values():
      pitches = bytes(pitch for _, pitch in line[:8])
      assert pitches not in DATA


def test_damage_is_told_with_a_remedy():
  data = DATA[:-20] + bytes(20)
  with pytest.raises(BundleError, match=r'it is damaged.*aurl original RUN'):
    originals.from_bytes(data, 'it')


@pytest.mark.parametrize(
  'change',
  [
    {'entries': 3},
    {'entries': 1 << 40},
    {'pieces': 4},
    {'bars': -1},
    {'segment': 0},
    {'segment': 'x'},
    {'notes': 0},
    {'names': 1},
    {'cells_per_beat': None},
  ],
)
def test_a_forged_header_is_refused(change):
  config, arrays = sealed.unseal(DATA, 'it', originals.FORMAT, '')
  data = sealed.seal(arrays, config | change)
  with pytest.raises(BundleError, match='it is no index of training') as caught:
    originals.from_bytes(data, 'it')
  assert caught.value.code == 'format'


def test_arrays_that_are_missing_are_refused():
  config, arrays = sealed.unseal(DATA, 'it', originals.FORMAT, '')
  for name in arrays:
    left = {n: a for n, a in arrays.items() if n != name}
    with pytest.raises(BundleError, match=name):
      originals.from_bytes(sealed.seal(left, config), 'it')


def test_bundles_bring_an_index_along(tmp_path):
  folder = bundle_test.save(tmp_path / 'with', index=INDEX)
  assert (folder / originals.NAME).read_bytes() == DATA
  for found in (bundle.load(folder).index, bundle.outline(folder).index):
    assert found.filter == INDEX.filter
  plain = bundle_test.save(tmp_path / 'plain')
  assert bundle.load(plain).index is None
  before = {p.name: p.read_bytes() for p in plain.iterdir()}
  assert bundle.add_index(plain, INDEX) == plain
  after = {p.name: p.read_bytes() for p in plain.iterdir()}
  assert after.pop(originals.NAME) == DATA
  after.pop(bundle.DIGESTS)
  assert after.items() <= before.items()
  assert bundle.load(plain).index.pieces == bundle.load(folder).index.pieces
