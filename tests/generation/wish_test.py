import pytest

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.wish import Wish


@pytest.mark.parametrize(
  'values',
  [
    {'instruments': (129,)},
    {'ranges': (('piano', (70, 60)),)},
    {'ranges': (('piano', (60, 128)),)},
    {'polyphony': 33},
    {'polyphony': (1, -1)},
    {'polyphony': True},
    {'each': -1},
    {'density': (4, 2)},
    {'density': (2,)},
    {'density': ((1, 2), (3, None, 4))},
    {'rhythm': 8},
    {'rhythm': ((),)},
    {'meter': (3, 4, 5)},
    {'tempo': -3},
    {'tempo': (float('inf'),)},
  ],
)
def test_other_forms_are_refused_by_name(values):
  with pytest.raises(RequestError, match=next(iter(values))) as caught:
    Wish(**values)
  assert caught.value.code == 'wish'


def test_values_are_one_for_all_bars_or_one_a_bar():
  wish = Wish(
    key=('C', 'G'),
    polyphony=3,
    density=((1, 2), (0, None)),
    rhythm=(0, 1.5),
    meter=((3, 4), (4, 4)),
  )
  assert wish.bars('key') == ('C', 'G')
  assert wish.bars('polyphony') == (3,)
  assert wish.bars('density') == ((1, 2), (0, None))
  assert wish.bars('rhythm') == ((0, 1.5),)
  assert wish.bars('meter') == ((3, 4), (4, 4))
  assert wish.bars('tempo') == ()
  assert Wish(rhythm=('8', (0, 2))).bars('rhythm') == ('8', (0, 2))
