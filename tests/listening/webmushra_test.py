"""What is written for webMUSHRA is YAML of its manual's words."""

import json

import hypothesis
import hypothesis.strategies as st
import pytest
import yaml

from aurl_jax.core.errors import DataError
from aurl_jax.listening import make, webmushra
from tests.listening import songs

# The manual for experimenters: pages, and the keys that they have.
KNOWN = {
  'generic': {'type', 'id', 'name', 'content'},
  'mushra': {
    *('type', 'id', 'name', 'content', 'showWaveform', 'enableLooping'),
    *('strict', 'reference', 'createAnchor35', 'createAnchor70', 'randomize'),
    *('showConditionNames', 'stimuli'),
  },
  'likert_single_stimulus': {
    *('type', 'id', 'name', 'content', 'mustRate', 'mustPlayback'),
    *('stimuli', 'response'),
  },
  'finish': {'type', 'name', 'content', 'showResults', 'writeResults'},
}
KNOWN['likert_multi_stimulus'] = KNOWN['likert_single_stimulus']
PLAIN = st.one_of(st.text(), st.booleans(), st.integers())


def exported(home, kind, **changes):
  systems = {
    name: songs.folder(home, name, 3, seed=seed, stem=changes.get(name, 'p'))
    for name, seed in (('ours', 0), ('theirs', 50))
  }
  people = songs.folder(home, 'people', 3, seed=90, stem='p')
  wish = make.Wish(
    kind=kind,
    systems=systems,
    reference=people,
    pairs=2,
    seconds=1,
    plain=True,
    title='A: <test>',
  )
  make.make(wish, home / 'test')
  facts = webmushra.export(home / 'test', home / 'out')
  found = yaml.safe_load((home / 'out/configs/aurl.yaml').read_text())
  first, (random, *pages), last = found['pages']
  assert facts == {
    'config': str(home / 'out/configs/aurl.yaml'),
    'pages': len(pages),
    'clips': len(list((home / 'out').rglob('*.wav'))),
  }
  assert (first['type'], random, last['type']) == (
    'generic',
    'random',
    'finish',
  )
  assert found['testname'] == 'A: <test>'
  key = json.loads((home / 'out/key.json').read_text())
  for page in (first, *pages, last):
    assert page.keys() <= KNOWN[page['type']]
    for name, path in page.get('stimuli', {}).items():
      assert (home / 'out' / path).read_bytes()[:4] == b'RIFF'
      assert key[name]['system'] in ('ours', 'theirs', 'reference')
  return pages, key


def test_ratings_of_one_prompt_are_mushra(tmp_path):
  pages, key = exported(tmp_path, 'mos')
  assert len(pages) == 2
  for page in pages:
    assert page['type'] == 'mushra'
    assert key[page['id']]['system'] == 'reference'
    assert page['reference'].endswith(f'{page["id"]}.wav')
    systems = {key[name]['system'] for name in page['stimuli']}
    assert systems == {'ours', 'theirs'}
    pieces = {key[name]['piece'] for name in (page['id'], *page['stimuli'])}
    assert len(pieces) == 1


def test_other_ratings_are_likert(tmp_path):
  pages, _ = exported(tmp_path, 'mos', ours='other')
  assert [p['type'] for p in pages] == ['likert_single_stimulus'] * 6
  values = [row['value'] for row in pages[0]['response']]
  assert values == ['1', '2', '3', '4', '5']


def test_pairs_are_rated_on_one_page(tmp_path):
  pages, key = exported(tmp_path, 'ab')
  assert [p['type'] for p in pages] == ['likert_multi_stimulus'] * 6
  for page in pages:
    one, other = (key[name]['system'] for name in page['stimuli'])
    assert one != other


def test_human_or_machine(tmp_path):
  pages, _ = exported(tmp_path, 'turing')
  labels = [row['label'] for row in pages[0]['response']]
  assert labels == ['A human', 'A machine']


@hypothesis.given(
  st.recursive(
    PLAIN,
    lambda inner: (
      st.lists(inner, min_size=1)
      | st.dictionaries(st.text(), inner, min_size=1)
    ),
    max_leaves=8,
  ).filter(lambda value: isinstance(value, dict | list))
)
def test_blocks_are_read_as_they_were(value):
  assert yaml.safe_load(webmushra.yaml(value)) == value


def test_what_cannot_be_written(tmp_path):
  exported(tmp_path, 'ab')
  with pytest.raises(DataError) as caught:
    webmushra.export(tmp_path / 'test', tmp_path / 'out')
  assert caught.value.code == 'exists'
  for clip in (tmp_path / 'test/clips').iterdir():
    clip.unlink()
  with pytest.raises(DataError, match=r'\.wav') as caught:
    webmushra.export(tmp_path / 'test', tmp_path / 'new')
  assert caught.value.code == 'bad_test'
  assert not (tmp_path / 'new').exists()
