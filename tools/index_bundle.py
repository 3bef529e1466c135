"""Puts an index of its training music into a bundle, by the page of its run.

  python tools/index_bundle.py chorale --config=chorale
  python tools/index_bundle.py pop --config=pop
  python tools/index_bundle.py my_model --config=pages/mine.py

For bundles whose run is not at hand, such as the shipped ones: the page tells
the data, which is prepared if need be. All else in the bundle stays as it is.
"""

import argparse
import json

from aurl_jax.experiment import original, pages


def main() -> None:
  """Reads the flags and does it."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('bundle', help='a folder, or a shipped name')
  parser.add_argument('--config', required=True, help='the page of its run')
  args = parser.parse_args()
  config = pages.load(pages.find(args.config))
  print(json.dumps(original.into_bundle(args.bundle, config)))


if __name__ == '__main__':
  main()
