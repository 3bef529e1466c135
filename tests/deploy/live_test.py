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
      found[name] = Composer(
        model=model, params=params, tokenizer=KINDS[name]
      )
    return found[name]

  found = {}
  return of


def pages_of(live):
  """Keeps the pages that a session writes."""
  found, make = [], live._page

  def page(*args):
    found.append(make(*args))
    return found[-1]

  live._page = page
  return found


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
  pages = pages_of(live)
  windows = list(live.windows())
  check_bars(windows, bars)
  assert len(pages) > 2
  # One set of programs, compiled before.
  assert stream._programs.cache_info().misses == key
  # The last page is a piece from its first bar to its end.
  list(iter(lambda: pages[-1].fill(bars), False))
  assert recogniser.fault(tokenizer, pages[-1].ids.tolist()) == ''
  done, zero, found = 0, 0, rebuilt(windows)
  starts = np.cumsum([0, *(w.ticks for w in windows)])
  whole = [0, *(e for w, e in zip(windows, starts[1:], strict=True) if w.last)]
  for page in pages:
    # What it was given is what was heard, and what it gave was heard.
    first = done - page.first
    told = tokenizer.decode(page.ids)
    shift = int(whole[first])
    count = min(page.stop, bars - first)
    begins = shift if first or page.first else 0
    end = int(whole[first + count])
    ours = [
      note for note in found if begins <= note[0] < end and note[1] <= end
    ]
    theirs = [
      (s + shift, e + shift, p, v) for s, e, p, v in heard(told, end - shift)
    ]
    missing = [n for n in ours if n[0] > begins and n not in theirs]
    assert missing == []
    done, zero = first + count, end
  assert (done, zero) == (bars, whole[-1])


def test_music_that_falls_silent_begins_anew(composers):
  composer = composers('grid')
  live = Live(composer, Request(bars=4, seed=1, wish=Wish(density=((4, 8), (0, 0)))))
  pages = pages_of(live)
  windows = list(live.windows())
  struck = [sum(h.velocity > 0 for h in part.hits) for part in windows]
  assert sum(struck) > 4
  assert all(page.first == 0 or page.first for page in pages)


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
  pages = pages_of(live)
  windows = list(live.windows())
  check_bars(windows, 2)
  quantised = composer.tokenizer.quantise(prompt)
  given = composer.tokenizer.decode(pages[0].ids)
  end = 3 * 16
  assert pages[0].first == 3
  columns = ('onset', 'pitch', 'velocity')
  for name in columns:
    ours = getattr(given, name)[given.onset < end]
    assert ours.tolist() == getattr(quantised, name).tolist()
  assert windows[0].meter == (4, 4) or pages[0].ids[-1, 0]


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
