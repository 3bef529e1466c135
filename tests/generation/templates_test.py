"""Forms that are drawn, and where their table comes from."""

import collections

import numpy as np
import pytest

from aurl_jax.generation import templates


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
    for count, form in templates.templates()
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


@pytest.mark.parametrize('wanted', [45, 60, 90, 150])
def test_draws_are_near_what_is_wanted_and_follow_their_seed(wanted):
  found = [templates.sample(seed, wanted) for seed in range(200)]
  assert all(abs(form.bars - wanted) <= 0.3 * wanted for form in found)
  assert found == [templates.sample(seed, wanted) for seed in range(200)]
  assert len(set(map(str, found))) >= 5


def test_common_forms_are_drawn_more_often():
  drawn = collections.Counter(
    str(templates.sample(seed, 64)) for seed in range(600)
  )
  counts = {str(form): songs for songs, form in templates.templates()}
  whole = [form for form in drawn if form in counts]
  pairs = np.array([(counts[form], drawn[form]) for form in whole], float)
  assert np.corrcoef(pairs.T)[0, 1] > 0.8
