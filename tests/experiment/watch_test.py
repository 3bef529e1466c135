"""The dashboard, as characters."""

import io

import pytest
import rich.console

from aurl_jax.experiment import snapshot, watch
from tests.experiment import folders


def shown(folder, **options):
  out = io.StringIO()
  console = rich.console.Console(file=out, width=100, **options)
  state = watch.watch(folder, console, every=0.01)
  return state, out.getvalue()


@pytest.mark.parametrize('state', ['running', 'finished', 'failed'])
def test_one_picture_tells_state_progress_and_figures(tmp_path, state):
  folder = folders.make(tmp_path, state=state)
  found, text = shown(folder)
  assert found == state
  for expected in (
    state.upper(),
    'step 20 of 40',
    '50 %',
    'valid/loss',
    'epoch',
    '1 of 2, batch 20 of 30',
    '2.5 GB',
    '1.5 %',
    'skipped steps',
    'step 20, ',
    'samples/step_20/piece_1.mid',
    '08:00:01 odd <b>',
  ):
    assert expected in text, expected
  assert ('left' in text) == (state == 'running')
  assert max(map(len, text.splitlines())) <= 100


def test_a_terminal_is_followed_until_the_run_is_over(tmp_path, monkeypatch):
  folder = folders.make(tmp_path, state='running')
  looks = []

  def pause(seconds):
    looks.append(seconds)
    if len(looks) == 3:
      folders.make(tmp_path / 'new', done=40)
      for name in ('status.json', 'metrics.jsonl'):
        (tmp_path / 'new' / name).replace(tmp_path / name)

  monkeypatch.setattr(watch.time, 'sleep', pause)
  state, text = shown(folder, force_terminal=True)
  assert state == 'finished'
  assert looks == [0.01] * 3
  assert 'step 40 of 40' in text


def test_a_run_without_records_says_so(tmp_path):
  folder = folders.make(tmp_path, done=0, state='running')
  assert 'the first step compiles' in shown(folder)[1]


def test_a_sparkline_is_of_means(tmp_path):
  assert watch.sparkline([]) == ''
  assert watch.sparkline([1, 1, 3, 3, 2, 2], width=3) == '▁█▅'
  assert len(watch.sparkline(list(range(1000)), width=44)) == 44
  assert watch.sparkline([1.0, float('nan'), 2.0]) == '▁█'


def test_facts_leave_out_what_is_not_told(tmp_path):
  seen = snapshot.read(folders.make(tmp_path))
  names = [name for name, _ in watch.facts(seen)]
  assert 'MFU' not in names
  assert 'device memory' not in names
