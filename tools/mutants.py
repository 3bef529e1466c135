"""Mutation testing by a sample: are faults in the code seen by its tests?

  pip install cosmic-ray
  python tools/mutants.py aurl_jax/music aurl_jax/tokens --count 200 --log LOG

Draws places of the files named (a place: an operator, a number, a condition,
a loop, ...) and, of each, one of the mutations that cosmic-ray knows there.
Each is made in a copy of the checkout, and the tests of the file are run until
one fails: those that bear its name, then those of its room that import it, or
import what imports it. What does not change the program (annotations) is no
mutation. Lines of the log are not done again. Prints a line of JSON with the
score, the share of mutations that a test saw, and Wilson's interval for it,
and the survivors.
"""

import argparse
import ast
import functools
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from scipy import stats

ROOT = pathlib.Path(__file__).resolve().parent.parent
_COPIED = ('aurl_jax', 'tests', 'tools', 'configs')
_MOST = 6
"""Files of tests beside a file's own that are run for it."""
_KINDS = re.compile(
  'Replace(Binary|Comparison|Unary)|AddNot|Replace(True|False|And|Or|Break|'
  'Continue)|NumberReplacer|ExceptionReplacer|ZeroIteration'
)


class Mutant(NamedTuple):
  """A file's mutation: the operator's name, and the how manieth it makes."""

  path: str
  line: int
  operator: str
  occurrence: int


def main(argv: Sequence[str] | None = None) -> int:
  """Runs the sample; returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('paths', nargs='+', type=pathlib.Path)
  parser.add_argument('--count', type=int, default=100)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--timeout', type=float, default=300, help='seconds')
  parser.add_argument('--log', type=pathlib.Path, required=True)
  args = parser.parse_args(argv)
  rows = {tuple(row['mutant']): row for row in read(args.log)}
  with tempfile.TemporaryDirectory() as folder:
    copy = copied(pathlib.Path(folder) / 'copy')
    for mutant, text in drawn(args.paths, args.count, args.seed):
      if tuple(mutant) not in rows:
        row = judged(copy, mutant, text, args.timeout)
        rows[tuple(mutant)] = row
        with args.log.open('a') as log:
          log.write(json.dumps(row) + '\n')
  print(json.dumps(summary(list(rows.values()))))
  return 0


def read(log: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the lines of a log, none if there is none."""
  if not log.exists():
    return []
  return [json.loads(line) for line in log.read_text().splitlines()]


def copied(copy: pathlib.Path) -> pathlib.Path:
  """Returns a copy of what tests need."""
  left_out = shutil.ignore_patterns('__pycache__')
  for name in _COPIED:
    shutil.copytree(ROOT / name, copy / name, ignore=left_out)
  shutil.copy(ROOT / 'pyproject.toml', copy)
  return copy


def drawn(
  paths: Sequence[pathlib.Path], count: int, seed: int
) -> Iterator[tuple[Mutant, str]]:
  """Yields mutants and the text of their files, no place twice."""
  source = random.Random(seed)
  files = sorted(
    file
    for path in paths
    for file in ([path] if path.is_file() else path.rglob('*.py'))
  )
  places = [
    (file, place) for file in files for place in sorted(mutations(file))
  ]
  source.shuffle(places)
  made = 0
  for file, place in places:
    if made == count:
      return
    operator, occurrence = source.choice(mutations(file)[place])
    text = mutated(file, operator, occurrence)
    if text is None or same(file.read_text(), text):
      continue
    made += 1
    name = str(file.resolve().relative_to(ROOT))
    yield Mutant(name, place[0], operator, occurrence), text


@functools.cache
def mutations(
  file: pathlib.Path,
) -> dict[tuple[int, int], list[tuple[str, int]]]:
  """Returns operators and their occurrences, by place (line and column)."""
  from cosmic_ray import plugins
  from cosmic_ray.ast import ast_nodes, get_ast

  nodes = list(ast_nodes(get_ast(file.read_text())))
  found: dict[tuple[int, int], list[tuple[str, int]]] = {}
  for name in plugins.operator_names():
    if not _KINDS.search(name):
      continue
    operator, occurrence = plugins.get_operator(name)(), 0
    for node in nodes:
      for start, _ in operator.mutation_positions(node):
        found.setdefault(tuple(start), []).append((name, occurrence))
        occurrence += 1
  return found


def mutated(file: pathlib.Path, name: str, occurrence: int) -> str | None:
  """Returns the text of a file with a mutation; None if it makes none."""
  from cosmic_ray import mutating, plugins

  operator = plugins.get_operator(name)()
  text: str | None = mutating.mutate_code(
    file.read_text(), operator, occurrence
  )
  return text


