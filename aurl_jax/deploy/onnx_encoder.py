"""The encoder of a model with latents as an ONNX graph.

    encoder.onnx   from the steps of pieces, and where each stands, to the
                   normal distributions of their latents (`models.encoder`)

Its inputs are `ids` `[b, t, f]`, padded with 0, and `time` and `position`
`[b, t]` of each step, as the clock of the export tells them. Its outputs are
`mean` and `log_variance` `[b, s, z]` of the slots, `used` `[b, s]`, 1 for the
slots that a piece has, and where there is one `piece_mean` and
`piece_log_variance` `[b, p]` of the whole. The first dims of slots are the
attributes of the music if the model has dials (`tokens.sounds`), which the
graph hears itself. Axes: `b` rows, `t` steps, `f` fields, `d` width, `s`
slots, `z` dims of one, `p` dims of the piece, `c` heads of keys, `g` query
heads that share one, `k` width of a head.
"""

from typing import Any

import numpy as np

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy.onnx_parts import Parts
from aurl_jax.models import encoder, positions
from aurl_jax.models.blocked import MASKED
from aurl_jax.models.functional import Model
from aurl_jax.models.latent import CERTAIN
from aurl_jax.tokens import sounds

LAST = 2**31 - 1


def check(model: Model) -> None:
  """Raises BundleError unless latents can be told as graphs (code `export`)."""
  latent = model.config.latent
  if latent.dials and model.places.sounds.frames:
    raise BundleError(
      'dials of frames are not exported to ONNX, but those of notes; train '
      'with the tokenizer compound, or without model.latent.dials',
      code='export',
    )


