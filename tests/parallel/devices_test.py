"""Devices as they tell of themselves."""

import types

import jax
import pytest

from aurl_jax.parallel import devices


@pytest.mark.parametrize(
  ('kind', 'peak'),
  [
    ('NVIDIA H100 80GB HBM3', 989e12),
    ('NVIDIA H100 PCIe', 756e12),
    ('NVIDIA A100-SXM4-80GB', 312e12),
    ('TPU v5 lite', 197e12),
    ('TPU v5', 459e12),
    ('TPU v4', 275e12),
    ('cpu', None),
    ('NVIDIA GeForce GTX 1080', None),
  ],
)
def test_the_longest_name_counts(kind, peak):
  assert devices.peak_flops(kind) == peak


def test_memory_is_that_of_the_fullest_device():
  def device(**stats):
    return types.SimpleNamespace(memory_stats=lambda: stats or None)

  some = [
    device(bytes_in_use=5, peak_bytes_in_use=9, bytes_limit=20),
    device(bytes_in_use=7, bytes_limit=20),
    device(),
  ]
  assert devices.memory(some) == {'used': 7, 'limit': 20}
  assert devices.memory(some[:1]) == {'used': 5, 'peak': 9, 'limit': 20}
  assert devices.memory([device()]) == {}


def test_the_peak_of_all_is_that_of_each(monkeypatch):
  gpu = types.SimpleNamespace(device_kind='NVIDIA H200', platform='gpu')
  monkeypatch.setattr(jax, 'devices', lambda: [gpu] * 4)
  monkeypatch.setattr(jax, 'local_devices', lambda: [gpu] * 2)
  monkeypatch.setattr(jax, 'device_count', lambda: 4)
  assert devices.peak_of_all() == 4 * 989e12
  assert devices.platform() == 'GPU'
