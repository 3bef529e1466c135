"""Places, judged by a walk over events in plain Python and by decoded music."""

import collections
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.music import time
from aurl_jax.tokens.bpe import Bpe
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.infill import ALL, Infill, Part
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.places import COORDINATES, Places
from aurl_jax.tokens.remi import Remi
from tests.tokens import judge, pieces, sampler

REMI = Remi(cells_per_beat=4, voices=4, chords=True)
PERFORMANCE = Performance(velocity_bins=4, shift_steps=20)
CONTROLS = Controls(
  piece=Levels(key=3, density=1),
  instruments=(0, 4),
  style=7,
  bars=tuple(Levels(key=key) for key in range(9)),
)


def merging(base, music, merges=40):
  """Merges frequent neighbours in turn, bars and places among them."""
  rows = [base.encode(notes)[:, 0].tolist() for notes in music]
  size, found, known = base.codec.sizes[0], [], set()
  for _ in range(merges):
    counts = collections.Counter(
      pair
      for row in rows
      for pair in itertools.pairwise(row)
      if min(pair) > 2 and pair not in known
    )
    pair = max(counts, key=lambda p: (counts[p], p))
    known.add(pair)
    trial = Bpe(base=base, merges=(*found, pair))
    if len(trial.expansions) == size:
      continue
    found.append(pair)
    rows = [replaced(row, pair, size) for row in rows]
    size += 1
  return Bpe(base=base, merges=tuple(found))


def replaced(row, pair, id_):
  """Replaces a pair of neighbours from left to right."""
  out, at = [], 0
  while at < len(row):
    fits = tuple(row[at : at + 2]) == pair
    out.append(id_ if fits else row[at])
    at += 1 + fits
  return out


TOKENIZERS = {
  'remi': REMI,
  'remi, controls': Remi(cells_per_beat=12, controls=True, chords=True),
  'compound': Compound(),
  'compound, all': Compound(micro=8, pedal=True, controls=True, chords=True),
  'performance': PERFORMANCE,
  'drums': Performance(drums=True),
  'grid': VoiceGrid(),
  'remi, infill': Remi(infill=True, chords=True),
  'compound, infill': Compound(infill=True, micro=4, pedal=True, chords=True),
  'grid, infill': VoiceGrid(infill=True),
  'bpe of remi': merging(REMI, [pieces.piece(s) for s in range(4)]),
  'bpe of performance': merging(
    PERFORMANCE, [pieces.piece(s) for s in range(4)]
  ),
}
NAMES = list(TOKENIZERS)