class EncoderGraph(Parts):
  """The graph that tells latents of pieces."""

  name = 'encoder'

  def made(self) -> Any:
    """Returns the graph."""
    graph, op, latent = self.graph, self.graph.op, self.config.latent
    fields = len(self.model.vocabulary)
    ids = graph.input('ids', 'int64', ['b', 't', fields])
    time = graph.input('time', 'int64', ['b', 't'])
    x = self.looked_up('', ids, range(fields), axis=2)
    # Its cell alone, if nothing hears where a bar begins.
    position = graph.input('position', 'int64', ['b', 't'])
    if self.config.metrical:
      last = graph.constant(self.config.metrical - 1)
      table = graph.parameter('metrical_embed')
      cell = op('Min', position, last)
      x = op('Add', x, op('Gather', table, cell))
    first = op('Gather', ids, graph.constant(0), axis=2)
    real = op('Greater', first, graph.constant(0))
    slot = self.slot_of(time)
    steps = self._stack(x, real, 'steps', latent.layers, self.config.context)
    heard = self._heard(ids, time, position, real) if latent.dials else None
    used = self._used(slot, real, None if heard is None else heard.last())
    pooled = self._pooled(steps, slot, real)
    slots = self._stack(pooled, used, 'slots', 1, latent.slots)
    slots = self.norm(slots, 'encoder/norm')
    told = None if heard is None else heard.dials(latent.dial_names)
    self._tell(slots, used, told)
    return graph.model()

  def _heard(self, ids: str, time: str, position: str, real: str) -> '_Heard':
    return _Heard(self, ids, time, position, real)

  def truths(self, x: str) -> str:
    """Returns truths as float32."""
    return self.graph.op('Cast', x, to=1)

  def whole(self, x: str) -> str:
    """Returns truths as int64."""
    return self.graph.op('Cast', x, to=7)

  def _stack(self, x: str, real: str, name: str, layers: int, most: int) -> str:
    """Returns the stream after blocks that see all that is real."""
    op, constant = self.graph.op, self.graph.constant
    half, base = self.config.head_dim // 2, self.config.rope_base
    length = op('Squeeze', op('Shape', x, start=1, end=2), constant([0]))
    index = op('Range', constant(0), length, constant(1))
    tables = positions.index_tables(most, half, base)
    turned = tuple(
      op('Gather', self.graph.table(f'{trig}_{most}', table), index)
      for trig, table in zip(('cos', 'sin'), tables, strict=True)
    )
    seen = op('Unsqueeze', real, constant([1, 2, 3]))
    for layer in range(layers):
      path = f'encoder/{name}/layers/{layer}'
      x = op('Add', x, self._attended(x, path, turned, seen))
      x = op('Add', x, self.mlp(self.norm(x, f'{path}/mlp_norm'), path))
    return x

  def _attended(
    self, x: str, path: str, turned: tuple[str, ...], seen: str
  ) -> str:
    """Returns what attention gives of a block's stream."""
    op, constant, config = self.graph.op, self.graph.constant, self.config
    x = self.norm(x, f'{path}/attention_norm')
    heads, width = config.key_heads, config.head_dim
    groups = config.heads // heads
    fused = self.projected(x, f'{path}/attention')
    shapes = [heads, groups, width], [heads, 1, width], [heads, 1, width]
    q, k, v = (
      op(
        'Transpose',
        op('Reshape', part, constant([0, 0, *shape])),
        perm=[0, 2, 3, 1, 4],
      )
      for part, shape in zip(fused, shapes, strict=True)
    )
    q, k = self.rotated(q, turned, axis=4), self.rotated(k, turned, axis=4)
    scores = op('MatMul', q, op('Transpose', k, perm=[0, 1, 2, 4, 3]))
    scores = op('Mul', scores, self.number(width**-0.5))
    scores = op('Where', seen, scores, self.number(MASKED))
    mixed = op('MatMul', op('Softmax', scores, axis=4), v)
    mixed = op('Transpose', mixed, perm=[0, 3, 1, 2, 4])
    mixed = op('Reshape', mixed, constant([0, 0, config.width]))
    kernel = self.graph.parameter(f'{path}/attention/out_kernel')
    return op('MatMul', mixed, kernel)

  def _used(self, slot: str, real: str, sounds_until: str | None) -> str:
    """Returns which slots a piece has, `[b, s]`."""
    op, constant, latent = (
      self.graph.op,
      self.graph.constant,
      self.config.latent,
    )
    stands = op('ReduceMax', op('Mul', slot, self.whole(real)), constant([1]))
    if sounds_until is not None:
      # What is told of a slot counts as long as something sounds.
      until = self.slot_of(sounds_until)
      stands = op('Max', stands, until)
    index = constant(np.arange(latent.slots)[None])
    return op('LessOrEqual', index, stands)

  def _pooled(self, x: str, slot: str, real: str) -> str:
    """Returns the mean of each slot's steps, `[b, s, d]`."""
    op, constant, latent = (
      self.graph.op,
      self.graph.constant,
      self.config.latent,
    )
    index = constant(np.arange(latent.slots)[None, :, None])
    at = op('Equal', op('Unsqueeze', slot, constant([1])), index)
    at = op('And', at, op('Unsqueeze', real, constant([1])))
    weights = self.truths(at)
    count = op('ReduceSum', weights, constant([2]))
    share = op('Div', weights, op('Max', count, self.number(1.0)))
    pooled = op('MatMul', share, x)
    blank = self.graph.parameter('encoder/blank_embed')
    some = op('Greater', count, self.number(0.0))
    return op('Add', pooled, op('Where', some, self.number(0.0), blank))

  def _tell(self, slots: str, used: str, dials: str | None) -> None:
    """Makes the distributions the outputs of the graph."""
    op, constant, latent = (
      self.graph.op,
      self.graph.constant,
      self.config.latent,
    )
    weights = self.truths(used)
    self.graph.output(weights, 'used', ['b', latent.slots])
    if latent.slot:
      mean, log = self._halves(self.linear(slots, 'encoder/slot'), latent.slot)
      if dials is not None:
        count = len(latent.dial_names)
        known = op('Unsqueeze', used, constant([2]))
        told = op('Where', known, dials, self.number(0.0))
        mean = op('Concat', told, self._behind(mean, count), axis=2)
        sure = op(
          'Add', op('Mul', told, self.number(0.0)), self.number(CERTAIN)
        )
        log = op('Concat', sure, self._behind(log, count), axis=2)
      shape = ['b', latent.slots, latent.slot]
      self.graph.output(mean, 'mean', shape)
      self.graph.output(log, 'log_variance', shape)
    if latent.piece:
      total = op('ReduceSum', weights, constant([1]))
      share = op('Unsqueeze', op('Div', weights, total), constant([1]))
      whole = op('Squeeze', op('MatMul', share, slots), constant([1]))
      halves = self._halves(self.linear(whole, 'encoder/piece'), latent.piece)
      for name, value in zip(('mean', 'log_variance'), halves, strict=True):
        self.graph.output(value, f'piece_{name}', ['b', latent.piece])

  def _behind(self, x: str, first: int) -> str:
    """Returns the last dims, from one on."""
    constant = self.graph.constant
    ends = constant([first]), constant([LAST]), constant([2])
    return self.graph.op('Slice', x, *ends)

  def _halves(self, x: str, width: int) -> tuple[str, str]:
    """Returns mean and bounded log-variance."""
    sizes = self.graph.constant([width, width])
    mean, log = self.graph.ops('Split', 2, x, sizes, axis=-1)
    bound = self.number(encoder.LOG_VARIANCE)
    bent = self.graph.op('Tanh', self.graph.op('Div', log, bound))
    return mean, self.graph.op('Mul', bent, bound)


