"""`ModelConfig`: the shape of a model, checked before anything is built."""

import dataclasses

from aurl_jax.core.errors import ConfigError

_CHOICES = {
  'mode': ('transformer', 'vae', 'vae_gan'),
  'mlp': ('gelu', 'swiglu'),
  'dtype': ('float32', 'bfloat16', 'float16'),
  'remat': ('none', 'full', 'dots', 'attention'),
  'attention': ('auto', 'naive', 'blocked', 'fused', 'splash'),
  'positions': ('rope', 'barwise', 'musical', 'relative', 'none'),
  'pattern': ('full', 'window', 'bars', 'hierarchy'),
}
_POSITIVE = (
  'width',
  'layers',
  'heads',
  'context',
  'head_width',
  'bar_layers',
  'piece_layers',
  'piece_bars',
)
_COUNTS = (
  'hidden',
  'kv_heads',
  'window',
  'relative',
  'metrical',
  'lead',
  'horizon',
)
# SwiGLU has three matrices where GELU has two: 2/3 of the hidden width
# gives equal parameters (Shazeer 2020, section 2); rounded for the GEMMs.
_GATED_MULTIPLE = 32
DIALS = ('density', 'polyphony', 'register', 'syncopation')
"""What a dial can be: the attributes of `tokens.sounds`."""
# Coordinates of a step beside its index; see `models.positions`.
_MUSICAL = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentConfig:
  """Latents of the modes `vae` and `vae_gan`; all 0 where there are none.

  Attributes:
    slot: Dims of the latent of a slot; 0 for none.
    beats: Beats of a slot.
    slots: Most slots of a piece; what follows belongs to the last one.
    piece: Dims of the latent of a whole piece; 0 for none.
    reach: Slots that a step is told, from the one it stands in on.
    layers: Blocks of the encoder.
    drop: Chance that the decoder does not see a step in training, so that it
      has to ask the latents (Bowman et al. 2016, word dropout).
    dials: Attributes of `DIALS`, with commas between, that the first dims of
      a slot's latent are: not learnt, but computed of the music.
    oneshot: Blocks over the slots of a second decoder, which writes all cells
      of a piece at once (`models.oneshot`); 0 for none.
    blur: Chance that in training a piece's other dims are told with noise, in
      each slot some share of them. Where they disagree with a dial that was
      turned, the decoder then believes the dial.
  """

  slot: int = 0
  beats: int = 1
  slots: int = 8
  piece: int = 0
  reach: int = 4
  layers: int = 2
  drop: float = 0.0
  dials: str = ''
  oneshot: int = 0
  blur: float = 0.0

  @property
  def dial_names(self) -> tuple[str, ...]:
    """The attributes of `dials`, each a dim."""
    return tuple(name.strip() for name in self.dials.split(',') if name.strip())

  @property
  def width(self) -> int:
    """Numbers that a step of the decoder is told."""
    return self.reach * self.slot + self.piece

  def __post_init__(self) -> None:
    for name in ('slot', 'piece', 'oneshot'):
      _require(
        getattr(self, name) >= 0, f'latent.{name}', 'must be 0 (none) or more'
      )
    for name in ('beats', 'slots', 'reach', 'layers'):
      _require(getattr(self, name) > 0, f'latent.{name}', 'must be at least 1')
    _require(0 <= self.drop < 1, 'latent.drop', 'must lie in [0, 1)')
    _require(0 <= self.blur <= 1, 'latent.blur', 'must lie in [0, 1]')
    _check_dials(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
  """Hyperparameters of `MusicTransformerVAEGAN`.

  Attributes:
    mode: Which parts exist: `transformer` is the decoder, `vae` has an
      encoder and latents as well, `vae_gan` is the same network, trained
      beside a critic (`models.critic`), whose shape the section `gan` has.
    latent: Of these.
    width: Model width `d`, divisible by `heads`.
    layers: Number of decoder blocks.
    heads: Attention heads a layer; `width / heads` is even, for RoPE.
    kv_heads: Heads of keys and values, which groups of query heads share
      (Ainslie et al. 2023, GQA); divides `heads`, 0 means as many. Fewer
      make the cache of generation as much smaller.
    hidden: Width inside the MLP; 0 means 4 times `width`, or about 8/3 of
      it for `swiglu`, which gives both kinds equally many parameters.
    mlp: `gelu` or `swiglu`.
    context: Most steps of a sequence, `t`, in training and generation.
    head_width: Hidden width of the field head; unused with one field.
    dropout: Probability in [0, 1) of dropping an activation in training.
    positions: How attention knows where a step stands: `rope` turns queries
      and keys by its index, `barwise` by its bar and index in it, `musical`
      by the index, bar, position in bar, time and pitch, `relative` learns an
      embedding a distance (see `models.positions`, `models.relative`); `none`
      leaves it to the mask.
    relative: Distances that `relative` tells apart, 1 to `context`; farther
      ones count as the last. 0 means `context`.
    rope_base: Base of the rotary wavelengths.
    metrical: Cells of a bar that an embedding added to each step tells
      apart, so that a model need not infer the meter from what it reads;
      farther ones count as the last. 0 adds none.
    shared_pitch: Whether ids of one pitch, struck or held, in any field,
      share a part of their embedding, and those of one pitch class another.
      A model learns in far fewer steps what a pitch is.
    lead: Fields of the next step, the first so many, that attention knows;
      they are predicted a step earlier (`models.lead`). 0 for none. In
      `compound` 4 are the kind, the position, the instrument and the voice:
      pitches are learnt sooner.
    pattern: What a step attends to: `full` is all steps before it (or the
      last `window`, if that is set), `window` the same but needs `window`,
      `bars` what `models.structured` picks by bars, `hierarchy` its own bar
      and one vector for those before it (`models.hierarchy`).
    horizon: Of `bars`: how many bars back summaries are seen at most, bars
      without steps not counted; 0 means all, whose cost grows with the piece.
    bar_layers: Of `hierarchy`: blocks that make a vector of each bar; `layers`
      are those that predict its steps.
    piece_layers: Of `hierarchy`: blocks over the vectors of bars.
    piece_bars: Of `hierarchy`: most bars of a row that those see, which costs
      their square; a later bar sees these and itself.
    window: Steps that a step sees, itself and those before it; 0 means all.
    heard: Kinds of control that the decoder's states are asked for, with
      commas between, such as `harmony,section`: labels, not steps; see
      `models.heard`. `loss.auxiliary` weighs them.
    dtype: What activations are computed in; parameters, norms, softmax and
      logits are float32 always.
    activations: Bits that the inputs of matrix products are rounded to, 8, as
      a quantised model computes; 0 leaves them as they are. Their reaches are
      parameters, whose gradients are none (`models.rounding`), so that runs of
      training have 0.
    remat: What the backward pass recomputes of a block: `none`, `full`,
      `dots` (keeps matrix products, recomputes the rest), or `attention`
      (norm, projections, rotation and mixing; keeps what the MLP needs).
    scan: Compiles one block and scans it over the layers: faster to
      compile, slower to run on CPUs. Results and parameters are the same.
    attention: `auto` chooses by platform; see `models.attention`.
    packed: Whether rows may hold several pieces, one behind the other. Without,
      a row of training holds one, and padding behind it: attention then needs
      no mask of pieces, which on GPUs costs it much of its speed.
  """

  mode: str = 'transformer'
  width: int = 256
  layers: int = 4
  heads: int = 4
  hidden: int = 0
  mlp: str = 'gelu'
  context: int = 512
  head_width: int = 128
  dropout: float = 0.1
  rope_base: float = 10_000.0
  dtype: str = 'float32'
  activations: int = 0
  remat: str = 'none'
  scan: bool = False
  attention: str = 'auto'
  packed: bool = True
  kv_heads: int = 0
  positions: str = 'rope'
  relative: int = 0
  pattern: str = 'full'
  horizon: int = 0
  window: int = 0
  metrical: int = 0
  shared_pitch: bool = False
  lead: int = 0
  heard: str = ''
  bar_layers: int = 2
  piece_layers: int = 2
  piece_bars: int = 1024
  latent: LatentConfig = dataclasses.field(default_factory=LatentConfig)

  def __post_init__(self) -> None:
    for name, choices in _CHOICES.items():
      _require(
        getattr(self, name) in choices,
        name,
        f'is {getattr(self, name)!r}; choose one of {", ".join(choices)}',
      )
    for name in _POSITIVE:
      _require(getattr(self, name) > 0, name, 'must be at least 1')
    for name in _COUNTS:
      _require(getattr(self, name) >= 0, name, 'must be 0 (default) or more')
    _check_values(self)
    _check_attention(self)

  @property
  def head_dim(self) -> int:
    """Width of one attention head."""
    return self.width // self.heads

  @property
  def key_heads(self) -> int:
    """Heads of keys and values, with `kv_heads=0` resolved."""
    return self.kv_heads or self.heads

  @property
  def distances(self) -> int:
    """Distances that relative attention knows, with 0 resolved."""
    return self.relative or self.context

  @property
  def needs_places(self) -> bool:
    """Whether the network reads where a step stands in its music."""
    return (
      self.positions in ('barwise', 'musical')
      or self.pattern in ('bars', 'hierarchy')
      or self.metrical > 0
      or self.shared_pitch
      or self.has_latents
      or bool(self.heard)
    )

  @property
  def heard_names(self) -> tuple[str, ...]:
    """The kinds of `heard`, in their order."""
    return tuple(name.strip() for name in self.heard.split(',') if name.strip())

  @property
  def has_latents(self) -> bool:
    """Whether the decoder is told latents."""
    return self.mode != 'transformer'

  @property
  def mlp_width(self) -> int:
    """Width inside the MLP, with `hidden=0` resolved."""
    if self.hidden:
      return self.hidden
    if self.mlp == 'gelu':
      return 4 * self.width
    multiples = round(8 * self.width / 3 / _GATED_MULTIPLE)
    return max(1, multiples) * _GATED_MULTIPLE


def _check_dials(latent: LatentConfig) -> None:
  names = latent.dial_names
  wrong = [name for name in names if name not in DIALS]
  _require(
    not wrong,
    'latent.dials',
    f'{", ".join(wrong)}: there are {", ".join(DIALS)}',
  )
  _require(
    len(set(names)) == len(names),
    'latent.dials',
    f'{latent.dials!r} names one twice',
  )
  _require(
    not names or latent.slot > len(names),
    'latent.dials',
    f'{len(names)} are the first dims of the latent of a slot, which has '
    f'{latent.slot} (model.latent.slot) and needs others, too',
  )


def _check_values(config: ModelConfig) -> None:
  _check_latents(config)
  _require(
    config.width % config.heads == 0,
    'heads',
    f'{config.heads} does not divide model.width {config.width}',
  )
  _require(
    config.head_dim % 2 == 0,
    'heads',
    f'gives heads of odd width {config.head_dim}, which rotary positions '
    f'cannot turn; choose heads so that width / heads is even',
  )
  _require(config.context >= 2, 'context', 'must be at least 2')
  _require(0 <= config.dropout < 1, 'dropout', 'must lie in [0, 1)')
  _require(config.rope_base > 1, 'rope_base', 'must be above 1')
  _require(
    config.activations in (0, 8),
    'activations',
    f'{config.activations} bits are not computed with; choose 8, or 0 for none',
  )


def _check_latents(config: ModelConfig) -> None:
  latent = config.latent
  if not config.has_latents:
    _require(
      latent == LatentConfig(),
      'latent',
      "has no place where model.mode is 'transformer'; leave its keys at their "
      "defaults, or set the mode to 'vae'",
    )
    return
  _require(
    latent.slot + latent.piece > 0,
    'latent',
    f'{config.mode!r} without latents is a transformer; set model.latent.slot '
    'to 16, say, or the mode to that',
  )
  _require(
    latent.slots <= config.context,
    'latent.slots',
    f'{latent.slots} slots are more than the {config.context} steps of the '
    'longest piece (model.context), so that some could hold nothing; take '
    'fewer or longer ones (model.latent.beats)',
  )
  _require(
    config.pattern in ('full', 'window'),
    'pattern',
    f'{config.pattern!r} has no place where model.mode is {config.mode!r}; '
    "set it to 'full'",
  )


def _check_attention(config: ModelConfig) -> None:
  _require(
    config.heads % config.key_heads == 0,
    'kv_heads',
    f'{config.kv_heads} does not divide model.heads {config.heads}',
  )
  for name in ('window', 'relative'):
    _require(
      getattr(config, name) <= config.context,
      name,
      f'{getattr(config, name)} is more than model.context {config.context}; '
      f'take at most the context, or 0 for all of it',
    )
  _require(
    config.pattern != 'window' or config.window > 0,
    'window',
    "is 0, but model.pattern is 'window'; say how many steps a step sees",
  )
  _check_backend(config)
  _require(
    config.horizon == 0 or config.pattern == 'bars',
    'horizon',
    f'{config.horizon} has no meaning where model.pattern is '
    f"{config.pattern!r}; set it to 0, or the pattern to 'bars'",
  )
  if config.pattern == 'bars':
    _check_bars(config)
  if config.pattern == 'hierarchy':
    _check_hierarchy(config)
  if config.positions == 'musical':
    need = 4 * -(-_MUSICAL // config.key_heads)
    _require(
      config.head_dim >= need,
      'heads',
      f'gives heads of width {config.head_dim}, but musical positions of '
      f'{config.key_heads} key heads need {need}; choose fewer heads, more '
      "width, or model.positions 'rope'",
    )


def _check_backend(config: ModelConfig) -> None:
  _require(
    config.positions != 'relative'
    or config.attention in ('auto', 'naive', 'blocked'),
    'attention',
    f"{config.attention!r} knows no relative positions; set it to 'auto', or "
    "model.positions to 'rope'",
  )


def _check_bars(config: ModelConfig) -> None:
  _require(
    config.window == 0,
    'window',
    f"{config.window} has no meaning where model.pattern is 'bars'; set it to "
    "0, or the pattern to 'window'",
  )
  _require(
    config.positions != 'relative',
    'positions',
    "'relative' counts steps, but model.pattern 'bars' also attends to whole "
    "bars; set it to 'rope', 'barwise' or 'musical'",
  )
  _require(
    config.attention in ('auto', 'naive', 'blocked'),
    'attention',
    f"{config.attention!r} knows no bars; set it to 'auto', or model.pattern "
    "to 'full'",
  )
  _require(
    config.key_heads == config.heads,
    'kv_heads',
    f"{config.kv_heads} has no place where model.pattern is 'bars': summaries "
    'are of each head; set it to 0',
  )


def _check_hierarchy(config: ModelConfig) -> None:
  for name, plain in (
    ('window', 0),
    ('positions', 'rope'),
    ('kv_heads', 0),
    ('scan', False),
    ('lead', 0),
  ):
    _require(
      getattr(config, name) == plain,
      name,
      f'{getattr(config, name)!r} has no place where model.pattern is '
      f"'hierarchy'; set it to {plain!r}",
    )
  _require(
    config.attention in ('auto', 'naive', 'blocked'),
    'attention',
    f"{config.attention!r} knows no bars; set it to 'auto', or model.pattern "
    "to 'full'",
  )


def _require(holds: bool, name: str, cause: str) -> None:
  if not holds:
    raise ConfigError(f'model.{name}: {cause}', code='model_config')
