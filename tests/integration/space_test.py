"""The Space: its work without its page, and the page where gradio is there."""

import importlib.util
import pathlib
import re
import sys
import tomllib

import numpy as np
import pytest

from aurl_jax.core.errors import AurlError
from aurl_jax.generation.frame import Kept
from aurl_jax.generation.piece import Piece
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from tests.serving import stage


@pytest.fixture(scope='module')
def folder(repository):
  return repository / 'examples' / 'space'


class Stand:
  """A model that writes one piece, whatever it is asked for, and keeps that."""

  def __init__(self):
    self.real = stage.composer('compound')
    self.asked = []

  def request(self, **changes):
    return self.real.request(**changes)

  def generate(self, request):
    self.real.check(request)
    self.asked.append(request)
    ids = np.zeros((4, 7), np.int32)
    kept = {'key': Kept(1.0, 0)} if request.wish else {}
    return [
      Piece(
        notes=stage.TUNE,
        ids=ids,
        seed=request.seed,
        ended=True,
        grammatical=True,
        kept=kept,
      )
    ]


def loaded(folder, name):
  spec = importlib.util.spec_from_file_location(name, folder / f'{name}.py')
  module = importlib.util.module_from_spec(spec)
  # Dataclasses ask for their module by name, and the page imports it.
  sys.modules[name] = module
  spec.loader.exec_module(module)
  return module


@pytest.fixture
def music(folder, monkeypatch):
  """The module that does the work."""
  module = loaded(folder, 'music')
  stand = Stand()
  monkeypatch.setattr(module, 'model', lambda name: stand)
  module.stand = stand
  yield module
  del sys.modules['music']


def test_it_works_without_gradio(folder):
  assert 'gradio' not in (folder / 'music.py').read_text()


def test_a_piece_is_written_and_shown(music):
  made = music.write(bars=2, seed=3, temperature=0.5)
  assert midi.read(made.midi).issues == ()
  assert pathlib.Path(made.roll).read_bytes()[:4] == b'\x89PNG'
  assert pathlib.Path(made.sound).read_bytes()[:4] == b'RIFF'
  assert 'seed 3' in made.told
  (asked,) = music.stand.asked
  assert (asked.bars, asked.seed, asked.temperature) == (2, 3, 0.5)
  assert asked.wish in (None, ())
  assert music.write(bars=2, seed=3).midi != made.midi


def test_rules_are_asked_for_and_told(music):
  made = music.write(bars=2, key=' C ', chords='C | G', tempo=96)
  wish = music.stand.asked[0].wish
  wish = wish[0] if isinstance(wish, tuple) else wish
  assert (wish.key, wish.chords, wish.tempo) == ('C', 'C | G', 96)
  assert 'key 100%' in made.told


def test_lengths_beyond_the_page_are_cut(music):
  music.write(bars=1000)
  assert music.stand.asked[0].bars == music.MOST_BARS


@pytest.mark.parametrize(('bars', 'kept'), [(1, 1), (9, 4)])
def test_it_goes_on_from_the_first_bars_of_a_file(music, tmp_path, bars, kept):
  path = tmp_path / 'mine.mid'
  onsets = range(0, 16 * bars, 4)
  given = Notes.build(4, {'onset': onsets, 'duration': 4, 'pitch': 60})
  midi.write(given, path)
  music.write(bars=1, prompt=str(path), tempo=96)
  (asked,) = music.stand.asked
  assert asked.excerpt == (0, kept)
  assert asked.prompt == given
  assert asked.wish in (None, ())


@pytest.mark.parametrize(
  ('asked', 'told'),
  [
    ({'key': 'H minor'}, 'H minor'),
    ({'key': 'C', 'chords': 'F#'}, 'outside of'),
    ({'temperature': -1}, 'temperature'),
  ],
)
def test_what_cannot_be_is_an_error_in_words(music, asked, told):
  with pytest.raises(AurlError, match=r'\w') as caught:
    music.write(bars=2, **asked)
  assert told in music.cause(caught.value)


def test_what_a_space_reads_stands_in_its_files(folder, repository):
  text = (folder / 'README.md').read_text()
  head = text.split('---\n')[1]
  told = dict(re.findall(r"^(\w+): '?([^'\n]*)'?$", head, re.MULTILINE))
  assert told['sdk'] == 'gradio'
  assert (folder / told['app_file']).exists()
  project = tomllib.loads((repository / 'pyproject.toml').read_text())
  assert told['license'] == project['project']['license'].lower()
  needs = (folder / 'requirements.txt').read_text().split()
  assert any(re.match(r'aurl-jax\b', need) for need in needs)
  colours = ('red', 'yellow', 'green', 'blue', 'indigo', 'purple', 'pink')
  assert {told['colorFrom'], told['colorTo']} <= {*colours, 'gray'}
  assert len(told['short_description']) <= 60


@pytest.mark.slow
def test_the_shipped_models_write(folder):
  module = loaded(folder, 'music')
  for name in module.MODELS:
    made = module.write(name, bars=2, key='C')
    notes = midi.read(made.midi).notes
    assert len(notes) > 0
    assert not set(notes.pitch % 12) & {1, 3, 6, 8, 10}
  del sys.modules['music']


def test_the_page_is_built_and_answers(music, folder):
  pytest.importorskip('gradio', reason='the page needs gradio')
  app = loaded(folder, 'app')
  page = app.build()
  labels = {getattr(block, 'label', None) for block in page.blocks.values()}
  assert {'Key', 'Chords', 'Piano roll', 'Sound', 'MIDI'} <= labels
  roll, sound, file, _ = app.show('pop', 2, 1, 1.0, '', '', 0, None)
  assert (roll[-3:], sound[-3:], file[-3:]) == ('png', 'wav', 'mid')
  with pytest.raises(app.gradio.Error):
    app.show('pop', 2, 1, 1.0, 'H minor', '', 0, None)
