"""Operations one by one, and the same in JavaScript; see `programs_test`."""

import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from aurl_jax.deploy.hosted import rules as rules_lib
from aurl_jax.deploy.hosted.rules import Rules

HERE = pathlib.Path(rules_lib.__file__).parent
# What each line gives of x, y, i (below), by hand.
LINES = [
  (['add', 'i', [0, 1]], [11, -5, 8, 2**31 - 1 + 1 - 2**32]),
  (['sub', 'i', [0, 1]], [9, -9, 0, 2**31 - 2]),
  (['mul', 'i', [0, 1]], [10, -14, 16, 2**31 - 1]),
  (['div', 'i', [0, 1]], [10, -3, 1, 2**31 - 1]),
  (['rem', 'i', [0, 1]], [0, -1, 0, 0]),
  (['max', 'i', [0, 1]], [10, 2, 4, 2**31 - 1]),
  (['min', 'i', [0, 1]], [1, -7, 4, 1]),
  (['lt', 'b', [0, 1]], [0, 1, 0, 0]),
  (['le', 'b', [0, 1]], [0, 1, 1, 0]),
  (['gt', 'b', [0, 1]], [1, 0, 0, 1]),
  (['ge', 'b', [0, 1]], [1, 0, 1, 1]),
  (['eq', 'b', [0, 1]], [0, 0, 1, 0]),
  (['ne', 'b', [0, 1]], [1, 1, 0, 1]),
  (['sign', 'i', [0]], [1, -1, 1, 1]),
  (['abs', 'i', [0]], [10, 7, 4, 2**31 - 1]),
  (['neg', 'i', [1]], [-1, -2, -4, -1]),
  (['not', 'b', [3]], [0, 1, 0, 1]),
  (['and', 'b', [3, 4]], [1, 0, 0, 0]),
  (['or', 'b', [3, 4]], [1, 1, 1, 0]),
  (['select', 'i', [3, 0, 1]], [1, -7, 4, 2**31 - 1]),
  (['as', 'b', [0]], [1, 1, 1, 1]),
  (['repeat', 'i', [2], 3], [2, 2, 2]),
  (['same', 'i', [0]], [10, -7, 4, 2**31 - 1]),
  (['slice', 'i', [0], 1, 4, 2], [-7, 2**31 - 1]),
  (['at', 'i', [0, 2], 1], [4]),
  (['at', 'i', [0, 2], 3], [-7, 4, 2**31 - 1]),
  (['row', 'i', [0, 2], 2], [4, 2**31 - 1]),
  (['take', 'i', [0, 1]], [-7, 4, 2**31 - 1, -7]),
  (['join', 'i', [2, 1, 2]], [2, 1, 2, 4, 1, 2]),
  (['put', 'i', [0, 2, 2]], [10, -7, 2, 2**31 - 1]),
  (['put', 'i', [1, 0, 2]], [1, 2, 4, 1]),
  (['any', 'b', [3]], [1]),
  (['sum', 'i', [1]], [8]),
  (['least', 'i', [0]], [-7]),
  (['select', 'i', [3, 2, 1]], [1, 2, 4, 2]),
  (['add', 'i', [0, -1]], [15, -2, 9, 2**31 + 4 - 2**32]),
]
GIVEN = (
  [10, -7, 4, 2**31 - 1],
  [1, 2, 4, 1],
  [2],
  [True, False, True, False],
  [True, True, False, False],
)
PROGRAM = {
  'format': 1,
  'fields': 1,
  'constants': [[5]],
  'functions': {
    str(number): {'inputs': [], 'code': [line], 'outputs': [5]}
    for number, (line, _) in enumerate(LINES)
  },
}


@pytest.fixture(scope='module')
def path(tmp_path_factory):
  path = tmp_path_factory.mktemp('rules') / 'grammar.json'
  path.write_text(json.dumps(PROGRAM))
  return path


def given():
  return [
    np.array(x, np.bool_ if isinstance(x[0], bool) else np.int32) for x in GIVEN
  ]


@pytest.mark.parametrize('number', range(len(LINES)))
def test_an_operation_is_what_it_is_by_hand(path, number):
  (found,) = Rules(path)(str(number), *given())
  line, wanted = LINES[number]
  assert found.dtype == {'i': np.int32, 'b': np.bool_}[line[1]]
  assert found.astype(np.int64).tolist() == wanted, line


def test_operations_in_javascript_are_the_same(path, tmp_path):
  if shutil.which('node') is None:
    pytest.skip('no node on the PATH')
  shutil.copy(HERE / 'rules.js', tmp_path / 'rules.mjs')
  script = (
    "import fs from 'node:fs';"
    "import { Rules } from './rules.mjs';"
    f"const rules = new Rules(JSON.parse(fs.readFileSync('{path}')));"
    f'const given = {json.dumps(GIVEN)}.map((x) => typeof x[0] === "boolean"'
    ' ? Uint8Array.from(x) : Int32Array.from(x));'
    f'const found = Array.from({{ length: {len(LINES)} }}, (_, k) =>'
    ' Array.from(rules.run(String(k), ...given)[0]));'
    'console.log(JSON.stringify(found));'
  )
  (tmp_path / 'try.mjs').write_text(script)
  told = subprocess.run(
    ['node', 'try.mjs'],
    cwd=tmp_path,
    capture_output=True,
    text=True,
    check=True,
  )
  assert json.loads(told.stdout) == [wanted for _, wanted in LINES]


def test_programs_of_another_format_are_refused(tmp_path):
  path = tmp_path / 'grammar.json'
  path.write_text('{"format": 2}')
  with pytest.raises(ValueError, match='format 2'):
    Rules(path)
