"""A prior of a run, by the command line, into the run and its bundle."""

import json

import jax
import numpy as np
import pytest

from aurl_jax.cli.__main__ import main
from aurl_jax.core.errors import BundleError, ConfigError
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.experiment import bundle, generate, prior
from aurl_jax.experiment.keeping import Pick
from aurl_jax.tokens.grid import VoiceGrid
from tests.integration import victim
from tests.tokens import pieces

SETTINGS = victim.SETTINGS | {
  'model.mode': 'vae',
  'model.latent.slot': 4,
  'model.latent.slots': 8,
  'model.context': 128,
  'augment.transpose': 2,
  'data.batching': 'pad',
  'data.excerpt': 1,
  'train.steps': 4,
  'train.checkpoint_every': 2,
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  home = tmp_path_factory.mktemp('home')
  with victim.trained(home, SETTINGS) as found:
    yield found


def test_priors_are_fitted_kept_and_bundled(folder, tmp_path, capsys):
  run = str(folder.root)
  words = ['prior', run, '--steps', '20', '--copies', '1', '--json']
  assert main([*words, '--condition', 'key']) == 0
  first = json.loads(capsys.readouterr().out)
  assert first['kind'] == 'autoregressive'
  assert first['step'] == 20
  assert {'entropy', 'standard/nats', 'autoregressive/nats'} < first.keys()
  assert 'autoregressive/told' in first
  assert main([*words, '--kind', 'aggregate', '--components', '5']) == 0
  second = json.loads(capsys.readouterr().out)
  assert second['standard/nats'] == first['standard/nats']
  assert second['autoregressive/nats'] == first['autoregressive/nats']
  bundle.from_run(run, str(tmp_path / 'it'))
  spaces = [
    LatentSpace(generate.from_run(folder)),
    LatentSpace(bundle_lib.load(tmp_path / 'it')),
  ]
  for kind in ('autoregressive', 'aggregate'):
    one, other = (space.prior(3, kind=kind) for space in spaces)
    jax.tree.map(np.testing.assert_array_equal, one, other)
  # Of another checkpoint they would be noise.
  early = generate.from_run(folder, pick=Pick(step=2))
  assert early.priors is None
  folder.prior.write_bytes(folder.prior.read_bytes()[:-1])
  with pytest.raises(BundleError, match='is damaged'):
    generate.from_run(folder)


def test_what_there_is_not_is_refused(tmp_path):
  with pytest.raises(ConfigError, match='holds no run'):
    prior.fit(str(tmp_path))
  with pytest.raises(ConfigError, match='none of aggregate, autoregressive'):
    prior.Task(kind='vamp')
  with pytest.raises(ConfigError, match="no condition 'mood'"):
    prior.Task(conditions=('mood',))


def test_copies_are_the_pieces_moved():
  grid = VoiceGrid()
  music = [grid.encode(pieces.chorale(seed, bars=2)) for seed in range(4)]
  found = prior.transposed(music, grid, 2, 3, 0)
  assert len(found) == 8
  moves = set()
  for at, ids in enumerate(found):
    one, other = grid.decode(ids), grid.decode(music[at % 4])
    np.testing.assert_array_equal(one.onset, other.onset)
    (move,) = set((one.pitch - other.pitch).tolist())
    moves.add(move)
  assert moves <= {-3, -2, -1, 1, 2, 3}
  assert len(moves) > 1
  assert prior.transposed(music, grid, 0, 0, 0) == []
