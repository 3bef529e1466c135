"""Check devices, versions and data, and name the remedy for what is missing.

Examples:
  aurl doctor
  aurl doctor --json
"""

import argparse

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds nothing: this verb has no flags of its own."""
  del parser


def run(args: argparse.Namespace) -> int:
  """Prints one line a check; 2 if something that is needed is missing."""
  from aurl_jax.experiment import doctor

  checks = doctor.examine()
  if args.json:
    output.emit_json({'checks': checks})
  else:
    rows = [(c['status'], c['check'], c['found'], c['remedy']) for c in checks]
    output.table(('', 'check', 'found', 'remedy'), rows)
  return 2 if any(c['status'] == 'missing' for c in checks) else 0
