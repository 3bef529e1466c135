import html.parser
import re

import pytest

from aurl_jax.data import report, report_page
from aurl_jax.data.metadata import Metadata
from aurl_jax.music.notes import Notes

NASTY = '<script>alert("1")</script>&\udcff.mid'


class Reader(html.parser.HTMLParser):
  """Collects tags, and checks that each is closed."""

  VOID = frozenset({'meta', 'br', 'line', 'rect/'})

  def __init__(self, page):
    super().__init__()
    self.tags, self.open, self.attributes, self.words = [], [], [], []
    self.feed(page)
    self.close()

  def handle_starttag(self, tag, attrs):
    self.tags.append(tag)
    self.attributes += attrs
    if tag not in self.VOID:
      self.open.append(tag)

  def handle_startendtag(self, tag, attrs):
    self.tags.append(tag)
    self.attributes += attrs

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    self.words.append(data)


def song(pitch=60):
  return Notes.build(
    480, {'onset': [0, 480], 'duration': 480, 'pitch': [pitch, pitch + 4]}
  )


@pytest.fixture
def page(tmp_path):
  with report.Tally(tmp_path) as tally:
    for index in range(30):
      tally.add(
        report.FileReport(
          name=f'{index} {NASTY}',
          status='dropped',
          code='header',
          reason='no <header>',
        )
      )
    issues = (('truncated', 'track 1', 'cut'),) * 2
    for name in ('a', 'b'):
      tally.add(
        report.FileReport(
          name=name, status='repaired', split='train', digest='x', issues=issues
        )
      )
      known = Metadata(genres=(NASTY,))
      tally.add_described(report.describe(song(), 5, known))
    tally.report(tmp_path)
  return (tmp_path / 'report.html').read_text(encoding='utf-8')


def test_the_page_is_whole_and_asks_for_nothing(page):
  read = Reader(page)
  assert read.open == []
  assert {'script', 'link', 'img', 'iframe', 'object'}.isdisjoint(read.tags)
  addresses = [
    value
    for name, value in read.attributes
    if name in ('src', 'href', 'action', 'srcset')
  ]
  assert addresses == []
  assert not re.search(r'url\(|@import', page)
  assert ('name', 'viewport') in read.attributes
  assert '%%' not in page


def test_names_and_reasons_are_text(page):
  assert '<script' not in page
  words = ' '.join(Reader(page).words)
  assert '0 <script>alert("1")</script>&?.mid' in words
  assert 'no <header>' in words


def test_numbers_codes_and_examples_are_there(page):
  words = ' '.join(Reader(page).words)
  for part in (
    'left out', 'header', 'truncated', 'track 1: cut', '19 more', 'and 10 more',
    'has the music of', 'Polyphony', 'Genres', '30 files were left out',
  ):  # fmt: skip
    assert part in words, part
  assert page.count('no &lt;header&gt;') == 20


def test_examples_of_each_code_are_bounded():
  rows = (
    {
      'name': str(index),
      'status': 'repaired' if index % 2 else 'dropped',
      'code': 'a',
      'reason': 'r',
      'digest': '' if index % 2 else str(index % 10),
      'issues': [['a', 'x', 'y'], ['a', 'x', 'z']],
    }
    for index in range(1000)
  )
  found = report_page.find_examples(rows, [('x', '4'), ('y', '0')])
  evens, odds = range(0, 40, 2), range(1, 40, 2)
  assert found.dropped == {'a': [(str(i), 'r') for i in evens]}
  assert found.repaired == {'a': [(str(i), 'x: z') for i in odds]}
  assert found.duplicates == [('x', '4'), ('y', '0')]


def bars(svg):
  shape = r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"'
  return [tuple(map(float, found)) for found in re.findall(shape, svg)]


def test_bars_are_as_high_as_their_counts():
  svg = report_page.draw_numbers({'1': 10, '3': 5, '4': 1}, 'ones')
  found = bars(svg)
  heights = [height for *_, height in found]
  assert heights[1] / heights[0] == pytest.approx(0.5, abs=0.01)
  assert heights[2] / heights[0] == pytest.approx(0.1, abs=0.01)
  # The gap of the 2 that is not there.
  lefts = [left for left, *_ in found]
  assert lefts[1] - lefts[0] == pytest.approx(
    2 * (lefts[2] - lefts[1]), abs=0.1
  )
  assert len({round(y + height, 1) for _, y, _, height in found}) == 1


def test_what_lies_beyond_the_last_bar_counts_in_it():
  svg = report_page.draw_numbers({'1': 10, '5000': 4}, 'ones')
  assert '<title>128+: 4</title>' in svg
  svg = report_page.draw_numbers({'0.25': 1, '2': 3}, 'doubles')
  assert '<title>1/4: 1</title>' in svg


def test_words_are_ranked_and_the_rest_is_added_up():
  histogram = {f'w{i:02d}': i + 1 for i in range(20)}
  svg = report_page.draw_words(histogram)
  titles = re.findall('<title>(.*?)</title>', svg)
  assert titles[0] == 'w19: 20'
  assert titles[-1] == f'8 others: {sum(range(1, 9))}'
  widths = [width for _, _, width, _ in bars(svg)]
  assert widths[1] / widths[0] == pytest.approx(19 / 20, abs=0.01)


def test_a_set_without_anything_still_has_a_page():
  values = {
    'folder': '/',
    'counts': dict.fromkeys(
      ('files', 'ok', 'repaired', 'dropped', 'duplicates_kept'), 0
    ),
    'splits': {},
    'reasons': {},
    'repairs': {},
    'histograms': {'pitch': {}},
    'warnings': [],
  }
  assert Reader(report_page.render(values, report_page.Examples())).open == []
