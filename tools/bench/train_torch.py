"""The peers of `train.py`: our decoder in PyTorch, and Hugging Face's GPT-2.

python tools/bench/train_torch.py torch|gpt2 WEIGHTS.npz
"""

import functools
import math
import sys

import harness
import numpy as np
import torch
import train
from torch import nn
from torch.nn import functional as F

WIDTH, LAYERS, HEADS = 256, 4, 4
_EPSILON = 1e-6


class Block(nn.Module):
  """Pre-norm attention with rotary positions, then a GELU MLP."""

  def __init__(self) -> None:
    super().__init__()
    self.norms = nn.ModuleList(nn.RMSNorm(WIDTH, _EPSILON) for _ in range(2))
    self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
    self.out = nn.Linear(WIDTH, WIDTH, bias=False)
    self.wide = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
    self.narrow = nn.Linear(4 * WIDTH, WIDTH, bias=False)

  def forward(self, x, cos, sin):
    """Returns the output of this layer."""
    b, t, d = x.shape
    qkv = self.qkv(self.norms[0](x)).view(b, t, 3, HEADS, d // HEADS)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(
      rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True
    )
    x = x + self.out(mixed.transpose(1, 2).reshape(b, t, d))
    wide = F.gelu(self.wide(self.norms[1](x)), approximate='tanh')
    return x + self.narrow(wide)


def rotate(x, cos, sin):
  """Turns halves of the last axis, as `models.positions` does."""
  real, imaginary = x.chunk(2, dim=-1)
  turned = (real * cos - imaginary * sin, imaginary * cos + real * sin)
  return torch.cat(turned, dim=-1)


class Decoder(nn.Module):
  """Our model with one field: tied embedding, blocks, norm."""

  def __init__(self, weights) -> None:
    super().__init__()
    self.embed = nn.Embedding(train.IDS, WIDTH)
    self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
    self.norm = nn.RMSNorm(WIDTH, _EPSILON)
    half = WIDTH // HEADS // 2
    turned = torch.arange(train.STEPS)[:, None] * 10_000.0 ** (
      -torch.arange(half) / half
    )
    self.register_buffer('cos', turned.cos())
    self.register_buffer('sin', turned.sin())
    self.load(weights)

  def load(self, weights) -> None:
    """Copies our parameters; every one must find its place."""
    named = {'embed.weight': weights['embed/tables/0']}
    named['norm.weight'] = weights['decoder/norm/scale']
    for i in range(LAYERS):
      ours = f'decoder/layers/{i}/'
      theirs = {
        'norms.0': weights[ours + 'attention_norm/scale'],
        'norms.1': weights[ours + 'mlp_norm/scale'],
        'qkv': weights[ours + 'attention/qkv_kernel'].reshape(WIDTH, -1).T,
        'out': weights[ours + 'attention/out_kernel'].reshape(-1, WIDTH).T,
        'wide': weights[ours + 'mlp/wide/kernel'].T,
        'narrow': weights[ours + 'mlp/narrow/kernel'].T,
      }
      for name, value in theirs.items():
        named[f'blocks.{i}.{name}.weight'] = value
    tensors = {k: torch.tensor(v) for k, v in named.items()}
    missing = self.load_state_dict(tensors, strict=False).missing_keys
    assert set(missing) <= {'cos', 'sin'}, missing

  def forward(self, ids, targets):
    """Returns the mean loss of a batch."""
    x = self.embed(ids)
    for block in self.blocks:
      x = block(x, self.cos, self.sin)
    logits = self.norm(x) @ self.embed.weight.T
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten())


def gpt2():
  """Returns Hugging Face's model of the same sizes, as a loss."""
  import transformers

  transformers.logging.set_verbosity_error()
  model = transformers.GPT2LMHeadModel(
    transformers.GPT2Config(
      vocab_size=train.IDS,
      n_positions=train.STEPS,
      n_embd=WIDTH,
      n_layer=LAYERS,
      n_head=HEADS,
      resid_pdrop=0.0,
      embd_pdrop=0.0,
      attn_pdrop=0.0,
      bos_token_id=1,
      eos_token_id=1,
      attn_implementation='sdpa',
    )
  )
  name = f'transformers {transformers.__version__} GPT-2'
  return name, model, lambda ids: model(ids, labels=ids).loss


def main(kind: str, path: str) -> None:
  """Serves one peer; see `harness.serve`."""
  name, model = f'torch {torch.__version__} eager', None
  if kind == 'gpt2':
    name, model, loss = gpt2()
  else:
    model = Decoder(np.load(path))
    loss = lambda ids: model(ids, ids[:, 1:])  # noqa: E731
  ids = torch.tensor(train.batch()['ids'][..., 0], dtype=torch.long)
  optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)

  def step() -> float:
    optimizer.zero_grad()
    value = loss(ids)
    value.backward()
    optimizer.step()
    assert math.isfinite(value.item())
    return value.item()

  harness.serve(name, step(), functools.partial(train.work, step))


if __name__ == '__main__':
  main(*sys.argv[1:])
