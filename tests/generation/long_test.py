"""What stands where in a long piece, with a writer that is told what to do."""

import numpy as np
import pytest

from aurl_jax.generation import long
from aurl_jax.generation.drafts import Drafts
from aurl_jax.generation.form import Form
from aurl_jax.generation.opening import opening
from aurl_jax.generation.stretch import Stretch
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import events
from aurl_jax.tokens.compound import Compound

TOKENIZER = Compound(cells_per_beat=4, infill=True)
STRETCH = Stretch(TOKENIZER, opening(TOKENIZER, (4, 4), 90))


def bar(seed, voices=(0, 1)):
  """A bar of a scale's notes, by its seed."""
  rng = np.random.default_rng(seed)
  onset = np.arange(0, 16, 4).repeat(len(voices))
  notes = Notes.build(
    4,
    {
      'onset': onset,
      'duration': 4,
      'pitch': rng.choice([60, 62, 64, 65, 67, 69, 71, 72], len(onset)),
      'track': np.tile(np.arange(len(voices)), 4),
    },
  )
  (found,) = STRETCH.bars(TOKENIZER.encode(notes))
  if len(voices) == 1:
    found[1:, events.VOICE] = TOKENIZER.codec.id(
      'voice', voices[0], events.VOICE
    )
  return found


class Writer(Drafts):
  """Writes bars of their seed, and notes what it was asked for."""

  def __init__(self, infills=True, empty=0):
    own = {'stretch': STRETCH, 'able': infills, 'empty': empty, 'asked': []}
    self.__dict__.update(own)

  @property
  def infills(self):
    return self.able

  def _bars(self, seed, count, mute):
    if len(self.asked) <= self.empty:
      return [[STRETCH.blank()] * count]
    voices = (1,) if mute else (0, 1)
    return [
      [bar(seed + 100 * k + i, voices) for i in range(count)] for k in range(2)
    ]

  def onward(self, bars, count, seed, *, mute=None):
    self.asked.append(('onward', len(bars), count, mute))
    return self._bars(seed, count, mute)

  def within(self, bars, first, last, seed, *, part=None, mute=None):
    self.asked.append(('within', first, last - first, mute))
    assert len(bars) >= last
    return self._bars(seed, last - first, mute)


def same(one, other):
  return [bar.tolist() for bar in one] == [bar.tolist() for bar in other]


def test_sections_stand_where_the_form_says_and_return():
  form = Form.parse('i4A8B4A8b4x2o4')
  writer = Writer()
  found = long.write(writer, form, 16, 7)
  assert len(found.bars) == form.bars
  a, again = found.bars[4:12], found.bars[16:24]
  # What was written anew of the return is told by the log.
  changed = set()
  for entry in found.log:
    if entry['what'] == 'varied':
      changed |= set(range(entry['first'], entry['first'] + entry['bars']))
  assert changed <= set(range(16, 24))
  for place in range(8):
    if 16 + place not in changed:
      assert same([a[place]], [again[place]])
  new = [entry for entry in found.log if entry['what'] == 'new']
  assert [(e['section'], e['first'], e['bars']) for e in new] == [
    (1, 4, 8), (0, 0, 4), (2, 12, 4), (4, 24, 4), (5, 28, 2),
  ]  # fmt: skip
  (end,) = [entry for entry in found.log if entry['what'] == 'end']
  assert (end['first'], end['bars']) == (30, 4)
  assert same(found.bars, long.write(Writer(), form, 16, 7).bars)
  assert not same(found.bars, long.write(Writer(), form, 16, 8).bars)


def test_lower_case_is_without_the_melody():
  writer = Writer()
  found = long.write(writer, Form.parse('i4A4b4o4'), 16, 1)
  # What it begins with is written last, to what it leads to.
  assert list(dict.fromkeys(writer.asked)) == [
    ('onward', 0, 4, None),
    ('within', 0, 4, long.LEAD),
    ('onward', 8, 4, long.LEAD),
    ('within', 12, 4, long.LEAD),
  ]
  lead = TOKENIZER.codec.id('voice', 0, events.VOICE)
  notes = TOKENIZER.codec.id('note')
  has = [
    ((b[:, 0] == notes) & (b[:, events.VOICE] == lead)).any()
    for b in found.bars
  ]
  assert has == [False] * 4 + [True] * 4 + [False] * 8


def test_a_piece_ends_also_with_a_section_that_returns():
  writer = Writer()
  found = long.write(writer, Form.parse('A8B8A8'), 16, 3)
  assert writer.asked[-1] == ('within', 22, 2, None)
  assert found.log[-1]['what'] == 'end'


def test_long_sections_are_written_in_parts_and_longer_returns_go_on():
  writer = Writer()
  found = long.write(writer, Form.parse('A4B12A20o4'), 16, 3)
  new = [(e['first'], e['bars']) for e in found.log if e['what'] == 'new']
  assert new == [(0, 4), (4, 6), (10, 6), (20, 8), (28, 8)]
  assert len(found.bars) == 40


@pytest.mark.parametrize(
  ('empty', 'tries', 'weak'), [(1, 2, False), (9, 3, True)]
)
def test_weak_drafts_are_drawn_again_a_bounded_number_of_times(
  empty, tries, weak
):
  writer = Writer(empty=empty)
  found = long.write(writer, Form.parse('A4x4'), 16, 3)
  assert found.log[0]['tries'] == tries
  assert found.log[0]['weak'] == weak
  assert found.log[0]['faults']['empty'] == (8 if weak else 0)
  assert len([a for a in writer.asked if a[1] == 0]) == tries


def test_without_infilling_returns_stay_and_the_end_is_written_on():
  writer = Writer(infills=False)
  found = long.write(writer, Form.parse('A4A4A4'), 16, 3)
  assert same(found.bars[:4], found.bars[4:8])
  assert same(found.bars[:2], found.bars[8:10])
  assert writer.asked[-1] == ('onward', 10, 2, None)


def test_a_passage_returns_as_a_whole():
  form = Form.parse('A8A8B4A8A8')
  found = long.write(Writer(), form, 16, 5)
  changed = set()
  for entry in found.log:
    if entry['what'] != 'new':
      changed |= set(range(entry['first'], entry['first'] + entry['bars']))
  for back, start in ((20, 20), (20, 28)):
    for place in range(start, start + 8):
      if place not in changed:
        assert same([found.bars[place]], [found.bars[place - back]])
  # The second one is varied, so that it tells the two apart.
  assert changed & set(range(8, 16))
