"""The site of the documentation: built strictly, and whole from the disk."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

from tests import browser


@pytest.fixture(scope='module')
def outside(repository):
  path = repository / 'tools' / 'site' / 'outside.py'
  spec = importlib.util.spec_from_file_location('outside', path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.outside


@pytest.mark.parametrize(
  ('body', 'told'),
  [
    ('<script src="https://cdn.example/x.js"></script>', 'from elsewhere'),
    ('<img src="//cdn.example/x.png">', 'from elsewhere'),
    ('<img srcset="a.png 1x, http://x.example/b.png 2x">', 'from elsewhere'),
    ('<link rel="stylesheet" href="https://x.example/f.css">', 'elsewhere'),
    ('<link rel="preconnect" href="https://x.example">', 'elsewhere'),
    ('<style>@import "https://x.example/f.css";</style>', 'elsewhere'),
    ('<p style="background: url(http://x.example/a.png)">', 'elsewhere'),
    ('<iframe src="https://x.example"></iframe>', 'elsewhere'),
    ('<img src="gone.png">', 'not there'),
    ('<img src="/a.png">', 'of the root'),
  ],
)
def test_what_is_not_in_the_folder_is_told(outside, tmp_path, body, told):
  (tmp_path / 'a.png').touch()
  (tmp_path / 'index.html').write_text(f'<body>{body}')
  faults = outside(tmp_path)
  assert len(faults) == 1 + body.count('a.png 1x') - body.count('srcset')
  assert faults[0].startswith('index.html: ')
  assert told in faults[0]


def test_links_that_a_reader_follows_are_no_fault(outside, tmp_path):
  (tmp_path / 'a.png').touch()
  (tmp_path / 'index.html').write_text(
    '<link rel="canonical" href="https://x.example">'
    '<a href="https://x.example">x</a><img src="a.png?1#2">'
    '<img src="data:image/png;base64,AA">'
  )
  (tmp_path / 'a.css').write_text('b { background: url(#c), url("a.png") }')
  assert outside(tmp_path) == []
  (tmp_path / 'a.css').write_text('b { src: url(https://x.example/f.woff) }')
  assert outside(tmp_path) == [
    'a.css: from elsewhere: https://x.example/f.woff'
  ]


def test_every_page_stands_in_the_navigation(repository):
  told = (repository / 'mkdocs.yml').read_text().partition('\nnav:')[2]
  docs = repository / 'docs'
  # Decisions are put in by the build, one after the other.
  names = {path.name for path in docs.glob('*.md')}
  assert names - set(re.findall(r': (\S+\.md)$', told, re.MULTILINE)) == set()


@pytest.fixture(scope='module')
def site(repository, tmp_path_factory):
  if not importlib.util.find_spec('material'):
    pytest.skip('needs the extra: aurl-jax[docs]; make docs installs it')
  folder = tmp_path_factory.mktemp('site') / 'site'
  run = subprocess.run(
    [sys.executable, '-m', 'mkdocs', 'build', '--site-dir', folder],
    cwd=repository,
    env={**os.environ, 'NO_MKDOCS_2_WARNING': '1'},
    capture_output=True,
    text=True,
    check=False,
  )
  assert run.returncode == 0, run.stderr
  return folder


@pytest.mark.slow
def test_the_site_is_whole_in_itself(site, outside):
  assert outside(site) == []
  text = (site / 'index.html').read_text()
  assert 'First sound' in text
  assert (site / 'api' / 'music.html').exists()


@pytest.mark.slow
def test_a_browser_asks_nobody_else_and_search_finds(site, tmp_path):
  pages = ['index', 'architecture', 'failure_modes', 'faq', 'api/music']
  with browser.opened(tmp_path, '1300,1000') as window:
    for page in pages:
      window.go(f'{(site / page).as_uri()}.html')
      window.wait('return document.readyState === "complete"')
    asked = window.asked()
    others = [a for a in asked if not a.startswith(('file:', 'chrome', 'data'))]
    assert others == []
    assert any(a.endswith('architecture.html') for a in asked)
    window.click('.md-search__input')
    window.type('.md-search__input', 'salvage')
    found = 'return document.querySelectorAll(".md-search-result__link").length'
    assert window.wait(found) > 0
    assert window.log() == []
