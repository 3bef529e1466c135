import io
import wave

import numpy as np
import pytest

from aurl_jax.core.errors import BundleError, ConfigError
from aurl_jax.deploy import bundle
from aurl_jax.deploy.composer import Composer
from aurl_jax.experiment import demo
from aurl_jax.music import midi, time
from tests.experiment import turnable
from tests.generation import writers


@pytest.fixture
def shipped(tmp_path, monkeypatch):
  """Two models that ship, in a package of the test's own."""
  home = tmp_path / 'bundles'
  model, params = writers.model_of('grid')
  for name in ('one', 'two'):
    composer = Composer(
      model=model,
      params=params,
      tokenizer=writers.TOKENIZERS['grid'],
      defaults={'bars': 2},
    )
    bundle.save(home / name, composer)
  (home / 'notes').mkdir()
  monkeypatch.setattr(bundle, '_home', lambda: home)
  return home


def test_every_shipped_model_plays_into_a_folder_of_its_own(shipped, tmp_path):
  assert bundle.shipped() == ['one', 'two']
  found = demo.run((), str(tmp_path / 'out'), {'seed': 3, 'bars': 2})
  assert [result['model'] for result in found] == ['one', 'two']
  for result in found:
    folder = tmp_path / 'out' / result['model']
    assert result['page'] == str(folder / 'index.html')
    page = (folder / 'index.html').read_text()
    assert f'Written by {result["model"]}' in page
    notes = midi.read(folder / 'piece_1.mid').notes
    with wave.open(io.BytesIO((folder / 'piece_1.wav').read_bytes())) as sound:
      seconds = sound.getnframes() / sound.getframerate()
      samples = np.frombuffer(sound.readframes(1 << 24), '<i2')
    assert seconds >= time.duration_seconds(notes) > 0
    assert np.abs(samples).max() > 10_000
    assert result['rows'][0][3]


def test_one_model_is_asked_and_the_same_seed_is_the_same_music(
  shipped, tmp_path
):
  files = []
  for name in ('a', 'b'):
    (found,) = demo.run(('two',), str(tmp_path / name), {'n': 2, 'bars': 1})
    assert len(found['rows']) == 2
    files.append((tmp_path / name / 'two' / 'piece_2.mid').read_bytes())
  assert files[0] == files[1]


def test_what_does_not_ship_is_refused_before_anything_is_written(
  shipped, tmp_path
):
  with pytest.raises(BundleError, match=r'no model three .*one, two'):
    demo.run(('one', 'three'), str(tmp_path / 'out'), {})
  assert not (tmp_path / 'out').exists()


def test_no_dials_ship_yet_here_and_what_has_none_is_refused(shipped, tmp_path):
  with pytest.raises(ConfigError, match='no model with dials ships'):
    demo.turn((), str(tmp_path / 'out'), {'density': 2.0}, {})
  with pytest.raises(ConfigError, match=r"'transformer' has no latents"):
    demo.turn(('one',), str(tmp_path / 'out'), {'density': 2.0}, {})
  assert not (tmp_path / 'out').exists()


def test_models_with_dials_are_turned_and_heard(shipped, tmp_path, monkeypatch):
  bundle.save(shipped / 'vae', turnable.composer())
  monkeypatch.setattr(demo, '_sound', unheard(demo._sound))
  out = tmp_path / 'out'
  (found,) = demo.turn((), str(out), {'register': 1.5}, {'seed': 4})
  assert found['model'] == 'vae'
  names = {path.name for path in (out / 'vae').iterdir()}
  assert {'before_1.mid', 'after_1.mid', 'before_1.wav', 'index.html'} < names
  assert 'Turned by vae' in (out / 'vae' / 'index.html').read_text()


def unheard(sound):
  """Writes the same files, of music that takes no time to synthesise."""

  def short(pieces, folder, name):
    sound([writers.piece()] * len(pieces), folder, name)

  return short
