"""A small campaign of kills and stops; the programs have the large ones."""

import pytest

from tests.integration import kills, stops


@pytest.mark.slow
def test_no_kill_loses_a_committed_checkpoint(tmp_path):
  told = []
  faults = kills.campaign(
    tmp_path, 0, moments=4, inside=2, steps=600, report=told.append
  )
  assert faults == []
  assert len(told) == 5


@pytest.mark.slow
def test_a_stop_saves_the_step_and_exits_with_3(tmp_path):
  assert stops.campaign(tmp_path, moments=3, steps=600) == []
