"""From a request to the steps that a piece begins with.

Those are an opening of meter, tempo and controls; or music to go on from; or
music of which some bars are taken out (`tokens.infill`), to be written anew.
Axes: `t` steps, `f` fields.
"""

import dataclasses
import inspect

import numpy as np
from jaxtyping import Int

from aurl_jax.core.errors import ConfigError, TokenError
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.opening import opening
from aurl_jax.generation.request import Request
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import control_dropout
from aurl_jax.tokens.controls import Controls
from aurl_jax.tokens.infill import Infill
from aurl_jax.tokens.infill_parts import Part
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

  def prompt(self, request: Request) -> Int[np.ndarray, 't f']:
    """Returns the steps to begin with.

    Raises:
      RequestError: The tokenization cannot tell what is asked for (codes
        `prompt`, `meter`, `tempo`, `controls`, `rewrite`).
      MidiError: The file of the prompt holds no music.
    """
    notes = request.prompt_notes()
    if notes is None:
      first = opening(self.tokenizer, request.meter, request.tempo)
      return self._controlled(first, request.controls)
    ids = self._encoded(notes, request.controls)
    if request.rewrite is None:
      return ids[: np.argmax(self.tokenizer.is_end(ids))]
    return self._taken(ids, request, request.rewrite)

  def twin(self, prompt: Int[np.ndarray, 't f']) -> Int[np.ndarray, 'u f']:
    """Returns a prompt without its controls, for guidance.

    Raises:
      RequestError: It has none (code `guidance`).
    """
    twin = control_dropout.unconditional(self.tokenizer.codec, prompt)
    if len(twin) == len(prompt):
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

  def _controlled(
    self, first: np.ndarray, controls: Controls | None
  ) -> np.ndarray:
    """Returns an opening with the controls of the piece behind BOS."""
    if controls is None:
      return first
    self._check_controls()
    if controls.bars:
      raise RequestError(
        'controls of bars belong to a prompt, whose bars they are of; an '
        'opening takes those of the piece',
        code='controls',
      )
    try:
      told = self.tokenizer.encode(_NOTHING, controls)  # type: ignore[call-arg]
    except TokenError as error:
      raise RequestError(str(error), code='controls') from error
    kinds = control_dropout.kinds(self.tokenizer.codec, told)
    return np.concatenate([first[:1], told[kinds >= 0], first[1:]])

  def _check_controls(self) -> None:
    takes = 'controls' in inspect.signature(self.tokenizer.encode).parameters
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


_NOTHING = Notes.build(4, {'onset': [], 'duration': [], 'pitch': []})
"""Music without a note, of which the controls alone are read."""
