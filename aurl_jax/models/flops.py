"""Arithmetic of a training step, as model FLOPs utilisation counts it.

Source: Chowdhery et al. 2022, "PaLM", appendix B: 6N + 12LHQT a token, for N
parameters, L layers, H heads of width Q and T steps of context; forward and
backward, every product counted once. What rematerialisation does again does
not count, and neither does it help that attention is causal or stays inside
its segment.
"""

from aurl_jax.models.config import ModelConfig


def per_token(config: ModelConfig, parameters: int) -> float:
  """Returns FLOPs of training on one step of a row.

  Args:
    config: Of the model.
    parameters: How many it has. All are counted: the tables of the
      embedding, which looking up costs nothing, multiply in the head.

  Example:
    >>> config = ModelConfig(width=64, layers=2, heads=4, context=128)
    >>> per_token(config, 100_000)
    796608.0
  """
  attention = 12 * config.layers * config.heads * config.head_dim
  return float(6 * parameters + attention * config.context)
