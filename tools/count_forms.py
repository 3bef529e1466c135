"""Counts the forms of POP909's songs: aurl_jax/generation/forms.tsv.

  python tools/count_forms.py            # writes the table
  python tools/count_forms.py --check    # exits 1 if it would change

Needs the shared data (AURL_DATA). The phrase labels of the train split, first
annotator (Dai et al. 2020, MIT licence, see the data's README), are read
without `X` and `x`, which fill gaps of a few bars. Forms of at least three
songs are kept: the sequence of letters, how many songs have it, and the bars of
each section: the median over these songs, rounded to four bars but for an intro
and an outro. No song's labels are copied.
"""

import argparse
import collections
import os
import pathlib
import re
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / 'aurl_jax' / 'generation' / 'forms.tsv'
_LEAST = 3
_PHRASE = 4
_HEADER = '# songs of the train split of POP909, and their form; count_forms.py'


def main() -> int:
  """Writes or checks the table; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--check', action='store_true')
  check = parser.parse_args().check
  default = ROOT.parent / 'shared' / 'data'
  data = pathlib.Path(os.environ.get('AURL_DATA', default)) / 'pop909' / 'train'
  paths = sorted(data.glob('*/structure/human_label1.txt'))
  if not paths:
    print(f'no labels under {data}; set AURL_DATA', file=sys.stderr)
    return 1
  text = table([path.read_text() for path in paths])
  if check:
    return int(TABLE.read_text() != text)
  TABLE.write_text(text)
  return 0


def table(labels: list[str]) -> str:
  """Returns the table of labels such as `i4A8X2B8`.

  Example:
    >>> table(['i4A8B9', 'i6x1A8B7', 'i4A16B8']).splitlines()[1].split()
    ['3', 'i4A8B8']
  """
  songs: dict[str, list[list[int]]] = collections.defaultdict(list)
  for label in labels:
    parts = re.findall(r'([A-WYZa-wyz])(\d+)', label)
    letters = ''.join(letter for letter, _ in parts)
    songs[letters].append([int(bars) for _, bars in parts])
  common = [item for item in songs.items() if len(item[1]) >= _LEAST]
  common.sort(key=lambda item: (-len(item[1]), item[0]))
  lines = [f'{len(bars)}\t{_form(letters, bars)}' for letters, bars in common]
  return '\n'.join([_HEADER, *lines]) + '\n'


def _form(letters: str, bars: list[list[int]]) -> str:
  medians = np.median(np.array(bars), axis=0)
  found = []
  for letter, median in zip(letters, medians.tolist(), strict=True):
    length = max(1, round(median))
    if letter not in 'io':
      length = _PHRASE * max(1, round(median / _PHRASE))
    found.append(f'{letter}{length}')
  return ''.join(found)


if __name__ == '__main__':
  sys.exit(main())
