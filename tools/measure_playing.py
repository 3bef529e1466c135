"""Measures how people play: aurl_jax/generation/playing.json.

  python tools/measure_playing.py            # writes the table
  python tools/measure_playing.py --check    # exits 1 if it would change

Needs the shared data (AURL_DATA). Only statistics are kept, no music:

- timing of drums, and loudness: Groove MIDI Dataset (Gillick et al. 2019, CC BY
  4.0), train split, beats in 4/4 of straight styles, played to a click. Each
  performance's own delay is taken out.
- loudness of pitched notes: POP909 (Wang et al. 2020, MIT), train split; its
  timing is quantised.
- how chords spread, and how far a melody leads: GiantMIDI-Piano (Kong et al.
  2022, CC BY 4.0), all but the last six pieces, which tests hold out.

A residual is what place and role do not tell. What is common to an onset is
taken to be a drift, whose correlation falls by a power over time, and noise.
"""

import argparse
import csv
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.core.errors import AurlError
from aurl_jax.generation import playing
from aurl_jax.music import midi, time
from aurl_jax.music.notes import Notes
from aurl_jax.studies import groups, voices

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / 'aurl_jax' / 'generation' / 'playing.json'
STRAIGHT = ('rock', 'funk', 'hiphop', 'pop', 'soul')
HELD_OUT = 6
_SONGS = 120
_LEAST_SECONDS = 20
_LAGS = (1.0, 2.0, 3.0, 5.0, 6.0, 7.0)
"""Beats over which a drift is told: within one, limbs take turns, and what
returns with the bar is no drift."""
_BAR = 4.0
_STAYS = 0.99
"""Of a drift over a beat, at most: nothing stays for ever."""
_FARTHEST = 60.0
"""ms from the grid, beyond which a note may belong to another place."""
_DIGITS = 3
_FEWEST = 20
SOURCES = (
  {
    'name': 'Groove MIDI Dataset v1.0.0',
    'by': 'Gillick et al. 2019',
    'licence': 'CC BY 4.0',
    'of': 'timing and loudness of drums, drift of timing',
  },
  {
    'name': 'POP909',
    'by': 'Wang et al. 2020',
    'licence': 'MIT',
    'of': 'loudness of pitched notes',
  },
  {
    'name': 'GiantMIDI-Piano',
    'by': 'Kong et al. 2022',
    'licence': 'CC BY 4.0',
    'of': 'spread of chords, lead of the melody',
  },
)


class Played(NamedTuple):
  """Notes of a performance: axes `n`.

  Attributes:
    beat: Place on the grid, in beats.
    place: Index into `playing.PLACES`.
    role: Index into roles.
    octave: Pitch, in octaves from the mean.
    value: What is measured, without the mean of the performance.
  """

  beat: np.ndarray
  place: np.ndarray
  role: np.ndarray
  octave: np.ndarray
  value: np.ndarray


