"""Prepares a folder of MIDI with Apache Beam, for corpora of many machines.

  .venv-beam/bin/python tools/beam_prepare.py ~/midi --out data/mine
  … --parts /shared/parts --runner=FlinkRunner --flink_master=HOST:8081

Makes the folder that `aurl prepare` makes. Flags that are not listed here go
to Beam. Workers must see the folder of MIDI and that of the parts under the
same paths, and have aurl_jax installed. See tools/env/beam.txt.
"""

import argparse
import sys

from aurl_jax.core.errors import AurlError
from aurl_jax.data import beam, sources
from aurl_jax.experiment import inspect


def main() -> int:
  """Runs the pipeline and the merge."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('source', metavar='FOLDER')
  parser.add_argument('--out', required=True, metavar='DIR')
  parser.add_argument('--tokenizer', default='compound', metavar='NAME')
  parser.add_argument('--splits', metavar='TABLE', help='a frozen table')
  parser.add_argument('--parts', metavar='DIR', help='shared by the workers')
  told, flags = parser.parse_known_args()
  try:
    report = beam.prepare(
      sources.folder(told.source),
      inspect.tokenizer_named(told.tokenizer),
      told.out,
      given=told.splits,
      parts=told.parts,
      flags=flags,
    )
  except AurlError as error:
    print(f'error: {error}', file=sys.stderr)
    return error.exit_code
  print(f'{told.out}: {report.counts}, {dict(report.splits)}')
  return 0


if __name__ == '__main__':
  sys.exit(main())
