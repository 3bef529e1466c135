"""A run's folder: what lies where, and whether a config may go on in it.

config.json   the run's config       metrics.jsonl  a record a line
checkpoints/  state, data, RNG       logs/ tb/      for people, TensorBoard
samples/      MIDI, rolls, page      plots/         curves, at the end
profile/      traces, if asked for   status.json    running, or how it ended
train.lock    who trains, or did     memory.json    what a step needs
MODEL_CARD.md                  parameters.json  the parts of the network
prior.safetensors  priors of its latents, if any were fitted
dials.json         how far the dials of its latents turn, once measured
originality.safetensors  by what copies of the training music are known
"""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from aurl_jax.core import config as config_lib
from aurl_jax.core import files, hosts
from aurl_jax.core.errors import AurlError, ConfigError
from aurl_jax.experiment import sections

IDENTITY = (
  'seed',
  'model',
  'tokenizer',
  'data',
  'curriculum',
  'objective',
  'optimizer.name',
  'train.batch_size',
  'train.begin_from',
)
"""Keys, or whole sections, that must match when a run is resumed."""
FREE = (
  'model.dtype',
  'model.remat',
  'model.scan',
  'model.dropout',
  'data.workers',
  'data.max_bad',
)
"""Keys of those sections that change how a step is computed, not of what."""
_OF_BUNDLES = 'digests.json'
"""What only a bundle has; `deploy.bundle` is too dear to import here."""


@dataclasses.dataclass(frozen=True)
class Workdir:
  """Paths of a run's folder."""

  root: pathlib.Path

  @property
  def config(self) -> pathlib.Path:
    """The run's config as JSON."""
    return self.root / 'config.json'

  @property
  def checkpoints(self) -> pathlib.Path:
    """Orbax steps with their manifests."""
    return self.root / 'checkpoints'

  @property
  def quarantine(self) -> pathlib.Path:
    """What of the data was found rotten, if anything was."""
    return self.root / 'quarantine.json'

  @property
  def metrics(self) -> pathlib.Path:
    """One JSON object a line, each with `step`."""
    return self.root / 'metrics.jsonl'

  @property
  def saved(self) -> dict[int, float]:
    """Steps of the checkpoints, ascending, and when each was written."""
    found = {
      int(path.name): path.stat().st_mtime
      for path in self.checkpoints.glob('*')
      if path.name.isdecimal()
    }
    return dict(sorted(found.items()))

  @property
  def samples(self) -> pathlib.Path:
    """MIDI files, piano rolls and `index.html`."""
    return self.root / 'samples'

  @property
  def memory(self) -> pathlib.Path:
    """What a step needs of each device's memory."""
    return self.root / 'memory.json'

  @property
  def parameters(self) -> pathlib.Path:
    """What each part of the network holds."""
    return self.root / 'parameters.json'

  @property
  def card(self) -> pathlib.Path:
    """The model card."""
    return self.root / 'MODEL_CARD.md'

  @property
  def prior(self) -> pathlib.Path:
    """Priors of the model's latents (`deploy.priors`)."""
    return self.root / 'prior.safetensors'

  @property
  def dials(self) -> pathlib.Path:
    """How far the dials of the model's latents turn (`deploy.dials`)."""
    return self.root / 'dials.json'

  @property
  def index(self) -> pathlib.Path:
    """By what copies of the training music are known (`deploy.originals`)."""
    return self.root / 'originality.safetensors'

  @property
  def holds_run(self) -> bool:
    """Whether a run was started here; a bundle has a config, too."""
    # What no system could hold is no run, and no error of the system.
    is_bundle = os.path.isfile(self.root / _OF_BUNDLES)
    return os.path.isfile(self.config) and not is_bundle

  def read_config(self) -> dict[str, Any]:
    """Returns the stored config.

    Raises:
      ConfigError: There is no run here, or its config is damaged.
    """
    try:
      return self._checked(self.config.read_text())
    except FileNotFoundError as error:
      raise ConfigError(
        f'{self.root} holds no run (no config.json); start one with '
        f'`aurl train --data FOLDER --workdir {self.root}`',
        code='no_run',
      ) from error

  def _checked(self, text: str) -> dict[str, Any]:
    try:
      return config_lib.from_json(text)
    except ConfigError as error:
      raise ConfigError(
        f'{self.config}: {error}; put back a copy of it, or train anew in '
        'another workdir',
        code='damaged_config',
      ) from error

  def agree(self, config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns the config to go on with; nothing is written.

    Without a stored run the given config starts one. With one, the given
    config (None: the stored) must agree with it in the keys of `IDENTITY`;
    its other values take effect once it is stored.

    Raises:
      ConfigError: No config at all, or one of another run (shown).
    """
    if not self.holds_run:
      return self.read_config() if config is None else dict(config)
    saved = self.read_config()
    values = dict(saved if config is None else config)
    self._refuse_other_run(saved, values)
    return values

  def store(self, values: Mapping[str, Any]) -> None:
    """Makes the folder that of a run of this config."""
    self.root.mkdir(parents=True, exist_ok=True)
    for name in ('logs', 'tb', 'samples', 'plots'):
      (self.root / name).mkdir(exist_ok=True)
    files.write_atomic(self.config, config_lib.to_json(values))

  @contextlib.contextmanager
  def claim(self) -> Iterator[None]:
    """Keeps other trainers out of the folder while the body runs.

    With several hosts the first process claims it for all of them.

    Raises:
      AurlError: Another process trains here (code `in_use`).
    """
    with contextlib.ExitStack() as stack:
      refusal: AurlError | None = None
      if jax.process_index() == 0:
        try:
          stack.enter_context(
            files.claim(self.root / 'train.lock', f'{self.root}')
          )
        except AurlError as error:
          refusal = error
      (refused,) = hosts.agree(int(refusal is not None))
      if refused:
        raise refusal or AurlError(
          f'{self.root} was refused to process 0; its message says why',
          code='in_use',
        )
      yield

  def _refuse_other_run(
    self, saved: Mapping[str, Any], values: Mapping[str, Any]
  ) -> None:
    # A run of before a key was there had its default.
    both = sections.completed(saved), sections.completed(values)
    rows = [
      f'  {d.key}: {d.saved!r} in the folder, {d.current!r} asked for'
      for d in config_lib.differences(*both, identity=IDENTITY)
      if d.key not in FREE
    ]
    if rows:
      raise ConfigError(
        f'{self.root} holds another run:\n'
        + '\n'.join(rows)
        + '\nChoose a new --workdir, or drop these overrides to go on.',
        code='other_run',
      )
