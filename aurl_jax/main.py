r"""Trains, evaluates or generates from a config page.

    python -m aurl_jax.main --config=quickstart --workdir=runs/quickstart
    python -m aurl_jax.main --config=configs/tiny.py:test --workdir=runs/t \
      --config.train.steps=40
    python -m aurl_jax.main --workdir=runs/t --mode=evaluate

A workdir that holds a run is resumed by the same command; `--config` may
then be left out. Exit codes are those of `aurl`.
"""

import sys
from collections.abc import Sequence

from aurl_jax.core.errors import AurlError


def main(argv: Sequence[str] | None = None) -> int:
  """Parses the flags, makes one call, returns the exit code."""
  from aurl_jax.experiment import pages, run

  try:
    asked = pages.parse(sys.argv[1:] if argv is None else argv)
    if asked.workdir is None:
      print(__doc__, file=sys.stderr)
      return 2
    run.run(asked.mode, asked.config, asked.workdir, asked.allow)
  except AurlError as error:
    print(f'aurl_jax: {error}', file=sys.stderr)
    return error.exit_code
  return 0


if __name__ == '__main__':
  sys.exit(main())
