"""Apache Beam, which has an environment of its own, if it is here."""

from collections.abc import Sequence
from typing import Any

from aurl_jax.core.errors import AurlError


def begin(flags: Sequence[str] = ()) -> tuple[Any, Any]:
  """Returns the module `apache_beam`, and an empty pipeline.

  Args:
    flags: Beam's own; by default a pipeline runs here, on one core.

  Raises:
    AurlError: Beam is not installed (code `no_beam`).
  """
  try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
  except ImportError as error:
    raise AurlError(
      'Apache Beam is not installed here; make its own environment, as '
      'tools/env/beam.txt says',
      code='no_beam',
    ) from error
  return beam, beam.Pipeline(options=PipelineOptions(list(flags)))
