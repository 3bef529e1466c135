"""Look after the cache of prepared data.

Examples:
  aurl cache stats
  aurl cache verify --remove
  aurl cache prune --limit 5G
  aurl cache clear

The cache lies under AURL_CACHE, or in the system's cache folder. All of it
can be made again. It is kept below AURL_CACHE_LIMIT (20G): what was not used
for longest goes first.
"""

import argparse

from aurl_jax.cli import output

ACTIONS = ('stats', 'verify', 'prune', 'clear')


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('action', choices=ACTIONS)
  parser.add_argument(
    '--remove', action='store_true', help='verify: take out what is damaged'
  )
  parser.add_argument(
    '--limit', metavar='SIZE', help='prune: what may stay, such as 5G'
  )


def run(args: argparse.Namespace) -> int:
  """Does it and prints what was found; 1 if something stays damaged."""
  from aurl_jax.data import housekeeping

  if args.action == 'verify':
    found = housekeeping.verify(remove=args.remove)
  elif args.action == 'prune':
    most = housekeeping.parse_size(args.limit) if args.limit else None
    found = housekeeping.prune(most)
  else:
    found = getattr(housekeeping, args.action)()
  if args.json:
    output.emit_json(found)
  else:
    output.facts(found)
  return int(bool(found.get('damaged')) and not args.remove)
