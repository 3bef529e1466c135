"""The Space: its work without its page, and the page where gradio is there."""

import importlib.util
import pathlib
import re
import sys
import tomllib

import pytest

from aurl_jax.core.errors import AurlError
from aurl_jax.music import midi
from tests.serving import stage


@pytest.fixture(scope='module')
def folder(repository):
  return repository / 'examples' / 'space'


@pytest.fixture(scope='module')
def music(folder):
  """The module that does the work, with a small untrained model."""
  spec = importlib.util.spec_from_file_location('music', folder / 'music.py')
  module = importlib.util.module_from_spec(spec)
  # Its dataclass asks for it by name, and the page imports it.
  sys.modules['music'] = module
  spec.loader.exec_module(module)
  real = module.model
  module.model = lambda name: stage.composer('compound')
  yield module
  module.model = real
  del sys.modules['music']


def test_it_works_without_gradio(folder):
  assert 'gradio' not in (folder / 'music.py').read_text()


def test_a_piece_is_written_and_shown(music):
  made = music.write(bars=2, seed=3)
  read = midi.read(made.midi)
  assert read.issues == ()
  assert pathlib.Path(made.roll).read_bytes()[:4] == b'\x89PNG'
  assert pathlib.Path(made.sound).read_bytes()[:4] == b'RIFF'
  assert 'seed 3' in made.told
  again = music.write(bars=2, seed=3)
  assert pathlib.Path(again.midi).read_bytes() == (
    pathlib.Path(made.midi).read_bytes()
  )
  assert again.midi != made.midi


def test_rules_are_kept_and_told(music):
  made = music.write(bars=2, key=' C ', chords='', tempo=96)
  notes = midi.read(made.midi).notes
  assert not set(notes.pitch % 12) & {1, 3, 6, 8, 10}
  assert 'key 100%' in made.told


def test_it_goes_on_from_a_file(music, tmp_path):
  path = tmp_path / 'mine.mid'
  path.write_bytes(stage.tune())
  given = midi.read(path).notes
  notes = midi.read(music.write(bars=1, prompt=str(path)).midi).notes
  per_beat = notes.ticks_per_beat // given.ticks_per_beat
  first = notes.onset < 16 * per_beat
  assert list(notes.pitch[first]) == list(given.pitch)


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
  spec = importlib.util.spec_from_file_location('real', folder / 'music.py')
  module = importlib.util.module_from_spec(spec)
  sys.modules['real'] = module
  spec.loader.exec_module(module)
  for name in module.MODELS:
    made = module.write(name, bars=2)
    assert len(midi.read(made.midi).notes) > 0


def test_the_page_is_built_and_answers(music, folder, monkeypatch):
  pytest.importorskip('gradio', reason='the page needs gradio')
  spec = importlib.util.spec_from_file_location('app', folder / 'app.py')
  app = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(app)
  page = app.build()
  labels = {block.label for block in page.blocks.values() if block.label}
  assert {'Key', 'Chords', 'Piano roll', 'Sound', 'MIDI'} <= labels
  roll, sound, file, _ = app.show('pop', 2, 1, 1.0, '', '', 0, None)
  assert (roll[-3:], sound[-3:], file[-3:]) == ('png', 'wav', 'mid')
  with pytest.raises(app.gradio.Error):
    app.show('pop', 2, 1, 1.0, 'H minor', '', 0, None)
