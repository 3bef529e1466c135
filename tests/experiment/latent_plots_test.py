"""Pictures of a latent space, of a model that is hardly trained."""

import json

import jax
import numpy as np
import pytest

from aurl_jax.cli.__main__ import main
from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.experiment import latent_plots
from aurl_jax.models.latent import Latents, Posterior
from tests.experiment.prior_test import SETTINGS
from tests.integration import victim
from tests.tokens import pieces

PICTURES = ('map', 'kl', 'traversal', 'reconstruction', 'path')


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  home = tmp_path_factory.mktemp('home')
  with victim.trained(home, SETTINGS | {'model.latent.piece': 2}) as found:
    yield found.root


@pytest.mark.slow
def test_all_pictures_are_written_and_named(run, tmp_path, capsys):
  out = tmp_path / 'pictures'
  words = ['latents', str(run), '--out', str(out), '--n', '9', '--json']
  assert main(words) == 0
  told = json.loads(capsys.readouterr().out)
  assert told['pieces'] <= 9
  assert told['kl'] > 0
  assert 0 <= told['active'] <= 4
  names = sorted(path.name for path in out.iterdir())
  assert names == sorted(f'{name}.png' for name in PICTURES)
  assert sorted(told['files']) == [str(out / name) for name in names]
  for path in out.iterdir():
    assert path.read_bytes().startswith(b'\x89PNG')


def test_splits_and_runs_that_are_not_there_are_refused(run, tmp_path):
  with pytest.raises(ConfigError, match="no split 'dev'"):
    latent_plots.write(str(run), str(tmp_path), split='dev')
  with pytest.raises(ConfigError, match='pictures need 2'):
    latent_plots.write(str(run), str(tmp_path), n=1)
  with pytest.raises(ConfigError, match='holds no run'):
    latent_plots.write(str(tmp_path), str(tmp_path))
  assert not list(tmp_path.iterdir())


def posterior(slots, used, piece=0):
  n, s, z = slots.shape
  rng = np.random.default_rng(5)
  piece_mean = rng.normal(size=(n, piece))
  return Posterior(
    mean=Latents(slots=slots, piece=piece_mean),
    log_variance=Latents(slots=np.zeros((n, s, z)), piece=np.zeros((n, piece))),
    used=used,
  )


def test_nats_are_means_over_slots_in_use():
  slots = np.array([[[1.0, 0.0], [2.0, 0.0]], [[3.0, 2.0], [9.0, 9.0]]])
  used = np.array([[True, True], [True, False]])
  found = latent_plots.told(posterior(slots, used))
  # Half the square of the mean, where the variance is 1.
  np.testing.assert_allclose(found['slot'], [14 / 6, 4 / 6], rtol=1e-6)
  assert set(found) == {'slot'}
  assert set(latent_plots.told(posterior(slots, used, 3))) == {'slot', 'piece'}


def test_the_plane_has_what_varies_most():
  rng = np.random.default_rng(0)
  slots = rng.normal(size=(200, 2, 3)) * [0.1, 5.0, 1.0]
  used = np.ones((200, 2), bool)
  used[:, 1] = False
  found = latent_plots.plane(posterior(slots, used))
  corner = np.abs(np.corrcoef(found[:, 0], slots[:, 0, 1])[0, 1])
  other = np.abs(np.corrcoef(found[:, 1], slots[:, 0, 2])[0, 1])
  assert min(corner, other) > 0.95
  np.testing.assert_allclose(found.std(0), 1)


@pytest.mark.parametrize(
  ('key', 'fifths'),
  [(0, 0), (7, 1), (5, -1), (9 + 12, 0), (4 + 12, 1), (6, 6), (2 + 12, -1)],
)
def test_keys_are_told_by_their_signatures(key, fifths):
  assert latent_plots._fifths(key) == fifths
  assert np.isnan(latent_plots._fifths(None))


def test_moves_are_of_one_dim_in_deviations(monkeypatch):
  rng = np.random.default_rng(1)
  slots, used = rng.normal(size=(6, 2, 3)), np.ones((6, 2), bool)
  asked, notes = [], pieces.chorale(0)

  class Space(LatentSpace):
    def __init__(self):
      pass

    def decode(self, latents, **options):
      asked.append(jax.tree.map(np.asarray, latents))
      kind = type('Piece', (), {'notes': notes})
      return [kind] * len(latents.slots)

  found = posterior(slots, used)
  rows, titles = latent_plots.traversal(
    Space(), found, {'slot': np.array([0.2, 3.0, 1.0])}
  )
  assert [len(row) for row in rows] == [5] * 3
  assert titles[0][0] == 'dim 1: -2 sd'
  (told,) = asked
  moved = told.slots - slots[:1]
  spread = slots.reshape(-1, 3).std(0)
  for row, dim in enumerate((1, 2, 0)):
    part = moved[5 * row : 5 * row + 5]
    by = part[..., dim] / spread[dim]
    np.testing.assert_allclose(by, np.repeat([[-2, -1, 0, 1, 2]], 2, 0).T)
    assert not np.delete(part, dim, axis=-1).any()
