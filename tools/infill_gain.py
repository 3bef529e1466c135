"""What both sides of a gap are worth: infilled bars against continued ones.

  python tools/infill_gain.py runs/mine --split valid

Of the same bars of the same pieces, the likelihood of what they hold: given
both sides, as the model infills, and given the left alone, as it continues.
The run's tokenizer must have infill=True. Prints nats an id, and the gain.
"""

import argparse
import pathlib
import sys

from aurl_jax.core.errors import AurlError
from aurl_jax.experiment import evaluate
from aurl_jax.experiment.workdir import Workdir


def main() -> int:
  """Prints a line of numbers; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('workdir', type=pathlib.Path)
  parser.add_argument('--split', default='valid')
  parser.add_argument('--batches', type=int, default=0, help='0 takes all')
  args = parser.parse_args()
  try:
    found = evaluate.compare_sides(
      Workdir(args.workdir), args.split, args.batches
    )
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  print(
    f'step {found["step"]}, {args.split}, {found["ids"]:,.0f} ids: given both '
    f'sides {found["both/loss"]:.4f} nats an id, given the left alone '
    f'{found["left/loss"]:.4f}, gain {found["gain"]:.4f}'
  )
  return 0


if __name__ == '__main__':
  sys.exit(main())
