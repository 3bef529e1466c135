import pathlib

import pytest

CODE = 'def half(x: int | None) -> int:\n  return x // 2\n'


@pytest.fixture(scope='module')
def mutants(load_tool):
  return load_tool('mutants')


@pytest.mark.parametrize(
  ('other', 'same'),
  [
    (CODE.replace('|', '&'), True),
    (CODE.replace('-> int', '-> 3'), True),
    (CODE.replace('//', '%'), False),
    (CODE.replace('return', 'return ='), True),
  ],
)
def test_annotations_and_what_is_no_program_are_no_mutations(
  mutants, other, same
):
  assert mutants.same(CODE, other) is same


def test_own_tests_come_first_then_those_that_import_the_file(mutants):
  found = [str(tests[0]) for tests in mutants.suites('aurl_jax/music/time.py')]
  assert found[0] == 'tests/music/time_test.py'
  assert len(set(found)) == len(found) > 1
  root = pathlib.Path(mutants.ROOT)
  assert all('import' in (root / name).read_text() for name in found)


def test_a_file_without_tests_of_its_name_has_its_doctests(mutants):
  assert not (mutants.ROOT / 'tests/music/ranges_test.py').exists()
  (first, *_), *_ = mutants.suites('aurl_jax/music/ranges.py')
  assert str(first) == 'aurl_jax/music/ranges.py'


def test_the_score_is_the_share_that_was_seen(mutants):
  row = {'mutant': ['a.py', 3, 'op', 0], 'was': 'x + 1', 'now': 'x - 1'}
  rows = [row | {'seen_by': 'a_test.py'}] * 8 + [row | {'seen_by': None}] * 2
  found = mutants.summary(rows)
  assert (found['mutants'], found['score']) == (10, 0.8)
  # By the formula of the Wilson interval for 8 of 10, worked out by hand.
  assert found['interval'] == [0.49, 0.943]
  assert found['survivors'] == ['a.py:3: x + 1 -> x - 1'] * 2
  assert mutants.summary([])['score'] is None


def test_a_mutant_is_drawn_once_and_changes_one_line(mutants, tmp_path):
  pytest.importorskip('cosmic_ray', reason='cosmic-ray is not installed')
  file = mutants.ROOT / 'aurl_jax' / 'music' / 'scales.py'
  drawn = list(mutants.drawn([file], 5, 0))
  assert len({mutant for mutant, _ in drawn}) == 5
  for mutant, text in drawn:
    lines = zip(text.splitlines(), file.read_text().splitlines(), strict=True)
    changed = [at for at, (one, other) in enumerate(lines, 1) if one != other]
    assert changed == [mutant.line]
