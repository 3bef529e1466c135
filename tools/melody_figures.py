"""How well melodies and motifs are found, in figures: a line of JSON each.

  python tools/melody_figures.py WHAT [--split valid] [--n 60] [--seed 0]

`motifs`: motifs planted in tunes of the Nottingham set and in voices of the
lieder (`tools/plant_motifs.py`): precision, recall, and the recall of each
kind, at each level of noise.
`notes`: which notes of POP909 are melody, second voice and accompaniment, the
three tracks merged into one without a name: accuracy over the three (what
Chou et al., MidiBERT-Piano, 2021, call melody extraction) and of melody against
the rest, beside the skyline and the salience of `studies.voices`; also with
all notes at one loudness, and on the grid too, as their tokens tell no more.
`themes`: the part that carries the theme in the hauptstimme set, by the mean
chance of its notes, against the part that people named, row by row; beside it
the part whose notes are highest.
`keys`: tonic and mode of Nottingham tunes against the `K:` of their ABC.
`pictures`: pictures of the first `--n` tunes with their motifs, into `out`.

Reads AURL_DATA.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import fit_melody
import numpy as np
import plant_motifs
from matplotlib import figure

from aurl_jax.music import midi, scales, spelling
from aurl_jax.studies import groups, voices
from aurl_jax.studies.melody import (
  facts,
  line,
  motifs,
  network,
  scale,
  tune,
)
from aurl_jax.studies.melody.study import Melody

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('what', choices=list(_WHAT))
  parser.add_argument('--split', default='valid')
  parser.add_argument('--n', type=int, default=60)
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args()
  for row in _WHAT[args.what](args.split, args.n, args.seed):
    print(json.dumps(row), flush=True)
  return 0


def paths(folder: str, split: str) -> list[pathlib.Path]:
  """Returns the files of a frozen split."""
  default = ROOT.parent / 'shared' / 'data'
  data = pathlib.Path(os.environ.get('AURL_DATA') or default)
  table = json.loads((ROOT / f'tools/splits/{folder}.json').read_text())
  rows = [row for row in table['pieces'] if row['split'] == split]
  return [data / folder / row['name'] for row in rows]


def tunes(corpus: str, split: str, n: int) -> list[np.ndarray]:
  """Returns so many tunes of a corpus, spread over it."""
  found = paths(corpus, split)
  if corpus == 'nottingham':
    found = [path.parent / 'melody' / path.name for path in found]
  places = np.linspace(0, len(found) - 1, min(n, len(found)))
  return [plant_motifs.read(found[round(p)]) for p in places]


def planted(split: str, n: int, seed: int) -> Iterator[dict[str, Any]]:
  """Yields the figures of each corpus and level."""
  finder = motifs.Finder()
  for corpus in ('nottingham', 'openscore_lieder'):
    read = tunes(corpus, split, n)
    for name, level in plant_motifs.LEVELS.items():
      rng = np.random.default_rng(seed)
      counts: dict[str, int] = {}
      kinds: dict[str, list[int]] = {}
      took, pieces = 0.0, 0
      for place, host in enumerate(read):
        donor = read[(place * 7 + 3) % len(read)]
        motif = plant_motifs.draw_motif(donor, rng)
        if motif is None or not len(host):
          continue
        made = plant_motifs.plant(host, motif, rng, level)
        if made is None:
          continue
        heard = line.of(made.notes)
        began = time.perf_counter()
        got = [one.spans for one in finder(heard)]
        took += time.perf_counter() - began
        pieces += 1
        score = plant_motifs.judged(made, got)
        for kind, pair in score.pop('kinds').items():
          kinds[kind] = [
            a + b for a, b in zip(kinds.get(kind, [0, 0]), pair, strict=True)
          ]
        for key, value in score.items():
          counts[key] = counts.get(key, 0) + value
      yield {
        'corpus': corpus,
        'split': split,
        'noise': name,
        'tunes': pieces,
        'precision': counts['true'] / (counts['true'] + counts['false']),
        'recall': counts['recalled'] / counts['planted'],
        **counts,
        'kinds': {k: round(a / b, 3) for k, (a, b) in kinds.items()},
        'seconds_each': took / pieces,
      }


def notes(split: str, n: int, seed: int) -> Iterator[dict[str, Any]]:
  """Yields the accuracy of roles on POP909, with loudness and without."""
  del seed  # Nothing is drawn.
  songs = fit_melody.read(split, n)
  for loud, played in ((True, True), (False, True), (False, False)):
    counts: collections.Counter[str] = collections.Counter()
    for song in songs:
      heard, label = song if played else fit_melody.written(*song)
      if not loud:
        flat = np.full(len(heard.onset), 80)
        heard = dataclasses.replace(heard, velocity=flat)
      found = facts.of(heard)
      true = label[found.heard.index]
      chance = network.roles(found)
      one = tune.settled(found, chance)
      role = np.where(one[:, 1] > one[:, 2], 1, 2)
      role[tune.line(found, tune.odds(one))] = 0
      rank = skyline(found.heard)
      salient = voices.saliences(found.heard) > 0
      counts.update(
        {
          'notes': len(true),
          'roles': int((chance.argmax(axis=1) == true).sum()),
          'roles_in_line': int((role == true).sum()),
          'melody': int(((chance.argmax(axis=1) == 0) == (true == 0)).sum()),
          'melody_in_line': int(((role == 0) == (true == 0)).sum()),
          'melody_or_bridge': int(
            ((chance.argmax(axis=1) < 2) == (true < 2)).sum()
          ),
          'skyline': int((rank == (true == 0)).sum()),
          'skyline_or_bridge': int((rank == (true < 2)).sum()),
          'salience': int((salient == (true == 0)).sum()),
          'hits': int(((role == 0) & (true == 0)).sum()),
          'told': int((role == 0).sum()),
          'true': int((true == 0).sum()),
        }
      )
    total = counts['notes']
    sizes = ('notes', 'hits', 'told', 'true')
    yield {
      'corpus': 'pop909',
      'split': split,
      'songs': len(songs),
      'loudness': loud,
      'played': played,
      'notes': total,
      **{k: v / total for k, v in counts.items() if k not in sizes},
      'line_precision': counts['hits'] / counts['told'],
      'line_recall': counts['hits'] / counts['true'],
    }


def skyline(heard: groups.Played) -> np.ndarray:
  """Returns which notes are the highest of their onset, [n] bool."""
  top = np.zeros(len(heard.onset), np.bool_)
  top[heard.first] = True
  return top


def themes(split: str, n: int, seed: int) -> Iterator[dict[str, Any]]:
  """Yields how often the part is told that carries the theme."""
  del split, seed  # All movements: nothing was fitted to them.
  default = ROOT.parent / 'shared' / 'data'
  data = pathlib.Path(os.environ.get('AURL_DATA') or default)
  right = highest = rows = 0
  length = heard_right = 0.0
  parts = []
  for path in sorted((data / 'hauptstimme').glob('*.mid'))[:n]:
    piece = midi.read(path).notes
    found = tune.find(piece)
    chance = np.zeros(len(piece))
    chance[found.index] = found.chance[:, 0]
    names = [int(track.name.split('|')[0]) - 1 for track in piece.tracks]
    part = np.array(names)[piece.track]
    lines = path.with_suffix('.melody.tsv').read_text().splitlines()[1:]
    parts.append(len(set(names)))
    for row in lines:
      fields = row.split('\t')
      begin, end = (float(value) * piece.ticks_per_beat for value in fields[:2])
      low, high = np.searchsorted(piece.onset, [begin, end])
      inside = np.arange(low, high)
      if not len(inside):
        continue
      mine = part[inside]
      many = np.bincount(mine)
      mean = np.bincount(mine, chance[inside]) / np.maximum(many, 1)
      pitch = np.bincount(mine, piece.pitch[inside]) / np.maximum(many, 1)
      wanted = int(fields[4])
      hit = int(mean.argmax()) == wanted
      right, rows = right + hit, rows + 1
      highest += int(pitch.argmax()) == wanted
      length, heard_right = (
        length + end - begin,
        heard_right + hit * (end - begin),
      )
  yield {
    'corpus': 'hauptstimme',
    'movements': len(parts),
    'parts': float(np.mean(parts)),
    'rows': rows,
    'carrier': right / rows,
    'carrier_by_time': heard_right / length,
    'highest_part': highest / rows,
  }


def keys(split: str, n: int, seed: int) -> Iterator[dict[str, Any]]:
  """Yields how often tonic and mode of a tune are those of its ABC."""
  del seed
  found = paths('nottingham', split)
  places = np.linspace(0, len(found) - 1, min(n, len(found)))
  tonic = mode = krumhansl = many = 0
  for place in places:
    path = found[round(place)]
    text = (path.parent / 'abc' / f'{path.stem}.abc').read_text()
    named = re.search(r'^K:\s*(\S.*?)\s*$', text, re.MULTILINE)
    # One key from beginning to end, or it is no question.
    if named is None or len(re.findall(r'^K:', text, re.MULTILINE)) > 1:
      continue
    wanted = scales.parse(_SHORT.sub(_longer, named[1]))
    piece = midi.read(path.parent / 'melody' / path.name).notes
    got = scale.find(line.of(piece))
    fifths, minor = spelling.estimate_key(piece)
    many += 1
    tonic += got is not None and got.scale.tonic == wanted.tonic
    mode += got is not None and got.scale == wanted
    krumhansl += (7 * fifths + 9 * minor) % 12 == wanted.tonic
  yield {
    'corpus': 'nottingham',
    'split': split,
    'tunes': many,
    'tonic': tonic / many,
    'tonic_and_mode': mode / many,
    'tonic_by_profiles': krumhansl / many,
  }


_SHORT = re.compile(r'\s*(dor|mix|lyd|phr|min|maj)\w*$', re.IGNORECASE)


def _longer(match: re.Match[str]) -> str:
  names = {
    'dor': 'dorian',
    'mix': 'mixolydian',
    'lyd': 'lydian',
    'phr': 'phrygian',
    'min': 'minor',
    'maj': 'major',
  }
  return f' {names[match[1].lower()]}'


def pictures(split: str, n: int, seed: int) -> Iterator[dict[str, Any]]:
  """Draws tunes with their motifs; yields what they show."""
  rng = np.random.default_rng(seed)
  hears = Melody()
  for corpus in ('nottingham', 'openscore_lieder', 'pop909'):
    found = paths(corpus, split)
    for path in rng.choice(np.array(found), n):
      piece = midi.read(path).notes
      heard = hears.analyse(piece)
      axes = figure.Figure(figsize=(16, 5), layout='tight').subplots()
      hears.draw(heard, axes)
      axes.set_title(f'{corpus} {path.stem}')
      name = f'{corpus}_{path.stem}.png'
      _OUT.mkdir(parents=True, exist_ok=True)
      axes.get_figure().savefig(_OUT / name)
      yield {
        'file': name,
        'notes': len(heard.line),
        'motifs': [len(motif.spans) for motif in heard.motifs],
        'tracks': heard.tracks,
      }


_OUT = pathlib.Path('out')
_WHAT = {
  'motifs': planted,
  'notes': notes,
  'themes': themes,
  'keys': keys,
  'pictures': pictures,
}


if __name__ == '__main__':
  sys.exit(main())
