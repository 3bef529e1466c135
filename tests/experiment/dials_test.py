"""Dials of a run: measured once, on which excerpts, and bundled."""

import types

import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy.dials import Dials
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.experiment import bundle, data, dials, generate, sections
from aurl_jax.experiment.workdir import Workdir
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
