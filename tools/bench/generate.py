"""Writing music: our decoder against Hugging Face and a loop in PyTorch.

    python tools/bench/generate.py [--rounds 5]

Samples of 256 steps, drawn at temperature 1 from a model of width 256,
4 layers, 4 heads and 512 ids, on the CPU in float32, at batch 1 and 64:
tokens/s of `aurl_jax.generation.decode` with one host device a core, of
`generate` of GPT-2 in Hugging Face with its cache, and of a loop in PyTorch
over our very weights with a cache that stands ready, whose logits must be
ours. Then notes/s of `compound` under its grammar against Hugging Face in
REMI at batch 64; how many steps a note takes is counted in the chorales.
Each side is a process of its own that works only while it is asked to.
"""

import argparse
import dataclasses
import os
import pathlib
import sys
import tempfile

import harness
import numpy as np
import train

STEPS, IDS = 256, 512
BATCHES = (1, 16, 64)
PROBE = 24
"""Steps of the check: through the cache, one by one."""
_HERE = pathlib.Path(__file__).parent
_SAME = 1e-3


def main() -> int:
  """Runs all comparisons; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--only', choices=('plain', 'compound'))
  parser.add_argument('--ours', nargs=3, help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.ours:
    serve_ours(*args.ours)
    return 0
  with tempfile.TemporaryDirectory() as folder:
    weights = os.path.join(folder, 'weights.npz')
    for batch in BATCHES if args.only != 'compound' else ():
      for kind in ('torch', 'gpt2'):
        if not compare('plain', kind, batch, weights, args.rounds):
          return harness.missing('torch or transformers')
    if args.only != 'plain' and not compare(
      'compound', 'gpt2', max(BATCHES), weights, args.rounds
    ):
      return harness.missing('torch or transformers')
  return 0


def compare(
  view: str, kind: str, batch: int, weights: str, rounds: int
) -> bool:
  """Runs one comparison; False if the peer is not installed."""
  ours = harness.Side([__file__, '--ours', view, str(batch), weights])
  theirs = harness.Side(
    [str(_HERE / 'generate_torch.py'), kind, str(batch), weights]
  )
  if theirs.name is None:
    ours.stop()
    return False
  if kind == 'torch' and abs(theirs.check - ours.check) > _SAME:
    raise SystemExit(f'other models: {ours.check}, {theirs.check}')
  per_note = steps_a_note() if view == 'compound' else {'ours': 1, 'theirs': 1}
  harness.compare(
    f'generate.{view}.batch{batch}',
    theirs.name + (' in REMI' if view == 'compound' else ''),
    'notes/s' if view == 'compound' else 'tokens/s',
    ours=lambda: ours.work() / per_note['ours'],
    theirs=lambda: theirs.work() / per_note['theirs'],
    rounds=rounds,
  )
  theirs.stop()
  ours.stop()
  return True


def steps_a_note() -> dict[str, float]:
  """Returns how many steps a note takes in both views of the chorales."""
  from aurl_jax.data import sources
  from aurl_jax.tokens.compound import Compound
  from aurl_jax.tokens.remi import Remi

  found = sources.chorales()
  usable = [s for s in found if not isinstance(s, sources.Unusable)]
  pieces = [source.read().notes for source in usable]
  notes = sum(map(len, pieces))
  steps = {
    side: sum(len(tokenizer.encode(piece)) for piece in pieces) / notes
    for side, tokenizer in (('ours', Compound()), ('theirs', Remi()))
  }
  print(f'steps a note: {steps}', file=sys.stderr)
  return steps


@dataclasses.dataclass(frozen=True)
class Anything:
  """Allows every id until the budget is spent: what the peers do."""

  def init(self, budget):
    """Returns how many steps are left."""
    import jax.numpy as jnp

    return jnp.int32(budget)

  def mask(self, state, field, partial):
    """Allows all but PAD."""
    del field, partial
    import jax.numpy as jnp

    return (jnp.arange(IDS) > 0) | (state < 0)

  def advance(self, state, step):
    """Counts down."""
    del step
    return state - 1

  def distance(self, state):
    """Returns what is left."""
    return state


def serve_ours(view: str, batch: str, weights: str) -> None:
  """Writes the weights, then samples as often as stdin asks."""
  import jax

  from aurl_jax.generation import decode
  from aurl_jax.models import Model, ModelConfig
  from aurl_jax.parallel import mesh as mesh_lib
  from aurl_jax.tokens.compound import Compound

  mesh_lib.host_devices(os.cpu_count())
  compound = Compound()
  sizes = compound.codec.sizes if view == 'compound' else (IDS,)
  model = Model.build(ModelConfig(context=STEPS + 1), sizes)
  params = model.init(jax.random.key(0))
  wanted = ()
  if view == 'compound':
    grammar, first = compound.grammar, compound.bos()[None]
    # The end only where the peers end.
    wanted = (harness.exactly(compound.codec, STEPS - 1),)
  else:
    grammar, first = Anything(), np.array([[1]])
    train.save(weights, params)
  seed = 0

  def work() -> int:
    nonlocal seed
    seed += int(batch)
    samples = decode.decode(
      model,
      params,
      grammar,
      [first] * int(batch),
      steps=STEPS + 1,
      seed=seed,
      constraints=wanted,
    )
    written = sum(len(sample.ids) for sample in samples) - int(batch)
    if written < int(batch) * (STEPS - 1):
      raise SystemExit(f'{written} steps of {int(batch) * STEPS}')
    return written

  work()
  check = 0.0 if view == 'compound' else probe(model, params)
  harness.serve(f'jax {jax.__version__}', check, work)


def probe(model, params) -> float:
  """Returns the sum of log-normalisers along fixed ids, by the cache."""
  import jax
  import jax.numpy as jnp

  cache, total = model.init_cache(1, PROBE), 0.0
  for index, id_ in enumerate(probe_ids()):
    ids = jnp.full((1, 1), id_, jnp.int32)
    hidden, cache = model.step(params, cache, ids, jnp.int32(index))
    logits = model.field_logits(params, hidden, ids, 0)
    total += float(jax.scipy.special.logsumexp(50 * logits))
  return total / PROBE


def probe_ids() -> list[int]:
  """Returns the ids of the check."""
  return np.random.default_rng(1).integers(1, IDS, PROBE).tolist()


if __name__ == '__main__':
  sys.exit(main())
