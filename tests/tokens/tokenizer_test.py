import json

import pytest

from aurl_jax import tokens
from aurl_jax.core import config
from aurl_jax.tokens.tokenizer import Tokenizer, save
from tests.tokens import pieces

CASES = [
  tokens.Remi(cells_per_beat=4, chords=True),
  tokens.Compound(voices=3),
  tokens.VoiceGrid(program=6),
  tokens.Compound(micro=6, pedal=True, controls=True),
  tokens.Performance(velocity_bins=16, program=6),
]


@pytest.mark.parametrize('tokenizer', CASES)
def test_a_saved_tokenizer_is_built_again_from_its_json(tokenizer):
  assert isinstance(tokenizer, Tokenizer)
  section = json.loads(json.dumps(save(tokenizer)))
  again = config.build(section, 'tokenizer')
  assert again == tokenizer
  notes = pieces.chorale(4)
  assert (again.encode(notes) == tokenizer.encode(notes)).all()


def test_the_package_is_its_table_of_contents():
  names = {'Remi', 'Compound', 'VoiceGrid', 'Performance', 'Codec'}
  assert names <= set(dir(tokens))
  assert all(getattr(tokens, name) for name in tokens.__all__)
