"""A real browser, driven by its own driver over HTTP (W3C WebDriver).

A few lines in the place of a package: Debian's chromium and chromium-driver are
all it takes. Tests skip where they are not installed.
"""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest

PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome')
DRIVERS = ('chromedriver', 'chromium.chromedriver')
FLAGS = (
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--mute-audio',
)
_ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'
KEYS = {
  'enter': '\ue007',
  'tab': '\ue004',
  'space': ' ',
  'escape': '\ue00c',
  'left': '\ue012',
  'right': '\ue014',
  'shift': '\ue008',
  'control': '\ue009',
}


class Lost(Exception):
  """What the driver answered instead of what was asked for."""


class Browser:
  """One window."""

  def __init__(self, port, binary, folder, size):
    self._home = f'http://127.0.0.1:{port}/session'
    profile, self.saved = folder / 'profile', folder / 'saved'
    args = [*FLAGS, f'--user-data-dir={profile}', f'--window-size={size}']
    prefs = {'download.default_directory': str(self.saved)}
    wanted = {
      'browserName': 'chrome',
      'goog:chromeOptions': {'binary': binary, 'args': args, 'prefs': prefs},
      'goog:loggingPrefs': {'browser': 'ALL', 'performance': 'ALL'},
    }
    body = {'capabilities': {'alwaysMatch': wanted}}
    self._home += '/' + self._ask('', body)['sessionId']

  def _ask(self, path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
      self._home + path,
      data,
      {'Content-Type': 'application/json'},
      method=method,
    )
    try:
      with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)['value']
    except urllib.error.HTTPError as error:
      raise Lost(error.read().decode()) from error

  def go(self, url):
    self._ask('/url', {'url': url})

  def refresh(self):
    self._ask('/refresh', {})

  def run(self, script, *args):
    """Returns what a script returns."""
    return self._ask('/execute/sync', {'script': script, 'args': list(args)})

  def find(self, selector):
    """Returns an element, which must be there."""
    body = {'using': 'css selector', 'value': selector}
    return self._ask('/element', body)[_ELEMENT]

  def click(self, selector):
    # To the middle: what stays at the edges would take the click.
    self.run(
      'const e = document.querySelector(arguments[0]);'
      'e.scrollIntoView({ block: "center" })',
      selector,
    )
    self._ask(f'/element/{self.find(selector)}/click', {})

  def type(self, selector, text):
    self._ask(f'/element/{self.find(selector)}/value', {'text': text})

  def press(self, *keys):
    """Presses keys together and lets go, wherever the focus is."""
    values = [KEYS.get(key, key) for key in keys]
    strokes = [{'type': 'keyDown', 'value': value} for value in values]
    strokes += [{'type': 'keyUp', 'value': value} for value in values[::-1]]
    source = {'type': 'key', 'id': 'keys', 'actions': strokes}
    self._ask('/actions', {'actions': [source]})

  def drag(self, selector, start, end):
    """Drags from one place of an element to another, in pixels from it."""
    origin = {_ELEMENT: self.find(selector)}
    moves = [
      {'type': 'pointerMove', 'origin': origin, 'x': x, 'y': y, 'duration': 50}
      for x, y in (start, end)
    ]
    down, up = ({'type': t, 'button': 0} for t in ('pointerDown', 'pointerUp'))
    actions = [moves[0], down, moves[1], up]
    source = {
      'type': 'pointer',
      'id': 'mouse',
      'parameters': {'pointerType': 'mouse'},
      'actions': actions,
    }
    self._ask('/actions', {'actions': [source]})

  def spoken(self, selector):
    """Returns the role and name that screen readers are told."""
    element = f'/element/{self.find(selector)}'
    return [self._ask(f'{element}/computed{x}') for x in ('role', 'label')]

  def text(self, selector):
    return self.run(
      'return document.querySelector(arguments[0])?.textContent', selector
    )

  def wait(self, script, *args, seconds=30):
    """Returns what a script returns, as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := self.run(script, *args)):
      if time.monotonic() > end:
        raise Lost(f'{script} {args} never came true: {self.text("body")}')
      time.sleep(0.02)
    return found

  def shot(self, path):
    """Writes a picture of the window."""
    path.write_bytes(base64.b64decode(self._ask('/screenshot')))

  def log(self):
    """Returns what the console was told since the last time."""
    return [e['message'] for e in self._ask('/se/log', {'type': 'browser'})]

  def asked(self):
    """Returns all addresses that were asked for since the last time.

    But for those of the browser's own pages, its first tab among them.
    """
    log = self._ask('/se/log', {'type': 'performance'})
    told = [json.loads(entry['message'])['message'] for entry in log]
    return [
      one['params']['request']['url']
      for one in told
      if one['method'] == 'Network.requestWillBeSent'
      and not one['params']['request']['url'].startswith('chrome-untrusted:')
    ]

  def close(self):
    self._ask('', method='DELETE')


@contextlib.contextmanager
def opened(folder, size='900,1000'):
  """Gives a browser with a profile of its own in a folder."""
  program, driver = (
    next(filter(None, map(shutil.which, names)), None)
    for names in (PROGRAMS, DRIVERS)
  )
  if program is None or driver is None:
    pytest.skip('no chromium and chromedriver on the PATH')
  with subprocess.Popen(
    [driver, '--port=0'], stdout=subprocess.PIPE, text=True
  ) as process:
    try:
      port = None
      while port is None:
        line = process.stdout.readline()
        assert line, 'the driver ended before it listened'
        port = re.search(r'started successfully on port (\d+)', line)
      browser = Browser(port[1], program, folder, size)
      try:
        yield browser
      finally:
        browser.close()
    finally:
      process.terminate()
