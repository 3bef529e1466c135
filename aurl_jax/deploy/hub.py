"""Bundles that others have published: fetched whole, then read as any other.

`hf:OWNER/NAME`, or `hf:OWNER/NAME@REVISION` for a branch, a tag or a commit:
name a commit where the same weights are wanted again. Only the files of a
bundle's layout are fetched, and nothing of them is run; digests, shapes and
classes are checked when they are read.
"""

import pathlib
import re
from collections.abc import Sequence

from aurl_jax.core.errors import BundleError

PREFIX = 'hf:'
_NAME = re.compile(
  r'hf:(?P<repository>[\w.-]{1,96}/[\w.-]{1,96})(?:@(?P<revision>[\w./-]+))?',
  re.ASCII,
)


def named(name: str) -> bool:
  """Returns whether a name is of a published bundle.

  Example:
    >>> named('hf:someone/chorales'), named('chorale')
    (True, False)
  """
  return name.startswith(PREFIX)


def fetched(name: str, layout: Sequence[str]) -> pathlib.Path:
  """Returns the folder of a published bundle, in the cache of this machine.

  What has been fetched before is not fetched again; without a network that is
  what is taken.

  Args:
    name: As above.
    layout: Names of the files that a bundle may have.

  Raises:
    BundleError: It is no such name (code `no_bundle`), the package for it is
      not installed (`extra`), or it cannot be fetched (`hub`).
  """
  found = _NAME.fullmatch(name)
  if found is None or '..' in name:
    raise BundleError(
      f'{name!r} names no bundle; write hf:OWNER/NAME, or '
      'hf:OWNER/NAME@REVISION',
      code='no_bundle',
    )
  try:
    import huggingface_hub
    from huggingface_hub import errors
  except ImportError as error:
    raise BundleError(
      'published bundles are fetched by huggingface_hub: pip install '
      "'aurl-jax[hub]'",
      code='extra',
    ) from error
  try:
    folder = huggingface_hub.snapshot_download(
      found['repository'],
      revision=found['revision'],
      allow_patterns=list(layout),
    )
  except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
    raise BundleError(
      f'{name} cannot be fetched: {error}; look at the name and the network, '
      'or fetch the folder by hand and name it',
      code='hub',
    ) from error
  return pathlib.Path(folder)
