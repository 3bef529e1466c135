"""What studies hear in music that is sent."""

from collections.abc import Sequence
from typing import Any

from aurl_jax.serving import answers, schema
from aurl_jax.serving.settings import Settings
from aurl_jax.studies import study as study_lib
from aurl_jax.studies.study import StudyError


def check(wanted: Sequence[str] | None) -> None:
  """Raises StudyError unless there are studies of these names.

  Those of other packages are not offered: they may do anything.

  Args:
    wanted: Names; None for all of ours.
  """
  for name in wanted or ():
    if name not in study_lib.BUILT_IN:
      raise StudyError(
        f'there is no study {name!r}; there are: '
        + ', '.join(study_lib.BUILT_IN),
        code='study.unknown',
      )


def heard(
  music: str | bytes, wanted: Sequence[str] | None, settings: Settings
) -> dict[str, Any]:
  """Returns what studies tell of music, and its features.

  Args:
    music: A MIDI file, as it is or in base64.
    wanted: Names of studies; None for all of ours.
    settings: What it may hold.

  Raises:
    RequestError, MidiError: As `schema.notes`.
  """
  notes = schema.notes('music', music, settings)
  found: dict[str, Any] = {}
  for name, study in study_lib.load(
    wanted or tuple(study_lib.BUILT_IN)
  ).items():
    finding = study.analyse(notes)
    found[name] = {
      'told': answers.plain(study.told(finding)),
      'features': answers.plain(study.features(finding)),
    }
  return {'studies': found}
