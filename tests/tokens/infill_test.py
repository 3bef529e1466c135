"""Parts taken out and put back, judged event by event in plain Python."""

import hypothesis
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core.errors import ConfigError, TokenError
from aurl_jax.tokens import controls as controls_lib
from aurl_jax.tokens.bpe import Bpe
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.infill import ALL, Infill, Part, extended
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi
from tests import recogniser
from tests.tokens import judge, pieces, sampler

SEEDS = st.integers(0, 2**32 - 1)
EVENTS = [
  Remi(infill=True),
  Remi(infill=True, chords=True, controls=True),
  Compound(infill=True, chords=True),
  Compound(infill=True, micro=4, pedal=True, controls=True),
]
ALL_KINDS = [*EVENTS, VoiceGrid(infill=True)]
DRUMS = 128


def named(tokenizer):
  told = getattr(tokenizer, 'controls', False)
  width = len(tokenizer.codec.fields)
  return f'{type(tokenizer).__name__}-{width}' + '-c' * told


def encoded(tokenizer, seed):
  if isinstance(tokenizer, VoiceGrid):
    return tokenizer.encode(pieces.chorale(seed, bars=3, pickup=4 * (seed % 3)))
  notes = pieces.pedalled(seed, notes=30)
  if not tokenizer.controls:
    return tokenizer.encode(notes)
  told = controls_lib.of(notes, tokenizer.grid, bars=seed % 2 == 0, style=3)
  return tokenizer.encode(notes, told)


def some(tokenizer, seed):
  """Returns ids, bars and a random span and part of them; or None."""
  rng = np.random.default_rng(seed)
  ids = encoded(tokenizer, seed)
  bars = tokenizer.bar_steps(ids)
  if not len(bars):
    return None
  first = int(rng.integers(len(bars)))
  last = int(rng.integers(first + 1, len(bars) + 1))
  tracks = Infill(tokenizer.codec).tracks(ids)
  parts = [ALL, Part(given='melody'), Part(given='bass')]
  if getattr(tokenizer, 'chords', False):
    parts.append(Part(given='chords'))
  if tracks:
    count = int(rng.integers(1, len(tracks) + 1))
    chosen = rng.permutation(len(tracks))[:count]
    parts.append(Part(tracks=tuple(tracks[i] for i in chosen)))
  return ids, bars, first, last, parts[rng.integers(len(parts))]


@pytest.mark.parametrize('tokenizer', ALL_KINDS, ids=named)
@hypothesis.given(seed=SEEDS)
def test_what_is_taken_out_comes_back(tokenizer, seed):
  given = some(tokenizer, seed)
  if given is None:
    return
  ids = given[0]
  taken = Infill(tokenizer.codec).take_out(*given)
  back = Infill(tokenizer.codec).put_back(taken.ids)
  np.testing.assert_array_equal(back, ids)
  assert back.dtype == np.int32
  assert tokenizer.decode(taken.ids) == tokenizer.decode(ids)
  ends = np.flatnonzero(tokenizer.is_end(taken.ids))
  assert ends.tolist() == [len(taken.ids) - 1]


def test_what_follows_a_gap_sounds_on_whatever_was_filled_in():
  tokenizer = VoiceGrid(infill=True)
  infill, id_ = Infill(tokenizer.codec), tokenizer.codec.id
  hold, rest = [id_('hold', 60 + v, v) for v in range(4)], [id_('rest')] * 4
  struck = [id_('pitch', 60 + v, v) for v in range(4)]
  other = [id_('pitch', 40, v) for v in range(4)]
  ids = np.array([struck, hold, hold, hold])
  taken = infill.take_out(ids, np.arange(4), 1, 2)
  np.testing.assert_array_equal(infill.put_back(taken.ids), ids)
  for filled in (rest, other):
    written = np.array([*taken.context.tolist(), filled])
    expected = np.array([struck, filled, struck, hold])
    np.testing.assert_array_equal(infill.put_back(written), expected)
  # A voice that was not taken out is held on as it was.
  taken = infill.take_out(ids, np.arange(4), 1, 2, Part(tracks=((0, 1),)))
  mask = [id_('mask', 0, v) for v in range(4)]
  written = np.array([*taken.context.tolist(), [mask[0], rest[1], *mask[2:]]])
  back = infill.put_back(written)
  assert back[2].tolist() == [hold[0], struck[1], *hold[2:]]


