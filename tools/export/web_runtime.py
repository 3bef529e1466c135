"""Fetches onnxruntime-web for the page of an ONNX export.

    python tools/export/web_runtime.py chorale_onnx
    python -m http.server --bind 127.0.0.1 --directory chorale_onnx

puts the folder `ort` into the export: the module, its loader and the program
for browsers (14 MB, MIT licence), as the npm package `onnxruntime-web` has
them. It is fetched by `npm pack`, from whatever registry npm is set up for.
"""

import argparse
import pathlib
import subprocess
import sys
import tarfile
import tempfile

VERSION = '1.30.0'
FILES = (
  'ort.wasm.min.mjs',
  'ort-wasm-simd-threaded.mjs',
  'ort-wasm-simd-threaded.wasm',
)


def fetch(folder: pathlib.Path, version: str) -> pathlib.Path:
  """Puts the runtime into a folder and returns where it lies."""
  out = folder / 'ort'
  with tempfile.TemporaryDirectory() as work:
    asked = ['npm', 'pack', '--silent', f'onnxruntime-web@{version}']
    told = subprocess.run(
      asked, cwd=work, check=True, capture_output=True, text=True
    )
    archive = pathlib.Path(work, told.stdout.split()[-1])
    out.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as packed:
      for name in FILES:
        file = packed.extractfile(f'package/dist/{name}')
        assert file is not None, f'the package has no {name}'
        (out / name).write_bytes(file.read())
  return out


def main() -> int:
  """Parses the flags and fetches."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
  parser.add_argument('folder', type=pathlib.Path, help='the export')
  parser.add_argument('--version', default=VERSION)
  args = parser.parse_args()
  try:
    print(fetch(args.folder, args.version))
  except (OSError, subprocess.CalledProcessError) as error:
    print(f'onnxruntime-web did not come: {error}', file=sys.stderr)
    return 1
  return 0


if __name__ == '__main__':
  sys.exit(main())
