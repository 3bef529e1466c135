"""The form of the notebooks; `integration/colabs_test` has what they show."""

import ast
import base64
import importlib
import importlib.util
import json
import pathlib
import pkgutil
import re
import shlex

import pytest

from aurl_jax.cli.__main__ import VERBS, build_parser

NAMES = (
  '01_quickstart',
  '02_your_own_midi',
  '03_tokens_and_ledger',
  '04_generation_and_control',
  '05_latent_space',
  '06_evaluation',
  '07_studies',
  '08_scale_out',
)
_VARIABLE = re.compile(r'\$\(\(.*?\)\)|\$\w+')


@pytest.fixture(scope='module')
def notebooks(tool_folder):
  return importlib.import_module('notebooks')


@pytest.fixture(scope='module')
def told(repository):
  """Name -> the notebook as JSON."""
  return {
    name: json.loads((repository / f'colabs/{name}.ipynb').read_text('utf-8'))
    for name in NAMES
  }


def sources(notebook, kind='code'):
  return [
    ''.join(cell['source'])
    for cell in notebook['cells']
    if cell['cell_type'] == kind
  ]


def commands(notebook):
  """Each line of shell that begins with `aurl`, as words."""
  for source in sources(notebook):
    if source.startswith('%%bash -e'):
      text = source.replace('\\\n', ' ')
      for line in text.splitlines()[1:]:
        if line.strip().startswith('aurl '):
          plain = re.split(r'[>|;]', _VARIABLE.sub('1', line))[0]
          yield shlex.split(plain.strip())[1:]


def test_all_notebooks_are_here(notebooks):
  assert tuple(path.stem for path in notebooks.find()) == NAMES


@pytest.mark.parametrize('name', NAMES)
def test_a_notebook_has_the_form_of_all(notebooks, repository, name):
  text = (repository / f'colabs/{name}.ipynb').read_text('utf-8')
  assert text == notebooks.formed(text, name), 'run tools/notebooks.py'


@pytest.mark.parametrize('name', NAMES)
def test_a_notebook_is_valid_and_holds_no_outputs(told, name):
  nbformat = pytest.importorskip('nbformat')
  nbformat.validate(told[name])
  cells = [cell for cell in told[name]['cells'] if cell['cell_type'] == 'code']
  assert len(cells) > 4
  assert all(not cell['outputs'] for cell in cells)
  assert {cell['execution_count'] for cell in cells} == {None}


@pytest.mark.parametrize('name', NAMES)
def test_a_badge_opens_the_notebook_itself(told, name):
  head = sources(told[name], 'markdown')[0]
  links = re.findall(r'\]\((https://colab\.research[^)]*)\)', head)
  assert [link for link in links if not link.endswith('.svg')] == [
    'https://colab.research.google.com/github/OWNER/aurl_jax/blob/main/'
    f'colabs/{name}.ipynb'
  ]


@pytest.mark.parametrize('name', NAMES)
def test_one_cell_installs_and_only_what_is_not_there(told, name):
  (install,) = [text for text in sources(told[name]) if '%pip' in text]
  assert install == sources(told[name])[0]
  assert "find_spec('aurl_jax') is None" in install
  assert "environ.get('AURL_WHEEL')" in install
  code = '\n'.join(sources(told[name]))
  costs = 'aurl_jax.load(' in code or 'aurl train' in code
  assert ("environ.get('AURL_COLAB')" in code) == costs


@pytest.mark.parametrize('name', NAMES)
def test_cells_compile_and_what_they_import_exists(told, name):
  inputs = pytest.importorskip('IPython.core.inputtransformer2')
  transform = inputs.TransformerManager().transform_cell
  for source in sources(told[name]):
    tree = ast.parse(transform(source))
    for node in ast.walk(tree):
      if isinstance(node, ast.ImportFrom) and node.module.startswith('aurl'):
        wanted = {part.name for part in node.names}
        missing = wanted - names_in(node.module)
        assert not missing, f'{node.module} has no {missing}'


