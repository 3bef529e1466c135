"""Analyses against sums on paper, and refusals in words."""

import json
import math

import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.listening import analysis
from tests.listening import listeners

# Five listeners, six pairs: 1 where the first system is preferred.
WINS = [
  [1, 1, 1, 1, 1, 0],
  [1, 1, 1, 1, 0, 0],
  [1, 1, 1, 1, 1, 1],
  [1, 1, 1, 0, 0, 1],
  [1, 0, 1, 1, 1, 1],
]


def ab(tmp_path, rows=WINS, **changes):
  test = listeners.made('ab', ('x', 'y'), 6, **changes)
  kept = listeners.opened(tmp_path / 'test', test)
  for row in rows:
    wins = {f'x/y/{n}': won for n, won in enumerate(row)}
    listeners.listen(kept, listeners.prefers(test, wins))
  return kept


def test_preferences_are_what_sums_on_paper_say(tmp_path):
  ab(tmp_path)
  report = analysis.analyze(tmp_path / 'test')
  json.dumps(report, allow_nan=False)
  assert report['listeners'] == {
    'began': 5,
    'through': 5,
    'counted': 5,
    'failed_checks': 0,
  }
  assert report['checks'] == {'spoilt': {'answers': 5, 'passed': 5}}
  found = report['results']
  assert found['answers'] == 30
  told = found['contrasts']['x over y']
  # Shares 5/6, 4/6, 1, 4/6, 5/6 less a half: (2 + 1 + 3 + 1 + 2) / 6 / 5.
  assert told['mean'][0] == pytest.approx(0.3)
  # All five prefer x: only all signs alike are as far, 2 of 32.
  assert told['p'] == told['corrected'] == told['permuted'] == 2 / 32
  assert told['effect'] == 1.0
  # By pairs: 1, 4/5, 1, 4/5, 3/5, 3/5 less a half; all above, 2 of 64.
  assert told['by_piece']['p'] == 2 / 64
  assert told['by_piece']['pieces'] == [6]
  # 24 won to 6: the odds are 4, each strength half their logarithm.
  strength = found['bradley_terry']['strengths']['x']
  assert strength[0] == pytest.approx(math.log(4) / 2)
  # Slopes of listeners, wins less 6 * 0.8: 0.2, -0.8, 1.2, -0.8, 0.2.
  squares = 0.04 + 0.64 + 1.44 + 0.64 + 0.04
  deviation = math.sqrt(5 / 4 * squares) / (30 * 0.8 * 0.2) / 2
  # Student's t of 4 degrees at 0.975: 2.776445.
  assert strength[2] - strength[0] == pytest.approx(2.776445 * deviation)
  # Krippendorff: of 30 values 24 are 1. Pairs that differ, of 20 a unit:
  # 0, 8, 0, 8, 12, 12 (ordered), each weighing 1/4: 10 in all.
  expected = 2 * 24 * 6 / 29
  assert found['agreement']['alpha'][0] == pytest.approx(1 - 10 / expected)
  assert found['agreement']['metric'] == 'nominal'


def test_who_fails_the_checks_is_left_out_and_told(tmp_path):
  kept = ab(tmp_path, checks=2)
  always = listeners.prefers(kept.test, {f'x/y/{n}': 0 for n in range(6)})

  def careless(trial, urls):
    if trial.check:
      return 'second' if trial.right in urls[0] else 'first'
    return always(trial, urls)

  listeners.listen(kept, careless)
  listeners.listen(kept, careless, until=3)
  report = analysis.analyze(tmp_path / 'test')
  assert report['listeners'] == {
    'began': 7,
    'through': 6,
    'counted': 5,
    'failed_checks': 1,
  }
  assert report['checks']['spoilt'] == {'answers': 12, 'passed': 10}
  counted = report['results']['contrasts']['x over y']
  assert (counted['raters'], counted['mean'][0]) == (5, pytest.approx(0.3))
  everyone = report['everyone']['contrasts']['x over y']
  assert everyone['raters'] == 6
  assert everyone['mean'][0] == pytest.approx((9 - 3) / 6 / 6)


def test_ties_count_half(tmp_path):
  test = listeners.made('ab', ('x', 'y'), 2, checks=0, ties=True)
  kept = listeners.opened(tmp_path / 'test', test)
  for _ in range(2):
    wins = listeners.prefers(test, {'x/y/0': 1, 'x/y/1': 1})
    listeners.listen(
      kept, lambda t, u, w=wins: 'none' if t.pair == 'x/y/1' else w(t, u)
    )
  found = analysis.analyze(tmp_path / 'test')['results']
  assert found['contrasts']['x over y']['mean'][0] == 0.25
  # x never lost outright, but half of the answers are none: ties keep it
  # finite, and as many as wins.
  assert found['bradley_terry']['strengths']['x'][0] > 0
  assert found['bradley_terry']['tie'] > 0


