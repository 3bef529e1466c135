"""Flags that several verbs have."""

import argparse
import math


def add_turn(parser: argparse.ArgumentParser) -> None:
  """Adds `--turn`, which is then a list of names and numbers, or None."""
  parser.add_argument(
    '--turn',
    type=_turn,
    action='append',
    metavar='NAME=FAR',
    help='turn a dial of the latents, such as density=+2: standard deviations '
    'of the data; several times for several dials',
  )


def add_beats(parser: argparse.ArgumentParser) -> None:
  """Adds `--beats`, what is done to the beats of MIDI files."""
  parser.add_argument(
    '--beats',
    choices=('keep', 'auto', 'track', 'align'),
    default='keep',
    help='of MIDI files whose ticks or bars mean nothing, as in training: '
    'follow what is heard, or align bars with downbeats (keep)',
  )


def _turn(word: str) -> tuple[str, float]:
  name, _, told = word.partition('=')
  try:
    far = float(told)
  except ValueError:
    far = math.nan
  if not name or not math.isfinite(far):
    raise argparse.ArgumentTypeError(
      f'{word!r} is no NAME=FAR such as density=+2'
    )
  return name, far
