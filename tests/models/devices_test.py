"""Attention's options, split over eight devices."""

import json
import subprocess
import sys

import pytest

from tests.models import attention_devices


@pytest.mark.slow
def test_each_option_computes_the_same_on_attention_devices():
  done = subprocess.run(
    [sys.executable, '-m', 'tests.models.attention_devices'],
    capture_output=True,
    text=True,
    check=True,
  )
  found = json.loads(done.stdout.splitlines()[-1])
  assert found.pop('devices') == 8
  assert set(found) == set(attention_devices.OPTIONS)
  assert max(found.values()) < 1e-4, found
