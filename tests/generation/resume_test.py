"""Prompts of the last bars, judged by the music that they are of."""

import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.generation import resume
from aurl_jax.generation.bar_lines import BarLines
from aurl_jax.generation.errors import RequestError
from aurl_jax.music import transform
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from tests.tokens import pieces

KINDS = [Compound(), Remi(), VoiceGrid()]


def sounding(notes, start, end):
  """(onset, end, pitch, velocity) between two ticks, cut at the first."""
  found = []
  for row in range(len(notes)):
    begin = int(notes.onset[row])
    stop = begin + int(notes.duration[row])
    if stop > start and begin < end:
      who = int(notes.pitch[row]), int(notes.velocity[row])
      found.append((max(begin, start) - start, min(stop, end) - start, *who))
  return sorted(found)


@pytest.mark.parametrize('tokenizer', KINDS, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize('room', [60, 100, 400])
def test_a_prompt_is_the_last_bars_that_fit(tokenizer, room):
  notes = pieces.chorale(6, bars=8, meter=(3, 4), bpm=90)
  ids = resume.whole_bars(tokenizer, tokenizer.encode(notes))
  whole = tokenizer.decode(ids)
  bar = 3 * whole.ticks_per_beat
  for stop in (4, 8):
    prompt = resume.last_bars(tokenizer, ids, stop, room)
    bars = len(tokenizer.bar_steps(prompt))
    assert len(prompt) <= room or bars == 1
    found = tokenizer.decode(prompt)
    wanted = sounding(whole, (stop - bars) * bar, stop * bar)
    assert sounding(found, 0, bars * bar) == wanted
    assert found.meters.tolist() == [(0, 3, 4)]
    assert found.tempos.tolist() == whole.tempos.tolist()
    # One bar more would not have fitted, but for what its start has to tell.
    edges = np.append(tokenizer.bar_steps(ids), len(ids))
    more = edges[stop] - edges[max(0, stop - bars - 1)]
    assert bars == stop or more + 30 > room


@pytest.mark.parametrize('tokenizer', KINDS, ids=lambda t: type(t).__name__)
def test_bars_begin_where_the_meters_say(tokenizer):
  notes = pieces.chorale(2, bars=5, meter=(3, 4))
  ids, lines = tokenizer.encode(notes), BarLines(tokenizer)
  bar = 3 * tokenizer.decode(ids).ticks_per_beat
  begun = len(tokenizer.bar_steps(ids))
  assert [lines.before(ids, n)[1] for n in range(begun)] == [
    n * bar for n in range(begun)
  ]
  assert lines.complete(ids[:-1]) in (begun - 1, begun)
  music, tick = lines.before(ids, 3)
  assert sounding(music, 0, tick) == sounding(
    transform.slice_ticks(tokenizer.decode(ids), 0, None), 0, 3 * bar
  )


def test_a_piece_without_bars_is_refused():
  tokenizer = Compound()
  with pytest.raises(RequestError, match='no bar') as caught:
    resume.whole_bars(tokenizer, tokenizer.bos()[None])
  assert caught.value.code == 'prompt'


def test_the_last_bar_of_a_grid_is_made_full():
  tokenizer = VoiceGrid()
  ids = tokenizer.encode(pieces.chorale(1, bars=2))
  short = resume.whole_bars(tokenizer, ids[:-7])
  assert len(short) == 1 + 32
  assert len(tokenizer.bar_steps(short)) == 2


def test_the_step_behind_whole_bars_begins_one():
  codec = Compound().codec
  (rule,) = resume.bar_next(Compound(), 2)
  state, bar = rule.init(), codec.id('bar')
  for steps in range(4):
    allowed = np.asarray(rule.mask(state, 0, jnp.zeros(7, jnp.int32)))
    assert allowed.sum() == (1 if steps == 2 else codec.sizes[0])
    assert allowed[bar]
    assert np.asarray(rule.mask(state, 1, jnp.zeros(7, jnp.int32))).all()
    state = rule.advance(state, jnp.zeros(7, jnp.int32))
  assert resume.bar_next(VoiceGrid(), 2) == ()