def names_in(module):
  """The names that a module has, without the libraries that it loads."""
  spec = importlib.util.find_spec(module)
  assert spec, f'there is no {module}'
  if spec.submodule_search_locations:
    parts = pkgutil.iter_modules(spec.submodule_search_locations)
    # Roots are lazy: nothing is loaded.
    roots = importlib.import_module(module).__all__
    return {part.name for part in parts} | set(roots)
  found = set()
  for node in ast.parse(pathlib.Path(spec.origin).read_text('utf-8')).body:
    if isinstance(node, ast.Import | ast.ImportFrom):
      found |= {part.asname or part.name for part in node.names}
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
      found.add(node.name)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
      targets = getattr(node, 'targets', None) or [node.target]
      found |= {target.id for target in targets if hasattr(target, 'id')}
  return found


@pytest.mark.parametrize('name', NAMES)
def test_every_verb_and_flag_exists(told, name, capsys):
  for words in commands(told[name]):
    assert words[0] in VERBS
    try:
      build_parser(words[0]).parse_args(words)
    except SystemExit:
      pytest.fail(f'aurl {shlex.join(words)}: {capsys.readouterr().err}')


def test_a_command_that_fails_ends_its_cell(told):
  shells = [t for name in NAMES for t in sources(told[name]) if '%%' in t]
  assert {text.splitlines()[0] for text in shells} == {'%%bash -e'}


def test_the_commands_are_found(told):
  assert ['generate', 'runs/first'] in [
    words[:2] for words in commands(told['01_quickstart'])
  ]
  assert sum(len(list(commands(told[name]))) for name in NAMES) >= 16


@pytest.mark.parametrize('name', NAMES)
def test_pages_that_are_named_exist(told, repository, name):
  text = '\n'.join(sources(told[name], 'markdown'))
  for path in re.findall(r'`((?:docs|tools)/[\w./]+)`', text):
    assert (repository / path).exists(), path


def test_the_readme_links_every_notebook(repository):
  readme = (repository / 'README.md').read_text('utf-8')
  assert [name for name in NAMES if f'colabs/{name}.ipynb' not in readme] == []


def test_a_form_is_made_again_from_what_colab_saves(notebooks, told):
  name = NAMES[0]
  wanted = notebooks.formed(json.dumps(told[name]), name)
  spoilt = json.loads(json.dumps(told[name]))
  spoilt['metadata'] = {'colab': {'provenance': []}, 'accelerator': 'GPU'}
  spoilt['cells'][0]['source'][2] = '[![Open in Colab](x)](https://elsewhere)'
  spoilt['cells'][3]['outputs'] = [
    {'output_type': 'stream', 'name': 'stdout', 'text': ['4\n']}
  ]
  spoilt['cells'][3]['execution_count'] = 7
  spoilt['cells'][1]['source'] = ['%pip install something\n']
  for cell in spoilt['cells']:
    cell['metadata'] = {'id': 'abc'}
  assert notebooks.formed(json.dumps(spoilt), name) == wanted
  again = json.loads(wanted)
  again['cells'].insert(5, {**again['cells'][4], 'source': ['print(4)']})
  ids = [c['id'] for c in json.loads(wanted)['cells']]
  more = json.loads(notebooks.formed(json.dumps(again), name))['cells']
  assert len({cell['id'] for cell in more}) == len(more)
  assert [c['id'] for c in more if c['id'] in ids] == ids


def test_outputs_are_kept_as_files(notebooks, tmp_path):
  picture = base64.b64encode(b'PNG').decode()
  cell = {
    'cell_type': 'code',
    'outputs': [
      {'output_type': 'stream', 'text': 'a line\n'},
      {'output_type': 'display_data', 'data': {'image/png': picture}},
      {'data': {'text/html': '<iframe srcdoc="&lt;p&gt;"></iframe>'}},
    ],
  }
  done = {'cells': [{'cell_type': 'markdown'}, cell]}
  assert notebooks.save(done, tmp_path) == ['1_2.png', '1_3.html']
  assert (tmp_path / '1_2.png').read_bytes() == b'PNG'
  assert (tmp_path / '1_3.html').read_text() == '<p>'
  assert (tmp_path / 'said.txt').read_text() == 'a line\n'
