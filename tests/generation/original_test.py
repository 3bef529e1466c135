"""Pitches that would copy, against a search through all training lines."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.evaluation import originality
from aurl_jax.generation import copies, original
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.generation.wish import Wish
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi
from tests.evaluation import copying
from tests.generation import writers

TOKENIZERS = {
  'remi': Remi(voices=2, cells_per_beat=4),
  'compound': Compound(voices=2, cells_per_beat=4, infill=True),
  'grid': VoiceGrid(),
}
SHORTEST = 5


def piece(name, seed, notes=24):
  """Music of few pitches, so that short runs often come again."""
  rng = np.random.default_rng(seed)
  tracks = 4 if name == 'grid' else 2
  onset = [np.cumsum(rng.choice([1, 1, 1, 2], notes)) for _ in range(tracks)]
  columns = {
    'onset': np.concatenate(onset),
    'pitch': 60 + rng.integers(0, 2, tracks * notes),
    'duration': 1,
    'track': np.repeat(np.arange(tracks), notes),
  }
  return TOKENIZERS[name].quantise(Notes.build(4, columns))


def index_of(name, notes=SHORTEST):
  pieces = {str(seed): piece(name, seed) for seed in range(2)}
  return originality.build(pieces.items(), 4, notes), pieces


def runs_of(pieces, most):
  """All runs of training lines, each the steps from note to note."""
  lines = [line for p in pieces.values() for line in copying.rows(p).values()]
  steps = [copying.steps(line)[1:] for line in lines]
  return {
    tuple(line[first : first + most - 1])
    for line in steps
    for first in range(len(line) - most + 2)
  }


def forbidden(told, cell, runs, most):
  """Pitches with which a line would end in a run that training lines have."""
  if len(told) < most - 1:
    return set()
  ends = ((p, [*told[1 - most :], (cell, p)]) for p in range(128))
  return {p for p, end in ends if tuple(copying.steps(end)[1:]) in runs}


@pytest.mark.parametrize('name', TOKENIZERS)
def test_pitches_that_copy_are_not_wanted(name):
  tokenizer = TOKENIZERS[name]
  index, pieces = index_of(name)
  rule = original.original(tokenizer, index, SHORTEST)
  advance = jax.jit(rule.advance)
  mask = jax.jit(rule.mask, static_argnums=1)
  music = piece(name, 9)
  heard = copying.rows(music)
  told = {track: [] for track in heard}
  due = sorted((c, t, p) for t, line in heard.items() for c, p in line)
  state, runs = rule.init(), runs_of(pieces, SHORTEST)
  judged = wrong = 0
  for step in jnp.asarray(tokenizer.encode(music)):
    for field, part in enumerate(tokenizer.codec.fields):
      if part.holds('pitch', int(step[field])):
        cell, track, pitch = due.pop(0)
        wanted = np.asarray(mask(state, field, step))
        low, high = tokenizer.codec.span('pitch', field)
        copied = set(np.flatnonzero(~wanted[low:high]).tolist())
        known = forbidden(told[track], cell, runs, SHORTEST)
        assert known <= copied
        wrong += len(copied - known)
        assert wanted[:low].all()
        assert wanted[high:].all()
        judged += len(known)
        told[track].append((cell, pitch))
    state = advance(state, step)
  assert not due
  assert judged > 10
  # One answer in 65,536 is.
  assert wrong <= 2


@pytest.mark.parametrize('most', [SHORTEST, SHORTEST + 3])
def test_longer_runs_may_be_asked_for(most):
  index, pieces = index_of('compound')
  rule = original.original(TOKENIZERS['compound'], index, most)
  line = copying.rows(pieces['1'])[0]
  state = rule.copies.init()
  for number, (cell, pitch) in enumerate(line):
    found = rule.copies.copied(state, 3, jnp.int32(cell + 50))
    assert bool(found[pitch + 7]) == (number >= most - 1)
    state = rule.copies.begun(
      state, 3, jnp.int32(cell + 50), jnp.int32(pitch + 7)
    )


def test_of_more_lines_than_are_remembered_the_oldest_begins_anew():
  index, pieces = index_of('compound')
  rule = original.original(TOKENIZERS['compound'], index, SHORTEST).copies
  line = copying.rows(pieces['0'])[0]
  begun = jax.jit(rule.begun)
  state = rule.init()
  for track in range(copies.LINES):
    for cell, pitch in line[:6]:
      state = begun(state, track, jnp.int32(cell), jnp.int32(pitch))
  cell, pitch = (jnp.int32(value) for value in line[6])
  assert rule.copied(state, 0, cell)[pitch]
  state = begun(state, copies.LINES, cell, pitch)
  assert not rule.copied(state, 0, cell)[pitch]
  assert rule.copied(state, 1, cell)[pitch]


def test_bars_that_are_filled_in_begin_anew():
  tokenizer = TOKENIZERS['compound']
  index, pieces = index_of('compound')
  rule = original.original(tokenizer, index, SHORTEST)
  state, advance = rule.init(), jax.jit(rule.advance)
  for step in tokenizer.encode(pieces['0'])[:20]:
    state = advance(state, jnp.asarray(step))
  assert state.lines.notes.max() >= SHORTEST
  fill = np.zeros(len(tokenizer.codec.fields), np.int32)
  fill[0] = tokenizer.codec.id('fill')
  assert advance(state, jnp.asarray(fill)).lines.notes.max() == 0


@pytest.mark.parametrize('name', TOKENIZERS)
def test_models_write_no_runs_of_theirs(name):
  """A model's own music is the training music: it would write it again."""
  tokenizer, asked = TOKENIZERS[name], {'n': 2, 'steps': 200}
  if name == 'remi':
    # One line of many notes; an untrained model would hardly write any.
    tokenizer = Remi(voices=1, cells_per_beat=4)
    wish = Wish(instruments=('piano',), density=(6, 8))
    asked = {'n': 2, 'steps': 256, 'bars': 4, 'wish': wish}
  model, params = writers.small(tokenizer)
  plain = Composer(model=model, params=params, tokenizer=tokenizer)
  asked |= {'temperature': 0.1}
  pieces = plain.generate(Request(**asked))
  assert 'original' not in pieces[0].report
  training = {str(i): piece.notes for i, piece in enumerate(pieces)}
  index = originality.build(training.items(), 4, 6)
  composer = Composer(
    model=model, params=params, tokenizer=tokenizer, index=index
  )
  free, held = (
    composer.generate(Request(**asked, original=most)) for most in (0, 8)
  )
  assert free[0].report['original']['share'] == 1
  assert 'original' not in free[0].kept
  for piece_ in held:
    assert piece_.grammatical
    most, _ = copying.longest(piece_.notes, training)
    broken = piece_.report['broken']['original']
    assert (most < 8) == (broken == 0)
    assert broken <= 2
    assert piece_.report['kept']['original'] > 0.9


