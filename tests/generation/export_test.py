import base64
import html.parser
import json
import re
import shutil
import subprocess

import matplotlib.image
import numpy as np
import pytest

from aurl_jax.generation import export
from aurl_jax.music import midi
from aurl_jax.music import time as time_lib
from tests.generation import writers

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = (
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  '--window-size=1000,1800',
)


class Page(html.parser.HTMLParser):
  """Collects the start tags of a page."""

  def __init__(self, text):
    super().__init__()
    self.tags = []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))

  def all(self, wanted):
    return [attrs for tag, attrs in self.tags if tag == wanted]


@pytest.fixture(scope='module')
def pieces():
  return [writers.piece(seed) for seed in range(4)]


@pytest.fixture(scope='module')
def page(pieces, tmp_path_factory):
  folder = tmp_path_factory.mktemp('out') / 'new'
  return export.write(folder, pieces, title='Four <b> & more')


def embedded(url):
  kind, _, data = url.partition(',')
  return kind, base64.b64decode(data, validate=True)


def test_files_are_written_beside_the_page(page, pieces):
  names = {path.name for path in page.parent.iterdir()}
  files = {f'piece_{n}.{kind}' for n in range(1, 5) for kind in ('mid', 'png')}
  assert names == {'index.html'} | files
  for number, piece in enumerate(pieces, 1):
    reading = midi.read(page.parent / f'piece_{number}.mid')
    assert (len(reading.notes), reading.issues) == (len(piece.notes), ())


def test_the_page_holds_all_that_it_shows(page):
  text = page.read_text()
  tags = Page(text)
  for number, (image, link) in enumerate(
    zip(tags.all('img'), tags.all('a'), strict=True), 1
  ):
    roll = (page.parent / f'piece_{number}.png').read_bytes()
    assert embedded(image['src']) == ('data:image/png;base64', roll)
    file = (page.parent / f'piece_{number}.mid').read_bytes()
    assert embedded(link['href']) == ('data:audio/midi;base64', file)
    assert link['download'] == f'piece_{number}.mid'
    assert image['alt'] == f'Piano roll of piece_{number}'
  urls = [
    v
    for _, attrs in tags.tags
    for k, v in attrs.items()
    if k in ('src', 'href', 'action', 'data')
  ]
  assert len(urls) == 8
  assert all(url.startswith('data:') for url in urls)
  assert 'http:' not in text
  assert 'https:' not in text
  policy = next(m for m in tags.all('meta') if 'http-equiv' in m)['content']
  assert policy.startswith("default-src 'none'")


def test_the_page_tells_facts_and_escapes_its_title(page):
  text = page.read_text()
  assert '<h1>Four &lt;b&gt; &amp; more</h1>' in text
  assert '4 pieces' in text
  assert '16 notes in 2.4 s, comes to its end; 18 steps, seed 2' in text


def test_the_player_has_the_notes_in_seconds(page, pieces):
  found = re.search(r'const pieces = (\[.*\]);', page.read_text())
  notes = pieces[1].notes
  rows = np.array(json.loads(found.group(1))[1])
  np.testing.assert_allclose(
    rows[:, 0], time_lib.ticks_to_seconds(notes, notes.onset), atol=5e-4
  )
  np.testing.assert_allclose(rows[:, 1], 0.5, atol=1e-3)
  np.testing.assert_array_equal(rows[:, 2], notes.pitch)
  np.testing.assert_allclose(rows[:, 3], notes.velocity / 127, atol=5e-3)
  assert not rows[:, 4].any()


def test_one_piece_and_a_second_writing(tmp_path):
  (tmp_path / 'mine.txt').write_text('kept')
  for seed in (1, 2):
    path = export.write(tmp_path, [writers.piece(seed)])
  assert '<p>1 piece</p>' in path.read_text()
  assert 'seed 2' in path.read_text()
  assert (tmp_path / 'mine.txt').read_text() == 'kept'


def browse(tmp_path, path, *options):
  """Opens a page in a real browser without a network profile of its own."""
  program = next(filter(None, map(shutil.which, BROWSERS)), None)
  if program is None:
    pytest.skip('no chromium on the PATH')
  command = [program, *FLAGS, f'--user-data-dir={tmp_path / "profile"}']
  return subprocess.run(
    [*command, *options, path.as_uri()],
    capture_output=True,
    text=True,
    check=True,
    timeout=300,
  )


def test_a_browser_shows_the_rolls(page, tmp_path):
  shot = tmp_path / 'shot.png'
  browse(tmp_path, page, f'--screenshot={shot}')
  pixels = (255 * matplotlib.image.imread(shot)[..., :3]).round().astype(int)
  roll = 255 * matplotlib.image.imread(page.parent / 'piece_1.png')[..., :3]
  # The colour of a track: the most frequent strong one of the roll.
  strong = roll.round().astype(int).reshape(-1, 3)
  strong = strong[np.ptp(strong, axis=1) > 100]
  colours, counts = np.unique(strong, axis=0, return_counts=True)
  colour = colours[counts.argmax()]
  shown = (abs(pixels - colour).max(-1) < 12).sum()
  assert shown > 100


def test_a_browser_runs_the_player_and_sees_no_error(page, tmp_path):
  script = (
    '<script>let faults = 0; addEventListener("error", () => ++faults);'
    'addEventListener("securitypolicyviolation", () => ++faults);'
    'document.querySelectorAll("button")[1].click();'
    'setTimeout(() => document.title = [faults, [...document.querySelectorAll('
    '"button")].map(b => b.textContent), [...document.images].filter('
    'i => i.naturalWidth > 0).length].join(" "), 1500)</script>'
  )
  path = tmp_path / 'auto.html'
  path.write_text(page.read_text().replace('</body>', script + '</body>'))
  done = browse(tmp_path, path, '--virtual-time-budget=4000', '--dump-dom')
  title = re.search('<title>(.*?)</title>', done.stdout).group(1)
  assert title == '0 Play,Stop,Play,Play 4'
