"""Runs side by side, without training any."""

import html.parser
import json

import numpy as np
import pytest

from aurl_jax.core.errors import CheckpointError, ConfigError
from aurl_jax.experiment import compare, snapshot
from aurl_jax.generation.piece import Piece
from aurl_jax.music.notes import Notes
from tests.experiment import folders


class Page(html.parser.HTMLParser):
  """Collects tags, and rows of tables as text."""

  def __init__(self, text):
    super().__init__()
    self.tags, self.rows, self.looks = [], [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))
    if tag == 'tr':
      self.rows.append([])
      self.looks.append(dict(attrs).get('class', ''))
    elif tag in ('td', 'th'):
      self.rows[-1].append('')

  def handle_data(self, data):
    if self.rows and self.rows[-1]:
      self.rows[-1][-1] += data


@pytest.fixture
def runs(tmp_path):
  first = folders.make(tmp_path / 'x' / 'one')
  changes = ('optimizer.learning_rate=0.5', 'data.source=<b>')
  second = folders.make(
    tmp_path / 'y' / 'two', done=30, state='stopped', changes=changes
  )
  return first, second


def piece(seed):
  pitch = 60 + np.arange(4) + seed
  columns = {'onset': np.arange(4) * 480, 'duration': 480, 'pitch': pitch}
  return Piece(
    notes=Notes.build(480, columns),
    ids=np.zeros((4, 1), np.int32),
    seed=seed,
    ended=True,
    grammatical=True,
  )


def test_the_page_marks_differences_and_shows_curves_and_music(
  runs, tmp_path, monkeypatch
):
  asked = []

  class Player:
    def generate(self, request):
      asked.append(request)
      return [piece(request.seed + k) for k in range(request.n)]

  monkeypatch.setattr(compare.generate, 'from_run', lambda folder: Player())
  out = tmp_path / 'new' / 'compare.html'
  told = compare.run([str(r.root) for r in runs], str(out), n=2, seed=7)
  assert told['runs'] == ['one', 'two']
  assert told['differences'] == ['data.source', 'optimizer.learning_rate']
  assert [(r.n, r.seed) for r in asked] == [(2, 7), (2, 7)]
  text = out.read_text()
  page = Page(text)
  differing = [
    r
    for r, look in zip(page.rows, page.looks, strict=True)
    if look == 'differs'
  ]
  assert [r[0] for r in differing] == told['differences']
  assert differing[0][1:] == ['"chorales"', '"<b>"']
  figures = {row[0]: row[1:] for row in page.rows if len(row) == 3}
  assert figures['steps done'] == ['20', '30']
  assert figures['best validation loss'] == ['0.2500', f'{5 / 30:.4f}']
  assert figures['time on steps'] == ['20 s', '30 s']
  assert figures['train.batch_size'] == ['8', '8']
  images = [a['src'] for tag, a in page.tags if tag == 'img']
  assert len(images) == 4
  assert all(src.startswith('data:image/png') for src in images)
  links = [a['href'] for tag, a in page.tags if tag == 'a']
  assert all(href.startswith('data:audio/midi') for href in links)
  buttons = [a['data-piece'] for tag, a in page.tags if tag == 'button']
  # A row a seed; the player has them run by run.
  assert buttons == ['0', '2', '1', '3']
  notes = json.loads(text.split('const pieces = ', 1)[1].split(';\n', 1)[0])
  assert [one[0][2] for one in notes] == [67, 68, 67, 68]
  assert 'https://' not in text


def test_a_run_that_cannot_play_says_why(runs, tmp_path, monkeypatch):
  def none(folder):
    raise CheckpointError('no complete <checkpoint>')

  monkeypatch.setattr(compare.generate, 'from_run', none)
  out = tmp_path / 'compare.html'
  compare.run([str(r.root) for r in runs], str(out))
  assert 'one plays nothing: no complete &lt;checkpoint&gt;' in out.read_text()


def test_runs_of_one_name_are_told_apart(tmp_path):
  same = [folders.make(tmp_path / name / 'run') for name in 'ab']
  assert compare.names([snapshot.read(f) for f in same]) == ['a/run', 'b/run']


def test_what_is_no_run_is_refused(runs, tmp_path):
  with pytest.raises(ConfigError, match='two or more'):
    compare.run([str(runs[0].root)], str(tmp_path / 'c.html'))
  other = str(tmp_path / 'nothing')
  with pytest.raises(ConfigError, match='holds no run') as caught:
    compare.run([str(runs[0].root), other], str(tmp_path / 'c.html'))
  assert other in str(caught.value)
  assert not (tmp_path / 'c.html').exists()
