"""The notebooks: their form always, what they show where tests may be long."""

import ast
import base64
import html
import importlib
import importlib.util
import io
import json
import pathlib
import pkgutil
import re
import shlex

import matplotlib.image
import numpy as np
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
_FRAME = re.compile('srcdoc="(.*?)"', re.DOTALL)
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


class Shown:
  """What a notebook that has run shows."""

  def __init__(self, notebooks, done, folder):
    data = [data for _, data in notebooks.outputs(done)]
    self.folder = folder
    self.said = notebooks.said(done)
    self.prose = '\n'.join(sources(done, 'markdown'))
    self.pictures = [
      base64.b64decode(part['image/png'])
      for part in data
      if 'image/png' in part
    ]
    pages = [part['text/html'] for part in data if 'text/html' in part]
    self.frames = [
      html.unescape(found[1])
      for page in pages
      if (found := _FRAME.search(page))
    ]
    self.sounds = [page for page in pages if '<audio' in page]

  def played(self):
    """The notes of each piece of each player, as the browser gets them."""
    return [
      piece
      for page in self.frames
      for found in re.findall(r'const pieces = (\[.*?\]);\n', page)
      for piece in json.loads(found)
    ]


@pytest.fixture(scope='module')
def run(notebooks, tmp_path_factory, repository):
  """Returns what runs a notebook with few steps, by this Python."""
  pytest.importorskip('nbclient')
  cache = str(tmp_path_factory.mktemp('cache'))

  def runs(name):
    folder = tmp_path_factory.mktemp(name)
    path = repository / f'colabs/{name}.ipynb'
    with pytest.MonkeyPatch.context() as patch:
      patch.setenv('AURL_CACHE', cache)
      done = notebooks.run(path, folder)
    return Shown(notebooks, done, folder)

  return runs


def check_pictures(shown, least):
  assert len(shown.pictures) >= least
  for picture in shown.pictures:
    image = matplotlib.image.imread(io.BytesIO(picture))
    assert min(image.shape[:2]) > 100
    assert np.ptp(image[..., :3]) > 0.5, 'a picture is blank'


def check_players(shown, least):
  # A model of a few steps may write nothing.
  assert sum(bool(notes) for notes in shown.played()) >= least
  for page in shown.frames:
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="https?:', page)
  for notes in shown.played():
    assert all(len(note) == 5 and 0 <= note[2] < 128 for note in notes)


def records(folder, run_name):
  lines = (folder / 'runs' / run_name / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in lines.splitlines()]


def number(shown, pattern):
  found = re.search(pattern, shown.said)
  assert found, f'{pattern!r} is not said'
  return float(found[1].replace(',', ''))


@pytest.mark.slow
def test_quickstart_runs(run):
  shown = run('01_quickstart')
  check_pictures(shown, 1)
  check_players(shown, 3)
  assert "'grammatical': True" in shown.said
  for suffix in ('mid', 'musicxml', 'wav', 'png'):
    size = (shown.folder / f'chorale.{suffix}').stat().st_size
    assert number(shown, rf'chorale\.{suffix}: ([\d,]+) bytes') == size
  losses = [r['loss'] for r in records(shown.folder, 'first') if 'loss' in r]
  assert losses[-1] < losses[0]
  assert len(list((shown.folder / 'written').glob('*.mid'))) == 2


@pytest.mark.slow
def test_your_own_midi_runs(run):
  shown = run('02_your_own_midi')
  check_pictures(shown, 1)
  check_players(shown, 2)
  lines = (shown.folder / 'data/mine/files.jsonl').read_text().splitlines()
  why = {row['name']: row['code'] for row in map(json.loads, lines)}
  assert len(why) == number(shown, r'(\d+) files in my_midi')
  assert why['readme.mid'] == 'no_header'
  assert why['cut_off.mid'] == 'voices'
  assert why['three_notes.mid'] == 'few_notes'
  assert why['transposed.mid'] == 'duplicate'
  assert 'exit code 2' in shown.said
  steps = [row['step'] for row in records(shown.folder, 'mine')]
  assert max(steps) == 2
  first, *_ = (r['loss'] for r in records(shown.folder, 'mine'))
  # Of chorales a model knows much that has learnt them, and nothing one drawn.
  assert first < 1.5


@pytest.mark.slow
def test_tokens_and_ledger_runs(run):
  shown = run('03_tokens_and_ledger')
  check_pictures(shown, 3)
  check_players(shown, 2)
  for name in ('compound', 'remi', 'expressive', 'performance'):
    assert re.search(rf'{name} +written: exact, played: exact', shown.said)
  assert re.search('grid +written: exact, played: refused', shown.said)
  written, played = shown.played()
  assert len(written) == len(played) == 164
  assert {note[2] for note in written if not note[0]} == {45, 64, 69, 73}
  # Of the mean error of onsets, which finer cells make smaller.
  rows = re.findall(r'^(4|24) +164 +0 +([\d.]+)', shown.said, re.MULTILINE)
  errors = dict(rows)
  assert float(errors['24']) < float(errors['4']) / 2


