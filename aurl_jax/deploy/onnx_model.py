"""The decoder of a model as ONNX graphs, built node by node.

    decoder.onnx    reads one step more: the state behind it, and its new keys
                    and values alone, which the host writes into its cache
    field_0.onnx …  logits of each field of the next step, in order

Products are of matrices (no Gemm, no batch of them), so that runtimes which
compute with 8 bits find them; where a model rounds its inputs
(`models.rounding`), a pair of QuantizeLinear and DequantizeLinear does so. What
a graph computes is `models.cache.step` and `Model.field_logits`, in other
words. Axes: `b` rows, `f` fields, `d` width, `c` heads of keys, `g` query heads
that share one, `s` steps the cache has room for, `k` width of a head, `v` ids.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy.onnx_graph import Graph, Store
from aurl_jax.models import positions
from aurl_jax.models.blocked import MASKED
from aurl_jax.models.functional import Model

_EPSILON = 1e-6
_OCTAVE = 12
_KINDS = {
  'positions': ('rope', 'barwise', 'none'),
  'pattern': ('full', 'window'),
}


def check(model: Model) -> None:
  """Raises BundleError unless a model can be told as graphs (code `export`)."""
  config = model.config
  if config.has_latents:
    raise BundleError(
      'models with latents are not exported yet; take one of mode transformer',
      code='export',
    )
  for name, known in _KINDS.items():
    if getattr(config, name) not in known:
      raise BundleError(
        f'model.{name} {getattr(config, name)!r} is not exported to ONNX, but '
        f'{", ".join(known)}; export the model to stablehlo',
        code='export',
      )


def graphs(model: Model, store: Store) -> dict[str, Any]:
  """Returns the graphs of a model by name; raises as `check`.

  Args:
    model: The network.
    store: Its weights, which are put into the file as graphs ask for them.
  """
  check(model)
  found = {'decoder': _Decoder(model, store).made()}
  for field in range(len(model.vocabulary)):
    found[f'field_{field}'] = _Head(model, store).made(field)
  return found


class _Parts:
  """What the graphs of a model have in common."""

  name = ''

  def __init__(self, model: Model, store: Store) -> None:
    self.model, self.config = model, model.config
    self.graph = Graph(self.name, store)
    self.shapes = store.shapes

  def number(self, value: float) -> str:
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

  def looked_up(self, owner: str, ids: str, fields: Sequence[int]) -> str:
    """Returns the sum of the rows of some fields of ids `[b, f]`."""
    found = ''
    for field in fields:
      of_field = self.graph.op(
        'Gather', ids, self.graph.constant(field), axis=1
      )
      rows = self.graph.op('Gather', self.rows(owner, field), of_field)
      found = self.graph.op('Add', found, rows) if found else rows
    return found

  def norm(self, x: str, path: str) -> str:
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
    x = self.rounded(x, f'{path}/reach')
    return self.graph.op('MatMul', x, self.graph.parameter(f'{path}/kernel'))

  def gelu(self, x: str) -> str:
    op, number = self.graph.op, self.number
    cube = op('Mul', op('Mul', x, x), x)
    inside = op('Add', x, op('Mul', cube, number(0.044715)))
    bent = op('Tanh', op('Mul', inside, number((2 / np.pi) ** 0.5)))
    half = op('Mul', x, number(0.5))
    return op('Mul', half, op('Add', bent, number(1.0)))


class _Decoder(_Parts):
  """The graph that reads a step."""

  name = 'decoder'

  def made(self) -> Any:
    """Returns the graph."""
    graph, config = self.graph, self.config
    fields = len(self.model.vocabulary)
    ids = graph.input('ids', 'int64', ['b', fields])
    x = self.looked_up('', ids, range(fields))
    if config.metrical:
      cell = graph.input('cell', 'int64', ['b'])
      table = graph.parameter('metrical_embed')
      x = graph.op('Add', x, graph.op('Gather', table, cell))
    if config.lead:
      after = graph.input('following', 'int64', ['b', fields])
      told = self.looked_up('lead/', after, range(config.lead))
      x = graph.op('Add', x, told)
    seen, turned = self._seen(), self._turned()
    for layer in range(config.layers):
      x = self._block(x, layer, seen, turned)
    hidden = self.norm(x, 'decoder/norm')
    graph.output(hidden, 'hidden', ['b', config.width])
    return graph.model()

  def _seen(self) -> str:
    """Returns which steps of the cache the step sees, `[b, 1, 1, s]`."""
    op, constant = self.graph.op, self.graph.constant
    index = self.graph.input('index', 'int64', [])
    start = self.graph.input('start', 'int64', ['b'])
    shape = op('Shape', self._past(0)[0], start=2, end=3)
    room = op('Squeeze', shape, constant([0]))
    steps = op('Range', constant(0), room, constant(1))
    first = op('Unsqueeze', start, constant([1]))
    seen = op(
      'And',
      op('Less', steps, index),
      op('GreaterOrEqual', steps, first),
    )
    if self.config.window:
      near = op('Sub', index, constant(self.config.window))
      seen = op('And', seen, op('Greater', steps, near))
    return op('Unsqueeze', seen, constant([1, 2]))

  def _past(self, layer: int) -> tuple[str, str]:
    """Returns the cache of a layer: inputs, made once."""
    shape = ['b', self.config.key_heads, 's', self.config.head_dim]
    names = f'past_key_{layer}', f'past_value_{layer}'
    for name in names:
      if not self.graph.has_input(name):
        self.graph.input(name, 'float32', shape)
    return names

  def _turned(self) -> tuple[str, str] | None:
    """Returns cosine and sine of the step's angles, `[b, 1, 1, k / 2]`."""
    config, op, table = self.config, self.graph.op, self.graph.table
    if config.positions == 'none':
      return None
    place = self.graph.input('place', 'int64', ['b'])
    half, base = config.head_dim // 2, config.rope_base
    if config.positions == 'rope':
      turned = positions.index_tables(config.context, half, base)
      cos, sin = (
        op('Gather', table(name, x), place)
        for name, x in zip(('cos', 'sin'), turned, strict=True)
      )
    else:
      cos, sin = self._of_digits(place, half, base)
    axes = self.graph.constant([1, 2])
    return op('Unsqueeze', cos, axes), op('Unsqueeze', sin, axes)

  def _of_digits(self, place: str, half: int, base: float) -> tuple[str, str]:
    """Returns cosine and sine of places up to 65,535, by their two digits."""
    op, table = self.graph.op, self.graph.table
    digit = self.graph.constant(positions.DIGIT)
    parts = {'high': op('Div', place, digit), 'low': op('Mod', place, digit)}
    found = {}
    for part, unit in (('high', positions.DIGIT), ('low', 1)):
      turned = positions.digit_tables(half, base, unit)
      for name, x in zip(('cos', 'sin'), turned, strict=True):
        held = table(f'{name}_{part}', x)
        found[name, part] = op('Gather', held, parts[part])
    mul = lambda x, y: op('Mul', found[x], found[y])  # noqa: E731
    cos = op(
      'Sub',
      mul(('cos', 'high'), ('cos', 'low')),
      mul(('sin', 'high'), ('sin', 'low')),
    )
    sin = op(
      'Add',
      mul(('sin', 'low'), ('cos', 'high')),
      mul(('cos', 'low'), ('sin', 'high')),
    )
    return cos, sin

  def _block(
    self, x: str, layer: int, seen: str, turned: tuple[str, str] | None
  ) -> str:
    graph, op = self.graph, self.graph.op
    path = f'decoder/layers/{layer}'
    q, k, v = self._qkv(x, path)
    if turned is not None:
      q, k = self._rotated(q, turned), self._rotated(k, turned)
    for name, new in (('key', k), ('value', v)):
      shape = ['b', self.config.key_heads, 1, self.config.head_dim]
      graph.output(new, f'new_{name}_{layer}', shape)
    mixed = self._mixed(self._grouped(q), k, v, layer, seen)
    mixed = op('Reshape', mixed, graph.constant([-1, self.config.width]))
    mixed = self.rounded(mixed, f'{path}/attention/out_reach')
    kernel = graph.parameter(f'{path}/attention/out_kernel')
    x = op('Add', x, op('MatMul', mixed, kernel))
    return op('Add', x, self._mlp(self.norm(x, f'{path}/mlp_norm'), path))

  def _mlp(self, x: str, path: str) -> str:
    op = self.graph.op
    wide = self.linear(x, f'{path}/mlp/wide')
    if self.config.mlp == 'swiglu':
      gate = self.linear(x, f'{path}/mlp/gate')
      wide = op('Mul', op('Mul', gate, op('Sigmoid', gate)), wide)
    else:
      wide = self.gelu(wide)
    return self.linear(wide, f'{path}/mlp/narrow')

  def _qkv(self, x: str, path: str) -> tuple[str, str, str]:
    """Returns queries `[b, h, 1, k]`, keys and values `[b, c, 1, k]`."""
    config, graph = self.config, self.graph
    x = self.norm(x, f'{path}/attention_norm')
    path = f'{path}/attention'
    x = self.rounded(x, f'{path}/reach')
    rows = config.heads * config.head_dim
    few = config.key_heads * config.head_dim
    if config.key_heads == config.heads:
      fused = graph.op('MatMul', x, graph.parameter(f'{path}/qkv_kernel'))
      sizes = graph.constant([rows, rows, rows])
      parts = graph.ops('Split', 3, fused, sizes, axis=1)
    else:
      q = graph.op('MatMul', x, graph.parameter(f'{path}/q_kernel'))
      fused = graph.op('MatMul', x, graph.parameter(f'{path}/kv_kernel'))
      sizes = graph.constant([few, few])
      parts = [q, *graph.ops('Split', 2, fused, sizes, axis=1)]
    heads = (config.heads, config.key_heads, config.key_heads)
    q, k, v = (
      graph.op('Reshape', part, graph.constant([-1, h, 1, config.head_dim]))
      for part, h in zip(parts, heads, strict=True)
    )
    return q, k, v

  def _grouped(self, q: str) -> str:
    """Returns queries by the keys that they share, `[b, c, g, k]`."""
    config = self.config
    groups = config.heads // config.key_heads
    shape = [-1, config.key_heads, groups, config.head_dim]
    return self.graph.op('Reshape', q, self.graph.constant(shape))

  def _rotated(self, x: str, turned: tuple[str, str]) -> str:
    op, half = self.graph.op, self.config.head_dim // 2
    sizes = self.graph.constant([half, half])
    real, imaginary = self.graph.ops('Split', 2, x, sizes, axis=3)
    cos, sin = turned
    first = op('Sub', op('Mul', real, cos), op('Mul', imaginary, sin))
    second = op('Add', op('Mul', imaginary, cos), op('Mul', real, sin))
    return op('Concat', first, second, axis=3)

  def _mixed(self, q: str, k: str, v: str, layer: int, seen: str) -> str:
    """Returns the mixture of the cache's values and the step's own."""
    op, constant = self.graph.op, self.graph.constant
    keys, values = self._past(layer)
    past = op('MatMul', q, op('Transpose', keys, perm=[0, 1, 3, 2]))
    own = op('MatMul', q, op('Transpose', k, perm=[0, 1, 3, 2]))
    past = op('Where', seen, past, self.number(MASKED))
    scores = op('Concat', past, own, axis=3)
    scores = op('Mul', scores, self.number(self.config.head_dim**-0.5))
    weights = op('Softmax', scores, axis=3)
    ends = constant([0]), constant([-1]), constant([3])
    before = op('Slice', weights, *ends)
    last = constant([-1]), constant([2**31 - 1]), constant([3])
    new = op('Slice', weights, *last)
    return op('Add', op('MatMul', before, values), op('Mul', new, v))


