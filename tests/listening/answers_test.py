"""Answers are kept whole, once, in order, and without a trace of who."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.listening import design, order
from aurl_jax.listening.answers import AnswerError, Answers
from tests.listening import listeners


@pytest.fixture
def kept(tmp_path):
  test = listeners.made('ab', ('x', 'y'), 4)
  return listeners.opened(tmp_path / 'test', test)


def test_a_listener_goes_through_in_their_own_order(kept):
  code = kept.begin()
  seen, state = [], kept.state(code)
  turn = order.of(0, 5, seed=5)
  while state['trial']:
    shown = state['trial']
    assert state['done'] == len(seen)
    assert state['finish'] is None
    seen.append(shown['id'])
    index = [t.id for t in kept.test.trials].index(shown['id'])
    clips = [f'clips/{name}.wav' for name in kept.test.trials[index].clips]
    assert shown['clips'] == (clips[::-1] if turn.flipped[index] else clips)
    state = kept.keep(code, shown['id'], 'first', 2.04)
  assert seen == [kept.test.trials[t].id for t in turn.trials]
  assert len(state['finish']) == 8
  found, known = kept.all()
  assert known == {code: True}
  assert [a.trial for a in found] == seen
  assert [a.flipped for a in found] == [turn.flipped[t] for t in turn.trials]
  assert {a.seconds for a in found} == {2.0}


def test_the_same_answer_may_be_sent_twice_and_no_other(kept):
  code = kept.begin()
  first = kept.state(code)['trial']['id']
  after = kept.keep(code, first, 'first', 1)
  assert kept.keep(code, first, 'first', 9) == after
  with pytest.raises(AnswerError) as caught:
    kept.keep(code, first, 'second', 1)
  assert caught.value.code == 'answered'
  (answer,), _ = kept.all()
  assert (answer.value, answer.seconds) == ('first', 1)


@pytest.mark.parametrize(
  ('change', 'code'),
  [
    ({'value': 'third'}, 'value'),
    ({'value': 'none'}, 'value'),
    ({'seconds': -1.0}, 'value'),
    ({'seconds': float('nan')}, 'value'),
    ({'trial': 'nothing'}, 'turn'),
    ({'code': 'nobody'}, 'no_listener'),
  ],
)
def test_what_is_refused_leaves_nothing(kept, change, code):
  mine = kept.begin()
  trial = kept.state(mine)['trial']['id']
  given = {'code': mine, 'trial': trial, 'value': 'first', 'seconds': 1.0}
  with pytest.raises(AnswerError) as caught:
    kept.keep(**given | change)
  assert caught.value.code == code
  assert kept.all()[0] == []


def test_trials_cannot_be_jumped(kept):
  code = kept.begin()
  order_ = order.of(0, 5, seed=5).trials
  with pytest.raises(AnswerError) as caught:
    kept.keep(code, kept.test.trials[order_[1]].id, 'first', 1)
  assert caught.value.code == 'turn'


def test_nothing_is_known_of_a_listener(kept, tmp_path):
  listeners.listen(kept, lambda *_: 'first')
  link = sqlite3.connect(tmp_path / 'test' / design.ANSWERS)
  columns = {
    table: [row[1] for row in link.execute(f'PRAGMA table_info({table})')]
    for (table,) in link.execute(
      "SELECT name FROM sqlite_master WHERE type = 'table'"
    ).fetchall()
  }
  link.close()
  assert columns == {
    'about': ['digest', 'version'],
    'listeners': ['code', 'number', 'finish'],
    'answers': ['code', 'place', 'trial', 'value', 'flipped', 'seconds'],
  }


def test_a_test_takes_so_many_listeners(tmp_path):
  test = listeners.made('mos', ('x',), 2, most=2)
  kept = listeners.opened(tmp_path / 'test', test)
  codes = {kept.begin(), kept.begin()}
  assert len(codes) == 2
  with pytest.raises(AnswerError) as caught:
    kept.begin()
  assert caught.value.code == 'full'


def test_many_at_once_get_numbers_of_their_own(tmp_path):
  test = listeners.made('mos', ('x', 'y'), 3)
  kept = listeners.opened(tmp_path / 'test', test)
  faults = []

  def one():
    try:
      listeners.listen(kept, lambda *_: '4')
    except AnswerError as error:
      faults.append(error)

  threads = [threading.Thread(target=one) for _ in range(12)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert faults == []
  found, known = kept.all()
  assert len(known) == 12
  assert all(known.values())
  assert len(found) == 12 * 7
  places = [[a.place for a in found if a.code == code] for code in known]
  assert places == [list(range(7))] * 12


_ANSWERING = """
import sys
from aurl_jax.listening.answers import Answers
kept = Answers.open_in(sys.argv[1])
while True:
  code = kept.begin()
  state = kept.state(code)
  while state['trial']:
    state = kept.keep(code, state['trial']['id'], '3', 1.0)
    print(code, state['done'], flush=True)
"""


def test_a_killed_server_loses_nothing_that_it_said_it_kept(tmp_path):
  test = listeners.made('mos', ('x', 'y'), 6, most=10_000)
  listeners.opened(tmp_path / 'test', test)
  words = [sys.executable, '-c', _ANSWERING, str(tmp_path / 'test')]
  told = {}
  with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
    for number, line in enumerate(process.stdout):
      code, done = line.split()
      told[code] = int(done)
      if number == 40:
        os.kill(process.pid, signal.SIGKILL)
        break
    for line in process.stdout:
      code, done = line.split()
      told[code] = int(done)
  found, _ = Answers.open_in(tmp_path / 'test').all()
  for code, done in told.items():
    assert [a.place for a in found if a.code == code][:done] == list(
      range(done)
    )


def test_answers_are_of_one_test(kept, tmp_path):
  kept.begin()
  path = tmp_path / 'test' / design.FILE
  path.write_text(path.read_text().replace('"Which?"', '"What?"'))
  with pytest.raises(AnswerError, match='put it back') as caught:
    Answers.open_in(tmp_path / 'test')
  assert caught.value.code == 'other_test'


def test_a_damaged_file_is_named(kept, tmp_path):
  (tmp_path / 'test' / design.ANSWERS).write_bytes(b'no database at all' * 99)
  with pytest.raises(AnswerError, match=r'answers\.sqlite') as caught:
    Answers.open_in(tmp_path / 'test')
  assert caught.value.code == 'database'


@pytest.mark.parametrize(
  ('text', 'code'),
  [
    ('', 'bad_test'),
    ('{}', 'bad_test'),
    ('{"version": 9}', 'bad_test'),
    ('{"version": 1, "clips": {"a": {}}}', 'bad_test'),
  ],
)
def test_a_damaged_test_is_named(tmp_path, text, code):
  (tmp_path / design.FILE).write_text(text)
  with pytest.raises(DataError, match=r'test\.json') as caught:
    Answers.open_in(tmp_path)
  assert caught.value.code == code


def test_a_folder_without_a_test(tmp_path):
  with pytest.raises(DataError, match='aurl listen new') as caught:
    Answers.open_in(tmp_path)
  assert caught.value.code == 'no_test'