def test_what_cannot_be_met_is_refused_with_a_remedy():
  tokenizer = TOKENIZERS['remi']
  index, _ = index_of('remi')
  with pytest.raises(RequestError, match=r'no index.*aurl original RUN'):
    original.original(tokenizer, None, 12)
  with pytest.raises(RequestError, match='4 is less than 5, the shortest'):
    original.original(tokenizer, index, 4)
  with pytest.raises(RequestError, match=r'counts 4 cells a beat.*12; make'):
    original.original(Remi(), index, 12)
  with pytest.raises(RequestError, match='model of compound, remi or grid'):
    original.original(Performance(), index, 12)
  with pytest.raises(RequestError, match='original must be a whole number'):
    Request(original=-1)
  model, params = writers.small(tokenizer)
  composer = Composer(model=model, params=params, tokenizer=tokenizer)
  with pytest.raises(RequestError) as caught:
    composer.check(Request(original=16))
  assert caught.value.code == 'original'


def test_runs_of_the_prompt_are_not_counted():
  index, pieces = index_of('compound')
  music = pieces['0']
  kept = original.kept(index, 8, music, music)
  assert kept == (1.0, 0)
  nothing = Notes.build(4)
  kept = original.kept(index, 8, music, nothing)
  assert kept.broken == 2 * (24 - 7)
  assert kept.share == pytest.approx(1 - 34 / 48)