@pytest.mark.slow
def test_generation_and_control_runs(run):
  shown = run('04_generation_and_control')
  check_pictures(shown, 1)
  check_players(shown, 7)
  table = re.findall(r'^(\w+) +(\d\.\d+) +(\d+)$', shown.said, re.MULTILINE)
  kept = {name: (float(share), int(broken)) for name, share, broken in table}
  assert {'key', 'chords', 'density', 'rhythm'} <= set(kept)
  assert set(kept.values()) == {(1.0, 0)}
  ruled, _, before, anew, *_ = shown.played()
  of_d_minor = {2, 4, 5, 7, 9, 10, 0, 1}
  assert {note[2] % 12 for note in ruled} <= of_d_minor
  # Eighths at 96 beats a minute.
  places = {round(note[0] / (60 / 96 / 2), 2) for note in ruled}
  assert all(place == int(place) for place in places)
  assert before == ruled
  assert anew != before
  # Four beats a bar: the first bar of each is the same.
  bar = 4 * 60 / 96
  assert [n for n in anew if n[0] < bar] == [n for n in before if n[0] < bar]
  asked, heard = re.search(
    r'asked for \[(.*)\] heard \[(.*)\]', shown.said
  ).groups()
  assert len(asked.split(',')) == len(heard.split(','))
  assert int(heard.split(',')[-1]) > int(heard.split(',')[0])


@pytest.mark.slow
def test_latent_space_runs(run):
  shown = run('05_latent_space')
  check_pictures(shown, 6)
  check_players(shown, 6)
  assert number(shown, r'F1 of notes that came back: ([\d.]+)') > 0.5
  turned = re.findall(r'^ *(-2|2) +([\d.]+) +([\d.]+)$', shown.said, re.MULTILINE)
  (less, more) = (tuple(map(float, row[1:])) for row in turned)
  assert more[0] > 1.5 * less[0]
  assert more[1] > less[1] + 3
  narrow, wide = (
    records(shown.folder, f'width_{width}')[-1]['valid/loss']
    for width in (16, 48)
  )
  assert f"'width_16': {narrow}" in shown.said
  assert f"'width_48': {wide}" in shown.said
  assert 'model.width' in (shown.folder / 'both.html').read_text()


@pytest.mark.slow
def test_evaluation_runs(run):
  shown = run('06_evaluation')
  check_pictures(shown, 3)
  check_players(shown, 2)
  assert len(shown.sounds) == 2
  report = json.loads((shown.folder / 'judged/report.json').read_text())
  told = report['models'][0]['sets']['frechet']
  assert told['low'] < told['estimate'] < told['high']
  # The notebook's own functions and the report of the command.
  said = number(shown, r'Fréchet distance: ([\d.]+);')
  assert abs(said - told['plain']) < 0.06
  heard = json.loads((shown.folder / 'test/report.json').read_text())
  counts = heard['listeners']
  assert counts['through'] == 20
  assert counts['counted'] + counts['failed_checks'] == 20
  (contrast,) = heard['results']['contrasts'].values()
  mean, low, high = contrast['mean']
  # Simulated listeners prefer the first system in three of four answers.
  assert low <= 0.25 <= high
  assert 0 < low <= mean <= high
  assert 'No person answered here' in shown.prose


@pytest.mark.slow
def test_studies_runs(run):
  shown = run('07_studies')
  check_pictures(shown, 5)
  check_players(shown, 2)
  rows = (shown.folder / 'heard/features.csv').read_text().splitlines()
  midi = list((shown.folder / 'chorales').glob('*.mid'))
  assert len(rows) - 1 == len(midi) > 8
  assert (shown.folder / 'heard/index.html').stat().st_size > 10_000
  kept = re.search(r"kept: \{'chords': ([\d.]+)", shown.said)
  assert float(kept[1]) == 1.0
  # Of the song that the notebook puts together.
  assert 'form: AABA A8A8B8A8' in shown.said


@pytest.mark.slow
def test_scale_out_runs(run):
  shown = run('08_scale_out')
  check_pictures(shown, 3)
  assert '8 devices: cpu' in shown.said
  assert 'data 2 × fsdp 2 × tensor 2 on cpu' in shown.said
  runs = [records(shown.folder, n) for n in ('data_8', 'fsdp_8', 'all_three')]
  losses = np.array([[r['loss'] for r in run if 'loss' in r] for run in runs])
  assert np.ptp(losses, axis=0).max() < 1e-4
  assert losses[0, -1] < losses[0, 0]
  table = re.findall(
    r'^(data 8|fsdp 8) +([\d.]+) +([\d.]+) +([\d.]+)$',
    shown.said,
    re.MULTILINE,
  )
  costs = {name: tuple(map(float, row)) for name, *row in table}
  # A ring sends each of seven eighths of the gradients twice.
  parameters = 61_376
  assert abs(costs['data 8'][0] - 2 * 7 / 8 * 4 * parameters / 1e6) < 0.01
  assert abs(costs['data 8'][1] - 3 * 4 * parameters / 1e6) < 0.01
  assert costs['fsdp 8'][0] > 1.5 * costs['data 8'][0]
  assert costs['fsdp 8'][1] < costs['data 8'][1]
