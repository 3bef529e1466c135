"""Live music: whole bars, legal, without a seam, and without a compilation."""

import contextlib
import itertools

import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.live import PAGE, Live
from aurl_jax.generation import stream
from aurl_jax.generation.errors import DecodeError, RequestError
from aurl_jax.generation.request import Request
from aurl_jax.generation.wish import Wish
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from tests import recogniser
from tests.generation import writers
from tests.tokens import pieces

KINDS = {
  'compound': Compound(voices=2, cells_per_beat=4),
  'grid': VoiceGrid(),
  'remi': Remi(voices=2, cells_per_beat=4),
}


@pytest.fixture(scope='module')
def composers():
  """A small model of each kind, made when it is asked for."""

  def of(name):
    if name not in found:
      model, params = writers.small(KINDS[name])
      found[name] = Composer(model=model, params=params, tokenizer=KINDS[name])
    return found[name]

  found = {}
  return of


def played(live, count=None):
  """Windows, and (page, bars before what it writes): all that was written."""
  pages, windows, make = [], [], live._page

  def page(*args):
    pages.append((make(*args), sum(part.last for part in windows)))
    return pages[-1][0]

  live._page = page
  for part in itertools.islice(live.windows(), count):
    windows.append(part)
  return windows, pages


def rebuilt(windows):
  """What is heard: (start, end, pitch, velocity), in ticks of the whole.

  Equal keys that sound together end together: a port could not tell them.
  """
  down, found, zero = {}, [], 0
  for part in windows:
    for hit in part.hits:
      key = hit.voice.program, hit.voice.is_drum, hit.pitch
      if hit.velocity:
        down.setdefault(key, []).append((zero + hit.tick, hit.velocity))
      elif down.get(key):
        start, loud = down[key].pop(0)
        found.append((start, zero + hit.tick, hit.pitch, loud))
    zero += part.ticks
  rest = [(s, zero, k[2], v) for k, n in down.items() for s, v in n]
  return sorted(found + rest)


def heard(notes, end):
  """The same of a piece of no repeated keys that is cut at a tick."""
  down = {}
  order = np.lexsort((notes.velocity == 0, notes.onset))
  hits = []
  for row in order.tolist():
    start, stop = int(notes.onset[row]), int(notes.onset[row])
    stop += int(notes.duration[row])
    key = (
      int(notes.program[row]) * (not notes.is_drum[row]),
      bool(notes.is_drum[row]),
      int(notes.pitch[row]),
    )
    hits += [(start, 1, key, int(notes.velocity[row])), (stop, 0, key, 0)]
  found = []
  for tick, on, key, loud in sorted(hits, key=lambda hit: hit[:2]):
    if tick >= end:
      continue
    if on:
      down.setdefault(key, []).append((tick, loud))
    elif down.get(key):
      start, was = down[key].pop(0)
      found.append((start, tick, key[2], was))
  rest = [(s, end, k[2], v) for k, n in down.items() for s, v in n]
  return sorted(found + rest)


def check_bars(windows, bars):
  """Looks at the order of the windows: the first bar in parts."""
  numbers = [part.bar for part in windows]
  assert sorted(set(numbers)) == list(range(bars))
  assert numbers == sorted(numbers)
  for _, group in itertools.groupby(windows, key=lambda part: part.bar):
    parts = list(group)
    assert [p.first for p in parts] == [True] + [False] * (len(parts) - 1)
    assert [p.last for p in parts] == [False] * (len(parts) - 1) + [True]
    assert len(parts) == 1 or parts[0].bar == 0


