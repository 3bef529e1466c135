"""The latent space of a run, with the data that it was trained on."""

import pathlib

from aurl_jax.data.cache import TokenCache
from aurl_jax.deploy import bundle
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.experiment import beginning, data, generate, pages, sections
from aurl_jax.experiment.keeping import Pick
from aurl_jax.experiment.workdir import Workdir


def opened(
  run: pathlib.Path, pick: Pick | None = None, page: str = ''
) -> tuple[LatentSpace, TokenCache]:
  """Returns the latents of a model, and data.

  Args:
    run: The run's folder, whose data it is; or, with a page, a bundle or a
      shipped name.
    pick: Which model of a run; None for its own choice.
    page: Of a bundle, whose data it is to be.

  Raises:
    ConfigError: There is no run and no page, or the model has no latents.
    CheckpointError: The run has no complete checkpoint.
    BundleError: There is no such bundle, or it is damaged.
  """
  folder = Workdir(run)
  if page and not folder.holds_run:
    like = beginning.like(pages.load(pages.find(page)), str(run))
    space = LatentSpace(bundle.load(str(run)))
    return space, data.prepared(sections.parse(like), quiet=True)
  config = sections.parse(folder.read_config())
  space = LatentSpace(generate.from_run(folder, pick=pick))
  return space, data.prepared(config, quiet=True)
