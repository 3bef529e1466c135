"""The rules of the house, held for every file of it."""

import ast
import importlib
import importlib.metadata
import inspect
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator

import grimp
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / 'aurl_jax'
SOURCES = sorted(PACKAGE.rglob('*.py'))
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_ARGUMENTS = 500, 50, 8

# Rooms that run where only jax, flax, optax, orbax and numpy are installed.
LEAN_ROOMS = ('models', 'training', 'parallel')
NOT_LEAN = (
  'grain',
  'symusic',
  'tensorflow_datasets',
  'note_seq',
  'ml_collections',
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: pathlib.Path) -> str:
  return path.relative_to(ROOT).as_posix()


def module_of(path: pathlib.Path) -> str:
  words = path.relative_to(ROOT).with_suffix('').parts
  return '.'.join(words[:-1] if words[-1] == '__init__' else words)


def functions(tree: ast.AST) -> Iterator[Function]:
  for node in ast.walk(tree):
    if isinstance(node, Function):
      yield node


def parsed() -> Iterator[tuple[pathlib.Path, ast.Module]]:
  for path in SOURCES:
    yield path, ast.parse(path.read_text())


def run_linter(folder: pathlib.Path) -> subprocess.CompletedProcess:
  # A process of its own: the linter takes over the terminal.
  code = (
    'import sys\n'
    'from importlinter import cli\n'
    'sys.exit(cli.lint_imports(no_cache=True))'
  )
  return subprocess.run(
    [sys.executable, '-c', code],
    cwd=folder,
    capture_output=True,
    text=True,
    check=False,
  )


def test_every_import_runs_downwards():
  run = run_linter(ROOT)
  assert run.returncode == 0, run.stdout + run.stderr
  assert re.search(r'Contracts: \d+ kept, 0 broken', run.stdout), run.stdout


@pytest.mark.parametrize(
  ('module', 'line', 'contract'),
  [
    ('music/bad.py', 'from aurl_jax.models import config', 'A room imports'),
    ('tokens/bad.py', 'import aurl_jax.parallel', 'A room imports'),
    ('newroom/__init__.py', '', 'A room imports'),
    ('training/bad.py', 'import flax', 'Only models imports flax'),
    ('training/bad.py', 'import orbax.checkpoint', 'Only core.checkpoint'),
  ],
)
def test_the_contracts_catch_what_breaks_them(tmp_path, module, line, contract):
  shutil.copytree(PACKAGE, tmp_path / 'aurl_jax')
  shutil.copy(ROOT / 'setup.cfg', tmp_path)
  path = tmp_path / 'aurl_jax' / module
  path.parent.mkdir(exist_ok=True)
  path.write_text(line + '\n')
  run = run_linter(tmp_path)
  assert run.returncode == 1, run.stderr
  assert re.search(rf'{contract}.* BROKEN', run.stdout), run.stdout


