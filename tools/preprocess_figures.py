"""Measures what preprocessing keeps and finds, on the shared data.

  python tools/preprocess_figures.py [FIGURE …] [--split valid] [--every 1]

Prints one JSON line a figure: `beats`, `piano_beats`, `grid`, `voices`,
`velocity`, `chords`, `duplicates`, `nottingham`. Needs the shared data
(AURL_DATA). What judges is computed here and shares nothing with what it
judges. POP909's songs are those of `--split`; all fitting and tuning was done
on `train`.
"""

import argparse
import itertools
import json
import os
import pathlib
import sys
import time as clock
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from aurl_jax.data.duplicates import Duplicates
from aurl_jax.music import chords as chords_lib
from aurl_jax.music import midi, time, transform
from aurl_jax.music.dynamics import Dynamics
from aurl_jax.music.notes import Notes
from aurl_jax.music.snap import Snap
from aurl_jax.studies import beats, voices
from aurl_jax.studies.chords.recogniser import Recogniser

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(
  os.environ.get('AURL_DATA') or ROOT.parent / 'shared' / 'data'
)
_WINDOW = 0.07
_TRIM = 5.0
"""Seconds at the start that do not count, as mir_eval has it."""


def main() -> int:
  """Prints the figures that were asked for; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('figures', nargs='*', metavar='FIGURE')
  parser.add_argument('--split', default='valid', choices=['train', 'valid'])
  parser.add_argument('--every', type=int, default=1)
  args = parser.parse_args()
  for name in args.figures or FIGURES:
    start = clock.process_time()
    row = FIGURES[name](args)
    row['cpu_seconds'] = round(clock.process_time() - start, 1)
    print(json.dumps({'figure': name, **row}), flush=True)
  return 0


def pop909(args: argparse.Namespace) -> Iterator[tuple[pathlib.Path, Notes]]:
  """Yields folder and notes of the songs that were asked for."""
  for song in sorted((DATA / 'pop909' / args.split).iterdir())[:: args.every]:
    yield song, midi.read(song / f'{song.name}.mid').notes


def pieces(name: str, every: int) -> Iterator[tuple[str, Notes]]:
  """Yields the MIDI files of a set, one in `every`."""
  for path in sorted((DATA / name).rglob('*.mid'))[::every]:
    yield str(path.relative_to(DATA)), midi.read(path).notes


def seconds_only(notes: Notes) -> Notes:
  """Returns the piece without tempo map: at 120 bpm, 1000 ticks a beat."""
  onset = time.ticks_to_seconds(notes, notes.onset)
  end = time.ticks_to_seconds(notes, notes.onset + notes.duration)
  columns = {
    'onset': np.rint(2000 * onset),
    'duration': np.rint(2000 * end) - np.rint(2000 * onset),
    'pitch': notes.pitch,
    'velocity': notes.velocity,
    'track': notes.track,
  }
  return Notes.build(1000, columns, tracks=notes.tracks)


def spread(values: list[float]) -> dict[str, float]:
  """Returns mean, median and least of some numbers."""
  return {
    'mean': round(float(np.mean(values)), 4),
    'median': round(float(np.median(values)), 4),
    'least': round(float(np.min(values)), 4),
  }


def beat_f(found: np.ndarray, truth: np.ndarray) -> float:
  """Returns the F-measure of beats, ±70 ms, from 5 seconds on."""
  found, truth = found[found >= _TRIM], truth[truth >= _TRIM]
  here = there = hits = 0
  while here < len(found) and there < len(truth):
    gap = found[here] - truth[there]
    hits += abs(gap) <= _WINDOW
    here += gap <= _WINDOW
    there += gap >= -_WINDOW
  return 2 * hits / max(1, len(found) + len(truth))


def constant_tempo(notes: Notes, end: float) -> np.ndarray:
  """Returns the beats of the single tempo and phase that fit best.

  The peak of the Fourier transform of the onsets, times a normal
  distribution over the logarithm of the beat's length (0.78 s, 0.3): that of
  POP909's training songs.
  """
  onset = time.ticks_to_seconds(notes, notes.onset)
  lengths = np.exp(np.arange(np.log(0.26), np.log(1.5), 1.5e-4))
  prior = np.exp(-0.5 * (np.log(lengths / 0.78) / 0.3) ** 2)
  waves = np.array([np.exp(2j * np.pi * onset / p).sum() for p in lengths])
  best = int((np.abs(waves) * prior).argmax())
  phase = np.angle(waves[best]) / (2 * np.pi) % 1 * lengths[best]
  return np.arange(phase, end, lengths[best])


def fitted_tempo(truth: np.ndarray) -> np.ndarray:
  """Returns the single tempo nearest to the truth (least squares)."""
  index = np.arange(len(truth))
  return np.polyval(np.polyfit(index, truth, 1), index)


def beat_figure(args: argparse.Namespace) -> dict[str, Any]:
  """Beats of POP909 from seconds alone, against `beat_midi.txt`."""
  rows: list[tuple[float, float, float]] = []
  speed = []
  for song, notes in pop909(args):
    truth = np.loadtxt(song / 'beat_midi.txt')[:, 0]
    rows.append(_beat_row(seconds_only(notes), truth, speed))
  return _beat_table(rows, speed)


def piano_beat_figure(args: argparse.Namespace) -> dict[str, Any]:
  """Beats of piano_midi_de from seconds alone, against its tempo map."""
  rows: list[tuple[float, float, float]] = []
  speed = []
  for _, notes in pieces('piano_midi_de', args.every):
    truth = time.ticks_to_seconds(notes, time.beats(notes))
    rows.append(_beat_row(seconds_only(notes), truth, speed))
  return _beat_table(rows, speed)


def _beat_row(
  notes: Notes, truth: np.ndarray, speed: list[float]
) -> tuple[float, float, float]:
  length = time.duration_seconds(notes)
  start = clock.process_time()
  found = beats.track(notes).all()
  speed.append(length / max(clock.process_time() - start, 1e-3))
  return (
    beat_f(found, truth),
    beat_f(constant_tempo(notes, length), truth),
    beat_f(fitted_tempo(truth), truth),
  )


def _beat_table(
  rows: list[tuple[float, float, float]], speed: list[float]
) -> dict[str, Any]:
  tracked, constant, fitted = (
    list(column) for column in zip(*rows, strict=True)
  )
  return {
    'pieces': len(rows),
    'f': spread(tracked),
    'share_above_0.9': round(float(np.mean(np.array(tracked) > 0.9)), 3),
    'constant_tempo_f': spread(constant),
    'constant_tempo_told_f': spread(fitted),
    'times_real_time': spread(speed),
  }


def grid_figure(args: argparse.Namespace) -> dict[str, Any]:
  """How many onsets return to their place after jitter of 20 ms (sd)."""
  random = np.random.default_rng(0)
  right = total = 0
  for name, every in (('openscore_lieder', 10), ('openscore_quartets', 10)):
    for _, notes in pieces(name, every * args.every):
      size = notes.ticks_per_beat
      exact = Snap()(notes).onset == notes.onset
      jitter = random.normal(0, 0.02 * size / 0.6, len(notes))
      late = np.maximum(notes.onset + np.rint(jitter).astype(np.int64), 0)
      # The track stands for the note, so that it can be found again.
      moved = Notes.build(
        size, {'onset': late, 'duration': notes.duration, 'pitch': 60,
               'track': np.arange(len(notes))},
      )  # fmt: skip
      back = Snap()(moved)
      found = np.empty(len(notes), np.int64)
      found[back.track] = back.onset
      right += int((found == notes.onset)[exact].sum())
      total += int(exact.sum())
  return {'notes_on_the_grid': total, 'returned': round(right / total, 4)}


def voice_figure(args: argparse.Namespace) -> dict[str, Any]:
  """Share of MELODY's notes that are kept, tracks merged; and of all."""
  table: dict[str, list[tuple[float, float]]] = {}
  for _, notes in pop909(args):
    names = [track.name for track in notes.tracks]
    if 'MELODY' not in names:
      continue
    mask = notes.track == names.index('MELODY')
    truth = set(_places(notes, mask))
    merged = Notes.build(
      notes.ticks_per_beat,
      {name: getattr(notes, name)
       for name in ('onset', 'duration', 'pitch', 'velocity')},
      tempos=notes.tempos,
    )  # fmt: skip
    kept = {
      'melody line': _places(merged, voices.melody(merged)),
      'skyline': _places(merged, voices.skyline(merged)),
    }
    for inner in range(4):
      left = voices.Voices(inner=inner)(merged)
      kept[f'melody, bass, {inner}'] = _places(left, slice(None))
    for inner in range(4):
      kept[f'highest {inner + 1}, bass'] = _highest(merged, inner + 1)
    for name, places in kept.items():
      recall = len(truth & set(places)) / len(truth)
      table.setdefault(name, []).append((recall, len(places) / len(notes)))
  return {
    name: {
      'recall': spread([row[0] for row in rows]),
      'notes_kept': round(float(np.mean([row[1] for row in rows])), 3),
    }
    for name, rows in table.items()
  }


