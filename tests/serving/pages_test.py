"""The files of the studio, as a server hands them out; no browser."""

import hashlib
import json
import pathlib
import re

import pytest

pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
pytest.importorskip('uvicorn', reason='needs the extra: aurl-jax[serve]')

from aurl_jax.serving import pages
from tests.serving import scribe, stage

SYNTH = pathlib.Path(__file__).parents[2] / 'tools' / 'synth'


@pytest.fixture(scope='module')
def client():
  with stage.serving(scribe.Scribe()) as client:
    yield client


def test_every_file_is_handed_out_with_a_strict_policy(client):
  for name, file in pages.FILES.items():
    answer = client.ask('GET', pages.HOME + name, token='')
    assert answer.status == 200
    assert answer.body == file.read()
    assert answer.headers['content-type'] == file.kind
    (policy,) = answer.headers.get_all('content-security-policy')
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    for word in ('unsafe', 'http', '*', 'blob'):
      assert word not in policy
    assert answer.headers['x-content-type-options'] == 'nosniff'
    assert answer.headers['cross-origin-resource-policy'] == 'same-origin'
  for path in ('/', '/studio'):
    moved = client.ask('GET', path, token='')
    assert (moved.status, moved.headers['location']) == (307, pages.HOME)


def test_files_load_what_is_there_and_nothing_from_elsewhere():
  for name, file in pages.FILES.items():
    text = file.read().decode()
    if name.endswith('.LICENSE'):
      continue  # No program: what it names nobody loads.
    assert not re.search(r'https?:|//[a-z]+\.', text), name
    for sink in (
      'innerHTML',
      'outerHTML',
      'insertAdjacentHTML',
      'eval(',
      'document.write',
      'localStorage',
      'sessionStorage',
      'new Function(',
      'WebAssembly',
      'import(',
      'importScripts',
      'XMLHttpRequest',
      'WebSocket',
    ):
      assert sink not in text, (name, sink)
    for wanted in re.findall(r"from '\./([^']+)'", text):
      assert wanted in pages.FILES, (name, wanted)
  page = pages.FILES[''].read().decode()
  assert '<style' not in page
  assert not re.search(r'\s(style|on[a-z]+)=', page)
  for wanted in re.findall(r'(?:href|src)="([^"#]+)"', page):
    assert wanted == 'data:,' or wanted in pages.FILES


@pytest.mark.parametrize(
  'path',
  [
    '/studio/../settings.py',
    '/studio/%2e%2e/settings.py',
    '/studio/__init__.py',
    '/studio/studio%2ejs/',
    '/studio//etc/passwd',
    '/studio/index.html%00',
  ],
)
def test_nothing_else_is_handed_out(client, path):
  assert client.ask('GET', path, token='').status == 401
  assert client.ask('GET', path).status == 404


def test_files_are_only_read(client):
  for method in ('POST', 'PUT', 'DELETE'):
    answer = client.ask(
      method, pages.HOME, b'{}', content_type='application/json'
    )
    assert answer.status == 405


def test_the_synthesiser_is_what_its_first_lines_say():
  """Built of the versions and sources of tools/synth, and changed by nobody."""
  told = json.loads((SYNTH / 'package.json').read_text())
  lock = json.loads((SYNTH / 'package-lock.json').read_text())['packages']
  version = told['dependencies']['spessasynth_core']
  bundler = told['devDependencies']['esbuild']
  for name, pin in (('spessasynth_core', version), ('esbuild', bundler)):
    assert re.fullmatch(r'\d+\.\d+\.\d+', pin)
    assert lock[f'node_modules/{name}']['version'] == pin
    assert lock[f'node_modules/{name}']['integrity'].startswith('sha512-')
  head, body = re.fullmatch(
    rb'((?://[^\n]*\n){5})(.*)', pages.FILES['spessasynth.js'].read(), re.DOTALL
  ).groups()
  first, _, built, sources, rest = head.decode().splitlines()
  assert first.startswith(f'// spessasynth_core {version} by spessasus, Apache')
  assert f'esbuild {bundler}.' in built
  names = ('package.json', 'package-lock.json', 'processor.js', 'vorbis.js')
  made_of = b''.join((SYNTH / name).read_bytes() for name in names)
  assert sources == f'// sources {hashlib.sha256(made_of).hexdigest()}'
  assert rest == f'// body {hashlib.sha256(body).hexdigest()}'
  assert len(body) < 250_000


def test_the_licence_of_the_synthesiser_goes_with_it():
  licence = pages.FILES['spessasynth.LICENSE'].read().decode()
  assert 'Apache License' in licence
  assert 'Version 2.0, January 2004' in licence


# Contrast, by the formula of WCAG 2.2.


def luminance(colour):
  parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
  linear = [
    c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
  ]
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
  dark, light = sorted(map(luminance, (one, other)))
  return (light + 0.05) / (dark + 0.05)


def test_text_can_be_read_in_light_and_in_dark():
  style = pages.FILES['house.css'].read().decode()
  light, dark = (
    dict(re.findall(r'--([a-z-]+): (#[0-9a-f]{6})', part))
    for part in style.split('@media', 1)
  )
  assert light.keys() == dark.keys()
  for scheme in (light, dark):
    for ink, ground in (
      ('ink', 'paper'),
      ('ink', 'panel'),
      ('ink', 'mark'),
      ('soft', 'paper'),
      ('soft', 'panel'),
      ('bad', 'paper'),
      ('on-key', 'key'),
    ):
      assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
    # What shows the focus, and the playhead.
    assert contrast(scheme['key'], scheme['paper']) >= 3
    assert contrast(scheme['bad'], scheme['panel']) >= 3
