"""From a typed config to the objects of a run."""

import contextlib
import dataclasses
import functools
from typing import Any

import jax
import optax

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import ConfigError
from aurl_jax.data import rooms
from aurl_jax.data.augment import Augmenter
from aurl_jax.data.cache import TokenCache
from aurl_jax.deploy.composer import Composer
from aurl_jax.evaluation import targets
from aurl_jax.experiment import sections
from aurl_jax.experiment.sections import RunConfig
from aurl_jax.models.functional import Model
from aurl_jax.parallel import gather, host
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.places import Places
from aurl_jax.training import auxiliary, diagnosis, telemetry, watch
from aurl_jax.training import optimizer as optimizer_lib
from aurl_jax.training import state as state_lib
from aurl_jax.training import steps as steps_lib
from aurl_jax.training.gan import Gan
from aurl_jax.training.options import StepConfig
from aurl_jax.training.schedules import Schedule


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
  """The objects that training and evaluation share.

  Attributes:
    run: The config.
    mesh: The devices.
    model: The network.
    optimizer: Of the parameters.
    schedule: The learning rate that the optimizer follows.
  """

  run: RunConfig
  mesh: jax.sharding.Mesh
  model: Model
  optimizer: optax.GradientTransformation
  schedule: Schedule

  @property
  def fields(self) -> tuple[str, ...]:
    """Names of the tokenizer's fields."""
    return tuple(field.name for field in self.run.tokenizer.codec.fields)

  @property
  def options(self) -> StepConfig:
    """The options of a training step."""
    return dataclasses.replace(self.run.step_options, gan=self.gan)

  @functools.cached_property
  def gan(self) -> Gan | None:
    """The critic and what it takes to train it; None of other modes."""
    if self.run.model.mode != 'vae_gan':
      return None
    return Gan.build(self.run.gan, self.model, self.run.tokenizer)

  def abstract_state(self) -> dict[str, Any]:
    """Returns the state's shapes and shardings, for a restore."""
    return state_lib.abstract(
      self.model, self.optimizer, self.mesh, options=self.options
    )

  def fresh_state(self) -> dict[str, Any]:
    """Returns the state before the first step."""
    return state_lib.create(
      self.model,
      self.optimizer,
      seed=self.run.seed,
      mesh=self.mesh,
      options=self.options,
    )

  def restore_params(
    self, kept: Checkpoints, step: int | None = None
  ) -> tuple[int, Any]:
    """Returns a checkpoint's step and the parameters to use of it.

    Reads no more than these: neither the optimizer nor other averages.

    Args:
      kept: The run's checkpoints.
      step: Which one; None for the newest good one.

    Raises:
      CheckpointError: There is no such checkpoint, or it is damaged.
    """
    like, part = self.abstract_state(), 'params'
    if 'average' in like:
      count = {'average': {'count': like['average']['count']}}
      found = kept.restore(count, step, partial=True)
      step, part = found.step, state_lib.eval_part(like | found.state)
    elif 'ema' in like:
      part = 'ema'
    found = kept.restore({part: like[part]}, step, partial=True)
    return found.step, state_lib.eval_params(found.state)

  def composer(self, params: Any) -> Composer:
    """Returns the model with parameters, ready to generate.

    All processes must call it together; one of them may then generate.
    """
    return Composer(
      model=self.model,
      params=gather.to_host(params),
      tokenizer=self.run.tokenizer,
    )

  @functools.cached_property
  def eval_step(self) -> Any:
    """The jitted evaluation step, compiled once for all who judge."""
    tokenizer = self.run.tokenizer
    measures: list[steps_lib.Measure] = [targets.NoteCounts(tokenizer)]
    if isinstance(tokenizer, VoiceGrid):
      measures.append(targets.Frames(tokenizer))
    return steps_lib.make_eval_step(self.model, self.mesh, measures=measures)

  @functools.cached_property
  def telemetry_step(self) -> Any:
    """What measures latents, compiled once for all who judge."""
    return telemetry.make_telemetry(self.model)

  def train_step(self, cache: TokenCache | None = None) -> Any:
    """Returns the jitted training step.

    Args:
      cache: What is trained on, which augmentation has to know.
    """
    return steps_lib.make_train_step(
      self.model,
      self.optimizer,
      self.schedule,
      self.options,
      self.mesh,
      augment=self._augment(cache) if cache else None,
      auxiliary=self._auxiliary(),
    )

  def diagnosis(self, cache: TokenCache) -> watch.Why:
    """Returns what names the tensor that made a step bad.

    Args:
      cache: What is trained on, which augmentation has to know.
    """

    def why(state: Any, batch: Any, step: int) -> str:
      again = diagnosis.make_diagnosis(
        self.model,
        self.options,
        augment=self._augment(cache),
        auxiliary=self._auxiliary(),
      )
      return again(state, batch, step)

    return why

  def _auxiliary(self) -> dict[str, auxiliary.Auxiliary]:
    """Returns the auxiliary losses of the config by name."""
    names = self.options.balance.names
    return {name: auxiliary.named(name) for name in names}

  def _augment(self, cache: TokenCache) -> Augmenter | None:
    """Returns what changes the training batches, or None for nothing."""
    if not self.run.augment.changes:
      return None
    tokenizer = self.run.tokenizer
    found = rooms.measure(cache['train'], tokenizer.codec, tokenizer.grid)
    return Augmenter(self.run.augment, tokenizer, found)


