import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.generation import decode
from aurl_jax.generation.silent import silent
from aurl_jax.tokens import events
from aurl_jax.tokens.compound import Compound
from tests.generation import writers

TOKENIZER = Compound(voices=3, cells_per_beat=4)


def test_one_voice_of_one_program_is_left_out():
  codec = TOKENIZER.codec
  rule = silent(codec, (0, 1))
  for program in (0, 5):
    partial = np.zeros(len(codec.fields), np.int32)
    partial[0] = codec.id('note')
    partial[events.VALUE] = codec.id('program', program, events.VALUE)
    mask = np.asarray(rule.mask(rule.init(), events.VOICE, jnp.array(partial)))
    voices = [codec.id('voice', v, events.VOICE) for v in range(3)]
    assert mask[voices].tolist() == [True, program != 0, True]
    assert mask[0]
  for field in (0, events.VALUE, events.PITCH):
    assert np.asarray(rule.mask(rule.init(), field, jnp.array(partial))).all()


@pytest.mark.parametrize('track', [None, (0, 0)])
def test_music_that_is_drawn_goes_without_it(track):
  model, params = writers.small(TOKENIZER)
  codec = TOKENIZER.codec
  samples = decode.decode(
    model,
    params,
    TOKENIZER.grammar,
    [TOKENIZER.bos()[None]] * 8,
    steps=100,
    constraints=(silent(codec, track),),
  )
  played = set()
  for sample in samples:
    assert sample.legal
    for step in sample.ids.tolist():
      if codec.event(step[0])[0] == 'note':
        program = codec.event(step[events.VALUE], events.VALUE)[1]
        voice = codec.event(step[events.VOICE], events.VOICE)[1]
        played.add((program, voice))
  assert played
  assert ((0, 0) in played) == (track is None) or len(played) > 40
  assert track not in played
