"""What a folder tells while someone writes to it."""

import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import snapshot
from aurl_jax.experiment.workdir import Workdir
from tests.experiment import folders


def test_a_running_run_tells_how_long_it_will_take(tmp_path):
  folder = folders.make(tmp_path, state='running', torn='{"step": 22, "lo')
  seen = snapshot.read(folder, folders.BEGIN + 25)
  assert (seen.state, seen.step, seen.steps) == ('running', 20, 40)
  # Twenty steps of a second are left, of which five seconds have passed.
  assert seen.seconds_left == pytest.approx(15.0)
  assert seen.last('valid/loss') == 0.25
  assert seen.last('nothing') is None
  assert seen.total('skipped') == 1
  assert list(seen.saved) == [10, 20]
  assert seen.samples == [
    'samples/step_20/piece_1.mid',
    'samples/step_10/piece_1.mid',
  ]
  assert [entry.message for entry in seen.warnings] == ['odd <b>\nsecond line']


def test_a_run_that_is_over_takes_no_more_time(tmp_path):
  assert snapshot.read(folders.make(tmp_path)).seconds_left is None


def test_a_folder_with_nothing_but_a_config_is_a_run(tmp_path):
  folder = Workdir(tmp_path)
  folder.store(folders.make(tmp_path / 'other').read_config())
  seen = snapshot.read(folder)
  assert (seen.step, seen.records, seen.saved) == (0, [], {})
  assert (seen.state, seen.warnings, seen.samples) == ('unknown', [], [])


def test_a_folder_that_is_no_run_is_refused_by_name(tmp_path):
  with pytest.raises(ConfigError, match='holds no run') as caught:
    snapshot.read(Workdir(tmp_path / 'nothing'))
  assert str(tmp_path / 'nothing') in str(caught.value)
