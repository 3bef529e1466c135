"""From a run to a bundle."""

import pathlib
from typing import Any

from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.experiment import generate, sections
from aurl_jax.experiment.keeping import Pick
from aurl_jax.experiment.workdir import Workdir


def from_run(
  run: str, out: str, *, pick: Pick | None = None, dtype: str = 'float32'
) -> dict[str, Any]:
  """Writes a run's model as a bundle.

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
  composer = generate.from_run(folder, pick=pick)
  card = folder.card.read_text() if folder.card.is_file() else ''
  bundle_lib.save(
    out,
    params=composer.params,
    model_config=composer.model.config,
    tokenizer=composer.tokenizer,
    card=card,
    dtype=dtype,
    defaults=sections.parse(folder.read_config()).generate.defaults,
    priors=composer.priors,
  )
  files = sorted(pathlib.Path(out).iterdir())
  return {
    'bundle': str(out),
    'bytes': sum(path.stat().st_size for path in files),
    'files': [path.name for path in files],
  }
