import base64
import html
import io
import json
import re

import matplotlib.image
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.generation.album import Album
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


@pytest.fixture(scope='module')
def pieces():
  tune = Notes.build(
    4, {'onset': [0, 4, 8], 'duration': 4, 'pitch': [60, 64, 67]}
  )
  # 60 bars: wider than any frame.
  long = Notes.build(
    4, {'onset': list(range(0, 960, 16)), 'duration': 16, 'pitch': 48}
  )
  return {'Tune & more': tune, 'Long': long}


@pytest.fixture(scope='module')
def frame(pieces):
  return Album(pieces, title='Both')._repr_html_()


@pytest.fixture(scope='module')
def page(frame):
  return html.unescape(re.search('srcdoc="(.*?)"', frame, re.DOTALL)[1])


def test_each_piece_has_its_name_facts_file_and_player(page, pieces):
  assert page.count('<article>') == 2
  assert '<h1>Both</h1>' in page
  assert '<h2>Tune &amp; more</h2>' in page
  assert '3 notes in 1.5 s' in page
  files = re.findall('data:audio/midi;base64,([^"]*)"', page)
  read = [midi.read(base64.b64decode(file)).notes for file in files]
  assert [len(notes) for notes in read] == [3, 60]
  played = json.loads(re.search(r'const pieces = (\[.*?\]);\n', page)[1])
  assert [note[2] for note in played[0]] == [60, 64, 67]
  assert [note[0] for note in played[0]] == [0, 0.5, 1]
  assert 'data-piece="1"' in page


def test_nothing_is_loaded(page, frame):
  assert "default-src 'none'" in page
  assert not re.search('https?:', page)
  assert 'allow-same-origin' not in frame


def test_the_frame_is_as_high_as_its_rolls(frame, page):
  rolls = [
    matplotlib.image.imread(io.BytesIO(base64.b64decode(roll)))
    for roll in re.findall('data:image/png;base64,([^"]*)"', page)
  ]
  assert rolls[1].shape[1] > 1000
  shown = [image.shape[0] * min(1, 1000 / image.shape[1]) for image in rolls]
  height = int(re.search(r'height="(\d+)"', frame)[1])
  assert sum(shown) + 300 < height < sum(shown) + 600


def test_the_page_is_what_the_frame_shows(pieces, page):
  assert Album(pieces, title='Both').page() == page


def test_an_album_of_nothing_is_refused():
  with pytest.raises(DataError, match='give name -> notes') as error:
    Album({})
  assert error.value.code == 'album'
