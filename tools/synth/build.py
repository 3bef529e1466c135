"""Builds the synthesiser of the studio, aurl_jax/serving/studio/spessasynth.js.

  python tools/synth/build.py [--check]

Needs npm, and nothing of it is kept: the versions of package.json, by the
digests of package-lock.json, are installed into a folder that goes away, and
esbuild makes one file of `processor.js` here and of what it uses of SpessaSynth
(Apache-2.0; its licence is put beside it). WebAssembly and what others have a
licence of (stb-vorbis, fflate) stay out. The first lines of the file name the
versions and tell digests, of these sources and of the rest of the file, so that
a test can hold it without npm. `--check` writes nothing, and fails if what is
shipped is not what comes out.

For a newer version: change package.json, and in a folder with a copy of it

  npm install --package-lock-only --omit-lockfile-registry-resolved
"""

import argparse
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
STUDIO = HERE.parent.parent / 'aurl_jax' / 'serving' / 'studio'
BUILT, LICENCE = STUDIO / 'spessasynth.js', STUDIO / 'spessasynth.LICENSE'
SOURCES = ('package.json', 'package-lock.json', 'processor.js', 'vorbis.js')
LIBRARY = 'spessasynth_core'
_FFLATE = re.compile(
  r'//#region src/externals/fflate/fflate\.min\.js\n.*?//#endregion\n',
  re.DOTALL,
)
_INSTALL = ('npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund')
_BUNDLE = (
  'node_modules/.bin/esbuild',
  'processor.js',
  '--bundle',
  '--minify',
  '--format=esm',
  '--target=es2022',
  '--charset=ascii',
  '--legal-comments=none',
  '--alias:stb-vorbis=./vorbis.js',
  '--log-level=warning',
)


def main() -> int:
  """Builds, or checks; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--check', action='store_true', help='write nothing')
  check = parser.parse_args().check
  if shutil.which('npm') is None:
    print(
      'npm is not on the PATH; install Node.js 18 or newer', file=sys.stderr
    )
    return 2
  made = build()
  if not check:
    for path, content in made.items():
      path.write_bytes(content)
      print(f'{path.name}: {len(content):,} bytes')
    return 0
  stale = [p.name for p, content in made.items() if p.read_bytes() != content]
  if stale:
    told = f'{", ".join(stale)}: not what is built; run tools/synth/build.py'
    print(told, file=sys.stderr)
  return int(bool(stale))


def build() -> dict[pathlib.Path, bytes]:
  """Returns what is built: path of the package -> content."""
  with tempfile.TemporaryDirectory() as folder:
    home = pathlib.Path(folder)
    for name in SOURCES:
      shutil.copy(HERE / name, home)
    subprocess.run(_INSTALL, cwd=home, check=True, stdout=sys.stderr)
    library = home / 'node_modules' / LIBRARY
    lighten(library / 'dist' / 'index.js')
    made = subprocess.run(_BUNDLE, cwd=home, check=True, capture_output=True)
    return {
      BUILT: banner(made.stdout).encode() + made.stdout,
      LICENCE: (library / 'LICENSE').read_bytes(),
    }


def lighten(path: pathlib.Path) -> None:
  """Takes fflate out of the library: only files of XMF need it.

  Raises:
    ValueError: It is not there as it was in the version of package.json.
  """
  text, count = _FFLATE.subn('let tr;\n', path.read_text())
  if count != 1 or 'fflate.min' in text:
    raise ValueError(f'{path}: fflate is not where it was; look at _FFLATE')
  path.write_text(text)


def banner(body: bytes) -> str:
  """Returns the first lines of the file, by what follows them."""
  told = json.loads((HERE / 'package.json').read_text())
  pins = {**told['dependencies'], **told['devDependencies']}
  lines = (
    f'{LIBRARY} {pins[LIBRARY]} by spessasus, Apache-2.0, spessasynth.LICENSE:',
    'changed: what the studio needs of it, with tools/synth/processor.js, and',
    f'minified by esbuild {pins["esbuild"]}. Built by tools/synth/build.py.',
    f'sources {digest(sources())}',
    f'body {digest(body)}',
  )
  return ''.join(f'// {line}\n' for line in lines)


def sources() -> bytes:
  """Returns all that is built from, one after the other."""
  return b''.join((HERE / name).read_bytes() for name in SOURCES)


def digest(content: bytes) -> str:
  """Returns the SHA-256 of bytes, in hexadecimal digits."""
  return hashlib.sha256(content).hexdigest()


if __name__ == '__main__':
  sys.exit(main())