@pytest.mark.parametrize(
  'name',
  ['compound', 'grid', pytest.param('remi', marks=pytest.mark.slow)],
)
def test_pages_go_on_from_each_other_without_a_seam(composers, name):
  composer = composers(name)
  tokenizer, bars = composer.tokenizer, 3 * PAGE
  live = Live(composer, Request(bars=bars, seed=5))
  live.warm()
  key = stream._programs.cache_info().misses
  windows, pages = played(live)
  check_bars(windows, bars)
  assert len(pages) > 2
  assert any(page.first > 2 for page, _ in pages)
  # One set of programs, compiled before.
  assert stream._programs.cache_info().misses == key
  last = pages[-1][0]
  # The last page is a piece from its first bar to its end.
  assert not last.fill(10 * PAGE)
  assert recogniser.fault(tokenizer, last.ids.tolist()) == ''
  found, ticks = rebuilt(windows), np.cumsum([0, *(w.ticks for w in windows)])
  begins = [int(t) for w, t in zip(windows, ticks, strict=False) if w.first]
  begins.append(int(ticks[-1]))
  ends = [*(before for _, before in pages[1:]), bars]
  for (page, before), stop in zip(pages, ends, strict=True):
    # What it was given is what was heard, and what it wrote was heard.
    start, end = begins[before - page.first], begins[stop]
    ours = {n for n in found if start < n[0] and n[1] < end}
    notes = heard(tokenizer.decode(page.ids), end - start)
    theirs = {(s + start, e + start, p, v) for s, e, p, v in notes}
    assert ours <= theirs
    own = {n for n in theirs if n[0] >= begins[before] and n[1] < end}
    assert own <= ours | {n for n in found if n[0] == start}


def test_music_that_falls_silent_begins_anew(composers):
  wish = Wish(density=((3, 8), (0, 0), (0, 0)), rhythm='16')
  live = Live(composers('grid'), Request(bars=7, seed=1, wish=wish))
  windows, pages = played(live)
  assert sum(hit.velocity > 0 for part in windows for hit in part.hits) > 6
  # Bars from which on music begins anew: those behind the first silent one.
  sounds, anew, before = 0, [0], True
  for part in windows:
    # Whether anything sounds in it, be it from before.
    struck = sum(hit.velocity > 0 for hit in part.hits)
    busy = sounds or struck
    sounds += struck - sum(hit.velocity == 0 for hit in part.hits)
    if part.last:
      anew += [part.bar + 1] * bool(not busy and before)
      before = bool(busy)
  begun = [before for page, before in pages if not page.first]
  assert begun == [bar for bar in anew if bar < 7]
  assert len(begun) > 1


def test_what_is_asked_for_anew_holds_from_the_next_bar(composers):
  live = Live(composers('compound'), Request(seed=2))
  live.warm()
  windows = live.windows()
  before = [next(windows) for _ in range(12)][-1].bar
  live.ask(wish=Wish(density=((3, 3), (5, 5)), meter=(4, 4)))
  after = list(itertools.islice(windows, 2 * PAGE))
  struck = [sum(h.velocity > 0 for h in part.hits) for part in after]
  assert [part.bar for part in after] == list(
    range(before + 1, before + 1 + 2 * PAGE)
  )
  assert struck == [3, 5] * PAGE
  with pytest.raises(RequestError, match='seed cannot change'):
    live.ask(seed=4)
  with pytest.raises(RequestError, match='meter 9/32'):
    live.ask(wish=Wish(meter=(9, 32)))
  assert [sum(h.velocity > 0 for h in next(windows).hits)] == [3]


def test_music_goes_on_from_a_prompt(composers):
  composer, prompt = composers('compound'), pieces.chorale(2, bars=3)
  live = Live(composer, Request(bars=2, prompt=prompt, seed=1))
  windows, pages = played(live)
  check_bars(windows, 2)
  quantised = composer.tokenizer.quantise(prompt)
  given = composer.tokenizer.decode(pages[0][0].ids)
  end = 3 * 16
  assert pages[0][0].first == 3
  columns = ('onset', 'pitch', 'velocity')
  for name in columns:
    ours = getattr(given, name)[given.onset < end]
    assert ours.tolist() == getattr(quantised, name).tolist()
  assert windows[0].meter == (4, 4) or pages[0][0].ids[-1, 0]


@pytest.mark.parametrize(
  ('asked', 'code'),
  [
    ({'n': 2}, 'live'),
    ({'beams': 2}, 'live'),
    ({'form': 'AABA'}, 'live'),
    ({'steps': 40}, 'live'),
    ({'controls': Controls(bars=(Levels(density=2),))}, 'live'),
  ],
)
def test_what_is_of_whole_pieces_is_refused(composers, asked, code):
  with pytest.raises(RequestError, match='whole pieces') as caught:
    Live(composers('compound'), Request(**asked))
  assert caught.value.code == code


def test_a_prompt_without_bars_is_refused(composers):
  nothing = Notes.build(4, {'onset': 0, 'duration': 0, 'pitch': 60})
  live = Live(composers('grid'), Request(prompt=nothing))
  with contextlib.suppress(DecodeError), pytest.raises(RequestError):
    live.warm()
