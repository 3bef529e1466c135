"""What the notebooks show when they run with few steps, by this Python."""

import base64
import html
import importlib
import io
import json
import re

import matplotlib.image
import numpy as np
import pytest

from aurl_jax.music import midi

_FRAME = re.compile('srcdoc="(.*?)"', re.DOTALL)


class Shown:
  """What a notebook that has run shows."""

  def __init__(self, notebooks, done, folder):
    data = [data for _, data in notebooks.outputs(done)]
    self.folder = folder
    self.said = notebooks.said(done)
    self.prose = '\n'.join(
      ''.join(cell['source'])
      for cell in done['cells']
      if cell['cell_type'] == 'markdown'
    )
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

  def music(self):
    """What the MIDI files beside the players hold."""
    return [
      midi.read(base64.b64decode(data)).notes
      for page in self.frames
      for data in re.findall('data:audio/midi;base64,([^"]*)"', page)
    ]


@pytest.fixture(scope='module')
def run(tool_folder, tmp_path_factory, repository):
  """Returns what runs a notebook with few steps, by this Python."""
  pytest.importorskip('nbclient')
  notebooks = importlib.import_module('notebooks')
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


def first_bar(notes):
  """The notes of the first four beats, whoever has them."""
  here = notes.onset < 4 * notes.ticks_per_beat
  columns = (notes.onset, notes.pitch, notes.duration, notes.velocity)
  return sorted(
    zip(*(column[here].tolist() for column in columns), strict=True)
  )


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
  judged = {
    row['step']: row['valid/loss']
    for row in records(shown.folder, 'mine')
    if 'valid/loss' in row
  }
  assert sorted(judged) == [0, 2]
  before = number(shown, r'held-out files: ([\d.]+) before')
  assert abs(before - judged[0]) < 0.001
  # Of chorales a model knows much that has learnt them, and nothing one drawn.
  assert judged[0] < 1.5


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
  ruled, _, before, anew, *_ = shown.music()
  of_d_minor = {2, 4, 5, 7, 9, 10, 0, 1}
  assert set((ruled.pitch % 12).tolist()) <= of_d_minor
  assert not (2 * ruled.onset % ruled.ticks_per_beat).any()
  assert before == ruled
  assert anew != before
  assert first_bar(anew) == first_bar(before)
  asked, heard = re.search(
    r'asked for \[(.*)\] heard \[(.*)\]', shown.said
  ).groups()
  assert len(asked.split(',')) == len(heard.split(','))
  assert int(heard.split(',')[-1]) > int(heard.split(',')[0])
  # Of a piece of the training music.
  assert number(shown, r'the longest has (\d+) notes') >= 12


@pytest.mark.slow
def test_latent_space_runs(run):
  shown = run('05_latent_space')
  check_pictures(shown, 6)
  check_players(shown, 6)
  assert number(shown, r'F1 of notes that came back: ([\d.]+)') > 0.5
  turned = re.findall(
    r'^ *(-2|2) +([\d.]+) +([\d.]+)$', shown.said, re.MULTILINE
  )
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
  files = list((shown.folder / 'chorales').glob('*.mid'))
  assert len(rows) - 1 == len(files) > 8
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
