"""The critic of a run, to choose among pieces."""

import pathlib

from aurl_jax.core import checkpoint
from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy.ranking import Ranker
from aurl_jax.experiment import build, sections
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import gather
from aurl_jax.parallel import mesh as mesh_lib


def opened(run: pathlib.Path, step: int | None = None) -> Ranker:
  """Returns the critic of a run.

  Args:
    run: The run's folder.
    step: Of the checkpoint; None for the newest good one.

  Raises:
    ConfigError: There is no run, or it has no critic (code `no_critic`).
    CheckpointError: It has no such checkpoint, or none that is complete.
  """
  folder = Workdir(run)
  parts = build.here(sections.parse(folder.read_config()))
  if parts.gan is None:
    raise ConfigError(
      f'{run} is of mode {parts.run.model.mode!r} and has no critic; train '
      "with model.mode 'vae_gan'",
      code='no_critic',
    )
  with (
    mesh_lib.use(parts.mesh),
    checkpoint.Checkpoints(folder.checkpoints) as kept,
  ):
    like = {'gan': {'critic': parts.abstract_state()['gan']['critic']}}
    found = kept.restore(like, step, partial=True)
    variables = gather.to_host(found.state['gan']['critic'])
  return Ranker(parts.gan.critic, variables, parts.run.model.context)