@pytest.mark.parametrize('tokenizer', ALL_KINDS, ids=named)
@hypothesis.given(seed=SEEDS)
def test_a_stretch_without_its_ends_comes_back(tokenizer, seed):
  ids = encoded(tokenizer, seed)
  bars = tokenizer.bar_steps(ids)
  if len(bars) < 3:
    return
  stretch = ids[bars[0] : bars[2]]
  part = [ALL, Part(given='melody')][seed % 2]
  taken = Infill(tokenizer.codec).take_out(
    stretch, bars[:2] - bars[0], seed % 2, 2, part
  )
  back = Infill(tokenizer.codec).put_back(taken.ids)
  np.testing.assert_array_equal(back, stretch)


def events_of(tokenizer, ids):
  """Returns a list of bars, each a list of (name, position, values)."""
  bars, position = [], None
  note = {}
  for step in np.asarray(ids).tolist():
    told = [
      tokenizer.codec.event(i, f) if i else ('none', 0)
      for f, i in enumerate(step)
    ]
    kind, value = told[0]
    if kind in ('bar', 'mask'):
      bars.append([])
    elif not bars:
      continue
    elif len(step) > 1:
      if kind in ('note', 'tempo', 'chord', 'pedal'):
        values = [v for name, v in told[1:] if name != 'none']
        bars[-1].append((kind, values[0], *values[1:]))
    elif kind == 'position':
      position = value
    elif kind in ('tempo', 'chord'):
      bars[-1].append((kind, position, value))
    elif kind == 'program':
      note = {'program': value, 'voice': 0}
    elif kind in ('voice', 'velocity'):
      note[kind] = value
    elif kind in ('pitch', 'drum'):
      note['pitch'] = value
    elif kind == 'duration' and note:
      row = (note['program'], note['voice'], note['pitch'])
      row += (value, note['velocity'])
      bars[-1].append(('note', position, *row))
  return bars


def slow_kept(bar, part, whole):
  """Returns the events of a bar that stay, by the definition."""
  notes = [e for e in bar if e[0] == 'note']
  if part.tracks:
    out = [
      e for e in bar if e[0] in ('note', 'pedal') and track_of(e) in part.tracks
    ]
    return [e for e in bar if e not in out]
  kept = [e for e in bar if e[0] == 'tempo']
  if part.given == 'chords':
    kept += [e for e in bar if e[0] == 'chord']
  elif part.given:
    kept += slow_line(notes, part.given, whole)
  return [e for e in bar if e in kept]


def track_of(event):
  """Returns the program and the voice of a note or pedal."""
  return event[2:4]


def slow_line(notes, given, whole):
  best = max if given == 'melody' else min
  pitched = [e for bar in whole for e in bar]
  pitched = [e for e in pitched if e[0] == 'note' and e[2] != DRUMS]
  tracks = sorted({track_of(e) for e in pitched})
  if len(tracks) > 1:
    means = {}
    for track in tracks:
      own = [e[4] for e in pitched if track_of(e) == track]
      means[track] = sum(own) / len(own)
    wanted = best(means.values())
    first = next(t for t in tracks if means[t] == wanted)
    return [e for e in notes if track_of(e) == first]
  notes = [e for e in notes if e[2] != DRUMS]
  kept = []
  for position in {e[1] for e in notes}:
    here = [e for e in notes if e[1] == position]
    wanted = best(e[4] for e in here)
    kept += [e for e in here if e[4] == wanted]
  return kept


@pytest.mark.parametrize('tokenizer', EVENTS[:3], ids=named)
@hypothesis.given(seed=SEEDS)
def test_the_right_events_are_taken_out(tokenizer, seed):
  given = some(tokenizer, seed)
  if given is None:
    return
  ids, bars, first, last, part = given
  taken = Infill(tokenizer.codec).take_out(*given)
  whole = events_of(tokenizer, ids)
  left = events_of(tokenizer, taken.context[: fill_at(tokenizer, taken.ids)])
  out = events_of(tokenizer, taken.filled)
  assert len(left) == len(bars)
  assert len(out) == last - first
  for number, bar in enumerate(whole):
    if not first <= number < last:
      assert left[number] == bar
      continue
    kept = slow_kept(bar, part, whole[first:last])
    assert left[number] == kept
    rest = list(bar)
    for event in kept:
      rest.remove(event)
    assert out[number - first] == rest


def fill_at(tokenizer, ids):
  return int(np.argmax(tokenizer.codec.holds('fill', ids[:, 0])))


def test_a_grid_masks_voices_cell_by_cell():
  tokenizer = VoiceGrid(infill=True)
  ids = tokenizer.encode(pieces.chorale(3, bars=2))
  taken = Infill(tokenizer.codec).take_out(
    ids, tokenizer.bar_steps(ids), 1, 2, Part(given='melody')
  )
  masks = [tokenizer.codec.id('mask', 0, f) for f in range(4)]
  at = fill_at(tokenizer, taken.ids)
  begin = 1 + 16
  for t in range(begin, at):
    assert taken.ids[t, 0] == ids[t, 0]
    assert taken.ids[t, 1:].tolist() == masks[1:]
    filled = taken.ids[at + 1 + t - begin]
    assert filled[0] == masks[0]
    assert filled[1:].tolist() == ids[t, 1:].tolist()
  assert (taken.ids[:begin] == ids[:begin]).all()


