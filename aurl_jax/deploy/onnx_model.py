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

from typing import Any

import numpy as np

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import onnx_encoder
from aurl_jax.deploy.onnx_graph import Store
from aurl_jax.deploy.onnx_parts import Parts
from aurl_jax.models import positions
from aurl_jax.models.blocked import MASKED
from aurl_jax.models.functional import Model

_KINDS = {
  'positions': ('rope', 'barwise', 'none'),
  'pattern': ('full', 'window'),
}


def check(model: Model) -> None:
  """Raises BundleError unless a model can be told as graphs (code `export`)."""
  config = model.config
  if config.has_latents:
    onnx_encoder.check(model)
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
  if model.config.has_latents:
    found['encoder'] = onnx_encoder.EncoderGraph(model, store).made()
  return found


class _Decoder(Parts):
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
    latents = self._latents() if config.has_latents else ''
    for layer in range(config.layers):
      if latents:
        told = self.linear(latents, f'decoder/layers/{layer}/latent')
        x = graph.op('Add', x, told)
      x = self._block(x, layer, seen, turned)
    hidden = self.norm(x, 'decoder/norm')
    graph.output(hidden, 'hidden', ['b', config.width])
    return graph.model()

  def _latents(self) -> str:
    """Returns what latents tell the step (`models.latent.told`), `[b, n]`."""
    graph, op, latent = self.graph, self.graph.op, self.config.latent
    constant, parts = graph.constant, []
    time = graph.input('time', 'int64', ['b'])
    if self.model.places.frames:
      time = op('Add', time, constant(1))
    if latent.slot:
      held = graph.input('slots', 'float32', ['b', latent.slots, latent.slot])
      pads = constant([0, 0, 0, 0, latent.reach, 0])
      held = op('Pad', held, pads, self.number(0.0))
      first = op('Unsqueeze', self.slot_of(time), constant([1]))
      index = op('Add', first, constant(np.arange(latent.reach)[None]))
      index = op('Unsqueeze', index, constant([2]))
      near = op('GatherND', held, index, batch_dims=1)
      wide = latent.reach * latent.slot
      parts.append(op('Reshape', near, constant([-1, wide])))
    if latent.piece:
      parts.append(graph.input('piece', 'float32', ['b', latent.piece]))
    return op('Concat', *parts, axis=1) if len(parts) > 1 else parts[0]

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
      q, k = self.rotated(q, turned), self.rotated(k, turned)
    for name, new in (('key', k), ('value', v)):
      shape = ['b', self.config.key_heads, 1, self.config.head_dim]
      graph.output(new, f'new_{name}_{layer}', shape)
    mixed = self._mixed(self._grouped(q), k, v, layer, seen)
    mixed = op('Reshape', mixed, graph.constant([-1, self.config.width]))
    mixed = self.rounded(mixed, f'{path}/attention/out_reach')
    kernel = graph.parameter(f'{path}/attention/out_kernel')
    x = op('Add', x, op('MatMul', mixed, kernel))
    return op('Add', x, self.mlp(self.norm(x, f'{path}/mlp_norm'), path))

  def _qkv(self, x: str, path: str) -> tuple[str, str, str]:
    """Returns queries `[b, h, 1, k]`, keys and values `[b, c, 1, k]`."""
    config, graph = self.config, self.graph
    x = self.norm(x, f'{path}/attention_norm')
    path = f'{path}/attention'
    parts = self.projected(x, path)
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


class _Head(Parts):
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
