"""Styles told by metrics, against scikit-learn and by what is put in."""

import numpy as np
import pytest

from aurl_jax.evaluation import style


def table(seed=0, counts=(40, 25, 60), apart=3.0, lacks=0.0):
  rng = np.random.default_rng(seed)
  place = np.repeat(np.arange(len(counts)), counts)
  middles = rng.normal(size=(len(counts), 5)) * apart
  rows = middles[place] + rng.normal(size=(len(place), 5))
  rows = rows * [1, 100, 0.01, 1, 1] + [0, 1e4, 0, 0, 5]
  rows[rng.random(rows.shape) < lacks] = np.nan
  return rows, [f'style {k}' for k in place]


def test_it_is_logistic_regression():
  linear = pytest.importorskip('sklearn.linear_model')
  rows, labels = table(apart=0.6)
  found = style.fit(rows, labels)
  scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
  counts = {label: labels.count(label) for label in labels}
  weigh = [len(labels) / len(counts) / counts[label] for label in labels]
  judge = linear.LogisticRegression(C=1.0, max_iter=2000, tol=1e-8)
  judge.fit(scaled, labels, sample_weight=weigh)
  np.testing.assert_allclose(
    found.chances(rows), judge.predict_proba(scaled), atol=2e-3
  )
  assert found.styles == tuple(judge.classes_)


def test_styles_are_told_of_pieces_held_out():
  rows, labels = table()
  found = style.scores(rows, labels)
  assert found.accuracy > 0.9
  assert found.chance == pytest.approx(1 / 3)
  assert found.confusion.sum(axis=1).tolist() == [40, 25, 60]
  right = found.confusion.diagonal() / [40, 25, 60]
  assert found.accuracy == pytest.approx(right.mean())
  assert style.scores(rows, labels, seed=1).accuracy > 0.9


def test_labels_that_say_nothing_are_told_as_by_chance():
  rows, labels = table(counts=(80, 80))
  mixed = np.random.default_rng(5).permutation(labels)
  found = style.scores(rows, list(mixed))
  assert abs(found.accuracy - 0.5) < 0.15


def test_what_a_piece_lacks_is_told_too():
  rows, labels = table(lacks=0.2)
  assert style.scores(rows, labels).accuracy > 0.8
  # One style has no such metric, and that is all that is known.
  only = np.where(np.arange(60) < 30, np.nan, 1.0)[:, None]
  only = np.concatenate([only, np.full((60, 1), np.nan)], axis=1)
  told = ['drums'] * 30 + ['piano'] * 30
  made = style.fit(only, told)
  assert made.chances(only).argmax(axis=1).tolist() == [0] * 30 + [1] * 30
  np.testing.assert_allclose(made.chances(only).sum(axis=1), 1)


def test_what_is_far_from_all_is_still_a_number():
  rows, labels = table()
  made = style.fit(rows, labels)
  odd = np.array([[1e300, -1e300, 0, np.nan, np.inf], [np.nan] * 5])
  assert np.isfinite(made.chances(odd)).all()


@pytest.mark.parametrize(
  ('counts', 'match'), [((5,), 'two or more'), ((40, 1), "'style 1': 1")]
)
def test_what_is_no_style_is_refused(counts, match):
  rows, labels = table(counts=counts)
  with pytest.raises(style.StyleError, match=match):
    style.fit(rows, labels)
  with pytest.raises(style.StyleError, match='10 pieces or more'):
    style.scores(*table(counts=(40, 9)))
