import math

import numpy as np
import pytest

from aurl_jax.evaluation import likelihood
from aurl_jax.tokens.bpe import Bpe
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi
from tests.tokens import pieces


def test_units_by_hand():
  # Two pieces, two fields: 8 ln 2 + 24 ln 2 nats, 4 notes, 16 s, 10 ids.
  nats = np.log(2) * np.array([[3, 5], [20, 4]])
  assert likelihood.bits_per_note(nats, [1, 3]) == pytest.approx(8)
  assert likelihood.bits_per_second(nats, 16) == pytest.approx(2)
  assert likelihood.nats_per_id(nats, 10) == pytest.approx(3.2 * math.log(2))
  assert likelihood.perplexity(nats, 10) == pytest.approx(2**3.2)


def test_a_set_is_no_mean_of_means():
  long, short = [1000.0, 1.0], [100, 1]
  assert likelihood.bits_per_note(long, short) == pytest.approx(
    1001 / 101 / math.log(2)
  )


def test_nothing_to_divide_by_is_no_number():
  assert math.isnan(likelihood.bits_per_note(3.0, 0))
  assert math.isnan(likelihood.bits_per_second(3.0, []))
  assert math.isnan(likelihood.perplexity([], []))


def test_summary_has_each_field_s_part():
  nats = np.array([[1.0, 2.0, 4.0], [1.0, 0.0, 2.0]])
  counts = np.array([[4, 4, 2], [4, 0, 2]])
  found = likelihood.summary(
    nats, counts, notes=[3, 2], seconds=[4, 6], fields=('a', 'b', 'c')
  )
  assert found['nats'] == 10
  assert found['nats_per_id'] == pytest.approx(10 / 16)
  assert found['perplexity'] == pytest.approx(math.exp(10 / 16))
  parts = [found[f'bits_per_note/{name}'] for name in 'abc']
  assert parts == pytest.approx([x / 5 / math.log(2) for x in (2, 2, 6)])
  assert sum(parts) == pytest.approx(found['bits_per_note'])
  assert found['bits_per_second'] == pytest.approx(1 / math.log(2))
  assert 'bits_per_second' not in likelihood.summary(nats, counts, notes=1)


@pytest.mark.parametrize(
  'tokenizer',
  [
    Remi(),
    Compound(micro=4, pedal=True),
    Performance(),
    Performance(drums=True),
    VoiceGrid(),
  ],
  ids=repr,
)
def test_notes_are_those_of_the_decoded_music(tokenizer):
  for seed in range(4):
    make = pieces.chorale if type(tokenizer) is VoiceGrid else pieces.pedalled
    ids = tokenizer.encode(make(seed))
    assert likelihood.count_notes(tokenizer, ids) == len(tokenizer.decode(ids))


def test_notes_of_merged_ids_are_those_of_their_parts():
  base = Remi(cells_per_beat=4, voices=1)
  pitch, velocity = base.codec.id('pitch', 60), base.codec.id('velocity', 3)
  program, size = base.codec.id('program', 0), base.codec.sizes[0]
  merges = ((program, pitch), (size, velocity), (size + 1, size + 1))
  tokenizer = Bpe(base=base, merges=merges)
  ids = np.array([[pitch], [size], [size + 2], [velocity], [size + 1]])
  assert likelihood.count_notes(tokenizer, ids) == 5
