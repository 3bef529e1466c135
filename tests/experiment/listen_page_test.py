"""The page of a listening test shows its numbers, whatever they are."""

import html.parser

import pytest

from aurl_jax.experiment import listen, listen_page
from aurl_jax.listening import analysis
from tests.listening import listeners


class Words(html.parser.HTMLParser):
  """The text of a page, its tags, and whether they are closed."""

  def __init__(self, page):
    super().__init__()
    self.text, self.open = '', []
    self.feed(page)

  def handle_starttag(self, tag, attrs):
    if tag not in ('meta', 'line', 'circle', 'link'):
      self.open.append(tag)

  def handle_startendtag(self, tag, attrs):
    del tag, attrs

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    self.text += f'{data} '


def heard(folder, kind, answer, **changes):
  systems = ('x', 'reference') if kind == 'turing' else ('x', 'y<b>')
  test = listeners.made(kind, systems, 4, title='A <b>', **changes)
  kept = listeners.opened(folder / 'test', test)
  rng = listeners.rng()

  def said(trial, urls):
    del urls
    return trial.right if trial.check and kind != 'ab' else answer(rng)

  for _ in range(4):
    listeners.listen(kept, said)
  return folder / 'test'


@pytest.mark.parametrize(
  ('kind', 'choices', 'shown'),
  [
    ('ab', ('first', 'second', 'none'), ('Davidson', 'x over y<b>')),
    ('mos', ('1', '3', '4'), ('Mean ratings', 'x - y<b>')),
    ('turing', ('human', 'machine'), ('Told from people', 'reference - x')),
  ],
)
def test_each_kind_has_its_page(tmp_path, kind, choices, shown):
  folder = heard(
    tmp_path,
    kind,
    lambda rng: str(rng.choice(choices)),
    passing=0.0,
    ties='none' in choices,
  )
  report = listen.analyze(folder)
  page = (folder / 'report.html').read_text()
  words = Words(page)
  assert words.open == []
  for text in (*shown, 'A <b>', 'Krippendorff', '4 of 4'):
    assert text in words.text
  assert '://' not in page
  assert page.count('<svg') >= 2
  assert 'why' not in report['results']


def test_what_cannot_be_told_is_said(tmp_path):
  test = listeners.made('ab', ('x', 'y'), 3, checks=0)
  kept = listeners.opened(tmp_path, test)
  listeners.listen(kept, lambda *_: 'first')
  page = listen_page.page(analysis.analyze(tmp_path))
  assert 'listeners are too few' in page
  assert 'no attention checks' in page
  wins = listeners.prefers(test, {f'x/y/{n}': 1 for n in range(3)})
  listeners.listen(kept, wins)
  for _ in range(2):
    listeners.listen(kept, wins)
  page = Words(listen_page.page(analysis.analyze(tmp_path)))
  assert page.open == []


def test_listeners_who_failed_are_told_apart(tmp_path):
  test = listeners.made('mos', ('x', 'y'), 2)
  kept = listeners.opened(tmp_path, test)
  for value in ('1', '2', '2', '5'):
    listeners.listen(kept, lambda *_, v=value: v)
  text = Words(listen_page.page(analysis.analyze(tmp_path))).text
  assert '3 of 4' in text
  assert 'All listeners' in text
