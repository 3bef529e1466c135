"""The section `generate`: what a run writes by default."""

import dataclasses
from typing import Any

from aurl_jax.generation.defaults import OF_MODELS
from aurl_jax.generation.request import Request


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerateConfig:
  """What `generate` writes by default; see `generation.request.Request`.

  Attributes:
    n: Pieces.
    bars: Bars of a piece; 0 leaves the length to the model.
    steps: Steps of a piece at most; 0 takes the model's context.
    steps_per_bar: What a bar takes in this tokenization, for the check that
      `bars` fit the context (16 in `grid`, about 20 in `compound`, 90 in
      `remi`).
    temperature: Softmax temperature; 0 is greedy.
    top_k: Keep the k likeliest ids; 0 keeps all.
    top_p: Keep the likeliest ids that sum up to this probability.
    typical_p: Keep the ids of the most expected surprise that sum up to this.
    min_p: Drop ids less likely than this share of the likeliest.
    crowd: Notes that begin at once beyond which a piece is drawn anew; 0 for
      any number.
    forms: What forms of long pieces are drawn of (`generation.templates`).
    seed: Seed of the first piece.
  """

  n: int = 4
  bars: int = 0
  steps: int = 0
  steps_per_bar: int = 20
  temperature: float = 1.0
  top_k: int = 0
  top_p: float = 0.98
  typical_p: float = 1.0
  min_p: float = 0.0
  crowd: int = 0
  forms: str = 'labelled'
  seed: int = 0

  @property
  def defaults(self) -> dict[str, Any]:
    """What the bundle of a run says of requests."""
    return {name: getattr(self, name) for name in OF_MODELS}

  def request(self, **changes: Any) -> Request:
    """Returns the request that these values make."""
    values = dataclasses.asdict(self) | changes
    del values['steps_per_bar']
    return Request(**values)
