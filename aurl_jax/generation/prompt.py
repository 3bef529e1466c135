"""From a request to the steps that a piece begins with.

Those are an opening of meter, tempo and controls; or music to go on from; or
music of which some bars are taken out (`tokens.infill`), to be written anew.
Axes: `t` steps, `f` fields.
"""

import dataclasses

import numpy as np
from jaxtyping import Int

from aurl_jax.core.errors import ConfigError, TokenError
from aurl_jax.generation import given as given_lib
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.given import Given
from aurl_jax.generation.opening import opening
from aurl_jax.generation.request import Request
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import control_dropout
from aurl_jax.tokens.controls import Controls
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.infill import Infill
from aurl_jax.tokens.infill_parts import ALL_NOTES, Part
from aurl_jax.tokens.options import EventTokenizer
from aurl_jax.tokens.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class Prompts:
  """Makes the prompts of a tokenizer's model.

  Attributes:
    tokenizer: Whose ids they are.
  """

  tokenizer: Tokenizer

  @property
  def infills(self) -> bool:
    """Whether the vocabulary can take parts out."""
    return 'mask' in self.tokenizer.codec.fields[0].starts

  def fills(self, request: Request) -> bool:
    """Returns whether what is written fills in what a prompt leaves open."""
    return request.rewrite is not None or (self.infills and request.gives)

  def prompt(self, request: Request) -> Int[np.ndarray, 't f']:
    """Returns the steps to begin with.

    Raises:
      RequestError: The tokenization cannot tell what is asked for (codes
        `prompt`, `meter`, `tempo`, `controls`, `rewrite`).
      MidiError: The file of the prompt holds no music.
    """
    given = given_lib.of(self.tokenizer, request)
    if given is not None:
      return self._beside(given, request.controls)
    notes = request.prompt_notes()
    if notes is None:
      first = opening(self.tokenizer, request.meter, request.tempo)
      return self.controlled(first, request.controls)
    ids = self._encoded(notes, request.controls)
    if request.rewrite is None:
      return ids[: np.argmax(self.tokenizer.is_end(ids))]
    return self._taken(ids, request, request.rewrite)

  def twin(
    self, prompt: Int[np.ndarray, 't f'], bars: bool = False
  ) -> Int[np.ndarray, 'u f']:
    """Returns a prompt without its controls, for guidance.

    Args:
      prompt: With them.
      bars: Whether more are told behind it.

    Raises:
      RequestError: It has none (code `guidance`).
    """
    twin = control_dropout.unconditional(self.tokenizer.codec, prompt)
    if len(twin) == len(prompt) and not bars:
      raise RequestError(
        'guidance follows controls more closely, and this request has none; '
        'give some, or leave guidance at 1',
        code='guidance',
      )
    return twin

  def _encoded(self, notes: Notes, controls: Controls | None) -> np.ndarray:
    try:
      if controls is None:
        return self.tokenizer.encode(notes)
      self._check_controls()
      return self.tokenizer.encode(notes, controls)  # type: ignore[call-arg]
    except TokenError as error:
      # The remedy it names is for those who can choose a tokenization.
      cause = str(error).partition('; use ')[0]
      raise RequestError(
        f'this model cannot read the prompt: {cause}', code='prompt'
      ) from error

  def controlled(
    self, first: Int[np.ndarray, 't f'], controls: Controls | None
  ) -> Int[np.ndarray, 'u f']:
    """Returns an opening with its controls.

    Those of bars that are still to be written are told when they begin, see
    `generation.told`.

    Args:
      first: Steps from BOS on.
      controls: What is told; None for nothing.

    Raises:
      RequestError: The model has not learnt such controls (code `controls`).
    """
    if controls is None:
      return first
    self._check_controls()
    try:
      return self.tokenizer.tell(first, controls)  # type: ignore[attr-defined]
    except TokenError as error:
      raise RequestError(str(error), code='controls') from error

  def _beside(self, given: Given, controls: Controls | None) -> np.ndarray:
    """Returns what given music begins with, or all of it, to be written to."""
    if given.forced:
      return self.controlled(given.ids[:1], controls)
    ids = self.controlled(given.ids, controls)
    codec = self.tokenizer.codec
    eos = np.zeros((1, len(codec.fields)), np.int32)
    eos[0, 0] = codec.id('eos')
    part = Part(given=ALL_NOTES)
    if isinstance(self.tokenizer, VoiceGrid):
      own = {voice for _, voice in given.tracks}
      voices = [v for v in range(len(codec.fields)) if v not in own]
      part = Part(tracks=tuple((0, voice) for voice in voices))
    bars = self.tokenizer.bar_steps(ids)
    whole = np.concatenate([ids, eos])
    return Infill(codec).take_out(whole, bars, 0, len(bars), part).context

  def _check_controls(self) -> None:
    takes = isinstance(self.tokenizer, EventTokenizer)
    if not takes or not control_dropout.has_controls(self.tokenizer.codec):
      raise RequestError(
        'this model knows no controls; ask without them, or train with '
        'tokenizer.controls=True and data.controls=piece',
        code='controls',
      )

  def _taken(
    self, ids: np.ndarray, request: Request, rewrite: tuple[int, int]
  ) -> np.ndarray:
    """Returns the context of the bars that are to be written anew."""
    bars = self.tokenizer.bar_steps(ids)
    part = Part(given=request.given, tracks=request.tracks)
    try:
      infill = Infill(self.tokenizer.codec)
      return infill.take_out(ids, bars, *rewrite, part).context
    except ConfigError as error:
      raise RequestError(
        f'this model cannot rewrite bars: {error}', code='rewrite'
      ) from error
    except TokenError as error:
      raise RequestError(f'rewrite: {error}', code='rewrite') from error
