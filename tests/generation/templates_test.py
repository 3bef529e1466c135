"""Forms that are drawn, and where their table comes from."""

import collections
import re

import numpy as np
import pytest

from aurl_jax.generation import longer, templates
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request


@pytest.fixture(scope='module')
def tool(load_tool, tool_folder):
  return load_tool('count_forms')


def test_the_table_is_what_the_labels_say(tool, shared_data, repository):
  songs = collections.defaultdict(list)
  for path in (shared_data / 'pop909' / 'train').glob('*/structure'):
    text, letters, bars = (path / 'human_label1.txt').read_text(), '', []
    for character in text.strip():
      if character.isdigit():
        bars[-1] = 10 * bars[-1] + int(character)
      else:
        letters, bars = letters + character, [*bars, 0]
    kept = [i for i, letter in enumerate(letters) if letter not in 'xX']
    songs[''.join(letters[i] for i in kept)].append([bars[i] for i in kept])
  table = {
    ''.join(section.label for section in form.sections): (count, form)
    for count, form in templates.templates('labelled')
  }
  common = {name for name, rows in songs.items() if len(rows) >= 3}
  assert set(table) == common
  for name in common:
    count, form = table[name]
    assert count == len(songs[name])
    for section, column in zip(
      form.sections, zip(*songs[name], strict=True), strict=True
    ):
      middle = float(np.median(column))
      assert abs(section.bars - middle) <= (0.5 if section.label in 'io' else 2)
      assert section.label in 'io' or section.bars % 4 == 0


# What is heard is longer: fillings of a few bars are sections of their own.
@pytest.mark.parametrize(
  ('source', 'wanted'),
  [('labelled', bars) for bars in (45, 60, 90, 150)]
  + [(s, bars) for s in ('heard', 'scores') for bars in (60, 90, 150)],
)
def test_draws_are_near_what_is_wanted_and_follow_their_seed(source, wanted):
  found = [templates.sample(seed, wanted, source) for seed in range(200)]
  assert all(abs(form.bars - wanted) <= 0.3 * wanted for form in found)
  assert found == [
    templates.sample(seed, wanted, source) for seed in range(200)
  ]
  assert len(set(map(str, found))) >= 5


@pytest.mark.parametrize(('source', 'most'), [('heard', 744), ('scores', 1278)])
def test_forms_that_are_heard_are_others_than_those_of_labels(source, most):
  labelled, heard = map(templates.templates, ('labelled', source))
  assert min(len(labelled), len(heard)) >= 5
  assert labelled == templates.templates()
  # No form has fewer pieces than three, and nobody is counted twice.
  assert min(songs for songs, _ in heard) >= 3
  assert len({str(form) for _, form in heard}) == len(heard)
  assert sum(songs for songs, _ in heard) <= most
  own = {str(form) for _, form in heard} - {str(form) for _, form in labelled}
  assert own


def test_scores_return_less_than_songs():
  def returns(source):
    shares = [
      (1 - len({s.label for s in form.sections}) / len(form.sections), songs)
      for songs, form in templates.templates(source)
    ]
    found, weights = zip(*shares, strict=True)
    return np.average(found, weights=weights)

  assert returns('scores') < 0.2 < 0.5 < returns('labelled')
  told = [form for _, form in templates.templates('scores')]
  assert all(section.melody for form in told for section in form.sections)


def test_a_piece_has_a_form_of_who_is_asked_for():
  for source in templates.SOURCES:
    forms = [
      longer.planned(Request(form=source, minutes=3.0, tempo=90), seed)[0]
      for seed in range(60)
    ]
    wanted = 3.0 * 90 / 4
    assert forms == [
      templates.sample(seed, wanted, source) for seed in range(60)
    ]
  plain = [longer.planned(Request(minutes=3.0), k)[0] for k in range(60)]
  told = Request(form='labelled', minutes=3.0)
  assert plain == [longer.planned(told, k)[0] for k in range(60)]
  own = Request(forms='scores', minutes=3.0)
  told = Request(form='scores', minutes=3.0)
  assert [longer.planned(own, k) for k in range(60)] == [
    longer.planned(told, k) for k in range(60)
  ]


def test_a_form_to_be_drawn_needs_a_length():
  with pytest.raises(RequestError, match='give minutes'):
    Request(form='heard')
  with pytest.raises(RequestError, match='labelled, heard, scores'):
    Request(forms='AABA')


@pytest.mark.slow
def test_the_table_holds_what_is_heard(tool, shared_data):
  """Of some forms in the table, counted again by another way."""
  found = collections.Counter()
  for song in (shared_data / 'pop909' / 'train').iterdir():
    found[runs(re.sub('[0-9xX]', '', tool.form(song)))] += 1
  for songs, form in templates.templates('heard'):
    assert found[runs(''.join(s.label for s in form.sections))] == songs


def runs(letters):
  """Returns letters without those that repeat the one before."""
  pairs = zip(letters, ' ' + letters, strict=False)
  return ''.join(one for one, before in pairs if one != before)


def test_common_forms_are_drawn_more_often():
  drawn = collections.Counter(
    str(templates.sample(seed, 64)) for seed in range(600)
  )
  counts = {str(form): songs for songs, form in templates.templates()}
  whole = [form for form in drawn if form in counts]
  pairs = np.array([(counts[form], drawn[form]) for form in whole], float)
  assert np.corrcoef(pairs.T)[0, 1] > 0.8
