"""What no music can keep is refused, by name, before anything is written."""

import numpy as np

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.frame import NO_LIMIT, Frame, Table
from aurl_jax.generation.seats import MOST_SOUNDING
from aurl_jax.music import instruments, progressions, theory
from aurl_jax.music.instruments import DRUMS
from aurl_jax.music.scales import Scale


def check_chords(
  bars: tuple[progressions.Bar, ...], keys: tuple[Scale | None, ...]
) -> None:
  """Raises RequestError where a chord has a tone outside the bar's key.

  Args:
    bars: The chords of each bar.
    keys: Its scale, None for none.

  Raises:
    RequestError: Names chord, bar and tones (code `chords`).
  """
  for row, (bar, key) in enumerate(zip(bars, keys, strict=True)):
    for chord in bar if key is not None else ():
      assert key is not None
      foreign = chord.pitch_classes() - key.pitch_classes
      if foreign:
        names = ', '.join(
          theory.PITCH_CLASSES[tone] for tone in sorted(foreign)
        )
        raise RequestError(
          f'chord {chord.label()} of bar {row + 1} has {names}, outside of '
          f'{key}; give another chord or another key there, or leave out the '
          'key',
          code='chords',
        )


def check(table: Table, frame: Frame) -> None:
  """Raises RequestError where rules leave less than they ask for.

  Args:
    table: What all of them leave.
    frame: The bars.

  Raises:
    RequestError: Names the bar, or the instrument (codes `rhythm`, `density`,
      `ranges`).
  """
  for row in range(frame.rows):
    if frame.meters and not table.onsets[row, : frame.cells(row)].any():
      raise RequestError(
        f'the rhythm has no place inside bar {row + 1}; give others',
        code='rhythm',
      )
    pitched, drums = _room(table, frame, row)
    if table.polyphony.min() < NO_LIMIT or table.each < NO_LIMIT:
      most = min(int(table.polyphony[row]), MOST_SOUNDING)
      pitched = np.minimum(pitched, most)
    if table.least[row] > (pitched + drums).sum():
      raise RequestError(
        f'bar {row + 1} has room for {(pitched + drums).sum()} notes under '
        f'this wish, fewer than the {table.least[row]} of its density; ask for '
        'fewer, or loosen rhythm, polyphony, key, chords or ranges',
        code='density',
      )
  _check_players(table)


def _room(
  table: Table, frame: Frame, row: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns how many pitched notes and drums could begin in each cell."""
  cells = frame.cells(row)
  counts = np.stack(
    [table.sounds[:DRUMS, tone::12].sum(axis=1) for tone in range(12)]
  )
  pitches = table.chroma[row, :cells].astype(int) @ counts
  voices = table.writable.sum(axis=1)
  begins = table.onsets[row, :cells]
  pitched = np.minimum(pitches, table.each) @ voices[:DRUMS]
  drums = int(table.sounds[DRUMS].sum() * voices[DRUMS])
  return pitched * begins, drums * begins


def _check_players(table: Table) -> None:
  """Raises RequestError where an instrument has no note to play."""
  tones = table.chroma.reshape(-1, 12).sum(axis=0) > 0
  for number in np.flatnonzero(table.sounds.any(axis=1)).tolist():
    if number != DRUMS:
      fits = table.sounds[number] & tones[np.arange(128) % 12]
      if not fits.any():
        raise RequestError(
          f'no note of key and chords lies in the range of '
          f'{instruments.title(number)}; widen it, or leave the instrument out',
          code='ranges',
        )