def main() -> int:
  """Writes or checks the table; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--check', action='store_true')
  check = parser.parse_args().check
  data = pathlib.Path(
    os.environ.get('AURL_DATA', ROOT.parent / 'shared' / 'data')
  )
  if not data.is_dir():
    print(f'no data at {data}; set AURL_DATA', file=sys.stderr)
    return 1
  text = json.dumps(measured(data), indent=1) + '\n'
  if check:
    return int(text != TABLE.read_text('utf-8'))
  TABLE.write_text(text, 'utf-8')
  return 0


def measured(data: pathlib.Path) -> dict[str, Any]:
  """Returns the table."""
  drums = list(groove(data, 'train'))
  timing = [one for one, _ in drums]
  loud = [one for _, one in drums]
  kit, pitched = len(playing.DRUMS), len(playing.PITCHED)
  spread, lead = chords(data)
  drum_time = fitted(timing, kit)
  return {
    'sources': list(SOURCES),
    'timing': {
      'drums': drum_time,
      'pitched': {'note': spread, 'lead': lead},
    },
    'loudness': {
      'drums': fitted(loud, kit),
      'pitched': fitted(list(pop909(data)), pitched, slope=True),
    },
  }


def groove(data: pathlib.Path, split: str) -> Iterator[tuple[Played, Played]]:
  """Yields timing in ms, and loudness, of performances of a split."""
  with open(data / 'groove' / 'info.csv', encoding='utf-8') as file:
    rows = list(csv.DictReader(file))
  for row in rows:
    wanted = (
      row['split'] == split
      and row['beat_type'] == 'beat'
      and row['time_signature'] == '4-4'
      and row['style'].split('/')[0] in STRAIGHT
      and float(row['duration']) >= _LEAST_SECONDS
    )
    if not wanted:
      continue
    try:
      notes = midi.read(data / 'groove' / row['midi_filename']).notes
    except (AurlError, OSError):
      continue
    cell = np.rint(4 * notes.onset / notes.ticks_per_beat)
    away = notes.onset / notes.ticks_per_beat - cell / 4
    ms = 60_000 * away / float(row['bpm'])
    ms -= np.median(ms)
    near = np.abs(ms) <= _FARTHEST
    beat = cell / 4
    place = playing.of_beats(beat % 4, np.full(len(beat), 4))
    common = beat, place, playing.roles(notes), np.zeros(len(beat))
    loud = notes.velocity.astype(float)
    yield (
      Played(*(column[near] for column in (*common, ms))),
      Played(*common, loud - loud.mean()),
    )


def pop909(data: pathlib.Path, split: str = 'train') -> Iterator[Played]:
  """Yields loudness of songs in 4/4."""
  folders = sorted((data / 'pop909' / split).iterdir())
  count = 0
  for folder in folders:
    path, told = folder / f'{folder.name}.mid', folder / 'beat_midi.txt'
    if not (path.is_file() and told.is_file()) or count == _SONGS:
      continue
    beats = np.loadtxt(told)
    bars = np.flatnonzero(beats[:, 2] == 1)
    if len(bars) < 2 or (np.diff(bars) != 4).any():
      continue
    notes = midi.read(path).notes
    seconds = time.ticks_to_seconds(notes, notes.onset)
    inside = (seconds >= beats[bars[0], 0]) & (seconds <= beats[-1, 0])
    beat = np.interp(seconds, beats[:, 0], np.arange(len(beats))) - bars[0]
    beat = np.rint(4 * beat)[inside] / 4
    place = playing.of_beats(beat % 4, np.full(len(beat), 4))
    pitch, loud = (
      x[inside].astype(float) for x in (notes.pitch, notes.velocity)
    )
    count += 1
    yield Played(
      beat,
      place,
      playing.roles(notes)[inside],
      (pitch - pitch.mean()) / 12,
      loud - loud.mean(),
    )


def chords(data: pathlib.Path) -> tuple[float, float]:
  """Returns ms by which notes of a chord differ, and a melody leads."""
  away: list[np.ndarray] = []
  ahead: list[np.ndarray] = []
  for path in giant(data)[:-HELD_OUT]:
    notes = midi.read(path).notes
    spread, first = spreads(notes)
    away.append(spread)
    ahead.append(first)
  within = np.concatenate(away)
  return (
    round(float(within.std()), _DIGITS),
    round(float(np.concatenate(ahead).mean()), _DIGITS),
  )


def giant(data: pathlib.Path) -> list[pathlib.Path]:
  """Returns the performances of GiantMIDI, in order."""
  return sorted((data / 'giantmidi').glob('*.mid'))


def spreads(notes: Notes) -> tuple[np.ndarray, np.ndarray]:
  """Returns ms of notes from their chord's mean, and of melodies before it.

  The first are without the lead.
  """
  heard = groups.played(notes)
  melody = voices.melody(notes)[heard.index]
  several = heard.sizes[heard.group] > 1
  sums = np.bincount(heard.group, heard.onset)
  ms = 1000 * (heard.onset - (sums / heard.sizes)[heard.group])
  # A note's distance from a mean that it is part of is less than its own.
  ms *= np.sqrt(heard.sizes / np.maximum(heard.sizes - 1, 1))[heard.group]
  return ms[several & ~melody], -ms[several & melody]


def fitted(
  performances: Sequence[Played],
  count: int,
  *,
  slope: bool = False,
) -> dict[str, Any]:
  """Returns means of roles and places, and how the rest wanders.

  Args:
    performances: What was measured.
    count: How many roles there are.
    slope: Whether pitch tells something, too.
  """
  wide = len(playing.PLACES)
  whole = Played(*(np.concatenate(x) for x in zip(*performances, strict=True)))
  cells = whole.role * wide + whole.place
  climb = 0.0
  for _ in range(20 if slope else 1):
    rest = whole.value - climb * whole.octave
    means = _means(cells, rest, count * wide)
    if slope:
      left = whole.value - means[cells]
      climb = float(left @ whole.octave / (whole.octave @ whole.octave))
  found: dict[str, Any] = {
    'means': np.round(means.reshape(count, wide), 2).tolist(),
    'octave': round(climb, _DIGITS),
  }
  return found | _wandering(performances, means, climb)


def _means(cells: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
  """Returns means of cells, near to the mean of all where there are few."""
  number = np.bincount(cells, minlength=count)
  return np.bincount(cells, values, count) / (number + _FEWEST)


def _wandering(
  performances: Sequence[Played],
  means: np.ndarray,
  climb: float,
) -> dict[str, float]:
  """Returns a `playing.Noise`."""
  wide = len(playing.PLACES)
  lags = (*_LAGS, _BAR)
  products: list[list[float]] = [[] for _ in lags]
  common, alone, inverse = [], [], []
  for one in performances:
    rest = one.value - means[one.role * wide + one.place] - climb * one.octave
    beat, group = np.unique(one.beat, return_inverse=True)
    size = np.bincount(group)
    mean = np.bincount(group, rest) / size
    within = (rest - mean[group])[size[group] > 1]
    alone.append((within**2).sum() / max(1, (size - 1).sum()))
    inverse.append(float((1 / size).mean()))
    mean = mean - mean.mean()
    common.append(float(mean.var()))
    for lag, found in zip(lags, products, strict=True):
      at = np.searchsorted(beat, beat + lag)
      fits = at < len(beat)
      fits &= beat[np.minimum(at, len(beat) - 1)] == beat + lag
      if fits.sum() > _FEWEST:
        found.append(float((mean[fits] * mean[at[fits]]).mean()))
  told = np.array([max(float(np.mean(found)), 1e-3) for found in products])
  falls, start = np.polyfit(np.array(_LAGS), np.log(told[:-1]), 1)
  total, note = float(np.mean(common)), float(np.mean(alone))
  stays = min(float(np.exp(falls)), _STAYS)
  drift = min(float(np.exp(start)), total)
  bar = max(0.0, float(told[-1]) - drift * stays**_BAR)
  # What is left at an onset is, in part, that of its notes.
  onset = max(0.0, total - drift - bar - note * float(np.mean(inverse)))
  noise = playing.Noise(drift**0.5, stays, bar**0.5, onset**0.5, note**0.5)
  return {name: round(v, _DIGITS) for name, v in noise._asdict().items()}


if __name__ == '__main__':
  sys.exit(main())
