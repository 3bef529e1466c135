"""From a run to a bundle."""

import dataclasses
import pathlib
from typing import Any

from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.experiment import dials, generate, sections
from aurl_jax.experiment.keeping import Pick
from aurl_jax.experiment.workdir import Workdir


def from_run(
  run: str, out: str, *, pick: Pick | None = None, dtype: str = 'float32'
) -> dict[str, Any]:
  """Writes a run's model as a bundle.

  Priors of its latents come along, and how far its dials turn, which is
  measured on the run's data if it has not been.

  Args:
    run: The run's folder.
    out: Folder to publish.
    pick: Which checkpoint, or the mean of some; None for the model that the
      run hands back.
    dtype: Of the stored weights; see `deploy.bundle.save`.

  Returns:
    `bundle`: the folder; `bytes`: of its weights; `files`.

  Raises:
    ConfigError, CheckpointError: There is no run, or no such checkpoint.
  """
  folder = Workdir(pathlib.Path(run))
  composer = dials.known(generate.from_run(folder, pick=pick), folder)
  defaults = sections.parse(folder.read_config()).generate.defaults
  composer = dataclasses.replace(composer, defaults=defaults)
  card = folder.card.read_text() if folder.card.is_file() else ''
  bundle_lib.save(out, composer, card=card, dtype=dtype)
  files = sorted(pathlib.Path(out).iterdir())
  return {
    'bundle': str(out),
    'bytes': sum(path.stat().st_size for path in files),
    'files': [path.name for path in files],
  }