def same(one: str, other: str) -> bool:
  """Whether texts are one program, or the other is none."""
  try:
    return plain(one) == plain(other)
  except SyntaxError:
    return True


def plain(text: str) -> str:
  """Returns a program without its annotations."""
  tree = ast.parse(text)
  for node in ast.walk(tree):
    for name in ('annotation', 'returns'):
      if getattr(node, name, None) is not None:
        setattr(node, name, ast.Constant(0))
  return ast.dump(tree)


def judged(
  copy: pathlib.Path, mutant: Mutant, text: str, timeout: float
) -> dict[str, Any]:
  """Returns whether a test sees a mutant, and which file of tests does."""
  place = copy / mutant.path
  sound = place.read_text()
  place.write_text(text)
  try:
    for tests in suites(mutant.path):
      if not passes(copy, tests, timeout):
        return row_of(mutant, sound, text, str(tests[0]))
    return row_of(mutant, sound, text, None)
  finally:
    place.write_text(sound)


def row_of(
  mutant: Mutant, sound: str, text: str, seen: str | None
) -> dict[str, Any]:
  """Returns a line of the log."""
  pairs = zip(sound.splitlines(), text.splitlines(), strict=False)
  changed = next((pair for pair in pairs if pair[0] != pair[1]), ('', ''))
  was, now = (line.strip() for line in changed)
  return {'mutant': list(mutant), 'was': was, 'now': now, 'seen_by': seen}


def passes(
  copy: pathlib.Path, tests: Sequence[pathlib.Path], timeout: float
) -> bool:
  """Whether tests pass in time; where one fails the rest is not run."""
  command = [sys.executable, '-m', 'pytest', '-q', '-x', '--no-cov', *tests]
  env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(copy), *sys.path])}
  try:
    done = subprocess.run(
      command, cwd=copy, env=env, capture_output=True, timeout=timeout
    )
  except subprocess.TimeoutExpired:
    return False
  return done.returncode == 0


@functools.cache
def suites(path: str) -> list[list[pathlib.Path]]:
  """Returns files of tests for a file, those that are its own first."""
  file = pathlib.Path(path)
  room, name = file.parts[1], file.stem
  own = pathlib.Path('tests', room, f'{name}_test.py')
  near = [
    test.relative_to(ROOT)
    for test in sorted((ROOT / 'tests' / room).glob('*_test.py'))
    if test.relative_to(ROOT) != own and tells_of(test, room, name)
  ]
  found = [[own]] if (ROOT / own).exists() else []
  # The doctests of the file itself go with its own tests.
  found = found or [[file]]
  return [*found, *([test] for test in near[:_MOST])]


def tells_of(test: pathlib.Path, room: str, name: str) -> bool:
  """Whether tests import a module, or one of its room that imports it."""
  wanted = {name}
  for module in (ROOT / 'aurl_jax' / room).glob('*.py'):
    if name in imported(module):
      wanted.add(module.stem)
  return bool(wanted & imported(test))


@functools.cache
def imported(file: pathlib.Path) -> frozenset[str]:
  """Returns the last names of the modules, and what else, a file imports."""
  names: set[str] = set()
  for node in ast.walk(ast.parse(file.read_text())):
    if isinstance(node, ast.ImportFrom):
      names.add((node.module or '').split('.')[-1])
    if isinstance(node, ast.Import | ast.ImportFrom):
      names.update(alias.name.split('.')[-1] for alias in node.names)
  return frozenset(names)


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
  """Returns the score of a log's lines, its interval, and the survivors."""
  n, seen = len(rows), sum(row['seen_by'] is not None for row in rows)
  low, high = interval(seen, n)
  survivors = [
    f'{row["mutant"][0]}:{row["mutant"][1]}: {row["was"]} -> {row["now"]}'
    for row in rows
    if row['seen_by'] is None
  ]
  score = round(seen / n, 3) if n else None
  return {
    'mutants': n,
    'score': score,
    'interval': [round(low, 3), round(high, 3)],
    'survivors': survivors,
  }


def interval(hits: int, n: int) -> tuple[float, float]:
  """Returns Wilson's 95 % interval of a share; 0..1 of nothing."""
  if not n:
    return 0.0, 1.0
  found = stats.binomtest(hits, n).proportion_ci(0.95, method='wilson')
  return float(found.low), float(found.high)


if __name__ == '__main__':
  sys.exit(main())