@pytest.mark.parametrize('tokenizer', ALL_KINDS, ids=named)
def test_infilling_is_legal_at_each_step(tokenizer):
  for seed in range(25):
    given = some(tokenizer, seed)
    if given is None:
      continue
    taken = Infill(tokenizer.codec).take_out(*given)
    # Where the last bar is cut short two steps more are kept than it takes.
    budget = len(taken.ids) + 2
    assert sampler.accepts(tokenizer, taken.ids, budget=budget).all(), seed


@pytest.mark.parametrize('tokenizer', ALL_KINDS, ids=named)
def test_music_without_masks_is_as_legal_as_before(tokenizer):
  for seed in range(15):
    ids = encoded(tokenizer, seed)
    assert sampler.accepts(tokenizer, ids, budget=len(ids)).all()


@pytest.mark.parametrize(
  'tokenizer',
  [*ALL_KINDS, Remi(infill=True, voices=1, cells_per_beat=1, bar_beats=2)],
  ids=named,
)
def test_samples_end_in_time_and_can_be_put_back(tokenizer):
  rows, steps = 200, 40
  budgets = np.random.default_rng(0).integers(2, steps + 1, rows)
  ids, alive = sampler.sample(tokenizer, 1, budgets, steps)
  assert alive.all()
  infill = Infill(tokenizer.codec)
  filled = 0
  for row, budget in zip(ids, budgets, strict=True):
    whole = np.array(sampler.whole(tokenizer, row))
    assert len(whole) <= budget
    assert tokenizer.is_end(whole[-1])
    assert structure(tokenizer, whole) == ''
    filled += tokenizer.codec.holds('fill', whole[:, 0]).any()
    assert_music(tokenizer, whole)
    back = infill.put_back(whole)
    assert not tokenizer.codec.holds('fill', back[:, 0]).any()
  assert filled > 10


def assert_music(tokenizer, ids):
  """Ids are music; of a grid, whose voices may be silent, of any kind."""
  notes = tokenizer.decode(ids)
  if not isinstance(tokenizer, VoiceGrid):
    judge.assert_canonical(tokenizer, notes)


def structure(tokenizer, ids):
  """Returns why a sequence has no legal shape, in plain Python; or ''."""
  names = [
    [tokenizer.codec.event(i, f)[0] if i else '' for f, i in enumerate(step)]
    for step in ids.tolist()
  ]
  fills = [t for t, row in enumerate(names) if row[0] == 'fill']
  masks = [t for t, row in enumerate(names) if 'mask' in row]
  if not fills:
    return 'masks without fill' if masks else ''
  context = [t for t in masks if t < fills[0]]
  if isinstance(tokenizer, VoiceGrid):
    if context != list(range(context[0], context[-1] + 1)):
      return 'masks in several places'
    if len(names) - fills[0] - 2 != len(context):
      return 'another number of cells'
    asked = [name == 'mask' for name in names[context[0]]]
    for t in context:
      if [name == 'mask' for name in names[t]] != asked:
        return 'other voices'
    for row in names[fills[0] + 1 : -1]:
      if [name != 'mask' for name in row] != asked:
        return 'other voices filled'
    return ''
  lines = [row[0] for row in names[: fills[0]] if row[0] in ('bar', 'mask')]
  first = lines.index('mask')
  count = lines.count('mask')
  if lines[first : first + count] != ['mask'] * count:
    return 'masks in several places'
  if [row[0] for row in names[fills[0] :]].count('bar') != count:
    return 'another number of bars'
  return ''


@pytest.mark.parametrize('tokenizer', [EVENTS[0], Compound(infill=True)])
def test_context_and_fill_are_each_of_the_base_grammar(tokenizer):
  rows, steps = 150, 40
  ids, _ = sampler.sample(tokenizer, 5, np.full(rows, steps), steps)
  codec = tokenizer.codec
  judged = 0
  plain = type(tokenizer)()
  for row in ids:
    whole = np.array(sampler.whole(tokenizer, row))
    at = fill_at(tokenizer, whole)
    if not at:
      assert recogniser.fault(plain, whole.tolist()) == ''
      continue
    context = np.where(
      whole[:at] == [codec.id('mask')] + [-1] * (whole.shape[1] - 1),
      codec.id('bar'),
      whole[:at],
    )
    fault = recogniser.fault(plain, [*context.tolist(), whole[-1].tolist()])
    # Behind a bar that is cut short another bar has to come: not the end.
    assert fault == '' or codec.event(int(whole[at, 0])) == ('fill', 0)
    before = whole[: int(np.argmax(whole[:at, 0] == codec.id('mask')))]
    bars = np.flatnonzero(whole[at:, 0] == codec.id('bar')) + at
    if len(before) > 1:
      joined = [*before.tolist(), *whole[bars[0] :].tolist()]
      fault = recogniser.fault(plain, joined)
      judged += fault == ''
      assert fault == '' or has_cut(tokenizer, whole[bars[-1] :])
  assert judged > 5


