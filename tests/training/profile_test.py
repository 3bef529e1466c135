"""Traces on demand, with jax's profiler and with one that only counts."""

import os
import signal

import jax
import jax.numpy as jnp
import pytest

from aurl_jax.training import profile
from tests.training import toy


@pytest.fixture
def counted(monkeypatch):
  calls = []
  monkeypatch.setattr(
    jax.profiler, 'start_trace', lambda folder: calls.append(('start', folder))
  )
  monkeypatch.setattr(
    jax.profiler, 'stop_trace', lambda: calls.append(('stop',))
  )
  monkeypatch.setattr(profile, '_LOOK_EVERY', 0.0)
  return calls


def _profile(tmp_path, **options):
  return profile.Profile(
    folder=tmp_path / 'profile', request=tmp_path / 'profile.now', **options
  )


def _steps(traced, calls, numbers, last=0):
  """Returns after which steps a trace began and ended."""
  found = []
  for step in numbers:
    context = toy.context(step, ending='done' if step == last else '')
    before = len(calls)
    if traced.due(context):
      traced(context)
    found += [(step, call[0]) for call in calls[before:]]
  return found


def test_the_config_asks_for_steps(tmp_path, counted):
  traced = _profile(tmp_path, start=3, steps=2)
  assert _steps(traced, counted, range(1, 9)) == [(3, 'start'), (5, 'stop')]
  assert counted[0][1] == str(tmp_path / 'profile')


@pytest.mark.parametrize(
  ('text', 'count'), [('4', 4), ('', 2), ('many', 2), ('0', 2)]
)
def test_a_file_asks_and_goes_away(tmp_path, counted, text, count):
  traced = _profile(tmp_path, steps=2)
  assert _steps(traced, counted, range(1, 4)) == []
  (tmp_path / 'profile.now').write_text(text)
  found = _steps(traced, counted, range(4, 12))
  assert found == [(4, 'start'), (4 + count, 'stop')]
  assert not (tmp_path / 'profile.now').exists()


def test_a_signal_asks_and_is_harmless_before_and_after(tmp_path, counted):
  before = signal.getsignal(signal.SIGUSR1)
  with _profile(tmp_path, steps=1) as traced:
    os.kill(os.getpid(), signal.SIGUSR1)
    assert _steps(traced, counted, [7, 8]) == [(7, 'start'), (8, 'stop')]
  assert signal.getsignal(signal.SIGUSR1) == before
  with _profile(tmp_path, enabled=False) as other:
    os.kill(os.getpid(), signal.SIGUSR1)
    (tmp_path / 'profile.now').touch()
    assert _steps(other, counted, [9, 10]) == []


def test_an_end_or_an_error_of_the_run_ends_the_trace(tmp_path, counted):
  traced = _profile(tmp_path, start=1, steps=50)
  assert _steps(traced, counted, [1, 2, 3], last=3) == [
    (1, 'start'),
    (3, 'stop'),
  ]
  with pytest.raises(KeyError), _profile(tmp_path, start=1) as traced:
    _steps(traced, counted, [1, 2])
    raise KeyError
  assert counted[-1] == ('stop',)


def test_a_trace_that_fails_is_a_warning(tmp_path, monkeypatch, caplog):
  def fail(*_):
    raise RuntimeError('only one profile at a time')

  monkeypatch.setattr(jax.profiler, 'start_trace', fail)
  traced = _profile(tmp_path, start=2, steps=1)
  assert _steps(traced, [], range(1, 6)) == []
  assert 'no trace: only one profile' in caplog.text


def test_a_real_trace_is_written(tmp_path):
  step = jax.jit(lambda x: x @ x)
  x = jnp.ones((8, 8))
  with _profile(tmp_path, start=1, steps=1) as traced:
    _steps(traced, [], [1])
    step(x).block_until_ready()
    _steps(traced, [], [2])
  traces = list((tmp_path / 'profile').rglob('*.xplane.pb'))
  assert len(traces) == 1
  assert traces[0].stat().st_size > 0
