"""The notebooks under `colabs/`: one form for all, and how they are run.

    python tools/notebooks.py                      brings all into their form
    python tools/notebooks.py --check              fails if one is not in it
    python tools/notebooks.py --run --out DIR      runs all as tests do
    python tools/notebooks.py --run 05 --whole --out DIR     as users do

The form: no outputs, a badge that opens the notebook itself in Colab, the one
cell that installs the package. Running leaves DIR/NAME.ipynb with its outputs,
and what they show as files beside it, DIR/NAME/3_1.png for the second output of
the third cell of code. Running needs nbclient, nbformat and ipykernel, which
the extra `dev` has.
"""

import argparse
import base64
import hashlib
import html
import json
import os
import pathlib
import re
import sys
import time
from collections.abc import Mapping
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / 'colabs'
REPOSITORY = 'OWNER/aurl_jax'
"""Where the project is on GitHub, once it is there: badges and the install
cells name it."""
BADGE = (
  '[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]'
  f'(https://colab.research.google.com/github/{REPOSITORY}/blob/main/colabs/'
  '{name}.ipynb)'
)
INSTALL = f"""\
# Installs aurl_jax where it is not: in Colab, about a minute. Should Colab ask
# for a restart, grant it and run this cell again.
import importlib.util
import os
import sysconfig

if importlib.util.find_spec('aurl_jax') is None:
  WHEEL = os.environ.get('AURL_WHEEL') or (
    'aurl_jax @ git+https://github.com/{REPOSITORY}'
  )
  %pip install -q "{{WHEEL}}"
# Cells of shell find the command `aurl` here, and it draws no moving bars.
os.environ['PATH'] += os.pathsep + sysconfig.get_path('scripts')
for name in ('FORCE_COLOR', 'CLICOLOR_FORCE'):
  os.environ.pop(name, None)"""
"""The second cell of each notebook."""
SHORT = 'AURL_COLAB'
"""The environment variable that is `tiny` where tests run a notebook."""
_METADATA = {
  'kernelspec': {
    'display_name': 'Python 3',
    'language': 'python',
    'name': 'python3',
  },
  'language_info': {'name': 'python'},
}
_PATIENCE = 1800
"""Seconds that a cell may take."""
_FRAME = re.compile('srcdoc="(.*?)"', re.DOTALL)
_ID = 8

Notebook = dict[str, Any]
Cell = dict[str, Any]


