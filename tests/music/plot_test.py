import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from aurl_jax.music import plot
from aurl_jax.music.notes import Notes, Track


def pixels(data):
  assert data.startswith(b'\x89PNG')
  return image.imread(io.BytesIO(data))


def scale(**rest):
  columns = {'onset': np.arange(32) * 12, 'duration': 12,
             'pitch': 50 + np.arange(32) % 13, 'velocity': 100}  # fmt: skip
  return Notes.build(12, columns | rest.pop('columns', {}), **rest)


def count(picture, colour):
  """Pixels near a colour of 0..1."""
  near = np.abs(picture[..., :3] - np.array(colour)).max(axis=-1) < 0.12
  return int(near.sum())


BLUE, ORANGE = (0.0, 0.447, 0.698), (0.835, 0.369, 0.0)


def test_notes_are_seen_in_the_colour_of_their_track():
  loud = {'velocity': 127}
  one = pixels(plot.piano_roll(scale(columns=loud)))
  assert count(one, BLUE) > 3000
  assert count(one, ORANGE) == 0
  two = pixels(
    plot.piano_roll(scale(columns=loud | {'track': np.arange(32) % 2}))
  )
  assert count(two, BLUE) > 1500
  assert count(two, ORANGE) > 1500


def test_soft_notes_are_paler():
  loud = pixels(plot.piano_roll(scale(columns={'velocity': 127})))
  soft = pixels(plot.piano_roll(scale(columns={'velocity': 5})))
  assert count(soft, BLUE) < count(loud, BLUE) / 10


@pytest.mark.parametrize('width', [700, 1500])
def test_the_width_is_as_asked(width):
  assert pixels(plot.piano_roll(scale(), width=width)).shape[1] == width


def test_drums_stand_below_the_pitches():
  band = [Track('Bass', 33), Track('', 0, True)]
  columns = {'track': np.arange(32) % 2, 'pitch': 40, 'velocity': 127}
  both = pixels(plot.piano_roll(scale(columns=columns, tracks=band)))
  drums = pixels(plot.piano_roll(scale(tracks=[band[1]])))
  blue = np.abs(both[..., :3] - np.array(BLUE)).max(axis=-1) < 0.12
  orange = np.abs(both[..., :3] - np.array(ORANGE)).max(axis=-1) < 0.2
  plotted = slice(0, int(both.shape[0] * 0.85))
  assert (
    np.flatnonzero(blue[plotted].any(axis=1)).max()
    < np.flatnonzero(orange[plotted].any(axis=1)).min()
  )
  assert drums.shape[1] == 900


def test_equal_music_gives_equal_bytes_and_a_file(tmp_path):
  path = tmp_path / 'roll.png'
  data = plot.piano_roll(scale(), path, title='a scale')
  assert data == path.read_bytes() == plot.piano_roll(scale(), title='a scale')
  assert data != plot.piano_roll(scale(), title='another')


@pytest.mark.parametrize(
  'notes',
  [
    Notes.build(480),
    Notes.build(480, {'onset': 0, 'duration': 0, 'pitch': 127}),
    Notes.build(
      4,
      {'onset': np.arange(0, 16 * 400, 16), 'duration': 1, 'pitch': 60,
       'track': np.arange(400) % 30},
    ),
  ],
)  # fmt: skip
def test_odd_pieces_are_drawn(notes):
  assert pixels(plot.piano_roll(notes, title='odd')).shape[1] >= 900


def test_equal_names_are_numbered():
  notes = scale(
    columns={'track': np.arange(32) % 4},
    tracks=[Track(), Track('A\nB'), Track(), Track('', 9, True)],
  )
  assert plot._legend_names(notes, [0, 1, 2, 3]) == [
    'Acoustic Grand Piano 1', 'A B', 'Acoustic Grand Piano 2', 'Drums',
  ]  # fmt: skip


def test_pyplot_is_never_imported():
  code = (
    'import sys\nfrom aurl_jax.music import plot\n'
    'from aurl_jax.music.notes import Notes\n'
    'plot.piano_roll(Notes.build(4))\n'
    'assert "matplotlib.pyplot" not in sys.modules\n'
  )
  run = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=False
  )
  assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(('tracks', 'more'), [(12, None), (15, 'and 3 more')])
def test_a_legend_names_a_dozen_tracks_and_counts_the_rest(tracks, more):
  notes = scale(columns={'track': np.arange(32) % tracks})
  figure = Figure()
  plot._draw_title(figure, None, notes, '')
  (legend,) = figure.legends
  told = [text.get_text() for text in legend.get_texts()]
  assert len(told) == 12 + (more is not None)
  assert (told[-1] == more) is (more is not None)
