"""ONNX graphs of which one is made after the other, over one file of weights.

The weights of all graphs of an export lie in one file beside them (`Store`),
as they are stored in the bundle: float32, float16, or whole numbers of 8 or 4
bits, which a graph multiplies by their scales when it is loaded. Axes: `i`
inputs, `o` outputs of a matrix.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import packing as packing_lib
from aurl_jax.deploy.packing import SCALE, Packing

WEIGHTS = 'weights.bin'
_OPSET, _IR = 18, 9
"""Old enough for TensorRT 10 and the runtimes of browsers and phones."""
_INLINE = 64
"""Numbers that stand in the graph itself."""
_ALIGNED = 64
"""Bytes that an array of the file begins at a multiple of."""


def onnx() -> Any:
  """Returns the package `onnx`.

  Raises:
    BundleError: It is not installed (code `extra`).
  """
  try:
    import onnx
    import onnx.helper
  except ImportError as error:
    raise BundleError(
      "onnx is not installed; pip install 'aurl-jax[export]'", code='extra'
    ) from error
  return onnx


class Store:
  """The weights of an export, each once, whatever graphs ask for it."""

  def __init__(
    self,
    stored: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    packing: Packing | None,
    is_whole: bool = False,
  ) -> None:
    """Keeps what a bundle stores.

    Args:
      stored: As of `deploy.bundle.stored`.
      shapes: Of the parameters, by path.
      packing: How they are stored.
      is_whole: Whether kernels of 8 bits are multiplied in whole numbers,
        since inputs are, too.
    """
    self.stored, self.shapes, self.packing = stored, shapes, packing
    self.is_whole = is_whole
    self.data = bytearray()
    self._places: dict[str, tuple[int, int]] = {}

  def place(self, name: str, array: np.ndarray) -> tuple[int, int]:
    """Returns where an array lies in the file, which gets it if need be."""
    if name not in self._places:
      self.data += bytes(-len(self.data) % _ALIGNED)
      raw = np.ascontiguousarray(array).tobytes()
      self._places[name] = len(self.data), len(raw)
      self.data += raw
    return self._places[name]


class Graph:
  """One graph while it is made; values are names."""

  def __init__(self, name: str, store: Store) -> None:
    self._onnx, self._name, self._store = onnx(), name, store
    self._nodes: list[Any] = []
    self._held: dict[str, Any] = {}
    self._known: dict[str, str] = {}
    self._inputs: list[Any] = []
    self._outputs: list[Any] = []

  def input(self, name: str, dtype: str, shape: Sequence[Any]) -> str:
    """Adds an input; a text in its shape is an axis of any length."""
    self._inputs.append(self._told(name, dtype, shape))
    return name

  def has_input(self, name: str) -> bool:
    """Returns whether there is such an input."""
    return any(each.name == name for each in self._inputs)

  def reach(self, path: str) -> float:
    """Returns how far the inputs of a product reach."""
    return float(self._store.stored[path])

  def output(self, value: str, name: str, shape: Sequence[Any]) -> None:
    """Makes a float32 value an output."""
    self._nodes.append(self._onnx.helper.make_node('Identity', [value], [name]))
    self._outputs.append(self._told(name, 'float32', shape))

  def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
    """Adds a node of one output."""
    return self.ops(kind, 1, *inputs, **attributes)[0]

  def ops(
    self, kind: str, outputs: int, *inputs: str, **attributes: Any
  ) -> list[str]:
    """Adds a node of several outputs."""
    number = len(self._nodes)
    names = [f'{kind}_{number}_{k}' for k in range(outputs)]
    node = self._onnx.helper.make_node(kind, list(inputs), names, **attributes)
    self._nodes.append(node)
    return names

  def constant(self, array: Any, dtype: str = 'int64') -> str:
    """Returns a constant, which is small."""
    array = np.asarray(array, dtype)
    told = files.digest(array.tobytes())[:16]
    name = f'{dtype}_{array.shape}_{told}'
    if array.size > _INLINE:
      raise ValueError(f'{array.size} numbers belong into the file of weights')
    if name not in self._held:
      tensor = self._onnx.numpy_helper.from_array(np.array(array), name)
      self._held[name] = tensor
    return name

  def table(self, name: str, array: np.ndarray) -> str:
    """Returns a constant that lies in the file of weights."""
    if name not in self._held:
      self._held[name] = self._tensor(name, array)
    return name

  def parameter(self, path: str) -> str:
    """Returns a parameter as float32: kernels as `[i, o]`, tables as rows."""
    if path not in self._known:
      self._known[path] = self._parameter(path)
    return self._known[path]

  def _parameter(self, path: str) -> str:
    store, shape = self._store, self._store.shapes[path]
    stored, packing = store.stored[path], store.packing
    rows = not path.endswith('kernel')
    if packing is None or not packing_lib.is_packed(path, shape):
      flat = stored.reshape(_matrix(path, shape))
      held = self.table(path, flat)
      if stored.dtype == np.float32:
        return held
      return self.op('Cast', held, to=self._type('float32'))
    levels = packing_lib.levels_of(path, stored, shape, packing)
    scales = store.stored[path + SCALE].astype(np.float32)
    if rows:
      levels, scales = levels.T, scales.T
    elif store.is_whole and packing.bits == 8 and len(scales) == 1:
      return self._dequantised(path, levels, scales[0])
    whole = self._whole(path, levels)
    scale = self.table(path + SCALE, scales)
    groups = scales.shape[1] if rows else scales.shape[0]
    if groups == 1:
      return self.op('Mul', whole, scale)
    return self._by_groups(whole, scale, levels.shape, 1 if rows else 0)

  def _dequantised(
    self, path: str, levels: np.ndarray, scales: np.ndarray
  ) -> str:
    """Returns a kernel in the form that runtimes multiply in whole numbers."""
    zeros = self.table(f'zeros_{len(scales)}', np.zeros(len(scales), np.int8))
    held = self.table(path, levels), self.table(path + SCALE, scales)
    return self.op('DequantizeLinear', *held, zeros, axis=1)

  def _whole(self, path: str, levels: np.ndarray) -> str:
    """Returns whole numbers as float32."""
    packing = self._store.packing
    if packing is not None and packing.bits == 8:
      held = self.table(path, levels)
      return self.op('Cast', held, to=self._type('float32'))
    # Two a byte, and no type of four bits, which few runtimes know.
    flat = levels.reshape(-1).view(np.uint8) & 15
    flat = np.append(flat, np.zeros(len(flat) % 2, np.uint8))
    held = self.table(path, flat[::2] | (flat[1::2] << 4))
    held = self.op('Cast', held, to=self._type('float32'))
    sixteen = self.constant(16, 'float32')
    high = self.op('Floor', self.op('Div', held, sixteen))
    low = self.op('Sub', held, self.op('Mul', high, sixteen))
    pairs = self.op('Concat', *self._columns(low, high), axis=1)
    flat_ = self.op('Reshape', pairs, self.constant([-1]))
    size = self.constant([levels.size])
    flat_ = self.op('Slice', flat_, self.constant([0]), size)
    # Four bits with a sign: 8..15 are -8..-1.
    late = self.op('Less', self.constant(7.5, 'float32'), flat_)
    signed = self.op('Where', late, self.op('Sub', flat_, sixteen), flat_)
    return self.op('Reshape', signed, self.constant(levels.shape))

  def _columns(self, *values: str) -> list[str]:
    return [self.op('Unsqueeze', x, self.constant([1])) for x in values]

  def _by_groups(
    self, whole: str, scale: str, shape: tuple[int, ...], axis: int
  ) -> str:
    """Returns whole numbers times scales, one a group along an axis."""
    packing = self._store.packing
    assert packing is not None
    spread = np.arange(shape[axis]) // packing.group
    index = self.table(f'groups_{shape[axis]}_{packing.group}', spread)
    return self.op('Mul', whole, self.op('Gather', scale, index, axis=axis))

  def model(self) -> Any:
    """Returns the finished graph, checked."""
    helper = self._onnx.helper
    graph = helper.make_graph(
      self._nodes,
      self._name,
      self._inputs,
      self._outputs,
      list(self._held.values()),
    )
    opsets = [helper.make_opsetid('', _OPSET)]
    return helper.make_model(
      graph, opset_imports=opsets, ir_version=_IR, producer_name='aurl_jax'
    )

  def _tensor(self, name: str, array: np.ndarray) -> Any:
    if array.size <= _INLINE:
      return self._onnx.numpy_helper.from_array(np.array(array), name)
    offset, length = self._store.place(name, array)
    tensor = self._onnx.TensorProto(
      name=name,
      dims=array.shape,
      data_type=self._type(str(array.dtype)),
      data_location=self._onnx.TensorProto.EXTERNAL,
    )
    told = {'location': WEIGHTS, 'offset': offset, 'length': length}
    for key, value in told.items():
      tensor.external_data.add(key=key, value=str(value))
    return tensor

  def _told(self, name: str, dtype: str, shape: Sequence[Any]) -> Any:
    return self._onnx.helper.make_tensor_value_info(
      name, self._type(dtype), list(shape)
    )

  def _type(self, dtype: str) -> int:
    found: int = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return found


def _matrix(path: str, shape: tuple[int, ...]) -> tuple[int, ...]:
  """Returns the shape of a parameter in a graph."""
  if len(shape) < 2 or not path.endswith('kernel'):
    return shape
  inside = math.prod(shape[:-1]) if path.endswith('out_kernel') else shape[0]
  return inside, math.prod(shape) // inside
