"""Counts the forms of songs and scores: aurl_jax/generation/forms.tsv.

  python tools/count_forms.py            # writes the table
  python tools/count_forms.py --check    # exits 1 if it would change
  python tools/count_forms.py --heard    # labels against what the study hears

Needs the shared data (AURL_DATA). The phrase labels of the train split, first
annotator (Dai et al. 2020, MIT licence, see the data's README), are read
without `X` and `x`, which fill gaps of a few bars. Forms of at least three
songs are kept: the sequence of letters, how many songs have it, and the bars of
each section: the median over these songs, rounded to four bars but for an intro
and an outro; `labelled`. Below them stand those that `studies.structure` hears
in all songs of the split, whose files are under the MIT licence, with bars that
it finds itself; `heard`. Hardly two songs are heard with the same phrases, so
these are counted by letters that differ from the one before, and such a stretch
has as many sections, all as long, as the median song. No song's labels are
copied. Then those that it hears in the train splits of the sets of the page
`multi` that have pitches (songs, quartets, lead sheets, piano; CC0, CC BY,
public domain), apart for pieces of 24 to 47, 48 to 95 and 96 to 160 bars, so
that their sections are as long as in such; `scores`. Of these, forms with
sections without melody are left out: who has it differs.

With `--heard` nothing is written: forms are counted likewise of what
`studies.structure` hears in the songs that `tools/phrases.py` tells, in the
bars of the labels, and a line of JSON compares both counts.
"""

import argparse
import collections
import itertools
import json
import os
import pathlib
import re
import sys

import numpy as np
import phrases

from aurl_jax.experiment import data, pages, sections
from aurl_jax.music import midi
from aurl_jax.music import time as time_lib
from aurl_jax.music.notes import Notes
from aurl_jax.studies.structure.finding import Structure

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / 'aurl_jax' / 'generation' / 'forms.tsv'
_LEAST = 3
_PHRASE = 4
_HEADER = '# pieces of train splits, and their form; count_forms.py'
_LENGTHS = (24, 48, 96, 161)
"""Bars that tell short, middling and long scores apart."""


def main() -> int:
  """Writes or checks the table; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--check', action='store_true')
  parser.add_argument('--heard', action='store_true')
  parser.add_argument('--songs', type=int)
  args = parser.parse_args()
  if args.heard:
    print(json.dumps(heard(args.songs)))
    return 0
  default = ROOT.parent / 'shared' / 'data'
  shared = pathlib.Path(os.environ.get('AURL_DATA', default))
  paths = sorted(shared.glob('pop909/train/*/structure/human_label1.txt'))
  if not paths:
    print(f'no labels under {shared}; set AURL_DATA', file=sys.stderr)
    return 1
  labels = [path.read_text() for path in paths]
  songs = [path.parents[1] for path in paths]
  text = '\n'.join(
    [
      _HEADER,
      *table(labels, 'labelled'),
      *heard_table([form(song) for song in songs[: args.songs]]),
      *scores_table(scores()),
    ]
  )
  text += '\n'
  if args.check:
    return int(TABLE.read_text() != text)
  TABLE.write_text(text)
  return 0


def form(song: pathlib.Path) -> str:
  """Returns what the study hears in a song's folder, such as `i4A8B8`."""
  return told(midi.read(song / f'{song.name}.mid').notes)


def told(notes: Notes) -> str:
  """Returns what the study hears in a piece; '' if no letters do for it."""
  found = Structure().analyse(notes)
  # Letters behind Z have numbers of their own, which are no bars.
  plain = all(len(letter) == 1 for letter in found.sections.letters)
  return found.told if plain else ''


def table(labels: list[str], source: str) -> list[str]:
  """Returns the lines of labels such as `i4A8X2B8`.

  Example:
    >>> table(['i4A8B9', 'i6x1A8B7', 'i4A16B8'], 'heard')[0].split()
    ['3', 'i4A8B8', 'heard']
  """
  songs: dict[str, list[list[int]]] = collections.defaultdict(list)
  for label in labels:
    parts = re.findall(r'([A-WYZa-wyz])(\d+)', label)
    letters = ''.join(letter for letter, _ in parts)
    songs[letters].append([int(bars) for _, bars in parts])
  common = [item for item in songs.items() if len(item[1]) >= _LEAST]
  common.sort(key=lambda item: (-len(item[1]), item[0]))
  return [
    f'{len(bars)}\t{_form(letters, bars)}\t{source}'
    for letters, bars in common
    if letters
  ]


