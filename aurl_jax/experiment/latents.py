"""The latent space of a run, with the data that it was trained on."""

import pathlib

from aurl_jax.data.cache import TokenCache
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.experiment import data, generate, sections
from aurl_jax.experiment.keeping import Pick
from aurl_jax.experiment.workdir import Workdir


def opened(
  run: pathlib.Path, pick: Pick | None = None
) -> tuple[LatentSpace, TokenCache]:
  """Returns the latents of a run's model, and its data.

  Args:
    run: The run's folder.
    pick: Which model of it; None for its own choice.

  Raises:
    ConfigError: There is no run, or its model has no latents.
    CheckpointError: The run has no complete checkpoint.
  """
  folder = Workdir(run)
  config = sections.parse(folder.read_config())
  space = LatentSpace(generate.from_run(folder, pick=pick))
  return space, data.prepared(config, quiet=True)