def encoded(name, seed):
  """Returns the ids of a random piece."""
  tokenizer = TOKENIZERS[name]
  if isinstance(tokenizer, VoiceGrid):
    meter = ((4, 4), (3, 4), (6, 8))[seed % 3]
    pickup = (0, 4, 8)[seed // 3 % 3]
    return tokenizer.encode(
      pieces.chorale(seed, meter=meter, pickup=pickup, bars=seed % 5)
    )
  music = pieces.pedalled(seed)
  if getattr(tokenizer, 'controls', False):
    return tokenizer.encode(music, CONTROLS)
  if not isinstance(tokenizer, Bpe):
    return tokenizer.encode(music)
  row = tokenizer.base.encode(music)[:, 0].tolist()
  merged = tokenizer.base.codec.sizes[0]
  for id_, pair in enumerate(tokenizer.merges, start=merged):
    row = replaced(row, pair, id_)
  return np.array(row, np.int32)[:, None]


@functools.partial(jax.jit, static_argnums=0)
def at_once(places, ids, segments):
  return places(ids, segments)


@functools.partial(jax.jit, static_argnums=0)
def in_turn(places, ids):
  def step(state, row):
    state = places.advance(state, row)
    return state, places.coordinates(state)

  return jax.lax.scan(step, places.init(), ids)[1]


def padded(ids, length=512):
  return np.pad(ids[:length], ((0, max(0, length - len(ids))), (0, 0)))


def parallel(places, ids):
  """Places of one segment, [t, 4]."""
  wide = padded(ids)[None]
  segments = (np.arange(wide.shape[1]) < len(ids)).astype(np.int32)[None]
  return np.asarray(at_once(places, wide, segments))[0, : len(ids)]


def stepwise(places, ids):
  return np.asarray(in_turn(places, jnp.asarray(padded(ids))))[: len(ids)]


def walked(tokenizer, ids):
  """The same by a clock that is moved event by event, [t, 5]."""
  base = tokenizer.base if isinstance(tokenizer, Bpe) else tokenizer
  spelled = tokenizer.expansions if isinstance(tokenizer, Bpe) else None
  clock, rows = _Clock(base), []
  for step in ids.tolist():
    clock.pitch, clock.begun, begins = 0, 0, clock.bar is not None
    clock.order += 1
    if spelled is None:
      clock.step(step)
    else:
      for id_ in spelled[step[0]]:
        clock.step([id_])
    if clock.begun and begins:
      clock.order = 0
    rows.append(clock.place())
  return np.array(rows).reshape(-1, 5)


class _Clock:
  """Moves through bars; written from what the tokenizations say of theirs."""

  ORDER = ('bar', 'meter', 'cut', 'position')

  def __init__(self, tokenizer):
    self.tokenizer, self.grid = tokenizer, tokenizer.grid
    self.meter = self.length = self.grid.meter_cells(4, 4)
    self.bar, self.start, self.position = None, 0, 0
    self.passed, self.pickup, self.frames = 0, 0, 0
    self.pitch, self.saved = 0, None
    # Steps before this one in its bar; whether a bar has begun in it.
    self.order, self.begun = -1, 0

  def step(self, ids):
    told = []
    names = {
      self.tokenizer.codec.event(id_, field)[0]
      for field, id_ in enumerate(ids)
      if id_
    }
    if 'mask' in names and self.saved is None:
      self.saved = dict(vars(self), order=self.order - 1)
    if 'fill' in names and self.saved is not None:
      saved = self.saved
      vars(self).update(saved, saved=saved)
      self.pitch = self.sounding(ids)
      return
    for field, id_ in enumerate(ids):
      if id_:
        name, value = self.tokenizer.codec.event(id_, field)
        kinds = field == 0 and len(ids) > 1
        grid = isinstance(self.tokenizer, VoiceGrid)
        if name == 'mask' and not grid:
          told.append(('bar', value))
        elif name == 'bar' or not kinds or grid:
          told.append((name, value))
    if isinstance(self.tokenizer, VoiceGrid):
      cell = self.tokenizer.codec.event(ids[0], 0)[0]
      self.frame(told, cell in ('rest', 'pitch', 'hold', 'mask'))
      return
    order = self.ORDER
    told.sort(key=lambda e: order.index(e[0]) if e[0] in order else 9)
    for name, value in told:
      self.event(name, value)

  def sounding(self, ids):
    told = [self.tokenizer.codec.event(i, f) for f, i in enumerate(ids) if i]
    pitches = [v for name, v in told if name in ('pitch', 'hold', 'release')]
    return max(pitches, default=0)

  def event(self, name, value):
    if name == 'bar':
      self.begun = 1
      self.start += self.length if self.bar is not None else 0
      self.bar = 0 if self.bar is None else self.bar + 1
      self.length, self.position = self.meter, 0
    elif name in ('meter', 'cut', 'position'):
      self.bar = self.bar or 0
      if name == 'position':
        self.position = value
      elif name == 'cut':
        self.length = value
      else:
        self.meter = self.grid.meter_cells(*self.grid.meters[value])
        self.length = self.meter
    elif name == 'shift':
      self.passed += value
    elif name in ('pitch', 'release'):
      self.pitch = value

  def frame(self, told, cell):
    for name, value in told:
      if name == 'meter':
        self.meter = self.grid.meter_cells(*self.grid.meters[value])
      if name == 'pickup' and value:
        self.pickup = value
      if name in ('pitch', 'hold'):
        self.pitch = max(self.pitch, value)
    self.frames += cell

  def place(self):
    if not isinstance(self.tokenizer, VoiceGrid):
      time_ = self.start + self.position + self.passed
      return self.bar or 0, self.position, time_, self.pitch, self.order
    cell, bar, left = max(0, self.frames - 1), 0, self.pickup or self.meter
    inside = cell
    while inside >= left:
      inside, bar, left = inside - left, bar + 1, self.meter
    return bar, inside, cell, self.pitch, inside


@pytest.mark.parametrize('name', NAMES)
def test_all_forms_agree_on_pieces(name):
  tokenizer = TOKENIZERS[name]
  places = Places.of(tokenizer)
  for seed in range(8):
    ids = encoded(name, seed)[:512]
    expected = walked(tokenizer, ids)
    np.testing.assert_array_equal(parallel(places, ids), expected)
    np.testing.assert_array_equal(stepwise(places, ids), expected)


@pytest.mark.parametrize('name', NAMES)
def test_all_forms_agree_on_crops_and_on_noise(name):
  tokenizer = TOKENIZERS[name]
  places = Places.of(tokenizer)
  for seed in range(6):
    ids = encoded(name, seed)
    crop = ids[len(ids) // 3 :][:512]
    noise = judge.noise(tokenizer, seed, 200)
    for steps in (crop, judge.shuffled(crop, seed), noise):
      expected = walked(tokenizer, steps)
      np.testing.assert_array_equal(parallel(places, steps), expected)
      np.testing.assert_array_equal(stepwise(places, steps), expected)


INFILL = [name for name in NAMES if 'infill' in name]


def taken_out(name, seed):
  """Returns a piece with bars, or a part of them, taken out; and itself."""
  tokenizer, rng = TOKENIZERS[name], np.random.default_rng(seed)
  ids = encoded(name, seed)
  bars = tokenizer.bar_steps(ids)
  if not len(bars):
    return None
  first = int(rng.integers(len(bars)))
  last = int(rng.integers(first + 1, len(bars) + 1))
  part = (ALL, Part(given='melody'))[seed % 2]
  taken = Infill(tokenizer.codec).take_out(ids, bars, first, last, part)
  ends = [*bars.tolist(), len(ids)]
  return taken, ids, ids[ends[first] : ends[last]]


@pytest.mark.parametrize('name', INFILL)
def test_what_is_filled_in_stands_where_it_is_put_back(name):
  tokenizer = TOKENIZERS[name]
  places, count = Places.of(tokenizer), 0
  for seed in range(24):
    given = taken_out(name, seed)
    if given is None or max(len(given[0].ids), len(given[1])) > 512:
      continue
    taken, ids, span = given
    found = parallel(places, taken.ids)
    np.testing.assert_array_equal(found, walked(tokenizer, taken.ids))
    np.testing.assert_array_equal(stepwise(places, taken.ids), found)
    plain = parallel(places, ids)
    told = {name for step in span.tolist() for name in events(tokenizer, step)}
    known = 2 if told & {'meter', 'cut'} else 3
    expected = standing(tokenizer, ids, plain[:, :known])
    assert standing(tokenizer, taken.ids, found[:, :known]) == expected
    count += len(list(struck(tokenizer, taken.filled)))
  assert count > 50


def standing(tokenizer, ids, found):
  """Counts where notes stand: their places and pitches."""
  return collections.Counter(
    (*found[at].tolist(), pitch) for at, pitch in struck(tokenizer, ids)
  )


def events(tokenizer, step):
  return [tokenizer.codec.event(id_, f)[0] for f, id_ in enumerate(step) if id_]


@pytest.mark.parametrize('name', INFILL)
def test_rows_of_parts_taken_out_count_alone(name):
  tokenizer = TOKENIZERS[name]
  places, parts = Places.of(tokenizer), []
  for seed in range(40):
    given = taken_out(name, seed)
    if given and len(given[0].ids) < 160 and len(parts) < 3:
      parts.append(given[0].ids)
  row = padded(np.concatenate(parts))
  numbers = np.repeat([1, 2, 3], [len(part) for part in parts])
  numbers = np.pad(numbers, (0, 512 - len(numbers)))
  found = np.asarray(at_once(places, row[None], numbers[None]))[0]
  at = 0
  for part in parts:
    expected = walked(tokenizer, part)
    np.testing.assert_array_equal(found[at : at + len(part)], expected)
    at += len(part)


@pytest.mark.parametrize('name', NAMES)
def test_segments_of_a_row_count_alone(name):
  tokenizer = TOKENIZERS[name]
  places = Places.of(tokenizer)
  parts = []
  for seed in range(6):
    ids = encoded(name, seed)
    begin = (0, len(ids) // 2)[seed % 2]
    parts.append(ids[begin : begin + 80])
  # The same numbers again, and padding between: neighbours differ all the same.
  numbers = (1, 2, 0, 1, 2, 3)
  parts[2] = np.zeros_like(parts[2])
  row = padded(np.concatenate(parts))
  segments = np.repeat(numbers, [len(part) for part in parts])
  segments = np.pad(segments, (0, 512 - len(segments)))
  found = np.asarray(at_once(places, row[None], segments[None]))[0]
  at = 0
  for part in parts:
    expected = walked(tokenizer, part)
    np.testing.assert_array_equal(found[at : at + len(part)], expected)
    at += len(part)


def struck(tokenizer, ids):
  """(step, pitch) of the notes in ids; drums have a pitch below 0."""
  for at, step in enumerate(ids.tolist()):
    for field, id_ in enumerate(step):
      name, value = tokenizer.codec.event(id_, field)
      if name in ('pitch', 'drum'):
        yield at, value if name == 'pitch' else -1 - value


@pytest.mark.parametrize('name', [n for n in NAMES if 'bpe' not in n])
def test_notes_stand_at_their_onsets(name):
  tokenizer = TOKENIZERS[name]
  places, micro = Places.of(tokenizer), getattr(tokenizer, 'micro', 0) or 1
  for seed in range(12):
    ids = encoded(name, seed)
    if len(ids) > 512:
      ids = ids[: tokenizer.bar_steps(ids[:512])[-1]]
    notes = tokenizer.decode(ids)
    found = parallel(places, ids)
    told = collections.Counter(
      (int(found[at, 2]), pitch) for at, pitch in struck(tokenizer, ids)
    )
    pitch = np.where(notes.is_drum, -1 - notes.pitch, notes.pitch)
    cells = (notes.onset + micro // 2) // micro
    expected = collections.Counter(
      zip(cells.tolist(), pitch.tolist(), strict=True)
    )
    assert told == expected
    if len(ids):
      check_bars(name, notes, cells, found, micro)


def check_bars(name, notes, cells, found, micro):
  """Bar and position are those of the decoded music's own bars."""
  rows = {tuple(row) for row in found[:, :3].tolist()}
  if name in ('performance', 'drums'):
    assert all(bar == position == 0 for bar, position, _ in rows)
    return
  starts = time.bar_starts(notes) // micro
  for cell in cells.tolist():
    bar = int(np.searchsorted(starts, cell, side='right')) - 1
    assert (bar, cell - starts[bar], cell) in rows


@pytest.mark.parametrize('name', ['remi', 'compound', 'grid'])
def test_notes_of_any_legal_ids_stand_at_their_onsets(name):
  # Sampled: many cut bars, empty bars, changes of meter in a row.
  tokenizer = TOKENIZERS[name]
  places = Places.of(tokenizer)
  rows, _ = sampler.sample(tokenizer, 5, [200] * 8, 200)
  for row in rows:
    ids = np.array(sampler.whole(tokenizer, row), np.int32)
    notes = tokenizer.decode(ids)
    found = parallel(places, ids)
    np.testing.assert_array_equal(found, walked(tokenizer, ids))
    times = {(int(found[at, 2]), p) for at, p in struck(tokenizer, ids)}
    pitch = np.where(notes.is_drum, -1 - notes.pitch, notes.pitch)
    expected = zip(notes.onset.tolist(), pitch.tolist(), strict=True)
    assert times == set(expected)


def test_a_pickup_a_cut_bar_and_controls_by_hand():
  tokenizer = Compound(cells_per_beat=4, controls=True)
  id_ = tokenizer.codec.id
  three = tokenizer.grid.meters.index((3, 4))
  one = tokenizer.grid.meters.index((1, 4))
  steps = np.zeros((9, 7), np.int32)
  steps[0, 0] = id_('bos')
  steps[1, [0, 2]] = id_('bar'), id_('meter', one, 2)
  steps[2, [0, 1, 4]] = id_('note'), id_('position', 3, 1), id_('pitch', 60, 4)
  steps[3, [0, 2]] = id_('bar'), id_('meter', three, 2)
  steps[4, [0, 2]] = id_('control'), id_('key', 5, 2)
  steps[5, [0, 1, 4]] = id_('note'), id_('position', 2, 1), id_('pitch', 61, 4)
  steps[6, :2] = id_('bar'), id_('cut', 5, 1)
  steps[7, 0] = id_('bar')
  steps[8, [0, 1, 4]] = id_('note'), id_('position', 1, 1), id_('drum', 36, 4)
  assert COORDINATES == ('bar', 'position', 'time', 'pitch', 'order')
  expected = [
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 1],
    [0, 3, 3, 60, 2],
    [1, 0, 4, 0, 0],
    [1, 0, 4, 0, 1],
    [1, 2, 6, 61, 2],
    [2, 0, 16, 0, 0],
    [3, 0, 21, 0, 0],
    [3, 1, 22, 0, 1],
  ]
  places = Places.of(tokenizer)
  assert parallel(places, steps).tolist() == expected
  assert stepwise(places, steps).tolist() == expected


def test_a_grid_s_pickup_is_a_bar():
  tokenizer = VoiceGrid()
  first = tokenizer.bos(meter=(3, 4), pickup=4)
  rest = np.full(4, tokenizer.codec.id('rest'))
  ids = np.stack([first, *[rest] * 18])
  found = parallel(Places.of(tokenizer), ids)
  assert found[:, 0].tolist() == [0] + [0] * 4 + [1] * 12 + [2] * 2
  assert found[:, 1].tolist() == [0, 0, 1, 2, 3, *range(12), 0, 1]
  assert found[:, 2].tolist() == [0, *range(18)]


def test_merged_ids_may_hold_several_bars_and_meters():
  base = Remi(cells_per_beat=4)
  id_ = base.codec.id
  bar, cut = id_('bar'), id_('cut', 3)
  meters = [id_('meter', base.grid.meters.index(m)) for m in ((3, 4), (2, 4))]
  place, size = id_('position', 2), base.codec.sizes[0]
  pairs = [
    (bar, meters[0]),
    (size, bar),
    (bar, bar),
    (cut, size + 2),
    (meters[1], cut),
    (place, bar),
    (size + 5, size + 3),
  ]
  tokenizer = Bpe(base=base, merges=tuple(pairs))
  places = Places.of(tokenizer)
  rng = np.random.default_rng(0)
  parts = [bar, cut, *meters, place, *range(size, size + len(pairs))]
  for _ in range(20):
    ids = rng.choice(parts, (60, 1)).astype(np.int32)
    expected = walked(tokenizer, ids)
    np.testing.assert_array_equal(parallel(places, ids), expected)
    np.testing.assert_array_equal(stepwise(places, ids), expected)


def test_equal_tokenizers_have_equal_places_and_compile_once():
  one, other = Places.of(Compound()), Places.of(Compound())
  assert one == other
  assert hash(one) == hash(other)
  assert one != Places.of(Compound(cells_per_beat=4))
  counted = 0

  @functools.partial(jax.jit, static_argnums=0)
  def run(places, ids):
    nonlocal counted
    counted += 1
    return places.coordinates(places.advance(places.init((2,)), ids))

  ids = jnp.zeros((2, 7), jnp.int32)
  for places in (one, other):
    assert run(places, ids).shape == (2, 5)
  assert counted == 1
