import numpy as np
import pytest

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.legality import first_illegal
from aurl_jax.generation.opening import opening
from aurl_jax.tokens.performance import Performance
from tests.generation import writers


def events(tokenizer, ids):
  """What the steps tell, in order, without the fields they leave out."""
  return [
    tokenizer.codec.event(int(id_), field)
    for step in ids
    for field, id_ in enumerate(step)
    if id_
  ]


@pytest.mark.parametrize('name', writers.TOKENIZERS)
def test_nothing_asked_is_the_first_step_alone(name):
  tokenizer = writers.TOKENIZERS[name]
  np.testing.assert_array_equal(opening(tokenizer), tokenizer.bos()[None])


@pytest.mark.parametrize('name', writers.TOKENIZERS)
@pytest.mark.parametrize(
  ('meter', 'tempo'), [((3, 4), None), (None, 90), ((6, 8), 140.0)]
)
def test_what_is_asked_is_told_and_legal(name, meter, tempo):
  tokenizer = writers.TOKENIZERS[name]
  ids = opening(tokenizer, meter, tempo)
  told = events(tokenizer, ids)
  meters = [value for event, value in told if event == 'meter']
  # A tempo stands behind a meter, which is then the usual one.
  assert [tokenizer.grid.meters[i] for i in meters] == [meter or (4, 4)]
  tempos = [value for event, value in told if event == 'tempo']
  if tempo:
    found = 6e7 / tokenizer.grid.tempos[tempos[-1]]
    assert abs(found / tempo - 1) < 0.008
  assert not any(event in ('note', 'pitch', 'program') for event, _ in told)
  assert first_illegal(tokenizer.grammar, [ids]).tolist() == [-1]


def test_a_meter_alone_leaves_the_tempo_to_the_model_or_the_default():
  remi, grid = writers.TOKENIZERS['remi'], writers.TOKENIZERS['grid']
  asked = [event for event, _ in events(remi, opening(remi, (3, 4)))]
  assert asked == ['bos', 'bar', 'meter', 'position']
  np.testing.assert_array_equal(
    opening(grid, (3, 4)), grid.bos(meter=(3, 4))[None]
  )


@pytest.mark.parametrize(
  ('asked', 'match'),
  [
    ({'meter': (13, 7)}, r'meter 13/7 is not .* 3/4'),
    ({'tempo': 5.0}, r'tempo 5.0 is not in 15\.\.480'),
    ({'tempo': 2000.0}, 'tempo 2000.0'),
  ],
)
def test_what_the_tokenization_lacks_is_refused(asked, match):
  with pytest.raises(RequestError, match=match):
    opening(writers.TOKENIZERS['remi'], **asked)


def test_a_tokenization_of_seconds_tells_neither_meter_nor_tempo():
  assert opening(Performance()).tolist() == [[1]]
  for asked in ({'meter': (3, 4)}, {'tempo': 90}):
    with pytest.raises(RequestError, match=f'tells no {next(iter(asked))}'):
      opening(Performance(), **asked)