def build(run: RunConfig) -> Parts:
  """Returns the objects of a run; joins the other processes first.

  Raises:
    ConfigError: The mesh does not fit the devices, or the batch not the mesh.
  """
  # As soon as it has joined, jax knows its devices and counts them no more.
  if run.mesh.host_devices:
    mesh_lib.host_devices(run.mesh.host_devices)
  else:
    _pose(_host_devices(run))
  mesh_lib.initialise_distributed(run.mesh)
  mesh = mesh_lib.make_mesh(run.mesh)
  sections.check_devices(run, mesh_lib.rows(mesh))
  return _parts(run, mesh)


def here(run: RunConfig) -> Parts:
  """Returns the objects of a run for the devices of this process alone.

  For all but training: whatever mesh and hosts the run was trained on, and
  whether or not its batch divides over what is here.
  """
  _pose(host.cores())
  return _parts(run, mesh_lib.make_mesh(mesh_lib.MeshConfig()))


def _pose(count: int) -> None:
  """Lets a CPU pose as so many devices, unless jax has been used."""
  # Too late in a notebook, say: its devices serve as well.
  with contextlib.suppress(ConfigError):
    mesh_lib.host_devices(count)


def _parts(run: RunConfig, mesh: jax.sharding.Mesh) -> Parts:
  optimizer, schedule = optimizer_lib.build(run.optimizer, run.train.steps)
  return Parts(
    run=run,
    mesh=mesh,
    model=Model.build(
      run.model, run.tokenizer.codec.sizes, Places.of(run.tokenizer)
    ),
    optimizer=optimizer,
    schedule=schedule,
  )


def _host_devices(run: RunConfig) -> int:
  """Returns as how many devices a CPU should pose: one a core, if it divides.

  It is this process's share of what the mesh asks for, or the most that the
  cores allow and that divides its rows of a batch. In a cluster that jax
  finds by itself the share is not known yet: one. Accelerators do not heed it.
  """
  if run.mesh.coordinator == mesh_lib.AUTO:
    return 1
  mesh, processes = run.mesh, run.mesh.processes
  if mesh.data > 0:
    return max(1, mesh.data * mesh.fsdp * mesh.tensor // processes)
  inner = max(1, mesh.fsdp * mesh.tensor // processes)
  rows = run.at_once
  fitting = [
    count
    for count in range(inner, max(inner, host.cores()) + 1, inner)
    if rows % max(1, count * processes // mesh.tensor) == 0
  ]
  return max(fitting, default=inner)
