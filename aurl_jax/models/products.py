"""Matrix products that are fast on CPUs too, their gradients among them.

Axes: `n` rows, `i` inside, `o` outside.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_FEW = range(2, 65)
"""Rows of a batch that is decoded: see `_turned`. One is a product of its own
kind, which XLA computes well."""


def project(
  x: Float[Array, '*b i'], kernel: Float[Array, 'i o']
) -> Float[Array, '*b o']:
  """Returns `x @ kernel`; both of one dtype."""
  if jax.default_backend() != 'cpu':
    return x @ kernel
  rows = x.reshape(-1, x.shape[-1])
  return _rows(rows, kernel).reshape(*x.shape[:-1], kernel.shape[-1])


def against(
  x: Float[Array, 'n i'], table: Float[Array, 'o i']
) -> Float[Array, 'n o']:
  """Returns `x @ table.T`, float32; both of one dtype."""
  if jax.default_backend() == 'cpu' and _is_few(x):
    return _turned(x, table)
  return jnp.einsum('nd,vd->nv', x, table, preferred_element_type=jnp.float32)


@jax.custom_vjp
def _rows(
  x: Float[Array, 'n i'], kernel: Float[Array, 'i o']
) -> Float[Array, 'n o']:
  if not _is_few(x):
    return x @ kernel
  # Of a loop over steps, the kernel is turned once, before it.
  return _turned(x, _kept(kernel.T)).astype(x.dtype)


def _is_few(x: Float[Array, 'n i']) -> bool:
  # The rows of a program that is exported for any batch are no number.
  return isinstance(x.shape[0], int) and x.shape[0] in _FEW


def _turned(
  x: Float[Array, 'n i'], table: Float[Array, 'o i']
) -> Float[Array, 'n o']:
  """Returns `x @ table.T`, float32, of few rows.

  XLA's product packs its right side first, here what is small: 1.8 to 2.3
  times the speed at 8 to 32 rows of width 256. The barriers keep it from
  turning the product back.
  """
  turned = jnp.matmul(table, _kept(x.T), preferred_element_type=jnp.float32)
  return _kept(turned).T


def _forward(
  x: Float[Array, 'n i'], kernel: Float[Array, 'i o']
) -> tuple[Float[Array, 'n o'], tuple[Array, Array]]:
  return _rows(x, kernel), (x, kernel)


def _backward(
  residuals: tuple[Array, Array], grad: Float[Array, 'n o']
) -> tuple[Float[Array, 'n i'], Float[Array, 'i o']]:
  x, kernel = residuals
  inside, outside = kernel.shape
  if inside <= outside:
    return grad @ kernel.T, _kept(x.T) @ grad
  return grad @ kernel.T, _kept(_kept(grad.T) @ x).T


def _kept(x: Array) -> Array:
  # XLA would fold the transposes into the product, whose CPU kernels are
  # twice as slow on a transposed left side; turning the narrower of the two
  # sides first costs a tenth of what it saves.
  return jax.lax.optimization_barrier(x)


_rows.defvjp(_forward, _backward)
