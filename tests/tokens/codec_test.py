import numpy as np
import pytest

from aurl_jax.core.errors import TokenError
from aurl_jax.tokens.codec import Codec, Field, Range

CODEC = Codec(
  (
    Field('kind', (Range('eos', 0, 0), Range('pitch', 21, 23))),
    Field('cut', (Range('cut', 1, 2),)),
  )
)


def test_ids_are_numbered_from_one_in_the_order_of_the_ranges():
  assert CODEC.sizes == (5, 3)
  assert [CODEC.event(i) for i in range(5)] == [
    ('pad', 0),
    ('eos', 0),
    ('pitch', 21),
    ('pitch', 22),
    ('pitch', 23),
  ]
  assert CODEC.span('pitch') == (2, 5)
  assert CODEC.ids('cut', np.array([2, 1]), 1).tolist() == [2, 1]


def test_ids_and_events_are_inverse():
  for f, field in enumerate(CODEC.fields):
    for id_ in range(1, field.size):
      assert CODEC.id(*CODEC.event(id_, f), field=f) == id_


def test_tables_agree_with_event():
  for field in CODEC.fields:
    assert field.kinds[0] == field.values[0] == -1
  field = CODEC.fields[0]
  found = [
    (field.ranges[k].event, v)
    for k, v in zip(field.kinds[1:], field.values[1:], strict=True)
  ]
  assert found == [CODEC.event(i) for i in range(1, 5)]


def test_holds_tells_events_apart():
  assert CODEC.holds('pitch', np.arange(5)).tolist() == [0, 0, 1, 1, 1]
  assert not CODEC.holds('chord', np.arange(5)).any()


@pytest.mark.parametrize('value', [20, 24])
def test_values_out_of_range_are_refused(value):
  with pytest.raises(ValueError, match=r'21\.\.23'):
    CODEC.id('pitch', value)
  with pytest.raises(ValueError, match=r'21\.\.23'):
    CODEC.ids('pitch', np.array([value]))


def test_event_refuses_ids_beyond_the_field():
  with pytest.raises(ValueError, match='kind'):
    CODEC.event(5)


@pytest.mark.parametrize(
  'ids', [np.zeros(3, int), np.zeros((3, 3), int), np.zeros((3, 2))]
)
def test_check_names_the_shape(ids):
  with pytest.raises(TokenError, match=r'\[time, 2\]') as caught:
    CODEC.check(ids)
  assert caught.value.code == 'shape'


@pytest.mark.parametrize('bad', [-1, 3])
def test_check_names_the_first_id_out_of_range(bad):
  ids = np.array([[4, 2], [0, bad]])
  with pytest.raises(TokenError, match=r"step 1 .*'cut' \(0\.\.2\)") as caught:
    CODEC.check(ids)
  assert caught.value.code == 'range'