def test_no_modules_import_each_other_in_a_circle():
  graph = grimp.build_graph('aurl_jax', cache_dir=None)
  below = {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
  # Take away what imports nothing that is left, until nothing changes; what
  # stays lies on a circle, or above one.
  while leaves := [m for m, imported in below.items() if not imported]:
    for leaf in leaves:
      del below[leaf]
    below = {m: imported - set(leaves) for m, imported in below.items()}
  assert sorted(below) == []


def test_files_and_functions_are_short_and_take_few_arguments():
  faults = []
  for path, tree in parsed():
    lines = len(path.read_text().splitlines())
    if lines > MAX_FILE_LINES:
      faults.append(f'{name_of(path)} has {lines} lines')
    for function in functions(tree):
      where = f'{name_of(path)}:{function.lineno} {function.name}'
      lines = (function.end_lineno or 0) - function.lineno + 1
      if lines > MAX_FUNCTION_LINES:
        faults.append(f'{where} has {lines} lines')
      arguments = function.args
      count = len(
        arguments.posonlyargs + arguments.args + arguments.kwonlyargs
      ) - (bool(arguments.args) and arguments.args[0].arg in ('self', 'cls'))
      if count > MAX_ARGUMENTS:
        faults.append(f'{where} takes {count} arguments')
  assert not faults, '\n'.join(faults)


def test_every_function_is_typed():
  faults = []
  for path, tree in parsed():
    for function in functions(tree):
      arguments = function.args
      bare = [
        argument.arg
        for argument in [
          *arguments.posonlyargs,
          *arguments.args,
          *arguments.kwonlyargs,
          *filter(None, (arguments.vararg, arguments.kwarg)),
        ]
        if argument.annotation is None and argument.arg not in ('self', 'cls')
      ]
      untyped = function.returns is None and function.name != '__init__'
      if bare or untyped:
        where = f'{name_of(path)}:{function.lineno} {function.name}'
        faults.append(f'{where}: {bare or "return"} without a type')
  assert not faults, '\n'.join(faults)


def test_every_public_name_is_documented():
  faults = []
  for path, tree in parsed():
    if not ast.get_docstring(tree):
      faults.append(name_of(path))
    for node in tree.body:
      if not isinstance(node, Function | ast.ClassDef):
        continue
      inner = node.body if isinstance(node, ast.ClassDef) else []
      methods = [child for child in inner if isinstance(child, Function)]
      faults += [
        f'{name_of(path)}:{part.lineno} {part.name}'
        for part in [node, *methods]
        if not node.name.startswith('_')
        and not part.name.startswith('_')
        and not ast.get_docstring(part)
        and not _is_overload(part)
      ]
  assert not faults, '\n'.join(faults)


def _is_overload(node: Function | ast.ClassDef) -> bool:
  return any('overload' in ast.unparse(d) for d in node.decorator_list)


def test_nothing_is_a_stub_or_swallows_all_errors():
  faults = []
  for path, tree in parsed():
    for node in ast.walk(tree):
      what = None
      if isinstance(node, ast.Pass):
        what = 'pass'
      elif isinstance(node, ast.Name) and node.id == 'NotImplementedError':
        what = node.id
      elif isinstance(node, ast.ExceptHandler):
        caught = ast.unparse(node.type) if node.type else 'everything'
        if caught == 'everything' or 'Exception' in caught.split('.'):
          what = f'except {caught}'
      if what:
        faults.append(f'{name_of(path)}:{node.lineno} {what}')
  assert not faults, '\n'.join(faults)


ROOTS = [
  path.parent
  for path in SOURCES
  if path.name == '__init__.py' and 'lazy.attach' in path.read_text()
]


@pytest.mark.parametrize('folder', ROOTS, ids=name_of)
def test_a_package_root_is_its_table_of_contents(folder):
  package = importlib.import_module(module_of(folder))
  names = package.__all__
  assert dir(package) == sorted(names)
  strangers = {
    name: home
    for name in names
    if (home := home_of(getattr(package, name))) is not None
    and not f'{home}.'.startswith(f'{package.__name__}.')
  }
  assert strangers == {}


def home_of(value: object) -> str | None:
  """The module that defines a value, where the value knows."""
  if inspect.ismodule(value):
    return value.__name__
  if inspect.isclass(value) or inspect.isfunction(value):
    return value.__module__
  return None


def test_the_checks_that_tests_run_under_are_on():
  files = importlib.import_module('aurl_jax.core.files')
  with pytest.raises(TypeError, match='source'):
    files.digest(3)
  with pytest.raises(UserWarning, match='ours'):
    warnings.warn_explicit('ours', UserWarning, 'f.py', 1, 'aurl_jax.music.x')
  with pytest.warns(UserWarning, match='theirs'):
    warnings.warn_explicit('theirs', UserWarning, 'f.py', 1, 'aurl_jaxed.x')


def test_every_room_has_a_root():
  rooms = [path for path in PACKAGE.iterdir() if any(path.glob('*.py'))]
  rootless = [
    room.name for room in rooms if not (room / '__init__.py').exists()
  ]
  assert rootless == []


def test_an_unknown_name_of_a_root_is_an_attribute_error():
  package = importlib.import_module('aurl_jax')
  with pytest.raises(
    AttributeError, match="'aurl_jax' has no attribute 'nope'"
  ):
    package.nope  # noqa: B018


def run_python(code: str) -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, '-c', code],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )


def test_importing_the_package_loads_no_library():
  run = run_python(
    'import sys, aurl_jax\n'
    'print([m for m in ("jax", "numpy", "flax") if m in sys.modules])'
  )
  assert (run.returncode, run.stdout.strip()) == (0, '[]'), run.stderr


