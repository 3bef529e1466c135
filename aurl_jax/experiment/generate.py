"""Music from a run or a bundle, written to a folder."""

import dataclasses
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from aurl_jax.core import checkpoint
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy import priors as priors_lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.experiment import build, original, progress, sections
from aurl_jax.experiment.keeping import Pick
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.generation import export, wording
from aurl_jax.generation.defaults import freed
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.request import Request
from aurl_jax.parallel import mesh as mesh_lib

_log = logging.getLogger(__name__)


def run(
  config: Mapping[str, Any] | None,
  folder: Workdir,
  allow: tuple[str, ...] = (),
) -> dict[str, Any]:
  """Writes what the config's `generate` section asks for into `samples/`.

  Returns:
    As `write`.
  """
  values = folder.agree(config)
  asked = sections.parse(values, allow)
  composer = from_run(folder, allow)
  return write(composer, asked.generate.request(), folder.samples)


def to_folder(
  model: str, out: str, changes: Mapping[str, Any], *, quiet: bool = True
) -> dict[str, Any]:
  """Writes music by a run, a bundle or a shipped name.

  Args:
    model: The run's folder, the bundle's folder, or a name.
    out: Folder for the MIDI files, rolls and page.
    changes: Fields of `Request`; those left out are the run's own, or the
      defaults of a bundle.
    quiet: Whether to keep from the console what is done.

  Returns:
    As `write`.

  Raises:
    BundleError, CheckpointError: There is no such model, or it is damaged.
    RequestError: What is asked for cannot be met; told before parameters are
      loaded, as far as it is known.
  """
  outline, request = outlined(model, changes)
  outline.check(request)
  progress.say(
    f'{model} writes into {out}; its programs compile first, half a minute or '
    'so',
    quiet=quiet,
  )
  return write(load(model), request, pathlib.Path(out), quiet=quiet)


def outlined(
  model: str, changes: Mapping[str, Any]
) -> tuple[Composer, Request]:
  """Returns a model without its parameters, and what is asked, files read.

  Args:
    model: As of `to_folder`.
    changes: Likewise.

  Raises:
    BundleError: There is no such model, or it is damaged.
    RequestError: A value out of its range, or no such file.
    MidiError: A file holds no music.
  """
  folder = Workdir(pathlib.Path(model))
  if not folder.holds_run:
    outline = bundle_lib.outline(model)
    request = outline.request(**changes)
  else:
    asked = sections.parse(folder.read_config())
    outline = original.with_index(build.here(asked).composer(None), folder)
    latents = outline.model.config.has_latents
    request = asked.generate.request(**freed(changes, latents))
  return outline, request.opened()


def load(model: str) -> Composer:
  """Returns the model of a run, of a bundle, or of a shipped name.

  Raises:
    BundleError, CheckpointError: There is no such model, or it is damaged.
  """
  folder = Workdir(pathlib.Path(model))
  return from_run(folder) if folder.holds_run else bundle_lib.load(model)


def from_run(
  folder: Workdir, allow: tuple[str, ...] = (), pick: Pick | None = None
) -> Composer:
  """Returns the model of a run: by default what it hands back itself.

  That is the best one if the config selects, else the newest good one.

  The machine need not be the one that trained it: the devices are those
  that are here. Priors of its latents come along if they are of this model,
  and the index of its training music.

  Raises:
    ConfigError: There is no run.
    CheckpointError: It has no such checkpoint, or none that is complete.
    BundleError: The file of its priors, or of its index, is damaged.
  """
  found = with_priors(bare(folder, allow, pick), folder)
  return original.with_index(found, folder)


def bare(
  folder: Workdir, allow: tuple[str, ...] = (), pick: Pick | None = None
) -> Composer:
  """Returns the model of a run without its priors; raises as `from_run`."""
  parts = build.here(sections.parse(folder.read_config(), allow))
  with (
    mesh_lib.use(parts.mesh),
    checkpoint.Checkpoints(folder.checkpoints) as kept,
  ):
    _, params = (pick or Pick()).params(kept, parts)
  return parts.composer(params)


def with_priors(composer: Composer, folder: Workdir) -> Composer:
  """Returns a model with the priors of its run, if they are of it.

  Those of another checkpoint are left out, and the log says so.

  Raises:
    BundleError: Their file is damaged, or of other latents.
  """
  config, path = composer.model.config, folder.prior
  if not (config.has_latents and path.is_file()):
    return composer
  found = priors_lib.from_bytes(path.read_bytes(), str(path), config.latent)
  if found.encoder != priors_lib.fingerprint(composer.params):
    _log.warning(
      '%s is of another checkpoint than this one, and is not used; fit it '
      'again with `aurl prior`',
      path,
    )
    return composer
  return dataclasses.replace(composer, priors=found)


def write(
  composer: Composer, request: Request, out: pathlib.Path, *, quiet: bool = True
) -> dict[str, Any]:
  """Generates and writes MIDI files, piano rolls and one page.

  Args:
    composer: The model.
    request: What is asked for.
    out: The folder.
    quiet: Whether to keep from the console how far it is.

  Returns:
    `page`: path of `index.html`; `rows`: one (file, notes, seconds,
    grammatical) a piece; `wishes`: of each rule what was wished, and how well
    all pieces kept it, in words.
  """
  pieces = _written(composer, request, quiet=quiet)
  if request.long or request.remake:
    return {**leave(pieces, out), 'wishes': []}
  kept = [piece.kept for piece in pieces]
  told = wording.kept(composer.settled(request).wishes, kept)
  return {**leave(pieces, out), 'wishes': told}


def _written(
  composer: Composer, request: Request, *, quiet: bool
) -> list[Piece]:
  """Returns the pieces; long ones, of a minute each, are counted."""
  if not request.long:
    return composer.generate(request)
  pieces: list[Piece] = []
  with progress.bar('writing', quiet=quiet) as told:
    for seed in range(request.seed, request.seed + request.n):
      pieces += composer.generate(dataclasses.replace(request, n=1, seed=seed))
      if told is not None:
        told(len(pieces), request.n)
  return pieces


def leave(
  pieces: Sequence[Piece], out: pathlib.Path, **page: Any
) -> dict[str, Any]:
  """Writes pieces; `page` is for `export.write`. Returns as `write`."""
  path = export.write(out, pieces, **page)
  names = page.get('names') or export.numbered(len(pieces))
  rows = [
    (
      f'{name}.mid',
      len(piece.notes),
      piece.report['seconds'],
      piece.report['grammatical'],
    )
    for name, piece in zip(names, pieces, strict=True)
  ]
  return {'page': str(path), 'rows': rows}
