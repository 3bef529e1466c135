"""Pure transforms, `Notes` to new `Notes`.

Those that round to a grid live in `music.quantise`, those that cut and join
pieces in `music.cut`; all are handed out here.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music import notes as notes_lib
from aurl_jax.music.cut import (
  TransformError,
  concatenate,
  shift,
  slice_bars,
  slice_ticks,
)
from aurl_jax.music.notes import Notes
from aurl_jax.music.quantise import merge_equal, quantise, to_cells
from aurl_jax.music.rebuild import rebuilt

__all__ = [
  'TransformError',
  'clip_overlaps',
  'concatenate',
  'merge_equal',
  'quantise',
  'resample',
  'scale_velocity',
  'select_tracks',
  'shift',
  'slice_bars',
  'slice_ticks',
  'stretch',
  'to_cells',
  'transpose',
]

_LONGEST_BEAT = (1 << 24) - 1


def transpose(
  notes: Notes,
  semitones: int,
  *,
  low: int = 0,
  high: int = 127,
  outside: str = 'raise',
) -> Notes:
  """Moves all pitches but those of drums; keys and chords move along.

  Args:
    notes: The piece.
    semitones: How far up, negative for down.
    low: The lowest pitch that is allowed.
    high: The highest pitch that is allowed.
    outside: What happens to pitches that leave low..high: `raise` an error,
      or `octave`, which moves such a note back by whole octaves.

  Raises:
    TransformError: A pitch leaves the range (code `pitch_range`), also by
      octaves if the range is narrower than one.
  """
  if outside not in ('raise', 'octave'):
    raise ValueError(f"outside is 'raise' or 'octave', not {outside!r}")
  moved = np.where(notes.is_drum, notes.pitch, notes.pitch + semitones)
  if outside == 'octave':
    above = np.maximum(-(-(moved - high) // 12), 0)
    below = np.maximum(-(-(low - moved) // 12), 0)
    moved = np.where(notes.is_drum, moved, moved + 12 * (below - above))
  heard = moved[~notes.is_drum]
  if len(heard) and (heard.min() < low or heard.max() > high):
    raise TransformError(
      f'transposed by {semitones}, pitches reach '
      f"{heard.min()}..{heard.max()}, not in {low}..{high}; outside='octave' "
      'folds them back',
      code='pitch_range',
    )
  keys = notes.keys.copy()
  # Seven sharps are a semitone; the spelling nearest to no signature.
  keys['fifths'] = (keys['fifths'] + 7 * semitones + 5) % 12 - 5
  texts = [
    text._replace(text=chords_lib.transpose(text.text, semitones))
    if text.kind == 'chord'
    else text
    for text in notes.texts
  ]
  return rebuilt(notes, {'pitch': moved}, keys=keys, texts=texts)


def scale_velocity(notes: Notes, factor: float | int) -> Notes:
  """Multiplies velocities, rounds them, and keeps them in 1..127."""
  scaled = np.rint(notes.velocity * factor).clip(1, 127).astype(np.int64)
  return rebuilt(notes, {'velocity': scaled})


def stretch(notes: Notes, factor: float | int) -> Notes:
  """Makes a piece last `factor` times as long, by its tempos alone.

  Beats a minute stay within what MIDI holds (3.58 and more).
  """
  tempos = notes.tempos
  if not len(tempos) or tempos['tick'][0] > 0:
    first = np.array([(0, notes_lib.DEFAULT_TEMPO)], notes_lib.TEMPO)
    tempos = np.concatenate([first, tempos])
  tempos = tempos.copy()
  slower = np.rint(tempos['microseconds'] * factor)
  tempos['microseconds'] = slower.clip(1, _LONGEST_BEAT)
  return notes.replace(tempos=tempos)


def select_tracks(notes: Notes, tracks: Iterable[int]) -> Notes:
  """Keeps some tracks, in the given order, with what belongs to them.

  Raises:
    TransformError: There is no such track (code `track`).
  """
  wanted = list(dict.fromkeys(int(track) for track in tracks))
  missing = [t for t in wanted if not 0 <= t < len(notes.tracks)]
  if missing:
    raise TransformError(
      f'no track {missing}; the piece has {len(notes.tracks)} tracks',
      code='track',
    )
  renumbered = np.full(len(notes.tracks) + 1, -1)
  renumbered[wanted] = np.arange(len(wanted))
  chosen = renumbered[notes.track] >= 0
  names = ('onset', 'duration', 'pitch', 'velocity')
  columns = {name: getattr(notes, name)[chosen] for name in names}
  columns['track'] = renumbered[notes.track[chosen]]
  tables = {}
  for name in ('controls', 'bends'):
    table = getattr(notes, name)
    table = table[renumbered[table['track']] >= 0]
    table['track'] = renumbered[table['track']]
    tables[name] = table
  texts = [
    text._replace(track=int(renumbered[text.track]))
    for text in notes.texts
    if text.track < 0 or renumbered[text.track] >= 0
  ]
  return Notes.build(
    notes.ticks_per_beat,
    columns,
    tracks=[notes.tracks[track] for track in wanted],
    texts=texts,
    title=notes.title,
    tempos=notes.tempos,
    meters=notes.meters,
    keys=notes.keys,
    **tables,
  )


def clip_overlaps(notes: Notes) -> Notes:
  """Ends each note when the next one of its pitch and track begins.

  Notes that begin together become one, the longest (see `merge_equal`).
  """
  notes, _ = merge_equal(notes)
  if len(notes) < 2:
    return notes
  order = np.lexsort([notes.onset, notes.pitch, notes.track])
  follows = (np.diff(notes.track[order]) == 0) & (
    np.diff(notes.pitch[order]) == 0
  )
  room = np.diff(notes.onset[order])[follows]
  cut = order[:-1][follows]
  duration = notes.duration.copy()
  duration[cut] = np.minimum(duration[cut], room)
  return rebuilt(notes, {'duration': duration})


def resample(notes: Notes, ticks_per_beat: int) -> Notes:
  """Counts in other ticks; each start and end goes to the nearest.

  Exact if the new number is a multiple of the old. A note that had a
  length keeps at least one tick.
  """

  def moved(ticks: np.ndarray) -> np.ndarray:
    return to_cells(ticks, notes.ticks_per_beat, ticks_per_beat)

  tables: dict[str, Any] = {}
  for name in notes_lib.TABLES:
    table = getattr(notes, name).copy()
    table['tick'] = moved(table['tick'])
    tables[name] = table
  ticks = moved(np.array([text.tick for text in notes.texts], np.int64))
  texts = [
    text._replace(tick=int(tick))
    for text, tick in zip(notes.texts, ticks, strict=True)
  ]
  onset = moved(notes.onset)
  length = moved(notes.onset + notes.duration) - onset
  length = np.maximum(length, notes.duration > 0)
  return rebuilt(
    notes,
    {'onset': onset, 'duration': length},
    ticks_per_beat=ticks_per_beat,
    texts=texts,
    **tables,
  )
