"""`Composer`: a model, its parameters and its tokenizer, ready to write."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from aurl_jax.deploy.priors import Priors
from aurl_jax.generation import constraints, decode, ending
from aurl_jax.generation.decode import Sample
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.guidance import Guided, Without
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.prompt import Prompts
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
    priors: Of its latents, if any have been fitted.
  """

  model: Model
  params: Any
  tokenizer: Tokenizer
  defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  priors: Priors | None = None

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
    prompts = Prompts(self.tokenizer)
    prompt = prompts.prompt(request)
    steps, twins = self._steps(request, prompt), None
    if request.guidance != 1:
      twins = [prompts.twin(prompt)] * request.n
    samples = decode.decode(
      self.model,
      self.params,
      self.tokenizer.grammar,
      Guided([prompt] * request.n, twins, request.guidance),
      steps=steps,
      seed=request.seed,
      sampler=request.sampler,
      constraints=self._wanted(request, prompt, steps),
    )
    return [
      self.piece(sample, request.seed + row)
      for row, sample in enumerate(samples)
    ]

  def _wanted(
    self, request: Request, prompt: np.ndarray, steps: int
  ) -> tuple[constraints.Constraint, ...]:
    """Returns what the pieces shall be beyond legal."""
    wanted: list[constraints.Constraint] = []
    if request.bars:
      length = constraints.bars(self.tokenizer, prompt, request.bars, steps)
      wanted += [length, *ending.within(self.tokenizer, length)]
    codec = self.tokenizer.codec
    if request.rewrite is not None:
      wanted.append(Without(codec, ('meter', 'cut')))
    elif Prompts(self.tokenizer).infills:
      wanted.append(Without(codec))
    return tuple(wanted)

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

  def piece(self, sample: Sample, seed: int) -> Piece:
    """Returns the piece that a decoded sample is, and its seed's."""
    return Piece(
      notes=self.tokenizer.decode(sample.ids),
      ids=sample.ids,
      seed=seed,
      ended=sample.ended,
      grammatical=sample.legal,
    )
