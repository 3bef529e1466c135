"""What keeps a piece out of a data set, by limits with names.

Nothing is judged unless a limit asks for it, and every refusal says which
limit, what was found and what was allowed.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from aurl_jax.music import time
from aurl_jax.music.notes import Notes


class Reason(NamedTuple):
  """Why a piece is refused.

  Attributes:
    code: Stable name for machines, such as `few_notes`.
    text: What was found, and the limit.
  """

  code: str
  text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filter:
  """Limits of a good piece; None sets no limit.

  Attributes:
    min_notes: Fewest notes.
    max_notes: Most notes.
    min_seconds: Shortest time from the first onset to the last end.
    max_seconds: Longest such time.
    min_bars: Fewest bars up to the last end.
    max_bars: Most bars.
    max_silence: Longest gap between notes, in seconds.
    max_silence_share: Largest share of the time in which nothing sounds.
    max_polyphony: Most pitched notes that sound at once.
    min_pitches: Fewest distinct pitches; drums aside.
    max_pitch_share: Largest share of the notes on one pitch; drums aside.
    max_density: Most notes a second, on average.
    min_velocities: Fewest distinct velocities: played music has many.
    max_tracks: Most tracks with notes.
    allow_drums_only: Whether a piece may have no pitched note.
  """

  min_notes: int | None = None
  max_notes: int | None = None
  min_seconds: float | int | None = None
  max_seconds: float | int | None = None
  min_bars: int | None = None
  max_bars: int | None = None
  max_silence: float | int | None = None
  max_silence_share: float | int | None = None
  max_polyphony: int | None = None
  min_pitches: int | None = None
  max_pitch_share: float | int | None = None
  max_density: float | int | None = None
  min_velocities: int | None = None
  max_tracks: int | None = None
  allow_drums_only: bool = True

  def __call__(self, notes: Notes) -> tuple[Reason, ...]:
    """Returns every reason to refuse a piece, none for a good one.

    Example:
      >>> scale = Notes.build(
      ...   4, {'onset': [0, 4], 'duration': 4, 'pitch': [60, 62]})
      >>> Filter(min_notes=8)(scale)
      (Reason(code='few_notes', text='2 notes; at least 8'),)
    """
    if self == Filter():
      return ()
    found = facts(notes)
    reasons = []
    for code, fact, limit, unit in _CHECKS:
      bound, value = getattr(self, limit), found[fact]
      least = limit.startswith('min_')
      if bound is None or (value >= bound if least else value <= bound):
        continue
      word = 'at least' if least else 'at most'
      reasons.append(Reason(code, f'{value:.6g} {unit}; {word} {bound}'))
    if not self.allow_drums_only and len(notes) and notes.is_drum.all():
      text = f'all {len(notes)} notes are drums; a pitched one is wanted'
      reasons.append(Reason('drums_only', text))
    return tuple(reasons)


_CHECKS = (
  ('few_notes', 'notes', 'min_notes', 'notes'),
  ('many_notes', 'notes', 'max_notes', 'notes'),
  ('short', 'seconds', 'min_seconds', 'seconds'),
  ('long', 'seconds', 'max_seconds', 'seconds'),
  ('few_bars', 'bars', 'min_bars', 'bars'),
  ('many_bars', 'bars', 'max_bars', 'bars'),
  ('silence', 'silence', 'max_silence', 'seconds without a note'),
  ('silent', 'silence_share', 'max_silence_share', 'of the time is silent'),
  ('polyphony', 'polyphony', 'max_polyphony', 'pitched notes at once'),
  ('few_pitches', 'pitches', 'min_pitches', 'distinct pitches'),
  ('one_pitch', 'pitch_share', 'max_pitch_share', 'of the notes on one pitch'),
  ('dense', 'density', 'max_density', 'notes a second'),
  ('flat', 'velocities', 'min_velocities', 'distinct velocities'),
  ('many_tracks', 'tracks', 'max_tracks', 'tracks with notes'),
)
"""Code, fact, limit, and what the fact counts."""


def facts(notes: Notes) -> dict[str, float | int]:
  """Returns what `Filter` judges, by name; all 0 for no notes.

  `notes`, `seconds`, `bars`, `silence` (longest gap, seconds),
  `silence_share` (0..1), `polyphony`, `pitches`, `pitch_share` (0..1),
  `density` (notes a second), `velocities`, `tracks`.
  """
  tuned = ~notes.is_drum
  counts = np.bincount(notes.pitch[tuned], minlength=1)
  onset = time.ticks_to_seconds(notes, notes.onset)
  end = time.ticks_to_seconds(notes, notes.onset + notes.duration)
  seconds = float(end.max() - onset[0]) if len(notes) else 0.0
  # What has sounded so far ends there; a later onset leaves a gap.
  heard = np.maximum.accumulate(end)
  gaps = np.maximum(onset[1:] - heard[:-1], 0)
  return {
    'notes': len(notes),
    'seconds': seconds,
    'bars': _bars(notes),
    'silence': float(gaps.max(initial=0)),
    'silence_share': float(gaps.sum() / seconds) if seconds else 0.0,
    'polyphony': _polyphony(notes.onset[tuned], notes.duration[tuned]),
    'pitches': int(np.count_nonzero(counts)),
    'pitch_share': float(counts.max() / max(1, counts.sum())),
    'density': len(notes) / max(seconds, 1e-3),
    'velocities': len(np.unique(notes.velocity)),
    'tracks': len(np.unique(notes.track)),
  }


def _bars(notes: Notes) -> int:
  """Returns how many bars begin before the last end, without listing them."""
  if not len(notes):
    return 0
  changes = [c for c in time.meter_changes(notes) if c[0] < max(notes.end, 1)]
  stops = [change[0] for change in changes[1:]] + [max(notes.end, 1)]
  return sum(
    -(-(stop - start) * bottom // (4 * notes.ticks_per_beat * top))
    for (start, top, bottom), stop in zip(changes, stops, strict=True)
  )


def _polyphony(onset: np.ndarray, duration: np.ndarray) -> int:
  """Returns the most notes that sound at once."""
  held = duration > 0
  start, stop = np.sort(onset[held]), np.sort((onset + duration)[held])
  ended = np.searchsorted(stop, start, side='right')
  return int((np.arange(1, len(start) + 1) - ended).max(initial=0))
