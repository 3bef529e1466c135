"""`ModelConfig`: the shape of a model, checked before anything is built."""

import dataclasses

from aurl_jax.core.errors import ConfigError

_CHOICES = {
  'mode': ('transformer', 'vae', 'vae_gan'),
  'mlp': ('gelu', 'swiglu'),
  'dtype': ('float32', 'bfloat16', 'float16'),
  'remat': ('none', 'full', 'dots'),
  'attention': ('auto', 'naive', 'blocked', 'fused'),
}
_POSITIVE = ('width', 'layers', 'heads', 'context', 'head_width')
# SwiGLU has three matrices where GELU has two: 2/3 of the hidden width
# gives equal parameters (Shazeer 2020, section 2); rounded for the GEMMs.
_GATED_MULTIPLE = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
  """Hyperparameters of `MusicTransformerVAEGAN`.

  Attributes:
    mode: Which parts exist; this version has `transformer`.
    width: Model width `d`, divisible by `heads`.
    layers: Number of decoder blocks.
    heads: Attention heads a layer; `width / heads` is even, for RoPE.
    hidden: Width inside the MLP; 0 means 4 times `width`, or about 8/3 of
      it for `swiglu`, which gives both kinds equally many parameters.
    mlp: `gelu` or `swiglu`.
    context: Most steps of a sequence, `t`, in training and generation.
    head_width: Hidden width of the field head; unused with one field.
    dropout: Probability in [0, 1) of dropping an activation in training.
    rope_base: Base of the rotary wavelengths.
    dtype: What activations are computed in; parameters, norms, softmax and
      logits are float32 always.
    remat: What the backward pass recomputes of a block: `none`, `full`, or
      `dots` (keeps matrix products, recomputes the rest).
    scan: Compiles one block and scans it over the layers: faster to
      compile, slower to run on CPUs. Results and parameters are the same.
    attention: `auto` chooses by platform; see `models.attention`.
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
  remat: str = 'none'
  scan: bool = False
  attention: str = 'auto'

  def __post_init__(self) -> None:
    for name, choices in _CHOICES.items():
      _require(
        getattr(self, name) in choices,
        name,
        f'is {getattr(self, name)!r}; choose one of {", ".join(choices)}',
      )
    for name in _POSITIVE:
      _require(getattr(self, name) > 0, name, 'must be at least 1')
    _check_values(self)

  @property
  def head_dim(self) -> int:
    """Width of one attention head."""
    return self.width // self.heads

  @property
  def mlp_width(self) -> int:
    """Width inside the MLP, with `hidden=0` resolved."""
    if self.hidden:
      return self.hidden
    if self.mlp == 'gelu':
      return 4 * self.width
    multiples = round(8 * self.width / 3 / _GATED_MULTIPLE)
    return max(1, multiples) * _GATED_MULTIPLE


def _check_values(config: ModelConfig) -> None:
  _require(
    config.mode == 'transformer',
    'mode',
    f"{config.mode!r} is not in this version; set it to 'transformer'",
  )
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
  _require(config.hidden >= 0, 'hidden', 'must be 0 (default) or more')
  _require(0 <= config.dropout < 1, 'dropout', 'must lie in [0, 1)')
  _require(config.rope_base > 1, 'rope_base', 'must be above 1')


def _require(holds: bool, name: str, cause: str) -> None:
  if not holds:
    raise ConfigError(f'model.{name}: {cause}', code='model_config')
