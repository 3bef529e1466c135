"""Forms to draw from: those that songs of POP909, or scores, share.

`forms.tsv` holds how many songs of the train split have a form
(`tools/count_forms.py`; songs and labels are under the MIT licence): as people
labelled their phrases, and as `studies.structure` hears them. Then what it
hears in songs with piano, quartets, lead sheets and piano music (CC0, CC BY,
public domain), most of which go on without returning.
"""

import functools
import pathlib

import numpy as np

from aurl_jax.generation.form import Form

_TABLE = pathlib.Path(__file__).with_name('forms.tsv')
SOURCES = ('labelled', 'heard', 'scores')
"""Songs as people label them, and as the study hears them; scores likewise."""
_FEWEST = 5
_NEAR = 0.15
"""Forms to draw from differ from the bars that are wanted by this share at
most, but there are always some of the nearest ones."""
_AGAIN = {'labelled': 0.25, 'heard': 0.25, 'scores': 0.05}
"""How much rarer a form is that has to be repeated: few scores are strophes."""


@functools.cache
def templates(source: str = 'labelled') -> tuple[tuple[int, Form], ...]:
  """Returns how many songs have each form, the most common first.

  Args:
    source: One of `SOURCES`.
  """
  lines = _TABLE.read_text('utf-8').splitlines()[1:]
  rows = [line.split('\t') for line in lines]
  return tuple(
    (int(songs), Form.parse(form)) for songs, form, own in rows if own == source
  )


def sample(seed: int, bars: float | int, source: str = 'labelled') -> Form:
  """Returns a form of about so many bars, drawn by how many songs have it.

  The same seed gives the same form. Where songs are far shorter, the middle
  of one is repeated (`Form.lasting`).

  Args:
    seed: Of the draw.
    bars: How many are wanted.
    source: One of `SOURCES`.
  """
  found, again = [], _AGAIN[source]
  for songs, once in templates(source):
    form = once.lasting(bars)
    found.append((songs if form == once else songs * again, form))
  away = np.array([abs(form.bars - bars) for _, form in found])
  near = away <= max(_NEAR * bars, float(np.sort(away)[_FEWEST - 1]))
  weights = near * np.array([songs for songs, _ in found], float)
  chance = np.random.default_rng(seed).random()
  place = np.searchsorted(np.cumsum(weights) / weights.sum(), chance, 'right')
  return found[int(place)][1]
