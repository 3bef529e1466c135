"""What cannot be met is refused before a model is loaded."""

import pytest

from aurl_jax.deploy import bundle
from aurl_jax.experiment import generate
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.wish import Wish
from aurl_jax.music.notes import Notes


def beats(count):
  """Returns music of so many notes, one a 16th."""
  return Notes.build(
    4, {'onset': list(range(count)), 'duration': 1, 'pitch': 60}
  )


LONG, SHORT = beats(2100), beats(64)


@pytest.fixture(autouse=True)
def unloaded(monkeypatch):
  """No test here loads parameters."""

  def load(*_):
    raise AssertionError('loaded')

  monkeypatch.setattr(bundle, 'load', load)


@pytest.mark.parametrize(
  ('asked', 'match'),
  [
    ({'wish': Wish(key='C', chords='C | D')}, 'D:maj of bar 2 has F♯'),
    (
      {'wish': Wish(key='C', ranges=(('cello', (61, 61)),))},
      'no note of key and chords lies in the range of Cello',
    ),
    ({'bars': 2100}, '2100 bars take at least 2103 steps, more than 2048'),
    (
      {'bars': 400, 'wish': Wish(density=(8, None))},
      '400 bars of this wish take up to .* more than 2048',
    ),
    ({'prompt': Notes.build(4)}, 'the prompt has no notes'),
    ({'prompt': LONG}, 'the prompt takes .* of 2048 steps'),
    ({'prompt': 'no.mid'}, 'there is no such file'),
    ({'temperature': -1}, 'temperature must be'),
  ],
)
def test_it_is_told_why(asked, match, tmp_path):
  with pytest.raises(RequestError, match=match):
    generate.to_folder('pop', str(tmp_path), asked)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  'asked', [{'wish': Wish(key='C')}, {'prompt': SHORT, 'rewrite': (0, 2)}]
)
def test_what_can_be_met_goes_on_to_load(asked, tmp_path):
  with pytest.raises(AssertionError, match='loaded'):
    generate.to_folder('pop', str(tmp_path), asked)
