"""The metrics of a piece, in one table: what each is, its range, its source.

All are plain functions of `Notes`, `nan` where a piece has no such thing. A
report prints the table, so that a number can be cited with what it means.
Axes: `n` pieces, `k` metrics.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aurl_jax.evaluation import (
  attributes,
  expression,
  harmony,
  melodic,
  musical,
  pitch,
  rhythm,
  structure,
)
from aurl_jax.music.notes import Notes

_MUSPY = 'Dong et al., MusPy, ISMIR 2020'
_JAZZ = 'Wu and Yang, The Jazz Transformer on the Front Line, ISMIR 2020'
_YANG = 'Yang and Lerch, Neural Computing and Applications 2020'
_TENSION = 'Herremans and Chew, Tension ribbons, TENOR 2016'
_OWN = 'ours, see evaluation.'


class Metric(NamedTuple):
  """A figure of a piece.

  Attributes:
    name: As in reports.
    family: `pitch`, `rhythm`, `harmony`, `melody`, `structure` or `expression`.
    function: From a piece to the figure.
    unit: What it is counted in, and its range.
    source: Where it is defined.
  """

  name: str
  family: str
  function: Callable[[Notes], float]
  unit: str
  source: str


def _of(group: Callable[[Notes], Mapping[str, float]], name: str) -> Callable:
  """Returns one figure of a group that is worked out together."""

  def function(notes: Notes) -> float:
    return group(notes)[name]

  return function


@functools.lru_cache(maxsize=4)
def _tension(notes: '_Once') -> Mapping[str, float]:
  return harmony.tension(notes.notes)


@functools.lru_cache(maxsize=4)
def _indicators(notes: '_Once') -> Mapping[str, float]:
  return structure.indicators(structure.similarity(notes.notes))


class _Once:
  """A piece by its identity: notes have no hash."""

  def __init__(self, notes: Notes) -> None:
    self.notes = notes

  def __hash__(self) -> int:
    return id(self.notes)

  def __eq__(self, other: object) -> bool:
    return isinstance(other, _Once) and other.notes is self.notes


def _once(group: Callable[['_Once'], Mapping[str, float]]) -> Callable:
  return lambda notes: group(_Once(notes))


_BEATS = 'quarter notes'
METRICS: tuple[Metric, ...] = (
  Metric('pitches', 'pitch', pitch.pitches_used, 'count, 0..128', _MUSPY),
  Metric(
    'pitch_classes', 'pitch', pitch.pitch_classes_used, 'count, 0..12', _MUSPY
  ),
  Metric('range', 'pitch', musical.pitch_range, 'semitones, 0..127', _YANG),
  Metric('pitch_entropy', 'pitch', pitch.pitch_entropy, 'bits, 0..7', _JAZZ),
  Metric(
    'pitch_class_entropy',
    'pitch',
    pitch.pitch_class_entropy,
    'bits, 0..3.58',
    _JAZZ,
  ),
  Metric('scale_consistency', 'pitch', pitch.scale_consistency, '0..1', _MUSPY),
  Metric('polyphony', 'pitch', pitch.polyphony, 'pitches, >= 1', _MUSPY),
  Metric('polyphony_rate', 'pitch', pitch.polyphony_rate, '0..1', _MUSPY),
  Metric(
    'register',
    'pitch',
    _of(attributes.of, 'register'),
    'MIDI pitch, 0..127',
    f'{_OWN}attributes',
  ),
  Metric(
    'onset_density', 'rhythm', musical.onset_density, 'notes a beat', _YANG
  ),
  Metric(
    'onsets_a_second',
    'rhythm',
    rhythm.onsets_a_second,
    'notes a second',
    f'{_OWN}rhythm',
  ),
  Metric('mean_length', 'rhythm', musical.mean_length, _BEATS, _YANG),
  Metric(
    'groove_similarity', 'rhythm', musical.groove_similarity, '0..1', _JAZZ
  ),
  Metric(
    'groove_consistency', 'rhythm', rhythm.groove_consistency, '0..1', _MUSPY
  ),
  Metric(
    'syncopation',
    'rhythm',
    _of(attributes.of, 'syncopation'),
    'strength a beat, >= 0',
    'after Longuet-Higgins and Lee, Music Perception 1984',
  ),
  Metric('empty_beat_rate', 'rhythm', rhythm.empty_beat_rate, '0..1', _MUSPY),
  Metric('empty_bar_rate', 'rhythm', rhythm.empty_bar_rate, '0..1', _MUSPY),
  Metric(
    'onset_entropy',
    'rhythm',
    rhythm.onset_entropy,
    'bits, >= 0',
    'Eerola and North, ICMPC 2000',
  ),
  Metric(
    'drum_pattern_consistency',
    'rhythm',
    rhythm.drum_pattern_consistency,
    '0..1',
    _MUSPY,
  ),
  Metric(
    'chord_tone_rate',
    'harmony',
    harmony.chord_tone_rate,
    '0..1',
    f'{_OWN}harmony',
  ),
  Metric(
    'harmonic_change',
    'harmony',
    harmony.harmonic_change,
    'tonal distance, >= 0',
    'Harte et al., AMCMM 2006',
  ),
  Metric(
    'tension_diameter',
    'harmony',
    _of(_once(_tension), 'diameter'),
    'spiral array, >= 0',
    _TENSION,
  ),
  Metric(
    'tension_momentum',
    'harmony',
    _of(_once(_tension), 'momentum'),
    'spiral array, >= 0',
    _TENSION,
  ),
  Metric(
    'tension_strain',
    'harmony',
    _of(_once(_tension), 'strain'),
    'spiral array, >= 0',
    _TENSION,
  ),
  Metric(
    'stepwise_rate',
    'melody',
    melodic.stepwise_rate,
    '0..1',
    'Huron, Music Perception 2001',
  ),
  Metric(
    'repeated_rate', 'melody', melodic.repeated_rate, '0..1', f'{_OWN}melodic'
  ),
  Metric('leap_rate', 'melody', melodic.leap_rate, '0..1', f'{_OWN}melodic'),
  Metric(
    'leap_recovery',
    'melody',
    melodic.leap_recovery,
    '0..1',
    'von Hippel and Huron, Music Perception 2000',
  ),
  Metric(
    'structure_short',
    'structure',
    _of(_once(_indicators), 'short'),
    '0..1',
    f'{_OWN}structure',
  ),
  Metric(
    'structure_mid',
    'structure',
    _of(_once(_indicators), 'mid'),
    '0..1',
    f'{_OWN}structure',
  ),
  Metric(
    'structure_long',
    'structure',
    _of(_once(_indicators), 'long'),
    '0..1',
    f'{_OWN}structure',
  ),
  Metric(
    'mean_velocity',
    'expression',
    expression.mean_velocity,
    '1..127',
    f'{_OWN}expression',
  ),
  Metric(
    'velocity_deviation',
    'expression',
    expression.velocity_deviation,
    '0..63',
    f'{_OWN}expression',
  ),
  Metric(
    'velocity_range',
    'expression',
    expression.velocity_range,
    '0..126',
    f'{_OWN}expression',
  ),
  Metric(
    'mean_tempo',
    'expression',
    expression.mean_tempo,
    'beats a minute',
    f'{_OWN}expression',
  ),
  Metric(
    'tempo_variation',
    'expression',
    expression.tempo_variation,
    '>= 0',
    f'{_OWN}expression',
  ),
  Metric(
    'articulation',
    'expression',
    expression.articulation,
    'of the interval, 0..4',
    'Bresin and Battel, Journal of New Music Research 2000',
  ),
)
"""All of them, family by family."""
BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


def measure(
  notes: Notes, names: Sequence[str] | None = None
) -> dict[str, float]:
  """Returns the metrics of a piece by name.

  Args:
    notes: The piece.
    names: Which ones; all by default.

  Raises:
    KeyError: There is no such metric.

  Example:
    >>> tune = Notes.build(
    ...   4, {'onset': [0, 4, 8], 'duration': 4, 'pitch': [60, 62, 69]})
    >>> measure(tune, ['pitches', 'stepwise_rate'])
    {'pitches': 3.0, 'stepwise_rate': 0.5}
  """
  chosen = METRICS if names is None else [BY_NAME[name] for name in names]
  return {metric.name: float(metric.function(notes)) for metric in chosen}


def table(
  pieces: Sequence[Notes], names: Sequence[str] | None = None
) -> Float[np.ndarray, 'n k']:
  """Returns the metrics of pieces, a row each; `nan` where one has none."""
  chosen = tuple(BY_NAME) if names is None else tuple(names)
  rows = [list(measure(notes, chosen).values()) for notes in pieces]
  return np.array(rows, np.float64).reshape(-1, len(chosen))


def vectors(
  reference: Float[np.ndarray, 'n k'], rows: Float[np.ndarray, 'm k']
) -> tuple[np.ndarray, np.ndarray, list[int]]:
  """Returns tables as vectors that distances can be worked out of.

  Metrics that a tenth of either set lacks, or that do not vary in the
  reference, are left out, and then pieces that lack one of the others; what is
  left is told in deviations of the reference.

  Args:
    reference: As of `table`.
    rows: Likewise, of the same metrics.

  Returns:
    Vectors of the reference; of the others; and which metrics they are of.
  """
  known = [np.isfinite(x) for x in (reference, rows)]
  often = np.all([k.mean(axis=0) >= _KNOWN for k in known], axis=0)
  some = np.flatnonzero(often)
  columns = np.where(known[0], reference, np.nan)[:, some]
  # A tempo that is the same in all pieces differs by rounding.
  level = _SAME * np.nanmax(abs(columns), axis=0, initial=0)
  kept = some[np.nanstd(columns, axis=0) > level]
  one, other = (
    x[k[:, kept].all(axis=1)][:, kept]
    for x, k in zip((reference, rows), known, strict=True)
  )
  mean, spread = one.mean(axis=0), one.std(axis=0)
  return (one - mean) / spread, (other - mean) / spread, kept.tolist()


_SAME = 1e-9
"""A deviation that is less, by the largest value, is none."""
_KNOWN = 0.9
"""Of both sets, so large a share has a metric that is compared."""
