"""`Composer`: a model, its parameters and its tokenizer, ready to write."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from aurl_jax.core.errors import TokenError
from aurl_jax.generation import constraints, decode, opening
from aurl_jax.generation.decode import Sample
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.request import Request
from aurl_jax.models.functional import Model
from aurl_jax.tokens.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Composer:
  """What `aurl_jax.load` gives.

  Attributes:
    model: The network.
    params: Its parameters.
    tokenizer: Between notes and its ids.
    defaults: What a request of this model has where its asker says nothing.
  """

  model: Model
  params: Any
  tokenizer: Tokenizer
  defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def request(self, **changes: Any) -> Request:
    """Returns a request with the model's own defaults, but for changes.

    Args:
      **changes: Fields of `Request`. Where they name `steps` and no `bars`,
        the end is left to the model: its own bars need not fit.

    Raises:
      RequestError: A value out of its range.
    """
    if 'steps' in changes:
      changes = {'bars': 0, **changes}
    return Request(**{**self.defaults, **changes})

  def generate(self, request: Request) -> list[Piece]:
    """Returns the pieces that a request asks for.

    The same request gives the same pieces, on the same kind of device.

    Raises:
      RequestError: It cannot be met: a prompt that the tokenizer cannot
        hold or that leaves no room, or more steps than the context.
      DecodeError: The model's output is no number.
    """
    prompt = self._prompt(request)
    steps = self._steps(request, prompt)
    wanted = (
      (constraints.bars(self.tokenizer, prompt, request.bars, steps),)
      if request.bars
      else ()
    )
    samples = decode.decode(
      self.model,
      self.params,
      self.tokenizer.grammar,
      [prompt] * request.n,
      steps=steps,
      seed=request.seed,
      sampler=request.sampler,
      constraints=wanted,
    )
    return [
      self._piece(sample, request.seed + row)
      for row, sample in enumerate(samples)
    ]

  def _prompt(self, request: Request) -> np.ndarray:
    """Returns the steps to begin with, int32 `[t, f]`."""
    notes = request.prompt_notes()
    if notes is None:
      return opening.opening(self.tokenizer, request.meter, request.tempo)
    try:
      ids = self.tokenizer.encode(notes)
    except TokenError as error:
      # The remedy it names is for those who can choose a tokenization.
      cause = str(error).partition('; use ')[0]
      raise RequestError(
        f'this model cannot read the prompt: {cause}', code='prompt'
      ) from error
    return ids[: np.argmax(self.tokenizer.is_end(ids))]

  def _steps(self, request: Request, prompt: np.ndarray) -> int:
    context = self.model.config.context
    if request.steps > context:
      raise RequestError(
        f'steps {request.steps} exceed the context of the model, {context}',
        code='steps',
      )
    steps = request.steps or context
    if len(prompt) >= steps:
      raise RequestError(
        f'the prompt takes {len(prompt)} of {steps} steps and leaves no room; '
        'give a shorter one',
        code='steps',
      )
    return steps

  def _piece(self, sample: Sample, seed: int) -> Piece:
    return Piece(
      notes=self.tokenizer.decode(sample.ids),
      ids=sample.ids,
      seed=seed,
      ended=sample.ended,
      grammatical=sample.legal,
    )
