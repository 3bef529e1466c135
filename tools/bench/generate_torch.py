"""The peers of `generate.py`: a loop over our weights, and Hugging Face.

python tools/bench/generate_torch.py torch|gpt2 BATCH WEIGHTS.npz
"""

import functools
import sys

import generate
import harness
import numpy as np
import torch
import train_torch
from torch.nn import functional as F


class Writer:
  """The decoder of `train_torch` with a cache allocated once."""

  def __init__(self, model: train_torch.Decoder, batch: int) -> None:
    self.model = model
    shape = (
      batch,
      train_torch.HEADS,
      generate.STEPS,
      train_torch.WIDTH // train_torch.HEADS,
    )
    self.keys = [torch.zeros(shape) for _ in model.blocks]
    self.values = [torch.zeros(shape) for _ in model.blocks]

  def step(self, ids: torch.Tensor, index: int) -> torch.Tensor:
    """Returns the logits after one id a row, which stands at `index`."""
    model = self.model
    x = model.embed(ids)
    cos, sin = model.cos[index], model.sin[index]
    for layer, block in enumerate(model.blocks):
      keys, values = self.keys[layer], self.values[layer]
      qkv = block.qkv(block.norms[0](x))
      q, k, v = qkv.view(len(x), 3, train_torch.HEADS, -1).unbind(1)
      keys[:, :, index] = train_torch.rotate(k, cos, sin)
      values[:, :, index] = v
      mixed = F.scaled_dot_product_attention(
        train_torch.rotate(q, cos, sin)[:, :, None],
        keys[:, :, : index + 1],
        values[:, :, : index + 1],
      )
      x = x + block.out(mixed.flatten(1))
      wide = F.gelu(block.wide(block.norms[1](x)), approximate='tanh')
      x = x + block.narrow(wide)
    return model.norm(x) @ model.embed.weight.T

  def write(self) -> int:
    """Draws one batch; returns its steps."""
    ids = torch.ones(len(self.keys[0]), dtype=torch.long)
    for index in range(generate.STEPS):
      chances = torch.softmax(self.step(ids, index), -1)
      ids = torch.multinomial(chances, 1)[:, 0]
    return generate.STEPS * len(ids)

  def probe(self) -> float:
    """As `generate.probe`."""
    total = 0.0
    for index, id_ in enumerate(generate.probe_ids()):
      ids = torch.full((len(self.keys[0]),), id_)
      total += float(torch.logsumexp(50 * self.step(ids, index)[0], -1))
    return total / generate.PROBE


def write_gpt2(model, batch: int) -> int:
  """Draws one batch; returns its steps."""
  ids = model.generate(
    torch.ones((batch, 1), dtype=torch.long),
    attention_mask=torch.ones((batch, 1), dtype=torch.long),
    do_sample=True,
    top_k=0,
    min_new_tokens=generate.STEPS,
    max_new_tokens=generate.STEPS,
    pad_token_id=0,
    eos_token_id=None,
  )
  return ids[:, 1:].numel()


def main(kind: str, batch: str, weights: str) -> None:
  """Serves one peer; see `harness.serve`."""
  torch.set_grad_enabled(False)
  if kind == 'gpt2':
    name, model, _ = train_torch.gpt2()
    model.eval()
    check, work = 0.0, functools.partial(write_gpt2, model, int(batch))
  else:
    writer = Writer(train_torch.Decoder(np.load(weights)), int(batch))
    name, check, work = (
      f'torch {torch.__version__} loop',
      writer.probe(),
      writer.write,
    )
  work()
  harness.serve(name, check, work)


if __name__ == '__main__':
  main(*sys.argv[1:])
