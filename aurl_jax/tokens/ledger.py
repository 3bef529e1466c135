"""The ledger of a tokenization: what encoding a piece kept and lost.

Judged from the decoded music (see `matching`), not from what encoding meant
to do. Counts are of events of a kind; errors are absolute, of the events
that were kept, in milliseconds: at the tempo that holds where the event
stands or, of a tokenization that counts seconds, as they are.
"""

import collections
import dataclasses
from typing import Any

import numpy as np

from aurl_jax.music import time
from aurl_jax.music.notes import DEFAULT_TEMPO, Notes
from aurl_jax.tokens import matching
from aurl_jax.tokens.matching import Clock
from aurl_jax.tokens.tokenizer import Tokenizer

_DIGITS = 3
"""Of the errors as they are told: microseconds."""
_SUSTAIN, _DOWN = 64, 64
"""The control that is the sustain pedal, and where it counts as down."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
  """One kind of event.

  Attributes:
    count: Events of the piece; of tempos and meters those that change
      anything, the one that holds at the start included; of pedals those
      that go down or up.
    kept: Events that the ids tell.
    merged: Events that became one with an equal event.
    dropped: Events that are gone.
    errors: Name, such as `onset_ms`, -> mean and largest absolute error.
  """

  count: int
  kept: int
  merged: int = 0
  dropped: int = 0
  errors: dict[str, tuple[float, float]] = dataclasses.field(
    default_factory=dict
  )

  @property
  def exact(self) -> bool:
    """Whether nothing is gone, merged or moved."""
    moved = any(worst > 0 for _, worst in self.errors.values())
    return not (self.merged or self.dropped or moved)

  def as_dict(self) -> dict[str, int | float]:
    """Returns the entry as plain numbers, `onset_ms_mean` and so on."""
    numbers: dict[str, int | float] = {
      'count': self.count,
      'kept': self.kept,
      'merged': self.merged,
      'dropped': self.dropped,
    }
    for name, (mean, worst) in self.errors.items():
      numbers[f'{name}_mean'] = round(mean, _DIGITS)
      numbers[f'{name}_max'] = round(worst, _DIGITS)
    return numbers


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ledger:
  """What a tokenization did to a piece.

  Attributes:
    entries: Kind of event -> its entry; kinds that the piece lacks are left
      out, but for notes.
  """

  entries: dict[str, Entry]

  @property
  def exact(self) -> bool:
    """Whether decoding gives the piece back with nothing lost or moved."""
    return all(entry.exact for entry in self.entries.values())

  def as_dict(self) -> dict[str, Any]:
    """Returns kind -> plain numbers, for JSON."""
    return {kind: entry.as_dict() for kind, entry in self.entries.items()}


def ledger(tokenizer: Tokenizer, notes: Notes) -> Ledger:
  """Returns what `tokenizer` keeps and loses of a piece.

  Args:
    tokenizer: Any tokenizer.
    notes: Any piece.

  Raises:
    TokenError: The tokenizer cannot hold the piece.
  """
  return compare(tokenizer, notes, tokenizer.decode(tokenizer.encode(notes)))


def compare(tokenizer: Tokenizer, notes: Notes, back: Notes) -> Ledger:
  """Returns the ledger of a piece and of what was decoded from its ids."""
  clock, twins = _twins(tokenizer, notes, back)
  pedals, others = _controls(clock, twins)
  entries = {
    'notes': _notes(clock, twins),
    'tracks': _tracks(notes, back, twins),
    'tempos': _tempos(clock),
    'meters': _meters(clock),
    'chords': _chords(clock),
    'keys': _plain(len(notes.keys), len(back.keys)),
    'pedals': pedals,
    'controls': others,
    'bends': _plain(len(notes.bends), len(back.bends)),
  }
  for kind in ('lyric', 'marker'):
    entries[f'{kind}s'] = _plain(_texts(notes, kind), _texts(back, kind))
  entries['names'] = _plain(_names(notes), _names(back))
  return Ledger(
    entries={k: e for k, e in entries.items() if e.count or k == 'notes'}
  )


def note_errors(
  tokenizer: Tokenizer, notes: Notes, back: Notes
) -> dict[str, np.ndarray]:
  """Returns the errors of each note that was kept, float64 `[kept]`.

  Keys: `onset_ms` and `duration_ms`, milliseconds, and `velocity`.
  """
  clock, twins = _twins(tokenizer, notes, back)
  return _note_errors(clock, matching.notes(clock, twins))


def _twins(
  tokenizer: Tokenizer, notes: Notes, back: Notes
) -> tuple[Clock, np.ndarray]:
  """Returns the clock of both pieces, and the twins of the tracks."""
  grid = tokenizer.grid
  tempo = any('tempo' in field.starts for field in tokenizer.codec.fields)
  cell = max(1, back.ticks_per_beat // grid.cells_per_beat)
  clock = Clock(notes, back, seconds=not tempo, cell=cell)
  single = grid.program is not None
  return clock, matching.tracks(notes, back, one_instrument=single)


def _texts(notes: Notes, kind: str) -> int:
  return sum(text.kind == kind for text in notes.texts)


def _names(notes: Notes) -> int:
  names = [notes.title, *(track.name for track in notes.tracks)]
  return sum(bool(name) for name in names)


def _plain(count: int, kept: int) -> Entry:
  return Entry(count=count, kept=kept, dropped=max(0, count - kept))


def _spread(errors: np.ndarray) -> tuple[float, float]:
  """Returns the mean and the largest of absolute errors; 0 for none."""
  if not len(errors):
    return 0.0, 0.0
  return float(errors.mean()), float(errors.max())


def _moved(
  clock: Clock, ticks: np.ndarray, told: np.ndarray
) -> tuple[float, float]:
  """Returns how far events are from their twins, in milliseconds."""
  error = np.abs(told - clock.place(ticks))
  return _spread(clock.milliseconds(ticks, error))


def _entry(
  match: matching.Match, errors: dict[str, tuple[float, float]]
) -> Entry:
  kept = len(match.kept)
  return Entry(
    count=kept + match.merged + match.dropped,
    kept=kept,
    merged=match.merged,
    dropped=match.dropped,
    errors=errors,
  )


def _notes(clock: Clock, twins: np.ndarray) -> Entry:
  match = matching.notes(clock, twins)
  errors = _note_errors(clock, match)
  return _entry(match, {name: _spread(error) for name, error in errors.items()})


def _note_errors(clock: Clock, match: matching.Match) -> dict[str, np.ndarray]:
  given, told = match.kept, match.told
  onset = clock.given.onset[given]
  start = np.abs(clock.told.onset[told] - clock.place(onset))
  length = np.abs(clock.lengths(given) - clock.told.duration[told])
  loud = np.abs(clock.given.velocity[given] - clock.told.velocity[told])
  return {
    'onset_ms': clock.milliseconds(onset, start),
    'duration_ms': clock.milliseconds(onset, length),
    'velocity': loud.astype(np.float64),
  }


def _tracks(notes: Notes, back: Notes, twins: np.ndarray) -> Entry:
  """Kept is a track whose instrument is told; empty ones are dropped."""
  used = np.flatnonzero(np.bincount(notes.track, minlength=1)).tolist()
  given = collections.Counter(notes.tracks[i][1:] for i in used)
  told = collections.Counter(track[1:] for track in back.tracks)
  kept = (given & told).total()
  merged = int((twins >= 0).sum()) - len(np.unique(twins[twins >= 0]))
  dropped = len(notes.tracks) - kept - merged
  return Entry(
    count=len(notes.tracks), kept=kept, merged=merged, dropped=dropped
  )


def _tempos(clock: Clock) -> Entry:
  """The error in percent is that of the tempo that is told at a change."""
  notes, back = clock.given, clock.told
  ticks = np.append(0, notes.tempos['tick'])
  micros = np.append(DEFAULT_TEMPO, notes.tempos['microseconds'])
  last = np.append(ticks[1:] != ticks[:-1], True)
  ticks, micros = ticks[last], micros[last]
  changed = np.append(True, micros[1:] != micros[:-1])
  ticks, micros = ticks[changed], micros[changed]
  count, kept = len(ticks), len(back.tempos)
  if not kept:
    return _plain(count, 0)
  # What begins after the music is dropped, and so has no error.
  ticks, micros = ticks[ticks < notes.end], micros[ticks < notes.end]
  at = np.floor(clock.place(ticks) / clock.cell + 0.5) * clock.cell
  row = np.searchsorted(back.tempos['tick'], at, side='right') - 1
  alike = np.zeros(len(ticks)), np.zeros(kept)
  match = matching.changes(
    clock, ticks, alike[0], back.tempos['tick'], alike[1]
  )
  told = back.tempos['microseconds'][row]
  return Entry(
    count=count,
    kept=kept,
    dropped=max(0, count - kept),
    errors={
      'onset_ms': _moved(
        clock, ticks[match.kept], back.tempos['tick'][match.told]
      ),
      'percent': _spread(np.abs(micros / told - 1) * 100),
    },
  )


def _meters(clock: Clock) -> Entry:
  """Kept is a change to a meter that is told as it is."""
  changes = np.array(time.meter_changes(clock.given), np.int64)
  told = clock.told.meters
  match = matching.changes(
    clock,
    changes[:, 0],
    _meter_kinds(changes[:, 1], changes[:, 2]),
    told['tick'],
    _meter_kinds(told['numerator'], told['denominator']),
  )
  moved = _moved(clock, changes[match.kept, 0], told['tick'][match.told])
  return _entry(match, {'onset_ms': moved} if len(match.kept) else {})


def _meter_kinds(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
  """Returns a number for each meter; denominators are powers of two."""
  return numerator * 16 + np.log2(denominator).astype(np.int64)


def _chords(clock: Clock) -> Entry:
  """Kept is a chord where one is told; how it is spelled does not count."""
  given, told = (
    np.array([text.tick for text in piece.chords], np.int64)
    for piece in (clock.given, clock.told)
  )
  match = matching.changes(
    clock, given, np.zeros(len(given)), told, np.zeros(len(told))
  )
  errors = {'onset_ms': _moved(clock, given[match.kept], told[match.told])}
  return _entry(match, errors if len(match.kept) else {})


def _controls(clock: Clock, twins: np.ndarray) -> tuple[Entry, Entry]:
  """Returns the entries of pedals, and of all other controls."""
  given, told = _pedals(clock.given), _pedals(clock.told)
  track = _played_by(clock.given, twins)[given['track']]
  match = matching.changes(
    clock,
    given['tick'],
    np.where(track < 0, -1, track * 2 + (given['value'] >= _DOWN)),
    told['tick'],
    told['track'] * 2 + (told['value'] >= _DOWN),
  )
  moved = _moved(clock, given['tick'][match.kept], told['tick'][match.told])
  pedals = _entry(match, {'onset_ms': moved} if len(match.kept) else {})
  others = [
    int((piece.controls['number'] != _SUSTAIN).sum())
    for piece in (clock.given, clock.told)
  ]
  return pedals, _plain(*others)


def _played_by(notes: Notes, twins: np.ndarray) -> np.ndarray:
  """Returns the twin of each track; without notes, its instrument's first."""
  first: dict[tuple[int, bool], int] = {}
  for track, twin in zip(notes.tracks, twins.tolist(), strict=True):
    if twin >= 0:
      first.setdefault(track[1:], twin)
  return np.array(
    [
      twin if twin >= 0 else first.get(track[1:], -1)
      for track, twin in zip(notes.tracks, twins.tolist(), strict=True)
    ],
    np.int64,
  )


def _pedals(notes: Notes) -> np.ndarray:
  """Returns the rows at which a track's sustain pedal goes down or up."""
  table = notes.controls[notes.controls['number'] == _SUSTAIN]
  table = table[np.argsort(table['track'], kind='stable')]
  down = table['value'] >= _DOWN
  same = np.append(False, table['track'][1:] == table['track'][:-1])
  before = np.append(False, down[:-1])
  return table[down != (before & same)[: len(table)]]
