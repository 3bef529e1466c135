"""How right a melody is: the field's scores against one that people wrote.

Notes: precision, recall and F of notes whose pitch agrees and whose onset lies
within 50 ms (the transcription task of MIREX). Frames of 10 ms: raw pitch and
raw chroma accuracy, voicing recall and false alarm (Salamon, Gómez, Ellis and
Richard, "Melody extraction from polyphonic music signals", IEEE Signal
Processing Magazine 31, 2014). Axis: `t` frames.
"""

import numpy as np

from aurl_jax.studies.melody.line import Line

WINDOW, FRAME = 0.05, 0.01
"""Seconds."""
_MOST_FRAMES = 10_000_000
"""A day has fewer: who is silent for years is heard for a day."""


def notes(found: Line, truth: Line) -> dict[str, float]:
  """Returns precision, recall and F of notes; NaN where there are none."""
  hits = _matched(found, truth)
  precision = hits / len(found) if len(found) else float('nan')
  recall = hits / len(truth) if len(truth) else float('nan')
  total = len(found) + len(truth)
  return {
    'note_precision': precision,
    'note_recall': recall,
    'note_f': 2 * hits / total if total else float('nan'),
  }


def _matched(found: Line, truth: Line) -> int:
  """Returns how many notes agree, each taken once.

  Of one pitch both lines ascend, so that the earliest that fits is best.
  """
  hits = 0
  for pitch in np.intersect1d(found.pitch, truth.pitch):
    mine = found.start[found.pitch == pitch].tolist()
    theirs = truth.start[truth.pitch == pitch].tolist()
    i = j = 0
    while i < len(mine) and j < len(theirs):
      if abs(mine[i] - theirs[j]) <= WINDOW + 1e-9:
        hits, i, j = hits + 1, i + 1, j + 1
      elif mine[i] < theirs[j]:
        i += 1
      else:
        j += 1
  return hits


def frames(found: Line, truth: Line) -> dict[str, float]:
  """Returns accuracy of pitch and chroma, voicing recall and false alarm.

  Of no frame that counts, NaN.
  """
  last = max([0.0, *found.end[-1:], *truth.end[-1:]])
  count = min(int(np.ceil(last / FRAME)), _MOST_FRAMES)
  mine, theirs = (_pitches(line, count) for line in (found, truth))
  voiced, told = theirs >= 0, mine >= 0
  same = told & voiced & (mine == theirs)
  chroma = told & voiced & (mine % 12 == theirs % 12)
  return {
    'raw_pitch': _share(same, voiced),
    'raw_chroma': _share(chroma, voiced),
    'voicing_recall': _share(told & voiced, voiced),
    'voicing_false_alarm': _share(told & ~voiced, ~voiced),
  }


def _pitches(line: Line, count: int) -> np.ndarray:
  """Returns the pitch in the middle of each frame, -1 in rests, [t]."""
  pitch = np.full(count, -1)
  if not len(line):
    return pitch
  times = (np.arange(count) + 0.5) * FRAME
  place = np.searchsorted(line.start, times, side='right') - 1
  inside = (place >= 0) & (times < line.end[np.maximum(place, 0)])
  pitch[inside] = line.pitch[place[inside]]
  return pitch


def _share(these: np.ndarray, among: np.ndarray) -> float:
  many = int(among.sum())
  return int(these.sum()) / many if many else float('nan')
