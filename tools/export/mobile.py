"""Converts an ONNX export into the format of ONNX Runtime on phones.

    python tools/export/mobile.py chorale_onnx chorale_ort

gives a file `.ort` a graph, weights inside, without rewriting them: at higher
levels the converter would unfold weights of 8 bits into 32. Both are run side
by side on a piece that the export writes; prints one line of JSON: `bytes`,
`steps`, `largest`, the largest difference of two logits, and `agreement`.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import onnxruntime as ort

from aurl_jax.deploy.onnx_export import Host

_LEVEL = 'ORT_CONVERT_ONNX_MODELS_TO_ORT_OPTIMIZATION_LEVEL'


def convert(export: pathlib.Path, out: pathlib.Path) -> list[pathlib.Path]:
  """Writes the graphs of an export as `.ort` files and returns them."""
  out.mkdir(parents=True, exist_ok=True)
  for path in (*export.glob('*.onnx'), export / 'weights.bin'):
    shutil.copy(path, out)
  module = 'onnxruntime.tools.convert_onnx_models_to_ort'
  words = [sys.executable, '-m', module, str(out)]
  words += ['--optimization_style', 'Fixed']
  environ = os.environ | {_LEVEL: 'disable'}
  subprocess.run(words, check=True, capture_output=True, env=environ)
  for path in (*out.glob('*.onnx'), out / 'weights.bin'):
    path.unlink()
  # The converter puts the level into the names.
  found = [
    path.rename(out / f'{path.name.split(".")[0]}.ort')
    for path in out.glob('*.ort')
  ]
  return sorted(found)


def compared(export: pathlib.Path, files: list[pathlib.Path]) -> dict:
  """Returns how far the converted graphs are from those of the export."""
  host = Host(export)
  ids = host.loop.write(steps=48, temperature=1.0)[None]
  mine = host(ids)
  assert {path.stem for path in files} == set(host.loop.graphs)
  for path in files:
    host.loop.graphs[path.stem] = ort.InferenceSession(
      path.read_bytes(), providers=['CPUExecutionProvider']
    )
  pairs = list(zip(mine, host(ids), strict=True))
  same = [(a.argmax(-1) == b.argmax(-1)).mean() for a, b in pairs]
  return {
    'bytes': sum(path.stat().st_size for path in files),
    'steps': ids.shape[1] - 1,
    'largest': max(float(np.abs(a - b).max()) for a, b in pairs),
    'agreement': float(np.mean(same)),
  }


def main() -> int:
  """Parses the flags, converts, prints."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
  parser.add_argument('export', type=pathlib.Path)
  parser.add_argument('out', type=pathlib.Path)
  args = parser.parse_args()
  print(json.dumps(compared(args.export, convert(args.export, args.out))))
  return 0


if __name__ == '__main__':
  sys.exit(main())
