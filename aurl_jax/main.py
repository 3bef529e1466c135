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

from aurl_jax.core import guard


def main(argv: Sequence[str] | None = None) -> int:
  """Parses the flags, makes one call, returns the exit code."""
  words = list(sys.argv[1:] if argv is None else argv)
  return guard.guarded(lambda: _run(words), _report)


def _run(words: Sequence[str]) -> int:
  # Imported in here: an interrupt of the imports is one of the command.
  from aurl_jax.experiment import pages, run

  asked = pages.parse(words)
  if asked.workdir is None:
    print(__doc__, file=sys.stderr)
    print('--workdir is missing: the folder of the run', file=sys.stderr)
    return 2
  run.run(asked.mode, asked.config, asked.workdir, asked.allow)
  return 0


def _report(message: str, code: str) -> None:
  del code
  print(f'aurl_jax: {message}', file=sys.stderr)


if __name__ == '__main__':
  sys.exit(main())