@pytest.mark.parametrize('tokenizer', EVENTS[:1] + EVENTS[2:3], ids=named)
def test_the_end_of_a_filled_bar_has_the_weight_of_both_that_may_follow(
  tokenizer,
):
  ids = encoded(tokenizer, 3)
  bars = tokenizer.bar_steps(ids)
  taken = Infill(tokenizer.codec).take_out(ids, bars, 0, 2, ALL)
  grammar = tokenizer.grammar
  rng = np.random.default_rng(0)
  logits = rng.normal(size=tokenizer.codec.sizes[0]).astype(np.float32)
  ends = [tokenizer.codec.id('bar'), tokenizer.codec.id('eos')]
  both = np.log(np.exp(logits[ends]).sum())
  state, chosen = grammar.init(len(taken.ids)), []
  for at, step in enumerate(taken.ids):
    found = np.asarray(grammar.weighed(state, jnp.asarray(logits)))
    others = np.delete(np.arange(len(logits)), ends)
    np.testing.assert_array_equal(found[others], logits[others])
    # The first bar of a fill ends none.
    inside = at > len(taken.context)
    due = both if inside else logits[ends]
    np.testing.assert_allclose(found[ends], due, rtol=1e-5)
    chosen += [int(step[0])] if inside else []
    state = grammar.advance(state, jnp.asarray(step))
  assert set(ends) < set(chosen)


def has_cut(tokenizer, ids):
  return any(
    tokenizer.codec.holds('cut', ids[:, f], f).any()
    for f in range(ids.shape[1])
  )


@pytest.mark.parametrize('tokenizer', ALL_KINDS, ids=named)
@hypothesis.given(seed=SEEDS)
def test_any_ids_can_be_put_back(tokenizer, seed):
  ids = judge.noise(tokenizer, seed, 200)
  assert_music(tokenizer, ids)


@pytest.mark.parametrize('tokenizer', ALL_KINDS, ids=named)
def test_a_fill_that_breaks_off_gives_what_there_is(tokenizer):
  ids = encoded(tokenizer, 7)
  bars = tokenizer.bar_steps(ids)
  taken = Infill(tokenizer.codec).take_out(ids, bars, 0, len(bars))
  for stop in range(len(taken.context), len(taken.ids), 5):
    assert_music(tokenizer, taken.ids[:stop])
  empty = tokenizer.decode(taken.context)
  assert not len(empty)


@pytest.mark.parametrize('tokenizer', ALL_KINDS, ids=named)
def test_ids_of_before_stay(tokenizer):
  plain = type(tokenizer)(
    **{
      name: getattr(tokenizer, name)
      for name in ('chords', 'controls', 'micro', 'pedal')
      if hasattr(tokenizer, name)
    }
  )
  for mine, before in zip(
    tokenizer.codec.fields, plain.codec.fields, strict=True
  ):
    assert mine.ranges[: len(before.ranges)] == before.ranges
  np.testing.assert_array_equal(encoded(tokenizer, 2), encoded(plain, 2))


@pytest.mark.parametrize(
  ('codec', 'said'),
  [
    (Compound().codec, r'tokenizer\.infill=True'),
    (Performance().codec, 'no bars'),
    (Bpe(base=Remi(), merges=((10, 11),)).codec, 'base tokenizer'),
  ],
)
def test_what_cannot_be_infilled_is_refused(codec, said):
  with pytest.raises(ConfigError, match=said) as caught:
    Infill(codec)
  assert caught.value.code == 'no_infill'


def test_wrong_parts_are_refused():
  tokenizer = EVENTS[0]
  ids = encoded(tokenizer, 1)
  bars = tokenizer.bar_steps(ids)
  infill = Infill(tokenizer.codec)
  with pytest.raises(TokenError, match='piece of') as caught:
    infill.take_out(ids, bars, 0, len(bars) + 1)
  assert caught.value.code == 'bars'
  with pytest.raises(TokenError, match='chords=True'):
    infill.take_out(ids, bars, 0, 1, Part(given='chords'))
  with pytest.raises(ConfigError, match='melody, bass'):
    Part(given='drums')
  assert extended(Remi().codec) == tokenizer.codec
