"""Charts, judged by what matplotlib is asked for and by their pixels."""

import io

import numpy as np
import pytest
from matplotlib import image

from aurl_jax.experiment import charts


def pixels(data):
  return image.imread(io.BytesIO(data))[..., :3]


def test_points_lie_where_they_are_and_have_a_chart_a_colouring():
  points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [5.0, 9.0]])
  values = np.array([0.0, 1.0, 2.0, np.nan])
  one = charts.scatter(points, {'a': values})
  two = charts.scatter(points, {'a': values, 'b': values[::-1]})
  assert pixels(two).shape[1] == 2 * pixels(one).shape[1]
  assert one == charts.scatter(points, {'a': values})
  assert one != charts.scatter(points[::-1], {'a': values})


def test_bars_are_sorted_and_named(monkeypatch):
  from matplotlib.axes import Axes

  drawn, plain = [], Axes.bar

  def bar(axes, x, heights, **style):
    drawn.append(list(heights))
    return plain(axes, x, heights, **style)

  monkeypatch.setattr(Axes, 'bar', bar)
  labels, ticks = [], Axes.set_xticks

  def named(axes, at, labels_=None, **style):
    labels.append(style.get('labels', labels_))
    return ticks(axes, at, **style)

  monkeypatch.setattr(Axes, 'set_xticks', named)
  found = charts.bars({'x': np.array([1.0, 3.0, 2.0]), 'y': np.ones(2)}, 'nats')
  assert drawn == [[3.0, 2.0, 1.0], [1.0, 1.0]]
  assert labels == [[1, 2, 0], [0, 1]]
  assert pixels(found).shape[2] == 3


def test_nothing_to_draw_is_refused():
  with pytest.raises(ValueError, match='a value of each point'):
    charts.scatter(np.zeros((2, 2)), {})
  with pytest.raises(ValueError, match='needs bars'):
    charts.bars({})
