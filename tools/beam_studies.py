"""Hears a folder of MIDI with Apache Beam, for corpora of many machines.

  .venv-beam/bin/python tools/beam_studies.py ~/midi --out heard
  … --study chords --parts /shared/parts --runner=FlinkRunner
    --flink_master=HOST:8081

Makes the `records.jsonl` that `aurl analyze ~/midi --out heard` makes; that
command, run afterwards, finds it and writes the page. Flags that are not
listed here go to Beam. Workers must see the folder of MIDI and that of the
parts under the same paths, and have aurl_jax installed, and the packages that
bring other studies. See tools/env/beam.txt.
"""

import argparse
import pathlib
import sys

from aurl_jax.core.errors import AurlError
from aurl_jax.experiment import analyze
from aurl_jax.studies import beam


def main() -> int:
  """Runs the pipeline and joins the parts."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('source', metavar='FOLDER')
  parser.add_argument('--out', required=True, metavar='DIR')
  parser.add_argument('--study', default='all', metavar='NAMES')
  parser.add_argument('--parts', metavar='DIR', help='shared by the workers')
  told, flags = parser.parse_known_args()
  path = pathlib.Path(told.out).expanduser() / analyze.RECORDS
  try:
    count = beam.run(
      analyze.find(told.source).items,
      list(analyze.studies_named(told.study)),
      path,
      parts=told.parts,
      flags=flags,
    )
  except AurlError as error:
    print(f'error: {error}', file=sys.stderr)
    return error.exit_code
  print(f'{path}: {count} pieces')
  return 0


if __name__ == '__main__':
  sys.exit(main())
