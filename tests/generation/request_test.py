import jaxtyping
import numpy as np
import pytest

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.generation.sampling import Sampler
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

TUNE = Notes.build(4, {'onset': [0, 4], 'duration': 4, 'pitch': [60, 62]})


def test_a_request_is_a_sampler_and_more():
  request = Request(n=2, temperature=0.5, top_k=3, top_p=0.9, min_p=0.1)
  wanted = Sampler(temperature=0.5, top_k=3, top_p=0.9, min_p=0.1)
  assert request.sampler == wanted
  assert (Request().bars, Request().steps, Request().prompt) == (0, 0, None)


@pytest.mark.parametrize(
  ('values', 'match'),
  [
    ({'n': 0}, 'n must be a whole number in 1..100000, not 0'),
    ({'n': True}, 'n must be'),
    ({'bars': -1}, 'bars must be'),
    ({'steps': -3}, 'steps must be'),
    ({'seed': -1}, 'seed must be'),
    ({'temperature': -0.1}, 'temperature must be'),
    ({'seed': 1 << 70}, 'seed must be'),
    ({'tempo': 0}, 'tempo must be a positive number'),
    ({'top_p': 0.0}, 'top_p must be above 0'),
    ({'prompt': TUNE, 'tempo': 90.0}, 'a prompt has its own meter and tempo'),
    ({'rewrite': (0, 1)}, 'rewrite writes bars of a prompt anew'),
    ({'rewrite': (0, 1), 'prompt': TUNE, 'bars': 2}, 'and no bars'),
    ({'rewrite': (2, 2), 'prompt': TUNE}, 'rewrite must be a pair of bars'),
    ({'given': 'melody', 'prompt': TUNE}, 'give rewrite too'),
    ({'rewrite': (0, 1), 'given': 'tune', 'prompt': TUNE}, 'give one of melod'),
    ({'guidance': -1.0}, 'guidance must be in 0..20, not -1'),
    ({'beams': 65}, 'beams must be a whole number in 0..64'),
    ({'beams': 2, 'n': 3}, '3 pieces are more than the 2 beams'),
    ({'diversity': 0.5}, 'give beams too'),
    ({'beams': 2, 'speculate': 4}, 'leave out beams, or speculate'),
    ({'beams': 2, 'diversity': -0.5}, 'diversity -0.5: it is at least 0'),
  ],
)
def test_values_out_of_range_are_refused_by_name(values, match):
  with pytest.raises(RequestError, match=match):
    Request(**values)


@pytest.mark.parametrize(
  ('values', 'match'),
  [
    ({'temperature': 'hot'}, "temperature must be a number, not 'hot'"),
    ({'temperature': None}, 'temperature must be a number'),
    ({'top_k': True}, 'top_k must be'),
    ({'meter': (3,)}, 'meter must be a pair'),
    ({'meter': '34'}, 'meter must be a pair'),
    ({'tempo': 'fast'}, 'tempo must be a positive number'),
    ({'prompt': 3}, 'the prompt must be Notes or a path'),
    ({'rewrite': (1,), 'prompt': TUNE}, 'rewrite must be a pair'),
    ({'rewrite': 3, 'prompt': TUNE}, 'rewrite must be a pair'),
    ({'excerpt': (0, 1)}, 'give a prompt too'),
    ({'excerpt': (1, 1), 'prompt': TUNE}, 'excerpt must be a pair of bars'),
    ({'guidance': 'much'}, 'guidance must be a number'),
  ],
)
def test_values_of_another_type_are_refused_by_name(values, match, monkeypatch):
  """As users meet it: only tests check annotations at run time."""
  monkeypatch.setattr(jaxtyping.config, 'jaxtyping_disable', True)
  with pytest.raises(RequestError, match=match):
    Request(**values)


def test_numbers_of_numpy_will_do(monkeypatch):
  monkeypatch.setattr(jaxtyping.config, 'jaxtyping_disable', True)
  request = Request(n=np.int64(2), temperature=np.float32(0.5))
  assert request == Request(n=2, temperature=0.5)
  assert type(request.n) is int


def test_a_prompt_is_notes_or_a_file(tmp_path):
  path = tmp_path / 'tune.mid'
  midi.write(TUNE, path)
  assert Request().prompt_notes() is None
  assert Request(prompt=TUNE).prompt_notes() == TUNE
  for given in (path, str(path)):
    assert Request(prompt=given).prompt_notes().pitch.tolist() == [60, 62]


def test_a_prompt_without_notes_or_file_is_refused(tmp_path):
  with pytest.raises(RequestError, match='the prompt has no notes'):
    Request(prompt=Notes.build(4)).prompt_notes()
  with pytest.raises(
    RequestError, match=r'nope\.mid cannot be read: there is no such'
  ):
    Request(prompt=tmp_path / 'nope.mid').prompt_notes()


def test_an_excerpt_is_some_bars_of_the_prompt(tmp_path):
  long = Notes.build(
    4, {'onset': range(0, 64, 4), 'duration': 4, 'pitch': range(60, 76)}
  )
  path = tmp_path / 'long.mid'
  path.write_bytes(midi.write(long))
  for music in (long, path):
    asked = Request(prompt=music, excerpt=(1, 3))
    for found in (asked, asked.opened(), asked.opened().opened()):
      notes = found.prompt_notes()
      assert notes.pitch.tolist() == list(range(64, 72))
      assert notes.onset[0] == 0
  with pytest.raises(RequestError, match='are not in the piece'):
    Request(prompt=path, excerpt=(3, 9)).opened()
  late = Notes.build(4, {'onset': [32], 'duration': 4, 'pitch': [60]})
  with pytest.raises(RequestError, match=r'no notes in bars 0\.\.1'):
    Request(prompt=late, excerpt=(0, 1)).prompt_notes()
