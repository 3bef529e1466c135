"""What is done to a piece before it becomes ids: options of a config.

One piece at a time, nothing is remembered between pieces. Which pieces are
left out is another matter (`data.quality`, `data.duplicates`).
"""

import dataclasses

from aurl_jax.music.dynamics import Dynamics
from aurl_jax.music.notes import Notes
from aurl_jax.music.snap import Snap
from aurl_jax.studies import bars
from aurl_jax.studies import beats as beats_lib
from aurl_jax.studies.chords.recogniser import Recogniser
from aurl_jax.studies.voices import Voices

BEATS = ('keep', 'auto', 'track', 'align')
_OFF_GRID = 0.75


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preprocess:
  """The steps, in this order; without options nothing is changed.

  1. `beats`: a tempo map that follows tracked beats (`studies.beats`), for
     performances whose ticks mean nothing; or bar lines where the downbeats
     are (`studies.bars`), for pieces of steady pulse whose meter means
     nothing.
  2. `quantise`: onsets and ends go towards 16ths and triplets
     (`music.snap`), on the beats of step 1.
  3. `velocity`: loudness goes towards a common distribution, its order kept
     (`music.dynamics`); before notes are left out, so that the map is that
     of the whole piece.
  4. `voices`: melody, bass and so many voices more (`studies.voices`).
  5. `chords`: chord symbols of what is left, where the piece has none
     (`studies.chords`).

  Attributes:
    beats: `keep` the tempo map, `track` beats always, or `auto`: where the
      onsets do not heed the ticks (`studies.beats.off_grid` above 0.75).
      `align` keeps the tempo map and moves the piece so that its bars, now
      of 4/4, begin on downbeats; silence before the first of them goes. What
      has no steady pulse or says 3/4 or 6/8 stays.
    quantise: Strength 0..1.
    triplets: Whether a beat may be one of triplets.
    velocity: Strength 0..1.
    velocity_mean: Mean of the common distribution, 1..127.
    velocity_spread: Its standard deviation.
    voices: Voices besides melody and bass; None keeps all notes.
    chords: Whether chord symbols are written.

  Raises:
    ValueError: A value out of range.
  """

  beats: str = 'keep'
  quantise: float | int = 0.0
  triplets: bool = True
  velocity: float | int = 0.0
  velocity_mean: float | int = 76
  velocity_spread: float | int = 18
  voices: int | None = None
  chords: bool = False

  def __post_init__(self) -> None:
    if self.beats not in BEATS:
      raise ValueError(f'beats is one of {BEATS}, not {self.beats!r}')
    self._snap()
    self._dynamics()
    Voices(inner=self.voices or 0)

  def __call__(self, notes: Notes) -> Notes:
    """Returns the piece after all steps.

    Example:
      >>> late = Notes.build(
      ...   480, {'onset': [10, 490], 'duration': 480, 'pitch': [60, 64]})
      >>> Preprocess()(late) is late
      True
      >>> Preprocess(quantise=1, chords=True)(late).onset.tolist()
      [0, 480]
    """
    if self.beats == 'align':
      notes = bars.aligned(notes)
    if self._tracks(notes):
      notes = beats_lib.follow(notes)
    notes = self._snap()(notes)
    notes = self._dynamics()(notes)
    if self.voices is not None:
      notes = Voices(inner=self.voices)(notes)
    return Recogniser()(notes) if self.chords else notes

  def _tracks(self, notes: Notes) -> bool:
    if self.beats == 'auto':
      return beats_lib.off_grid(notes) > _OFF_GRID
    return self.beats == 'track'

  def _snap(self) -> Snap:
    return Snap(strength=self.quantise, triplet=3 if self.triplets else 0)

  def _dynamics(self) -> Dynamics:
    return Dynamics(
      strength=self.velocity,
      mean=self.velocity_mean,
      spread=self.velocity_spread,
    )
