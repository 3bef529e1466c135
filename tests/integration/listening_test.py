"""A listening test from folders of MIDI to a report, in a real browser."""

import itertools
import json
import math
import threading

import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.listening import server
from tests import browser as browser_lib
from tests.listening import songs

# Five listeners, six pairs: whether `ours` is preferred. 30 answers.
WINS = [
  [1, 1, 1, 1, 1, 0],
  [1, 1, 0, 1, 0, 1],
  [1, 1, 1, 1, 1, 1],
  [0, 1, 1, 1, 0, 1],
  [1, 0, 1, 0, 1, 0],
]


def said(capsys):
  return json.loads(capsys.readouterr().out)


@pytest.fixture
def browser(tmp_path):
  with browser_lib.opened(tmp_path) as found:
    yield found


@pytest.fixture
def address(tmp_path, capsys):
  """A test of two systems, made by the command line, and where it is served."""
  for name, seed in (('ours', 0), ('theirs', 50)):
    songs.folder(tmp_path, name, 7, seed=seed, beats=2)
  words = ['listen', 'new', '--kind', 'ab', '--out', str(tmp_path / 'test')]
  words += [f'--system={n}={tmp_path / n}' for n in ('ours', 'theirs')]
  words += ['--pairs=6', '--seconds=1', '--heard=0.2', '--checks=2', '--plain']
  assert cli.main([*words, '--title=Which <b>one</b>?', '--json']) == 0
  assert said(capsys)['trials'] == 8
  with server.serve(tmp_path / 'test') as served:
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{served.server_address[1]}/'
    served.shutdown()


class Key:
  """What is behind the names, which only the test's maker can read."""

  def __init__(self, folder):
    found = json.loads((folder / 'test.json').read_text())
    self.clips = found['clips']
    # A check that tells what to choose has the clips of a trial.
    self.trials = {
      (frozenset(t['clips']), t['ask']): t for t in found['trials']
    }
    places = sorted({t['pair'] for t in found['trials'] if t['pair']})
    self.place = {pair: number for number, pair in enumerate(places)}

  def side(self, urls, ask, row):
    """Returns which of two sounds a listener of these wishes takes."""
    names = [url.rsplit('/', 1)[1].removesuffix('.wav') for url in urls]
    trial = self.trials[frozenset(names), ask or '']
    if trial['check'] == 'told':
      return ('first', 'second').index(trial['right'])
    if trial['check'] == 'spoilt':
      return names.index(trial['right'])
    wanted = 'ours' if row[self.place[trial['pair']]] else 'theirs'
    return [self.clips[name]['system'] for name in names].index(wanted)


READY = "return !document.querySelector('fieldset')?.disabled"


def begin(browser):
  browser.wait("return document.getElementById('agree')")
  assert browser.run("return document.getElementById('start').disabled")
  browser.click('#agree')
  browser.click('#start')
  browser.wait("return document.querySelector('h1').textContent === 'Practice'")


def heard(browser, first='a', second='b', *, keys=True):
  """Plays both sounds until one may answer."""
  assert browser.run("return document.querySelector('fieldset').disabled")
  for number, key in enumerate((first, second)):
    if keys:
      browser.press(key)
    else:
      browser.click(f'.player:nth-of-type({number + 1}) button')
    script = (
      'return document.querySelectorAll(".player")[arguments[0]]'
      '.dataset.heard > 0.2'
    )
    browser.wait(script, number)
  browser.wait(READY)


def goes_on(browser, before):
  script = 'return document.querySelector("h1").textContent !== arguments[0]'
  browser.wait(script, before)


def answer(browser, key, row, *, keys=True):
  """One trial: listen, choose, go on."""
  heading = browser.text('h1')
  urls = browser.run(
    'return [...document.querySelectorAll("audio")].map(a => a.src)'
  )
  heard(browser, keys=keys)
  side = key.side(urls, browser.text('#ask'), row)
  if keys:
    browser.press(str(side + 1))
    browser.press('enter')
  else:
    browser.click(f'.choice:nth-of-type({side + 1}) input')
    browser.click('#next')
  goes_on(browser, heading)


def by_hand(values):
  """Signed ranks of few values by all flips of signs."""
  size = sorted(abs(v) for v in values)
  rank = [
    sum(s < abs(v) for s in size) + (1 + size.count(abs(v))) / 2 for v in values
  ]
  kept = [(r, v) for r, v in zip(rank, values, strict=True) if v]
  total = abs(sum(r if v > 0 else -r for r, v in kept))
  flips = list(itertools.product([-1, 1], repeat=len(kept)))
  far = [
    abs(sum(s * r for s, (r, _) in zip(row, kept, strict=True)))
    for row in flips
  ]
  return sum(x >= total - 1e-9 for x in far) / len(flips)