def scores() -> list[tuple[int, str]]:
  """Returns bars and form of each pitched piece of the page `multi`."""
  run = sections.parse(pages.load(pages.find('multi')))
  cache = data.prepared(run, quiet=True)
  found = []
  for ids in cache['train']:
    notes = run.tokenizer.decode(ids)
    bars = len(time_lib.bar_starts(notes))
    if _LENGTHS[0] <= bars < _LENGTHS[-1] and not notes.is_drum.all():
      found.append((bars, told(notes)))
  return found


def scores_table(found: list[tuple[int, str]]) -> list[str]:
  r"""Returns the lines of forms of scores, told with their bars.

  Example:
    >>> scores_table([(30, 'A30')] * 3 + [(60, 'A60')] * 4 + [(60, 'i4A56')])
    ['3\tA32\tscores', '4\tA60\tscores']
  """
  lines = []
  for low, high in itertools.pairwise(_LENGTHS):
    forms = [form_ for bars, form_ in found if low <= bars < high]
    sung = [form_ for form_ in forms if form_ == form_.upper()]
    lines += heard_table(sung, 'scores')
  return lines


def heard_table(forms: list[str], source: str = 'heard') -> list[str]:
  """Returns the lines of forms that are heard, by their stretches.

  Example:
    >>> heard_table(['i4A8A8B9', 'i6x1A8A9B7', 'i4A16B8'])[0].split()
    ['3', 'i4A8A8B8', 'heard']
  """
  songs: dict[str, list[list[tuple[int, int]]]] = collections.defaultdict(list)
  for form_ in forms:
    parts = re.findall(r'([A-WYZa-wyz])(\d+)', form_)
    runs = [
      (letter, [int(bars) for _, bars in group])
      for letter, group in itertools.groupby(parts, lambda part: part[0])
    ]
    letters = ''.join(letter for letter, _ in runs)
    songs[letters].append([(len(bars), sum(bars)) for _, bars in runs])
  common = [item for item in songs.items() if len(item[1]) >= _LEAST]
  common.sort(key=lambda item: (-len(item[1]), item[0]))
  lines = []
  for letters, rows in common:
    if letters:
      counts, bars = np.median(np.array(rows), axis=0).T
      text = ''.join(
        round(count) * _form(letter, [[total / round(count)]])
        for letter, count, total in zip(letters, counts, bars, strict=True)
      )
      lines.append(f'{len(rows)}\t{text}\t{source}')
  return lines


def heard(count: int | None) -> dict[str, object]:
  """Returns how forms that are heard compare with those that are labelled.

  `songs`; `labels` and `study`: how many have a form of at least three songs,
  and the commonest; `same`: songs whose letters are those of an annotator, and
  of whom the annotators' are the same; `sections` and `letters`: means.
  """
  study, rows = Structure(), []
  for song in phrases.songs('train', count):
    found = study.within(song.notes, song.edges).told
    told = [''.join(f'{a}{b}' for a, b in part) for part in song.labels]
    rows.append((found, *told))
  forms = [[_letters(text) for text in row] for row in rows]
  parts = list(zip(*forms, strict=True))
  names = ('study', 'labels', 'second')
  return {
    'songs': len(rows),
    **{
      name: {
        'shared': sum(
          int(line.split()[0]) for line in table(list(texts), name)
        ),
        'commonest': collections.Counter(part).most_common(4),
        'sections': round(float(np.mean([len(x) for x in part])), 2),
        'letters': round(float(np.mean([len(set(x)) for x in part])), 2),
      }
      for name, part, texts in zip(
        names, parts, zip(*rows, strict=True), strict=True
      )
    },
    'same': {
      'study': _same(parts[0], parts[1]),
      'people': _same(parts[1], parts[2]),
    },
  }


def _letters(text: str) -> str:
  """Returns the letters of a label, without what fills gaps."""
  return ''.join(re.findall('[A-WYZa-wyz]', text))


def _same(one: tuple[str, ...], other: tuple[str, ...]) -> float:
  """Returns the share of songs with the same letters."""
  equal = [a == b for a, b in zip(one, other, strict=True)]
  return round(float(np.mean(equal)), 4)


def _form(letters: str, bars: list[list[int]] | list[list[float]]) -> str:
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
