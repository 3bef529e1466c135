"""The table and the picture of probes."""

import io

import numpy as np
import pytest

from aurl_jax.evaluation.probing import Hits
from aurl_jax.experiment.probing import Found


@pytest.fixture(scope='module')
def tool(load_tool, tool_folder):
  return load_tool('probe')


def rows():
  total = [10, 10, 20]

  def hits(*right):
    return Hits(np.array(right), np.array(total))

  found = [
    Found(
      name,
      (hits(1, 2, 3), hits(9, 9, 18)),
      (hits(2, 2, 4), hits(3, 2, 4)),
      hits(4, 3, 9),
      5,
      40,
    )
    for name in ('chord root', 'key')
  ]
  return [row for one in found for row in one.rows(100)]


def test_rows_tell_shares_with_intervals():
  first, second, *_ = rows()
  assert first['share'] == 0.15
  assert second['share'] == 0.9
  assert (second['drawn'], second['commonest']) == (0.225, 0.4)
  assert first['low'] <= first['share'] <= first['high']
  low, high = second['above_embedding']
  assert 0.6 < low <= 0.75 <= high < 0.9
  assert first['above_embedding'] == [0, 0]


def test_the_table(tool):
  lines = tool.shown(rows()).splitlines()
  assert len(lines) == 3
  assert lines[1].split()[-4:] == ['0.400', '0.150', '0.900', '0.225']


def test_the_picture_has_a_panel_a_property(tool):
  figure = tool.draw(rows(), 'some model')
  titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
  assert titles == ['chord root (5 classes)', 'key (5 classes)']
  curve = figure.axes[0].lines[1].get_ydata().tolist()
  assert curve == [0.15, 0.9]
  out = io.BytesIO()
  figure.savefig(out)
  assert out.getvalue().startswith(b'\x89PNG')
