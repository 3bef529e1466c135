"""A small campaign of damage; `rot` as a program has a thousand cases."""

import pytest

from tests.integration import rot


def test_every_kind_of_damage_is_noticed_and_gives_no_wrong_weight(tmp_path):
  told = []
  assert rot.campaign(tmp_path, 2 * len(rot.KINDS), report=told.append) == []
  assert len(told) == len(rot.KINDS)


@pytest.mark.slow
def test_a_thousand_times(tmp_path):
  assert rot.campaign(tmp_path, 1000, seed=1) == []
