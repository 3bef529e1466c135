"""What models have defaults of, and which of them a request undoes."""

from collections.abc import Mapping
from typing import Any

OF_MODELS = (
  'bars',
  'temperature',
  'top_k',
  'top_p',
  'typical_p',
  'min_p',
  'crowd',
  'forms',
)
"""What a model may have defaults of; the rest is the asker's affair."""
_OF_A_LENGTH = (
  *('steps', 'rewrite', 'form', 'minutes'),
  *('melody', 'accompaniment', 'bass'),
  'remake',
)
"""What has a length of its own."""


def freed(changes: Mapping[str, Any], latents: bool) -> dict[str, Any]:
  """Returns changes of a request, and of its model's defaults what they undo.

  What has a length of its own has no `bars`: `steps`, bars that are written
  anew, a form, music that is given or made of other music, and what latents
  tell of it. That is written as the likeliest ids, unless a `temperature` is
  named: what is drawn is the latents.

  Args:
    changes: Fields of `Request`.
    latents: Whether the model has some.

  Example:
    >>> freed({'minutes': 3}, latents=False)
    {'bars': 0, 'minutes': 3}
  """
  own: dict[str, Any] = {}
  if any(changes.get(name) is not None for name in _OF_A_LENGTH):
    own['bars'] = 0
  made = changes.get('remake') or changes.get('like')
  if latents and made is not None:
    own |= {'bars': 0, 'temperature': 0.0}
  return {**own, **changes}