class _Head(_Parts):
  """The graphs that predict a field."""

  name = 'field'

  def made(self, field: int) -> Any:
    """Returns the graph of a field."""
    graph, early = self.graph, field < self.config.lead
    fields = len(self.model.vocabulary)
    state = graph.input('state', 'float32', ['b', self.config.width])
    if early:
      first = graph.input('first', 'bool', ['b'])
      first = graph.op('Unsqueeze', first, graph.constant([1]))
      state = graph.op('Where', first, graph.parameter('lead/start'), state)
    if field:
      graph.input('partial', 'int64', ['b', fields])
    if field or early:
      state = self._corrected(state, field, early)
    state = self.rounded(state, f'embed/reaches/{field}')
    turned = graph.op('Transpose', self.rows('', field), perm=[1, 0])
    logits = graph.op('MatMul', state, turned)
    graph.output(logits, 'logits', ['b', self.model.vocabulary[field]])
    return graph.model()

  def _corrected(self, state: str, field: int, early: bool) -> str:
    """Returns the state that the table is compared with."""
    op, path = self.graph.op, f'{"lead" if early else "head"}/fields/{field}'
    inside = self.linear(state, f'{path}/hidden')
    if early:
      fields = len(self.model.vocabulary)
      last = self.graph.input('last', 'int64', ['b', fields])
      known = self.looked_up('', last, range(fields))
      inside = op('Add', inside, self.linear(known, f'{path}/last'))
    if field:
      earlier = self.looked_up('', 'partial', range(field))
      inside = op('Add', inside, self.linear(earlier, f'{path}/earlier'))
    return op('Add', state, self.linear(self.gelu(inside), f'{path}/out'))
