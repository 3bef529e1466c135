"""What the graphs of a model have in common, node by node.

Axes: `b` rows, `f` fields, `d` width, `v` ids of a field.
"""

from collections.abc import Sequence

import numpy as np

from aurl_jax.deploy.onnx_graph import Graph, Store
from aurl_jax.models.functional import Model

_EPSILON = 1e-6
_OCTAVE = 12


class Parts:
  """Makes one graph of a model; which one its subclass says.

  Attributes:
    name: Of the graph.
    model: The network.
    config: Its hyperparameters.
    graph: What is made.
    shapes: Of the parameters, by path.
  """

  name = ''

  def __init__(self, model: Model, store: Store) -> None:
    """Begins the graph of a model with its weights."""
    self.model, self.config = model, model.config
    self.graph = Graph(self.name, store)
    self.shapes = store.shapes

  def number(self, value: float) -> str:
    """Returns a float32 constant."""
    return self.graph.constant(value, 'float32')

  def rows(self, owner: str, field: int) -> str:
    """Returns the table of a field, `[v, d]`."""
    own = self.graph.parameter(f'{owner}embed/tables/{field}')
    pitches = self.model.places.pitches if self.config.shared_pitch else ()
    if owner or not pitches or not any(pitches[field]):
      return own
    op, table = self.graph.op, self.graph.table
    classes = self.graph.parameter('embed/shared/class')
    turn = table('classes', np.arange(128) % _OCTAVE)
    shared = op(
      'Add',
      self.graph.parameter('embed/shared/pitch'),
      op('Gather', classes, turn),
    )
    of_id = np.array(pitches[field])
    known = (of_id > 0).astype(np.float32)[:, None]
    added = op('Gather', shared, table(f'pitch_{field}', of_id))
    return op('Add', own, op('Mul', table(f'known_{field}', known), added))

  def looked_up(
    self, owner: str, ids: str, fields: Sequence[int], axis: int = 1
  ) -> str:
    """Returns the sum of the rows of some fields of ids, an axis of them."""
    found = ''
    for field in fields:
      of_field = self.graph.op(
        'Gather', ids, self.graph.constant(field), axis=axis
      )
      rows = self.graph.op('Gather', self.rows(owner, field), of_field)
      found = self.graph.op('Add', found, rows) if found else rows
    return found

  def norm(self, x: str, path: str) -> str:
    """Returns a stream as a norm of a path scales it."""
    op = self.graph.op
    power = op('ReduceMean', op('Mul', x, x), self.graph.constant([-1]))
    root = op('Sqrt', op('Add', power, self.number(_EPSILON)))
    scale = self.graph.parameter(f'{path}/scale')
    return op('Mul', op('Div', x, root), scale)

  def rounded(self, x: str, path: str) -> str:
    """Returns inputs as the model rounds them, those of a reach's path."""
    if path not in self.shapes:
      return x
    reach = self.graph.reach(path)
    if reach <= 0:
      return x
    step = self.number(reach / 127)
    zero = self.graph.constant(0, 'int8')
    whole = self.graph.op('QuantizeLinear', x, step, zero)
    return self.graph.op('DequantizeLinear', whole, step, zero)

  def linear(self, x: str, path: str) -> str:
    """Returns the product of a stream and the kernel of a path."""
    x = self.rounded(x, f'{path}/reach')
    return self.graph.op('MatMul', x, self.graph.parameter(f'{path}/kernel'))

  def gelu(self, x: str) -> str:
    """Returns the activation, by the tangent."""
    op, number = self.graph.op, self.number
    cube = op('Mul', op('Mul', x, x), x)
    inside = op('Add', x, op('Mul', cube, number(0.044715)))
    bent = op('Tanh', op('Mul', inside, number((2 / np.pi) ** 0.5)))
    half = op('Mul', x, number(0.5))
    return op('Mul', half, op('Add', bent, number(1.0)))

  def mlp(self, x: str, path: str) -> str:
    """Returns what the products of a block give."""
    op = self.graph.op
    wide = self.linear(x, f'{path}/mlp/wide')
    if self.config.mlp == 'swiglu':
      gate = self.linear(x, f'{path}/mlp/gate')
      wide = op('Mul', op('Mul', gate, op('Sigmoid', gate)), wide)
    else:
      wide = self.gelu(wide)
    return self.linear(wide, f'{path}/mlp/narrow')

  def projected(self, x: str, path: str) -> list[str]:
    """Returns queries, keys and values of a stream `[…, d]`, not by heads."""
    config, graph = self.config, self.graph
    x = self.rounded(x, f'{path}/reach')
    rows = config.heads * config.head_dim
    few = config.key_heads * config.head_dim
    if config.key_heads == config.heads:
      fused = graph.op('MatMul', x, graph.parameter(f'{path}/qkv_kernel'))
      sizes = graph.constant([rows, rows, rows])
      return graph.ops('Split', 3, fused, sizes, axis=-1)
    q = graph.op('MatMul', x, graph.parameter(f'{path}/q_kernel'))
    fused = graph.op('MatMul', x, graph.parameter(f'{path}/kv_kernel'))
    sizes = graph.constant([few, few])
    return [q, *graph.ops('Split', 2, fused, sizes, axis=-1)]

  def rotated(self, x: str, turned: Sequence[str], axis: int = 3) -> str:
    """Returns heads turned by cosine and sine, their widths on an axis."""
    op, half = self.graph.op, self.config.head_dim // 2
    sizes = self.graph.constant([half, half])
    real, imaginary = self.graph.ops('Split', 2, x, sizes, axis=axis)
    cos, sin = turned
    first = op('Sub', op('Mul', real, cos), op('Mul', imaginary, sin))
    second = op('Add', op('Mul', imaginary, cos), op('Mul', real, sin))
    return op('Concat', first, second, axis=axis)

  def slot_of(self, time: str) -> str:
    """Returns the slot of latents that cells stand in (`models.latent`)."""
    cells = self.config.latent.beats * self.model.places.beat
    op, constant = self.graph.op, self.graph.constant
    last = constant(self.config.latent.slots - 1)
    return op('Min', op('Div', time, constant(cells)), last)
