"""Puts what was seen of a model into the limits of its card.

  python tools/tell_limits.py multi seen.md

The section `Limits` of `MODEL_CARD.md` becomes the text of the file; all else
in the bundle stays, and its digests are those of the new card.
"""

import argparse
import pathlib

from aurl_jax.deploy import bundle


def main() -> None:
  """Reads the flags and does it."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('bundle', help='a folder, or a shipped name')
  parser.add_argument('text', type=pathlib.Path, help='a file of Markdown')
  args = parser.parse_args()
  print(bundle.tell_limits(args.bundle, args.text.read_text('utf-8')))


if __name__ == '__main__':
  main()
