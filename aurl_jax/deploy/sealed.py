"""Files of arrays that tell whether they are as they were written.

A safetensors file, in whose header stand a config and a sha256 of all the
rest, so that a flipped bit is found also where no list of digests lies beside.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from aurl_jax.core.errors import BundleError

_BLANK = '0' * 64


def seal(arrays: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> bytes:
  """Returns the content of a file, the same each time; `unseal` inverts it.

  Args:
    arrays: By name.
    config: Plain values, `format` among them.
  """
  texts = {'config': json.dumps(config), 'sha256': _BLANK}
  saved = safetensors.numpy.save(dict(arrays), metadata=texts)
  size = int.from_bytes(saved[:8], 'little')
  # The library writes the texts in any order.
  ordered = json.loads(saved[8 : 8 + size]) | {'__metadata__': texts}
  header = json.dumps(ordered, separators=(',', ':')).encode()
  header += b' ' * (-len(header) % 8)
  data = len(header).to_bytes(8, 'little') + header + saved[8 + size :]
  return data.replace(_BLANK.encode(), _digest(data).encode(), 1)


def unseal(
  data: bytes, where: str, version: int, remedy: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
  """Returns config and arrays of a file that is as it was written.

  Args:
    data: Its content.
    where: What it is called in messages.
    version: The one `format` that is read.
    remedy: What else to do than to copy the file again.

  Raises:
    BundleError: It is damaged (code `altered`), or of another format
      (`format`).
  """
  try:
    size = int.from_bytes(data[:8], 'little')
    texts = json.loads(data[8 : 8 + size])['__metadata__']
    blank = data.replace(texts['sha256'].encode(), _BLANK.encode(), 1)
    sound = _digest(blank) == texts['sha256']
    config = json.loads(texts['config']) if sound else {}
    arrays = safetensors.numpy.load(data) if sound else {}
  except (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    safetensors.SafetensorError,
  ):
    sound = False
  if not sound:
    raise BundleError(
      f'{where} is damaged: its sha256 differs; copy it again, or remove it '
      f'and {remedy}',
      code='altered',
    )
  if config.get('format') != version:
    raise BundleError(
      f'{where} has format {config.get("format")!r}, this version of aurl_jax '
      f'reads {version}; update aurl_jax, or {remedy}',
      code='format',
    )
  return config, arrays


def _digest(data: bytes) -> str:
  return hashlib.sha256(data).hexdigest()
