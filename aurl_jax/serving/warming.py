"""What is compiled before a server is ready: what most will ask for."""

from collections.abc import Sequence

from aurl_jax.core.errors import AurlError
from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.request import Request
from aurl_jax.serving.engine import Engine

WIDTHS = (8, 72, 104, 136)
"""Steps of prompts whose programs are compiled; longer ones compile when they
come, while others are written."""
_BARS = 4


def usual(composer: Composer) -> list[Request]:
  """Returns requests as most will be: the model's own, and of some bars."""
  found = []
  for changes in ({}, {'bars': _BARS}):
    request = composer.request(**changes)
    try:
      composer.check(request)
    except AurlError:
      # A tokenization without bars.
      continue
    found.append(request)
  return found


def warm(engine: Engine, widths: Sequence[int] = WIDTHS) -> None:
  """Compiles what usual requests need, and waits for it.

  Args:
    engine: What will write them.
    widths: Of prompts.
  """
  context = engine.composer.model.config.context
  engine.warm(
    usual(engine.composer), [width for width in widths if width < context]
  )
