"""Every link of the documentation leads somewhere; no network is asked."""

import ipaddress
import re
import urllib.parse

import pytest

from tests.docs import pages

_HOST = re.compile(r'([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}')
_OURS = re.compile(r'http://(localhost|127\.0\.0\.1)(:\d+)?(/|$)')
"""Servers that the reader started."""


def read(path):
  return pages.read(path)


def fault_of_address(address):
  """What is wrong with an external address, by its form."""
  parts = urllib.parse.urlsplit(address)
  if _OURS.match(address):
    return None
  if parts.scheme != 'https':
    return 'not https'
  host = parts.hostname or ''
  try:
    ipaddress.ip_address(host)
    return 'a number in the place of a name'
  except ValueError:
    pass
  if not _HOST.fullmatch(host):
    return 'no host'
  if parts.username or re.search(r'[\s<>"{}|\\^`]', address):
    return 'signs that no address has'
  return None


def fault_of_link(page, target):
  """What is wrong with a link of a page, or None."""
  if re.match(r'[a-z]+:', target):
    return fault_of_address(target)
  place, _, anchor = target.partition('#')
  path = (page.path.parent / place).resolve() if place else page.path
  if not path.exists():
    return 'no such file'
  if not path.is_relative_to(pages.ROOT):
    return 'outside of the repository'
  if anchor and path.suffix == '.md':
    other = page if path == page.path else read(path)
    if anchor not in other.anchors():
      return f'no heading #{anchor}'
  return None


def all_pages():
  return [
    read(path)
    for path in [
      *pages.sources(),
      pages.ROOT / 'CHANGELOG.md',
      pages.ROOT / pages.BUILT,
    ]
  ]


def test_every_link_leads_somewhere():
  faults, count = [], 0
  for page in all_pages():
    for line, target in page.links():
      count += 1
      if fault := fault_of_link(page, target):
        faults.append(f'{page.name}:{line}: {target}: {fault}')
  assert count > 50
  assert not faults, '\n'.join(faults)


def test_every_address_in_the_text_is_one():
  faults = []
  for page in all_pages():
    for line, text in page.prose:
      bare = re.sub(r'`[^`]*`', '', text)
      for address in re.findall(r'[a-z]+://[^\s)>\]]+', bare):
        if fault := fault_of_address(address.rstrip('.,;:')):
          faults.append(f'{page.name}:{line}: {address}: {fault}')
  assert not faults, '\n'.join(faults)


def test_every_file_that_the_text_names_is_there():
  faults = []
  form = re.compile(
    r'(docs|tools|tests|examples|configs|aurl_jax)/[\w./-]+\.(py|md|txt|sh|js)'
  )
  for page in all_pages():
    if page.name in ('CHANGELOG.md', pages.BUILT):
      continue  # The one tells of what was, the other of what users name.
    for line, text in page.inline():
      for name in text.split():
        stands_for = re.search(r'[A-Z]{4}', name.rpartition('.')[0])
        if not form.fullmatch(name) or (stands_for and 'HOW_TO' not in name):
          continue
        if not (pages.ROOT / name).exists():
          faults.append(f'{page.name}:{line}: no {name}')
  assert not faults, '\n'.join(faults)


@pytest.mark.parametrize(
  ('target', 'told'),
  [
    ('gone.md', 'no such file'),
    ('../../..', 'outside'),
    ('page.md#nowhere', 'no heading'),
    ('#nowhere', 'no heading'),
    ('http://example.org', 'not https'),
    ('https://example', 'no host'),
    ('https://10.0.0.1/x', 'a number'),
    ('https://me@example.org', 'signs'),
    ('ftp://example.org', 'not https'),
  ],
)
def test_what_leads_nowhere_is_noticed(monkeypatch, tmp_path, target, told):
  monkeypatch.setattr(pages, 'ROOT', tmp_path)
  path = tmp_path / 'page.md'
  path.write_text(
    f'# A word, and `code`\n\n[x]({target}) [y](#a-word-and-code)'
  )
  page = read(path)
  (_, one), (_, other) = page.links()
  assert told in fault_of_link(page, one)
  assert fault_of_link(page, other) is None


def test_code_has_no_links(tmp_path):
  path = tmp_path / 'page.md'
  path.write_text('`[x](y)`\n\n    [x](y)\n\n```\n[x](y)\n```\n[a\nb](c)\n')
  assert read(path).links() == [(9, 'c')]