def test_thirty_answers_in_a_browser_come_to_what_is_counted_by_hand(
  browser, address, tmp_path, capsys
):
  key = Key(tmp_path / 'test')
  codes = []
  browser.go(address)
  for number, row in enumerate(WINS):
    begin(browser)
    # The first listener points, the others use the keys; the second leaves
    # after two questions and comes back.
    keys = number > 0
    heard(browser, keys=keys)
    browser.click('.choice:nth-of-type(1) input')
    browser.click('#next')
    goes_on(browser, 'Practice')
    for question in range(8):
      assert browser.text('h1') == f'Question {question + 1} of 8'
      if number == 1 and question == 2:
        browser.refresh()
        browser.wait('return document.querySelector("h1")')
        goes_on(browser, 'Listening test')
        assert browser.text('h1') == 'Question 3 of 8'
      answer(browser, key, row, keys=keys)
    assert browser.text('h1') == 'Thank you'
    codes.append(browser.text('#finish'))
    assert browser.log() == []
    browser.click('#another')
  assert len(set(codes)) == 5
  assert cli.main(['listen', 'analyze', str(tmp_path / 'test'), '--json']) == 0
  report = said(capsys)
  assert report['listeners']['counted'] == 5
  assert report['checks'] == {
    'told': {'answers': 5, 'passed': 5},
    'spoilt': {'answers': 5, 'passed': 5},
  }
  found = report['results']
  assert found['answers'] == 30
  told = found['contrasts']['ours over theirs']
  assert told['mean'][0] == pytest.approx(
    sum(sum(row) / 6 - 0.5 for row in WINS) / 5
  )
  assert told['p'] == pytest.approx(by_hand([2 * sum(r) - 6 for r in WINS]))
  columns = list(zip(*WINS, strict=True))
  assert told['by_piece']['p'] == pytest.approx(
    by_hand([2 * sum(c) - 5 for c in columns])
  )
  won = sum(map(sum, WINS))
  strength = found['bradley_terry']['strengths']['ours'][0]
  assert strength == pytest.approx(math.log(won / (30 - won)) / 2)
  # Krippendorff's alpha of two values: pairs that differ within columns.
  apart = sum(2 * sum(c) * (5 - sum(c)) / 4 for c in columns)
  assert found['agreement']['alpha'][0] == pytest.approx(
    1 - 29 * apart / (2 * won * (30 - won))
  )


# What screen readers are told, by the browser's own computation.
NAMED = """
return [...document.querySelectorAll('button, input, progress')].map(e =>
  [e.tagName, e.getAttribute('aria-label') || e.textContent
    || e.labels?.[0]?.textContent || ''])
"""


def test_the_page_can_be_used_without_a_mouse_or_eyes(
  browser, address, tmp_path
):
  browser.go(address)
  browser.wait("return document.getElementById('agree')")
  assert browser.run('return document.activeElement.tagName') == 'H1'
  assert browser.text('h1') == 'Which <b>one</b>?'
  for key in ('tab', 'space', 'tab', 'enter'):
    browser.press(key)
  goes_on(browser, 'Which <b>one</b>?')
  assert browser.text('h1') == 'Practice'
  assert browser.run('return document.activeElement.tagName') == 'H1'
  names = browser.run(NAMED)
  assert ['BUTTON', '▶ Play A'] in names
  assert ['PROGRESS', 'B: position'] in names
  assert ['INPUT', 'A'] in names
  assert all(name.strip() for _, name in names)
  # Nothing can be chosen, nor sent, before both are heard.
  browser.press('2')
  browser.press('enter')
  assert browser.text('h1') == 'Practice'
  heard(browser)
  assert browser.run(
    "return document.querySelectorAll('[data-playing=true]').length <= 1"
  )
  # With the keys turned off a letter does nothing.
  browser.click('label.line input')
  browser.wait('return !document.querySelector("[data-playing=true]")')
  browser.press('a')
  assert not browser.run('return document.querySelector("[data-playing=true]")')
  browser.click('label.line input')
  browser.press('2')
  browser.press('enter')
  goes_on(browser, 'Practice')
  assert browser.text('h1') == 'Question 1 of 8'
  assert browser.log() == []


def test_an_answer_is_sent_again_when_the_server_is_back(
  browser, address, tmp_path
):
  browser.go(address)
  begin(browser)
  heard(browser)
  browser.press('1')
  browser.press('enter')
  goes_on(browser, 'Practice')
  heard(browser)
  browser.press('1')
  browser.run(
    'window.kept = window.fetch; window.fetch = () => '
    'Promise.reject(new TypeError("gone"))'
  )
  browser.press('enter')
  browser.wait('return document.getElementById("status").textContent')
  assert 'Nothing is lost' in browser.text('#status')
  assert browser.text('h1') == 'Question 1 of 8'
  browser.run('window.fetch = window.kept')
  browser.press('enter')
  goes_on(browser, 'Question 1 of 8')
  code = browser.run('return location.hash.slice(1)')
  # Another window goes on with the same code, typed with capitals.
  browser.go('about:blank')
  browser.go(address)
  browser.wait("return document.getElementById('mine')")
  browser.type('#mine', code.upper())
  browser.press('enter')
  goes_on(browser, 'Which <b>one</b>?')
  assert browser.text('h1') == 'Question 2 of 8'
  browser.go('about:blank')
  browser.go(f'{address}#nobody')
  browser.wait('return document.getElementById("status").textContent')
  assert 'no listener of that code' in browser.text('#status')
