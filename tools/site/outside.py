"""Fails if a built site asks for anything that does not lie in its folder.

python tools/site/outside.py site

Looks at what a browser fetches by itself (scripts, styles, pictures, frames,
fonts of styles), not at links that a reader may follow.
"""

import argparse
import html.parser
import pathlib
import re
import sys
import urllib.parse

_FETCHED = {
  'script': ('src',),
  'img': ('src', 'srcset'),
  'iframe': ('src',),
  'source': ('src', 'srcset'),
  'audio': ('src',),
  'video': ('src', 'poster'),
  'embed': ('src',),
  'object': ('data',),
  'link': ('href',),
}
_UNFETCHED = {'canonical', 'next', 'prev', 'alternate', 'edit'}
"""Relations of `link` that say something and fetch nothing."""


def main() -> int:
  """Prints what is outside or missing; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('site', type=pathlib.Path)
  site = parser.parse_args().site
  if not (site / 'index.html').is_file():
    print(f'{site}: no index.html; run make docs first', file=sys.stderr)
    return 2
  faults = outside(site)
  for fault in faults:
    print(fault, file=sys.stderr)
  return int(bool(faults))


def outside(site: pathlib.Path) -> list[str]:
  """Returns what files of a site ask for elsewhere, or that is not there."""
  faults = []
  for path in sorted(site.rglob('*')):
    if path.suffix == '.html':
      asked = _Page.of(path.read_text())
    elif path.suffix == '.css':
      asked = _styled(path.read_text())
    else:
      continue
    for address in asked:
      if fault := _fault(site, path, address):
        faults.append(f'{path.relative_to(site)}: {fault}: {address}')
  return faults


def _fault(site: pathlib.Path, path: pathlib.Path, address: str) -> str | None:
  parts = urllib.parse.urlsplit(address)
  if parts.scheme == 'data':
    return None
  if parts.scheme or parts.netloc:
    return 'from elsewhere'
  if parts.path.startswith('/'):
    # 404.html alone is told from the root; a server shows it at any address.
    target = site / parts.path.lstrip('/')
    if path.name != '404.html':
      return 'of the root, which a disk does not have'
  else:
    target = path.parent / urllib.parse.unquote(parts.path)
  return None if target.exists() else 'not there'


def _styled(text: str) -> list[str]:
  """Returns what a style sheet asks for."""
  found = re.findall(r'url\(\s*[\'"]?([^\'")]+)[\'"]?\s*\)', text)
  found += re.findall(r'@import\s+[\'"]([^\'"]+)', text)
  return [one for one in found if not one.startswith('#')]


class _Page(html.parser.HTMLParser):
  """What a page asks for by itself."""

  def __init__(self) -> None:
    super().__init__()
    self.asked: list[str] = []
    self._in_style = False

  @classmethod
  def of(cls, text: str) -> list[str]:
    """Returns the addresses that the page of a text asks for."""
    page = cls()
    page.feed(text)
    return page.asked

  def handle_starttag(
    self, tag: str, attrs: list[tuple[str, str | None]]
  ) -> None:
    """Takes up a tag."""
    values = {name: value or '' for name, value in attrs}
    self._in_style = tag == 'style'
    self.asked += _styled(values.get('style', ''))
    relations = set(values.get('rel', '').split())
    if tag == 'link' and relations and relations <= _UNFETCHED:
      return
    for name in _FETCHED.get(tag, ()):
      value = values.get(name, '')
      if name == 'srcset':
        self.asked += [part.split()[0] for part in value.split(',') if part]
      elif value:
        self.asked.append(value)

  def handle_data(self, data: str) -> None:
    """Takes up styles that stand in the page."""
    if self._in_style:
      self.asked += _styled(data)

  def handle_endtag(self, tag: str) -> None:
    """Leaves a tag."""
    self._in_style = False


if __name__ == '__main__':
  sys.exit(main())
