"""Dials of a run: measured once, on which excerpts, and bundled."""

import types

import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy.dials import Dials
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.evaluation import attributes
from aurl_jax.experiment import bundle, data, dials, generate, sections
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.models.latent import Latents
from aurl_jax.music.notes import Notes
from tests.experiment import turnable
from tests.tokens import pieces


def split(lengths):
  offsets = np.concatenate([[0], np.cumsum(lengths)])
  ids = np.arange(offsets[-1])[:, None]
  return types.SimpleNamespace(offsets=offsets, ids=ids)


def test_whole_excerpts_are_taken_where_most_are():
  found = dials.excerpts(split([4, 4, 2, 9, 4]), 0, 0, 5)
  assert [len(piece) for piece in found] == [4, 4, 4]
  assert len(dials.excerpts(split([4, 4, 2, 9, 4]), 2, 0, 5)) == 2
  found = dials.excerpts(split([4, 3, 2, 9, 5]), 0, 0, 5)
  assert sorted(len(piece) for piece in found) == [2, 3, 4, 5]


class Scripted(LatentSpace):
  """A latent space that writes as many notes as one dim says, and as long.

  The first dim is of the notes a beat, the second of how many sound together;
  as in music, few notes can sound less together.
  """

  def __init__(self):
    pass

  def encode(self, pieces):
    return Latents(
      slots=np.zeros((len(pieces), 4, 2), np.float32), piece=np.zeros((1, 0))
    )

  def decode(self, latents):
    found = []
    for slots in np.asarray(latents.slots):
      # In units of the dims: SCALES has a middle of 4 notes, and of 2.
      notes = max(round(16 + 8 * float(slots[:, 0].mean())), 1)
      together = 4.0 + 2 * slots[:, 1].mean() + LOSS * (notes - 16) / 16
      length = max(round(together * 64 / notes), 1)
      onset = np.arange(notes) * 64 // notes
      columns = {
        'onset': onset,
        'duration': np.full(notes, length),
        'pitch': 40 + np.arange(notes),
      }
      found.append(types.SimpleNamespace(notes=Notes.build(16, columns)))
    return found


LOSS = 3.0


def test_what_is_taken_along_is_found_and_held_back():
  free = Dials({'density': 1.0, 'polyphony': 1.0})
  found = dials.holding(Scripted(), free, [np.zeros(0)] * 3)
  assert found.holds.keys() == {'density'}
  assert found.holds['density'].keys() == {'polyphony'}
  share = found.holds['density']['polyphony']
  assert -1 <= share < 0
  assert along(free) > 0.5 > along(found)


def along(dials_):
  """How far polyphony goes when the density is turned, of its way."""
  space = Scripted()
  told = [dials_.turn(space.encode([0]), density=by) for by in (-2.0, 2.0)]
  notes = [space.decode(latents)[0].notes for latents in told]
  low, high = attributes.table(notes)
  return abs((high - low)[1] / (high - low)[0])


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """A run's folder, of which only its data and its model are asked for."""
  composer = turnable.composer()
  music = [
    composer.tokenizer.encode(pieces.chorale(seed, bars=2)) for seed in range(4)
  ]
  offsets = np.cumsum([0, *map(len, music)])
  train = types.SimpleNamespace(offsets=offsets, ids=np.concatenate(music))
  config = types.SimpleNamespace(
    generate=types.SimpleNamespace(defaults={'bars': 2})
  )
  monkeypatch.setattr(Workdir, 'read_config', lambda self: {})
  monkeypatch.setattr(sections, 'parse', lambda config_: config)
  monkeypatch.setattr(data, 'prepared', lambda *_, **__: {'train': train})
  monkeypatch.setattr(generate, 'from_run', lambda *_, **__: composer)
  (tmp_path / 'run').mkdir()
  return Workdir(tmp_path / 'run')


def test_a_bundle_has_dials_that_are_measured_once(
  folder, tmp_path, monkeypatch
):
  bundle.from_run(str(folder.root), str(tmp_path / 'it'))
  found = bundle_lib.load(tmp_path / 'it')
  assert found.defaults == {'bars': 2}
  space = LatentSpace(turnable.composer())
  music = [pieces.chorale(seed, bars=2) for seed in range(4)]
  wanted = Dials.fit(turnable.LATENT, space.posterior(music))
  assert found.dials.deviations == pytest.approx(wanted.deviations, rel=1e-5)

  def gone(*_, **__):
    raise DataError('the data is gone')

  monkeypatch.setattr(data, 'prepared', gone)
  assert dials.known(turnable.composer(), folder).dials == found.dials
  folder.dials.unlink()
  with pytest.raises(DataError, match='is gone'):
    dials.known(turnable.composer(), folder)