def _places(notes: Notes, mask: Any) -> list[tuple[int, int]]:
  return list(
    zip(notes.onset[mask].tolist(), notes.pitch[mask].tolist(), strict=True)
  )


def _highest(notes: Notes, count: int) -> list[tuple[int, int]]:
  """Returns the highest notes and the lowest one of each chord (30 ms)."""
  seconds = time.ticks_to_seconds(notes, notes.onset)
  kept, start = [], 0
  while start < len(notes):
    stop = int(np.searchsorted(seconds, seconds[start] + 0.03, side='right'))
    chord = sorted(
      range(start, stop), key=lambda i: int(notes.pitch[i]), reverse=True
    )
    kept += chord[:count] + (chord[-1:] if len(chord) > count else [])
    start = stop
  return _places(notes, np.array(kept, np.int64))


def velocity_figure(args: argparse.Namespace) -> dict[str, Any]:
  """Spearman's rank correlation of velocities before and after."""
  table: dict[str, Any] = {}
  sets = {'pop909/valid': 1, 'piano_midi_de': 1, 'groove': 5}
  for name, every in sets.items():
    found, means = [], []
    for _, notes in pieces(name, every * args.every):
      if len(np.unique(notes.velocity)) < 2:
        continue
      # The order of notes changes where velocities do; tracks find them.
      alone = Notes.build(
        notes.ticks_per_beat,
        {'onset': np.arange(len(notes)), 'duration': 1, 'pitch': notes.pitch,
         'velocity': notes.velocity},
      )  # fmt: skip
      after = Dynamics()(alone).velocity
      found.append(_spearman(notes.velocity, after))
      means.append((notes.velocity.mean(), after.mean()))
    table[name] = {
      'pieces': len(found),
      'rank_correlation': spread(found),
      'spread_of_mean_velocity': np.std(means, axis=0).round(2).tolist(),
    }
  return table