def main() -> int:
  """Writes, checks or runs notebooks; returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('names', nargs='*', help='beginnings of names (all)')
  parser.add_argument('--check', action='store_true', help='write nothing')
  parser.add_argument('--run', action='store_true', help='run them')
  parser.add_argument('--whole', action='store_true', help='as users do')
  parser.add_argument('--out', type=pathlib.Path, help='where runs leave files')
  args = parser.parse_args()
  paths = [p for p in find() if p.name.startswith(tuple(args.names) or '')]
  if not paths:
    print(f'no notebook begins with {args.names}', file=sys.stderr)
    return 2
  if args.run:
    return _run_all(paths, args.out or pathlib.Path('out'), args.whole)
  return _form_all(paths, args.check)


def find() -> list[pathlib.Path]:
  """Returns the notebooks in their order."""
  return sorted(FOLDER.glob('*.ipynb'))


def _form_all(paths: list[pathlib.Path], check: bool) -> int:
  status = 0
  for path in paths:
    found = path.read_text('utf-8')
    wanted = formed(found, path.stem)
    if found != wanted and check:
      print(f'{path}: run python tools/notebooks.py', file=sys.stderr)
      status = 1
    elif found != wanted:
      path.write_text(wanted, 'utf-8')
  return status


def formed(text: str, name: str) -> str:
  """Returns the JSON of a notebook in the form of all.

  Args:
    text: Its JSON. Its first cell begins with its title; the badge below that
      and the cell that installs are put there, or renewed.
    name: Of its file, without the suffix.
  """
  notebook = json.loads(text)
  first, *cells = notebook['cells']
  lines = ''.join(first['source']).splitlines()
  rest = [line for line in lines[1:] if not line.startswith('[![Open in Colab')]
  told = '\n'.join(rest).strip()
  title = f'{lines[0]}\n\n{BADGE.format(name=name)}\n\n{told}'
  cells = [cell for cell in cells if not _installs(cell)]
  parts = [('markdown', title), ('code', INSTALL)]
  parts += [(cell['cell_type'], ''.join(cell['source'])) for cell in cells]
  return written(parts)


def written(parts: list[tuple[str, str]]) -> str:
  """Returns the JSON of a notebook of cells, each a type and its source."""
  seen: dict[str, int] = {}
  cells = []
  for kind, source in parts:
    source = source.strip('\n')
    # Of its text, so that a new cell changes no other one's.
    count = seen[source] = seen.get(source, -1) + 1
    digest = hashlib.sha256(f'{count}{source}'.encode()).hexdigest()
    cell: Cell = {'cell_type': kind, 'id': digest[:_ID], 'metadata': {}}
    if kind == 'code':
      cell |= {'execution_count': None, 'outputs': []}
    cells.append(cell | {'source': source.splitlines(keepends=True)})
  notebook = {'cells': cells, 'metadata': _METADATA}
  notebook |= {'nbformat': 4, 'nbformat_minor': 5}
  return json.dumps(notebook, indent=1, ensure_ascii=False) + '\n'


def _installs(cell: Mapping[str, Any]) -> bool:
  return cell['cell_type'] == 'code' and '%pip' in ''.join(cell['source'])


def _run_all(paths: list[pathlib.Path], out: pathlib.Path, whole: bool) -> int:
  """Runs notebooks, leaves what they show and prints how long they took."""
  for path in paths:
    begun = time.monotonic()
    done = run(path, out / f'{path.stem}.files', whole=whole)
    (out / path.name).write_text(json.dumps(done, indent=1), 'utf-8')
    shown = save(done, out / path.stem)
    seconds = time.monotonic() - begun
    print(f'{path.name}: {seconds:.0f} s, {len(shown)} files', flush=True)
  return 0


def run(
  path: pathlib.Path, workdir: pathlib.Path, *, whole: bool = False
) -> Notebook:
  """Returns a notebook with its outputs, run by this Python.

  Args:
    path: The notebook.
    workdir: Where it runs; made if it is not there.
    whole: As it is for users; else with few steps and small models.

  Raises:
    nbclient.exceptions.CellExecutionError: A cell failed; names it.
  """
  import nbclient
  import nbformat

  workdir.mkdir(parents=True, exist_ok=True)
  notebook = nbformat.read(path, as_version=4)
  environment = {**os.environ, SHORT: '' if whole else 'tiny'}
  # Pictures are for the notebook, whatever this process does with its own.
  environment.pop('MPLBACKEND', None)
  client = nbclient.NotebookClient(
    notebook,
    timeout=_PATIENCE,
    kernel_name='python3',
    resources={'metadata': {'path': str(workdir)}},
  )
  client.execute(env=environment)
  return notebook


def outputs(notebook: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
  """Returns what a notebook shows: where, as `3_1`, and MIME type -> data."""
  cells = [c for c in notebook['cells'] if c['cell_type'] == 'code']
  return [
    (f'{place}_{number}', output['data'])
    for place, cell in enumerate(cells, 1)
    for number, output in enumerate(cell['outputs'], 1)
    if 'data' in output
  ]


def said(notebook: Mapping[str, Any]) -> str:
  """Returns all that a notebook printed, and values as text."""
  cells = [c for c in notebook['cells'] if c['cell_type'] == 'code']
  told = []
  for output in (output for cell in cells for output in cell['outputs']):
    if 'text' in output:
      told.append(output['text'])
    elif 'text/plain' in output.get('data', {}):
      told.append(output['data']['text/plain'] + '\n')
  return ''.join(told)


def save(notebook: Mapping[str, Any], folder: pathlib.Path) -> list[str]:
  """Writes pictures and frames that a notebook shows; returns their names."""
  folder.mkdir(parents=True, exist_ok=True)
  names = []
  for place, data in outputs(notebook):
    for kind, suffix in (('image/png', 'png'), ('image/svg+xml', 'svg')):
      if kind in data:
        told = data[kind]
        made = base64.b64decode(told) if suffix == 'png' else told.encode()
        names.append(f'{place}.{suffix}')
        (folder / names[-1]).write_bytes(made)
    if 'text/html' in data:
      page = data['text/html']
      if found := _FRAME.search(page):
        page = html.unescape(found[1])
      names.append(f'{place}.html')
      (folder / names[-1]).write_text(page, 'utf-8')
  (folder / 'said.txt').write_text(said(notebook), 'utf-8')
  return names


if __name__ == '__main__':
  sys.exit(main())
