"""Downloads a public set and writes its records, which `aurl prepare` takes.

  python tools/download_data.py maestro --out data/maestro
  python tools/download_data.py maestro --out data/maestro --archive FILE.zip
  aurl prepare data/maestro --out data/maestro-tokens

The archive is compared with the checksum that is registered for it. Where
none is (nottingham, pop909), look at what you got, then give --record, which
registers what is downloaded, or the archive that is named.
"""

import argparse
import sys

from aurl_jax.core.errors import AurlError
from aurl_jax.data.builders import archives, note_sequences, published


def main() -> int:
  """Fetches one set."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('name', choices=sorted(published.SETS))
  parser.add_argument('--out', required=True, metavar='DIR')
  parser.add_argument('--archive', metavar='FILE', help='one that is here')
  parser.add_argument(
    '--record', action='store_true', help='register the checksum'
  )
  told = parser.parse_args()
  builder = published.SETS[told.name]
  try:
    folder = archives.fetch(
      builder, told.out, archive=told.archive, record=told.record
    )
  except AurlError as error:
    print(f'error: {error}', file=sys.stderr)
    return error.exit_code
  counts = {
    split: len(examples)
    for split, examples in note_sequences.read(folder).items()
  }
  print(f'{told.name}: {counts} in {folder}')
  left_out = folder / archives.LEFT_OUT
  if left_out.exists():
    print(f'what could not be read, and why: {left_out}')
  return 0


if __name__ == '__main__':
  sys.exit(main())