def _spearman(one: np.ndarray, two: np.ndarray) -> float:
  ranks = []
  for values in (one, two):
    counts = np.bincount(values, minlength=128)
    ranks.append((np.cumsum(counts) - counts / 2)[values])
  return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def chord_figure(args: argparse.Namespace) -> dict[str, Any]:
  """Share of the time with the right chord, against `chord_midi.txt`."""
  ways: dict[str, Callable[[pathlib.Path, Notes], np.ndarray | None]] = {
    'given beats': lambda song, notes: np.unique(
      time.seconds_to_ticks(notes, np.loadtxt(song / 'beat_midi.txt')[:, 0])
    ),
    'tracked beats': lambda _, notes: np.unique(
      time.seconds_to_ticks(notes, beats.track(notes).all())
    ),
    'ticks': lambda _, notes: None,
  }
  table: dict[str, Any] = {}
  for name, bounds in ways.items():
    rows = [
      _chord_row(song, notes, bounds(song, notes))
      for song, notes in pop909(args)
    ]
    root, majmin = (list(column) for column in zip(*rows, strict=True))
    table[name] = {'root': spread(root), 'majmin': spread(majmin)}
  return table


def _chord_row(
  song: pathlib.Path, notes: Notes, bounds: np.ndarray | None
) -> tuple[float, float]:
  """Returns the shares of root and of root with major or minor."""
  texts = Recogniser()(notes, bounds).chords
  ticks = np.array([text.tick for text in texts], np.int64)
  starts = time.ticks_to_seconds(notes, ticks)
  lines = (song / 'chord_midi.txt').read_text().splitlines()
  truth = [line.split() for line in lines if line.strip()]
  edges = [float(row[0]) for row in truth] + [float(truth[-1][1])]
  cuts = np.unique(np.append(starts, edges))
  cuts = cuts[(cuts >= edges[0]) & (cuts <= edges[-1])]
  score = np.zeros((2, 2))
  for low, high in itertools.pairwise(cuts.tolist()):
    middle = (low + high) / 2
    wanted = truth[int(np.searchsorted(edges, middle, side='right')) - 1][2]
    at = int(np.searchsorted(starts, middle, side='right')) - 1
    heard = texts[at].text if at >= 0 else 'N'
    for row, (right, counts) in enumerate(_judged(wanted, heard)):
      score[row] += counts * (high - low) * np.array([right, 1])
  return tuple((score[:, 0] / score[:, 1]).tolist())


def _judged(wanted: str, heard: str) -> list[tuple[bool, bool]]:
  """Returns (right, counts) for the root and for major and minor."""
  want, hear = (_simple(label) for label in (wanted, heard))
  return [
    (want[0] == hear[0], True),
    (want == hear, want[1] != ''),
  ]


