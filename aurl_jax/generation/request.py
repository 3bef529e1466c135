"""`Request`: what a piece shall be, in one value for every way in."""

import dataclasses
import os
import pathlib

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.sampling import Sampler
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """A wish for pieces.

  Attributes:
    n: Pieces.
    bars: Bars that each piece adds to its prompt; 0 leaves the end to the
      model.
    steps: Steps of a piece at most, prompt included; 0 takes the context.
    temperature: See `Sampler`; 0 is greedy.
    top_k: See `Sampler`.
    top_p: See `Sampler`.
    min_p: See `Sampler`.
    seed: Of all pieces; piece i depends on the seed and i alone.
    prompt: Music to go on from: notes, or a MIDI file; None begins anew.

  Raises:
    RequestError: A value out of its range.
  """

  n: int = 1
  bars: int = 0
  steps: int = 0
  temperature: float = 1.0
  top_k: int = 0
  top_p: float = 1.0
  min_p: float = 0.0
  seed: int = 0
  prompt: Notes | str | os.PathLike[str] | None = None

  def __post_init__(self) -> None:
    least = {'n': 1, 'bars': 0, 'steps': 0, 'seed': 0}
    for name, low in least.items():
      value = getattr(self, name)
      if not isinstance(value, int) or value < low:
        raise RequestError(
          f'{name} must be a whole number of at least {low}, not {value!r}'
        )
    _ = self.sampler

  @property
  def sampler(self) -> Sampler:
    """How ids are drawn."""
    return Sampler(
      temperature=self.temperature,
      top_k=self.top_k,
      top_p=self.top_p,
      min_p=self.min_p,
    )

  def prompt_notes(self) -> Notes | None:
    """Returns the music to go on from.

    Raises:
      MidiError: The file holds no music.
      RequestError: The prompt has no notes.
    """
    if self.prompt is None:
      return None
    given = self.prompt
    if not isinstance(given, Notes):
      given = midi.read(pathlib.Path(given)).notes
    if not len(given):
      raise RequestError('the prompt has no notes', code='prompt')
    return given
