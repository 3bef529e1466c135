"""Errors of generation that a user can meet."""

from aurl_jax.core.errors import AurlError


class RequestError(AurlError):
  """A request that cannot be met as asked; says which value and why."""


class DecodeError(AurlError):
  """A model whose output cannot be music, such as NaN logits."""
