"""A stop asked for by signal, by code, or by another process."""

import os
import signal
import threading

import numpy as np
import pytest

from aurl_jax.training import signals
from aurl_jax.training.signals import Stop


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_a_flag_and_the_first_one_names_it(number, capfd):
  before = signal.getsignal(number)
  with Stop() as stop:
    assert not stop.agreed(1)
    os.kill(os.getpid(), number)
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.agreed(1)
    assert stop.name == number.name
  assert signal.getsignal(number) is before
  assert capfd.readouterr().err.count('stopping') == 1


def test_leaves_handlers_alone_outside_the_main_thread():
  before, seen = signal.getsignal(signal.SIGTERM), []

  def enter():
    with Stop() as stop:
      seen.append(signal.getsignal(signal.SIGTERM) is before)
      stop.request('a test')
      seen.append(stop.agreed(3))

  thread = threading.Thread(target=enter)
  thread.start()
  thread.join()
  assert seen == [True, True]


def test_processes_stop_at_the_same_step(monkeypatch):
  others = np.array([False, True])
  asked = []

  def gather(flag):
    asked.append(bool(flag))
    return np.append(others, flag)

  monkeypatch.setattr(signals.jax, 'process_count', lambda: 3)
  monkeypatch.setattr(signals.multihost_utils, 'process_allgather', gather)
  stop = Stop()
  due = [step for step in range(1, 64) if stop.agreed(step)]
  assert due[0] % 16 == 0
  assert asked[0] is False
  assert stop.name == 'a signal to another process'


def test_a_process_that_was_asked_waits_for_the_others(monkeypatch):
  monkeypatch.setattr(signals.jax, 'process_count', lambda: 2)
  stop = Stop()
  stop.request('SIGTERM')
  assert not stop.agreed(15)