def _simple(label: str) -> tuple[str, str]:
  """Returns root and 'maj', 'min', 'N', or '' for other chords."""
  if label == 'N':
    return 'N', 'N'
  root, _, kind = label.partition(':')
  number = chords_lib.parse(root).root
  kind = kind.split('/')[0]
  if kind in ('', 'maj', 'maj7', '7', 'maj6', '6', '9', 'maj9'):
    return str(number), 'maj'
  if kind.startswith(('maj', '7(')):
    return str(number), 'maj'
  return str(number), 'min' if kind.startswith('min') else ''


def duplicate_figure(args: argparse.Namespace) -> dict[str, Any]:
  """Recall and precision for variants made here, and false alarms."""
  sets = {'pop909': 8, 'openscore_lieder': 8, 'piano_midi_de': 2,
          'jsb_chorales': 3, 'js_fakes': 5, 'groove': 10}  # fmt: skip
  originals = [
    piece for name, every in sets.items()
    for piece in pieces(name, every * args.every)
  ]  # fmt: skip
  known = Duplicates()
  alarms = [
    (name, earlier) for name, notes in originals
    if (earlier := known.add(name, notes))
  ]  # fmt: skip
  passed = {name for name, _ in alarms}
  table: dict[str, Any] = {'pieces': len(originals), 'alarms': alarms}
  random = np.random.default_rng(0)
  for kind, change in VARIANTS.items():
    answers = [
      (name, known.add(f'{name}#{kind}', change(notes, random)))
      for name, notes in originals if name not in passed
    ]  # fmt: skip
    for group, drums in (('pitched', False), ('drums', True)):
      rows = [row for row in answers if row[0].startswith('groove') == drums]
      told = [(name, answer) for name, answer in rows if answer]
      right = sum(_original(answer) == name for name, answer in told)
      table[f'{kind}, {group}'] = {
        'recall': round(right / len(rows), 4),
        'precision': round(right / max(1, len(told)), 4),
      }
  return table


def _original(name: str) -> str:
  return name.split('#')[0]


def nottingham_figure(args: argparse.Namespace) -> dict[str, Any]:
  """What is grouped among the tunes of nottingham; a few shown."""
  known = Duplicates()
  exact, near, shown = 0, 0, []
  for path in sorted((DATA / 'nottingham').glob('*/*.mid'))[:: args.every]:
    notes = midi.read(path).notes
    before = known.exact
    earlier = known.add(path.stem, notes)
    exact += known.exact > before
    if earlier and known.exact == before:
      near += 1
      shown.append((path.stem, earlier))
  return {
    'tunes': exact + near + len(known), 'exact': exact, 'near': near,
    'shown': shown[:: max(1, len(shown) // 20)],
  }  # fmt: skip


def _varied(
  notes: Notes, columns: dict[str, np.ndarray], keep: Any = slice(None)
) -> Notes:
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  full = {name: getattr(notes, name) for name in names} | columns
  return Notes.build(
    notes.ticks_per_beat,
    {name: column[keep] for name, column in full.items()},
    tracks=notes.tracks,
  )


def _transposed(notes: Notes, random: np.random.Generator) -> Notes:
  step = int(random.choice([-5, -3, -2, 2, 3, 5]))
  return transform.transpose(notes, step, outside='octave')


def _faster(notes: Notes, random: np.random.Generator) -> Notes:
  factor = random.choice([0.8, 0.9, 1.1, 1.25])
  onset = np.rint(notes.onset * factor).astype(np.int64)
  return _varied(notes, {'onset': onset})


def _thinned(notes: Notes, random: np.random.Generator) -> Notes:
  return _varied(notes, {}, random.random(len(notes)) > 0.1)


def _jittered(notes: Notes, random: np.random.Generator) -> Notes:
  width = notes.ticks_per_beat / 32
  shift = np.rint(random.normal(0, width, len(notes))).astype(np.int64)
  return _varied(notes, {'onset': np.maximum(notes.onset + shift, 0)})


def _all(notes: Notes, random: np.random.Generator) -> Notes:
  for change in (_transposed, _faster, _thinned, _jittered):
    notes = change(notes, random)
  return notes


VARIANTS: dict[str, Callable[[Notes, np.random.Generator], Notes]] = {
  'transposed': _transposed,
  'tempo': _faster,
  'tenth dropped': _thinned,
  'jittered': _jittered,
  'all four': _all,
}

FIGURES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
  'beats': beat_figure,
  'piano_beats': piano_beat_figure,
  'grid': grid_figure,
  'voices': voice_figure,
  'velocity': velocity_figure,
  'chords': chord_figure,
  'duplicates': duplicate_figure,
  'nottingham': nottingham_figure,
}


if __name__ == '__main__':
  sys.exit(main())