def test_a_side_is_told_and_does_not_touch_the_contrast(tmp_path):
  kept = listeners.opened(
    tmp_path / 'test', listeners.made('ab', ('x', 'y'), 6, checks=0)
  )
  for _ in range(4):
    listeners.listen(kept, lambda *_: 'first')
  found = analysis.analyze(tmp_path / 'test')['results']
  assert found['chose_first_side'] == 1
  assert found['contrasts']['x over y']['mean'][0] == 0


def test_who_never_lost_has_no_strength(tmp_path):
  ab(tmp_path, rows=[[1] * 6, [1] * 6])
  found = analysis.analyze(tmp_path / 'test')['results']
  assert 'never lost' in found['bradley_terry']['why']
  assert 'no agreement from chance' in found['agreement']['why']


# Of systems x, y, z: three pieces each, four listeners.
RATINGS = [
  {'x': [5, 4, 5], 'y': [3, 3, 3], 'z': [2, 2, 3]},
  {'x': [4, 4, 4], 'y': [4, 3, 3], 'z': [1, 2, 2]},
  {'x': [5, 5, 5], 'y': [2, 3, 3], 'z': [3, 3, 3]},
  {'x': [3, 4, 4], 'y': [2, 2, 2], 'z': [2, 1, 1]},
]


def test_opinions_are_what_sums_on_paper_say(tmp_path):
  test = listeners.made('mos', ('x', 'y', 'z'), 3)
  kept = listeners.opened(tmp_path / 'test', test)
  for row in RATINGS:

    def answer(trial, urls, row=row):
      del urls
      if trial.check:
        return '1'
      name, place = trial.pair.split('/')
      return str(row[name][int(place)])

    listeners.listen(kept, answer)
  report = analysis.analyze(tmp_path / 'test')
  found = report['results']
  # Sums a listener: x 14, 12, 15, 11; y 9, 10, 8, 6; z 7, 5, 9, 4.
  assert found['means']['x'][0] == pytest.approx(52 / 12)
  assert found['means']['y'][0] == pytest.approx(33 / 12)
  assert found['means']['z'][0] == pytest.approx(25 / 12)
  told = found['contrasts']
  assert told['x - y']['mean'][0] == pytest.approx(19 / 12)
  # All above: 2 of 16. y - z: 2, 5, -1, 2 of 3; ranks 2.5, 4, -1, 2.5.
  # As far as 8 of 10: all alike, or the 1 against the others: 4 of 16.
  assert told['x - y']['p'] == told['x - z']['p'] == 2 / 16
  assert told['y - z']['p'] == 4 / 16
  assert told['x - y']['corrected'] == 3 * 2 / 16
  assert told['y - z']['effect'] == pytest.approx(8 / 10)
  # Pieces of x, 4.25, 4.25 and 4.5, are all above those of y, 2.75 each.
  beside = told['x - y']['by_piece']
  assert (beside['effect'], beside['pieces']) == (1.0, [3, 3])
  assert found['agreement']['metric'] == 'ordinal'
  assert 0.5 < found['agreement']['alpha'][0] < 1


def test_turing_is_what_sums_on_paper_say(tmp_path):
  test = listeners.made('turing', ('x', 'reference'), 4)
  kept = listeners.opened(tmp_path / 'test', test)
  # `human` of four by people, of four by x.
  for people, machine in ((4, 2), (3, 1), (3, 0), (4, 3)):
    said = {'reference': people, 'x': machine}

    def answer(trial, urls, said=said):
      del urls
      if trial.check:
        return 'machine'
      name, place = trial.pair.split('/')
      return 'human' if int(place) < said[name] else 'machine'

    listeners.listen(kept, answer)
  found = analysis.analyze(tmp_path / 'test')['results']
  assert found['taken_for_human']['reference'][0] == 14 / 16
  assert found['taken_for_human']['x'][0] == 6 / 16
  told = found['contrasts']['reference - x']
  assert told['mean'][0] == pytest.approx((2 + 2 + 3 + 1) / 16)
  assert told['p'] == 2 / 16
  assert found['detection']['x']['accuracy'] == (14 + 10) / 32
  # Shares 14.5 / 17 and 6.5 / 17 lie 1.0491 above and 0.2993 below the middle.
  assert found['detection']['x']['d'] == pytest.approx(
    1.0491 + 0.2993, abs=1e-3
  )


def test_too_few_are_told_so(tmp_path):
  kept = listeners.opened(
    tmp_path / 'test', listeners.made('mos', ('x', 'y'), 2)
  )
  with pytest.raises(DataError, match='0 listeners began') as caught:
    analysis.analyze(tmp_path / 'test')
  assert caught.value.code == 'no_answers'
  listeners.listen(kept, lambda *_: '1')
  report = analysis.analyze(tmp_path / 'test')
  assert 'too few' in report['results']['why']
  one = listeners.made('mos', ('x',), 2)
  kept = listeners.opened(tmp_path / 'one', one)
  for _ in range(2):
    listeners.listen(kept, lambda *_: '1')
  found = analysis.analyze(tmp_path / 'one')['results']
  assert found['means'] == {'x': [1.0, 1.0, 1.0]}
  assert 'contrasts' not in found
