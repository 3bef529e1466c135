"""The loop in JavaScript, in node and in a page; in Python see
`onnx_export_test`.

`AURL_ORT_WEB` names the folder of onnxruntime-web that
`tools/export/web_runtime.py` fetches; without it these tests skip.
"""

import contextlib
import functools
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import threading

import numpy as np
import pytest

from aurl_jax.deploy import bundle, onnx_export
from aurl_jax.generation.decode import decode
from aurl_jax.generation.sampling import Sampler
from tests import browser
from tests.deploy import exported

pytest.importorskip('onnx', reason='the extra export is not installed')
STEPS = 24
ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope='module')
def runtime():
  folder = os.environ.get('AURL_ORT_WEB', '')
  if not folder or not pathlib.Path(folder, 'ort.wasm.min.mjs').is_file():
    pytest.skip('AURL_ORT_WEB names no folder of onnxruntime-web')
  return pathlib.Path(folder).resolve()


@pytest.fixture(scope='module', params=['grid', 'lead', 'dials', 'chorale'])
def pair(request, tmp_path_factory):
  """An export, and the likeliest ids by the decoder of the library."""
  home = tmp_path_factory.mktemp('page')
  own = request.param
  if own != 'chorale':
    packing = exported.EIGHT if own == 'grid' else None
    own = exported.save(home / 'bundle', own, packing)
  manifest = onnx_export.write(home / 'out', own)
  composer = bundle.load(own)
  opening = np.array(manifest['model']['opening'], np.int32)
  (wanted,) = decode(
    composer.model,
    composer.params,
    composer.tokenizer.grammar,
    [opening],
    steps=STEPS,
    sampler=Sampler(temperature=0),
  )
  return home / 'out', wanted.ids.tolist()


@pytest.mark.slow
def test_node_writes_what_the_decoder_writes(runtime, pair):
  if shutil.which('node') is None:
    pytest.skip('no node on the PATH')
  folder, wanted = pair
  words = ['node', ROOT / 'tools/export/write.mjs', folder, runtime, str(STEPS)]
  told = subprocess.run(words, capture_output=True, text=True, check=True)
  found = json.loads(told.stdout)
  assert found['ids'] == wanted
  assert found['tokens_per_second'] > 0
  loop = onnx_export.Host(folder).loop
  if loop.told['latent']:
    told = loop.encode(np.array(wanted)[None])
    of = loop.latents(told, density=1.5)
    near = {'rtol': 1e-4, 'atol': 1e-4}
    np.testing.assert_allclose(found['mean'], told['mean'].ravel(), **near)
    np.testing.assert_allclose(found['slots'], of['slots'].ravel(), **near)
    varied = loop.write(steps=STEPS, latents=of).tolist()
    assert found['varied'] == varied
    assert varied != wanted


@contextlib.contextmanager
def served(folder):
  """Gives the address of a plain server of files."""
  handler = functools.partial(Quiet, directory=folder)
  with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
      yield f'http://127.0.0.1:{server.server_port}/'
    finally:
      server.shutdown()
      thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
  """Says nothing, and knows what modules and programs are."""

  extensions_map = {  # noqa: RUF012
    '.html': 'text/html',
    '.css': 'text/css',
    '.js': 'text/javascript',
    '.mjs': 'text/javascript',
    '.wasm': 'application/wasm',
    '': 'application/octet-stream',
  }

  def log_message(self, *_):
    pass


@pytest.mark.slow
def test_the_page_writes_what_the_decoder_writes(runtime, pair, tmp_path):
  folder, wanted = pair
  shutil.copytree(runtime, folder / 'ort', dirs_exist_ok=True)
  with served(folder) as home, browser.opened(tmp_path) as window:
    window.go(home)
    ready = "return !document.getElementById('write').disabled"
    window.wait(ready, seconds=60)
    window.run(f"document.getElementById('steps').value = {STEPS}")
    window.click('#write')
    window.wait(f'return window.written && {ready[7:]}', seconds=60)
    assert window.run('return window.written') == wanted
    assert 'tokens/s' in window.text('#state')
    lines = window.text('#ids').split('\n')[:-1]
    opened = len(wanted) - len(lines)
    assert [list(map(int, line.split())) for line in lines] == wanted[opened:]
    assert [line for line in window.log() if 'favicon' not in line] == []
