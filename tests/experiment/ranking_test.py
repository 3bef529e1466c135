"""Where there is no critic; one that is there: integration/critic_run_test."""

import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import ranking


def test_a_folder_without_a_run_has_none(tmp_path):
  with pytest.raises(ConfigError, match='no run'):
    ranking.opened(tmp_path / 'nothing')