def test_lean_rooms_need_no_library_of_music_or_data():
  modules = [
    module_of(path)
    for room in LEAN_ROOMS
    for path in sorted((PACKAGE / room).rglob('*.py'))
  ]
  assert len(modules) > len(LEAN_ROOMS)
  run = run_python(
    f'import importlib, sys\n'
    f'class Block:\n'
    f'  def find_spec(self, name, path=None, target=None):\n'
    f'    if name.partition(".")[0] in {NOT_LEAN!r}:\n'
    f'      raise ImportError(f"{{name}} is blocked")\n'
    f'sys.meta_path.insert(0, Block())\n'
    f'for name in {modules!r}:\n'
    f'  importlib.import_module(name)\n'
  )
  assert run.returncode == 0, run.stderr


def tracked() -> list[pathlib.Path]:
  try:
    listing = subprocess.run(
      ['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, check=True
    )
  except (OSError, subprocess.CalledProcessError) as error:
    pytest.skip(f'no git checkout: {error}')
  names = listing.stdout.decode().split('\0')
  return [ROOT / name for name in names if name and (ROOT / name).is_file()]


# Put together here, so that this file does not hold them itself.
FORBIDDEN = {
  'a path of one machine': '/wo' + 'rk/|/ro' + 'ot/',
  'a folder of one workplace': r'\.libr' + 'ary/',
  'an address of a registry': r'py'
  + r'pi\.org|python'
  + 'hosted|npm'
  + r'js\.',
  'a note to oneself': r'\b(TO' + 'DO|FIX' + r'ME)\b',
}


def test_tracked_files_hold_nothing_of_one_machine():
  faults = []
  for path in tracked():
    try:
      text = path.read_text()
    except UnicodeDecodeError:
      continue
    faults += [
      f'{name_of(path)}: {what}: {found.group()!r}'
      for what, pattern in FORBIDDEN.items()
      if (found := re.search(pattern, text))
    ]
  assert not faults, '\n'.join(faults)


def test_tests_mirror_the_package():
  rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
  strangers = [
    name_of(path)
    for path in sorted((ROOT / 'tests').rglob('*_test.py'))
    if path.relative_to(ROOT / 'tests').parts[0] in rooms
    and not _mirrored(path)
  ]
  assert strangers == []


def _mirrored(path: pathlib.Path) -> bool:
  folder = PACKAGE / path.relative_to(ROOT / 'tests').parent
  stem = path.name.removesuffix('_test.py')
  return any((folder / f'{name}.py').exists() for name in (stem, f'__{stem}__'))


def project() -> dict:
  return tomllib.loads((ROOT / 'pyproject.toml').read_text())


def normal(name: str) -> str:
  return re.sub(r'[-_.]+', '-', name).lower()


def test_constraints_pin_every_dependency_without_an_address():
  lines = (ROOT / 'constraints.txt').read_text().splitlines()
  pins = [line for line in lines if not line.startswith('#')]
  form = re.compile(
    r"([\w.-]+)==[\w.]+(; python_version (<|>=) '3\.\d+')?", re.ASCII
  )
  assert [pin for pin in pins if not form.fullmatch(pin)] == []
  pinned = {normal(pin.partition('==')[0]) for pin in pins}
  settings = project()['project']
  extras = settings['optional-dependencies']
  needs = settings['dependencies'] + extras['dev'] + extras['docs']
  names = {normal(re.split(r'[\[<>=!~; ]', need)[0]) for need in needs}
  assert sorted(names - pinned) == []


def test_config_pages_are_installed_as_a_package():
  pages = importlib.import_module('aurl_jax.configs')
  assert pathlib.Path(pages.__path__[0]).resolve() == ROOT / 'configs'


def test_the_version_stands_in_one_place():
  version = importlib.import_module('aurl_jax').__version__
  assert importlib.metadata.version('aurl-jax') == version
  assert 'version' not in project()['project']


def test_console_scripts_exist():
  for target in project()['project']['scripts'].values():
    module, _, name = target.partition(':')
    assert callable(getattr(importlib.import_module(module), name))


def test_the_reference_page_is_current():
  run = subprocess.run(
    [sys.executable, str(ROOT / 'tools/api_reference.py'), '--check'],
    capture_output=True,
    text=True,
    check=False,
  )
  assert run.returncode == 0, run.stderr


def test_slow_tests_are_tests_that_there_are():
  lines = (ROOT / 'tests' / 'slow.txt').read_text('utf-8').splitlines()
  named = [line for line in lines if not line.startswith('#')]
  assert named == sorted(set(named))
  for line in named:
    path, _, name = line.partition('[')[0].partition('::')
    text = (ROOT / path).read_text('utf-8')
    assert not name or f'\ndef {name}(' in text, line
