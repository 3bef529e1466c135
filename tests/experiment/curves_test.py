"""Charts, read back from their own markup."""

import re
import xml.etree.ElementTree as ET

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aurl_jax.experiment import curves, plots
from tests.experiment import folders

NAME = '{http://www.w3.org/2000/svg}'
numbers = st.floats(-1e9, 1e9, allow_nan=False)


def places(svg):
  """Returns the (x, y) of each line of a chart."""
  found = []
  for group in ET.fromstring(svg).iter(f'{NAME}g'):
    path = group.find(f'{NAME}path').get('d')
    numbers = [float(n) for n in re.findall(r'-?\d+\.\d', path)]
    found.append(np.reshape(numbers, (-1, 2)))
  return found


def test_places_are_in_proportion_and_higher_is_up():
  line = curves.Line('a', [(1, 2.0), (2, 4.0), (5, 3.0)], 'red')
  (found,) = places(curves.draw([line]))
  (x1, y1), (x2, y2), (x5, y3) = found
  assert abs((x2 - x1) * 4 - (x5 - x1)) < 0.5
  assert y2 < y3 < y1
  assert abs((y1 - y2) - 2 * (y1 - y3)) < 0.3


def test_lines_of_a_chart_share_their_axes():
  long = curves.Line('a', [(1, 1.0), (100, 5.0)], 'red')
  short = curves.Line('b', [(1, 1.0), (50, 3.0)], 'blue')
  first, second = places(curves.draw([long, short]))
  assert (first[0] == second[0]).all()
  assert first[0][0] < second[1][0] < first[1][0]
  assert first[0][1] > second[1][1] > first[1][1]


@given(st.lists(st.tuples(st.integers(0, 10**7), numbers), min_size=1))
def test_every_line_stays_inside_its_picture(points):
  svg = curves.draw([curves.Line('<&>', sorted(points), 'red')])
  (found,) = places(svg)
  assert (found >= 0).all()
  assert (found[:, 0] <= 360).all()
  assert (found[:, 1] <= 190).all()


@given(st.lists(numbers, min_size=1, max_size=2000))
def test_thinning_keeps_order_and_peaks(values):
  line = list(enumerate(values))
  thin = curves.thin(line)
  assert len(thin) <= max(400, 0)
  assert thin == sorted(thin)
  assert set(thin) <= set(line)
  assert max(y for _, y in thin) == max(values)
  assert min(y for _, y in thin) == min(values)


@given(numbers, st.floats(1e-6, 1e6))
def test_ticks_lie_inside_and_are_few(low, size):
  found = curves.ticks(low, low + size)
  assert len(found) <= 5
  room = 1e-6 * max(1.0, abs(low))
  assert all(low - room <= tick <= low + size + room for tick in found)


def test_a_finished_run_has_its_curves_as_files(tmp_path):
  folder = folders.make(tmp_path)
  written = plots.write(folder)
  assert {'loss.svg', 'learning_rate.svg', 'memory.svg'} <= set(written)
  assert 'gradient_norm.svg' not in written
  for name in written:
    root = ET.parse(tmp_path / 'plots' / name).getroot()
    assert root.tag == f'{NAME}svg'