class _Heard:
  """What notes sound like, as `tokens.sounds` has it; int64 `[b, t]` each."""

  def __init__(
    self, parts: EncoderGraph, ids: str, time: str, position: str, real: str
  ) -> None:
    self.parts, self.op = parts, parts.graph.op
    self.constant = parts.graph.constant
    self.sounds = parts.model.places.sounds
    self.latent = parts.config.latent
    whole = parts.whole(real)
    begins, _, pitch, length, _ = (
      self.op('Mul', column, whole) for column in self._columns(ids)
    )
    self.begin, self.position, self.length = time, position, length
    self.pitch = self.op('Sub', pitch, self.constant(1))
    self.pitched = self.op('GreaterOrEqual', self.pitch, self.constant(0))
    self.real = self.op('Greater', begins, self.constant(0))
    self.left = self._left(real)

  def _columns(self, ids: str) -> list[str]:
    """Returns what the ids of all fields say, the most of each column."""
    found = ''
    for field, data in enumerate(self.sounds.tables):
      table = np.frombuffer(data, np.int32).reshape(-1, sounds.COLUMNS)
      held = self.parts.graph.table(f'sounds_{field}', table.astype(np.int64))
      of_field = self.op('Gather', ids, self.constant(field), axis=2)
      told = self.op('Gather', held, of_field)
      found = self.op('Max', found, told) if found else told
    return [
      self.op('Gather', found, self.constant(k), axis=2)
      for k in range(sounds.COLUMNS)
    ]

  def _left(self, real: str) -> str:
    """Returns the cells from each step to the next bar of its row."""
    op, constant = self.op, self.constant
    start = op('Sub', self.begin, self.position)
    ends = constant([0]), constant([-1]), constant([1])
    before = op('Slice', start, *ends)
    behind = constant([1]), constant([LAST]), constant([1])
    later = op('Slice', start, *behind)
    fresh = op('Greater', later, before)
    fresh = op('And', fresh, op('Slice', real, *behind))
    never = constant(sounds.NEVER)
    at = op('Where', fresh, later, never)
    pads = constant([0, 1, 0, 0])
    at = op('Pad', at, pads, never)
    # The least behind each step: of all that stand later.
    length = op('Shape', at, start=1, end=2)
    length = op('Squeeze', length, constant([0]))
    index = op('Range', constant(0), length, constant(1))
    own = op('Unsqueeze', index, constant([1]))
    behind_ = op('Less', own, op('Unsqueeze', index, constant([0])))
    wide = op('Unsqueeze', at, constant([1]))
    least = op('ReduceMin', op('Where', behind_, wide, never), constant([2]))
    least = op('Squeeze', least, constant([2]))
    return op('Sub', least, self.begin)

  def last(self) -> str:
    """Returns the last cell in which a note sounds, `[b, 1]`; 0 for none."""
    op = self.op
    end = op('Add', self.begin, self.length)
    end = op('Sub', end, self.constant(1))
    end = op('Where', self.real, end, self.constant(0))
    most = op('ReduceMax', end, self.constant([1]))
    return op('Max', most, self.constant(0))

  def dials(self, names: tuple[str, ...]) -> str:
    """Returns attributes of the slots, scaled, `[b, s, names]`."""
    told = self._attributes()
    found = []
    for name in names:
      middle, width = (self.parts.number(x) for x in sounds.SCALES[name])
      scaled = self.op('Div', self.op('Sub', told[name], middle), width)
      found.append(self.op('Unsqueeze', scaled, self.constant([2])))
    return self.op('Concat', *found, axis=2)

  def _attributes(self) -> dict[str, str]:
    """Returns each attribute of each slot, in its unit, float32 `[b, s]`."""
    op, parts = self.op, self.parts
    cells = self.latent.beats * self.sounds.beat
    edges = np.arange(self.latent.slots) * cells
    stops = np.append(edges[1:], sounds.NEVER)
    edge, stop = self.constant(edges), self.constant(stops)
    begin, end = self._wide(self.begin), self._end()
    real, pitch = self._wide(self.real), self._wide(self.pitch)
    both = op('And', real, self._wide(self.pitched))
    lasts = op('Sub', op('Min', end, stop), op('Max', begin, edge))
    lasts = op('Max', lasts, self.constant(0))
    lasts = op('Mul', lasts, parts.whole(both))
    total = self._sum(lasts)
    pitches = self._sum(op('Mul', lasts, pitch))
    middle = parts.number(sounds.SCALES['register'][0])
    mean = op('Div', pitches, op('Max', total, parts.number(1.0)))
    some = op('Greater', total, parts.number(0.0))
    strong, place = self._strengths()
    starts = self._inside(begin, edge, stop, real)
    missed = self._inside(self._wide(place), edge, stop, real)
    missed = op('Mul', parts.whole(missed), self._wide(strong))
    each = parts.number(self.sounds.beat / cells)
    return {
      'density': op('Mul', self._sum(parts.whole(starts)), each),
      'polyphony': op('Div', total, parts.number(float(cells))),
      'register': op('Where', some, mean, middle),
      'syncopation': op('Mul', self._sum(missed), each),
    }

  def _wide(self, x: str) -> str:
    return self.op('Unsqueeze', x, self.constant([2]))

  def _end(self) -> str:
    return self._wide(self.op('Add', self.begin, self.length))

  def _inside(self, x: str, edge: str, stop: str, real: str) -> str:
    op = self.op
    held = op('And', op('GreaterOrEqual', x, edge), op('Less', x, stop))
    return op('And', held, real)

  def _sum(self, x: str) -> str:
    """Returns the sum over steps, float32 `[b, s]`."""
    found = self.op('ReduceSum', x, self.constant([1]), keepdims=0)
    return self.op('Cast', found, to=1)

  def _strengths(self) -> tuple[str, str]:
    """Returns how much stronger a place notes sound across, and which."""
    op, constant, beat = self.op, self.constant, self.sounds.beat
    none = constant(-len(sounds.LEVELS) - 1)
    weight, strongest, place = none, none, constant(0)
    for level, parts in zip((-3, -2, -1), sounds.LEVELS, strict=True):
      at = op('Mul', self.position, constant(parts))
      on = op('Equal', op('Mod', at, constant(beat)), constant(0))
      weight = op('Where', on, constant(level), weight)
      next_ = op('Add', op('Div', at, constant(beat)), constant(1))
      next_ = op('Mul', next_, constant(beat))
      end = op('Add', at, op('Mul', self.length, constant(parts)))
      across = op('Less', next_, end)
      strongest = op('Where', across, constant(level), strongest)
      # Rounded up, of what is not below 0.
      gap = op('Add', op('Sub', next_, at), constant(parts - 1))
      gap = op('Div', gap, constant(parts))
      place = op('Where', across, gap, place)
    on = op('Equal', self.position, constant(0))
    weight = op('Where', on, constant(0), weight)
    across = op('Less', self.left, self.length)
    strongest = op('Where', across, constant(0), strongest)
    place = op('Where', across, self.left, place)
    found = op('Max', op('Sub', strongest, weight), constant(0))
    some = op('Greater', found, constant(0))
    moved = op('Where', some, place, constant(0))
    return found, op('Add', self.begin, moved)
