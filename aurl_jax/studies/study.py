"""`Study`: what all studies of music share, and how others bring theirs.

A study hears a piece once (`analyse`) and tells what it found in four ways: as
JSON (`told`), as numbers of the piece (`features`: metrics, tables), against
another finding (`compare`: how alike two pieces are) and against what people
annotated (`validate`: how right it is). The studies of this package are named
in `BUILT_IN`; another package adds its own by an entry point:

    [project.entry-points."aurl_jax.studies"]
    dynamics = "my_package.dynamics:Dynamics"

The name is what `aurl analyze --study` takes. What it points to is called
without arguments and gives a `Study`.
"""

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from aurl_jax.core.errors import AurlError
from aurl_jax.music.notes import Notes

if TYPE_CHECKING:
  from matplotlib.axes import Axes

GROUP = 'aurl_jax.studies'
"""Entry points of studies that other packages bring."""
BUILT_IN: Mapping[str, str] = {
  'chords': 'aurl_jax.studies.chords.study:Chords',
  'structure': 'aurl_jax.studies.structure.finding:Structure',
  'melody': 'aurl_jax.studies.melody.study:Melody',
}
"""Name -> module and class."""
FAULTS: tuple[type[Exception], ...] = (
  ArithmeticError,
  AssertionError,
  AttributeError,
  BufferError,
  EOFError,
  ImportError,
  LookupError,
  MemoryError,
  NameError,
  OSError,
  RuntimeError,
  SyntaxError,
  TypeError,
  ValueError,
)
"""What another package's study may raise without ending ours."""

Found = TypeVar('Found')


@runtime_checkable
class Study(Protocol[Found]):
  """A way to hear music.

  A finding is a frozen dataclass of numpy arrays and plain values, which holds
  all that is told of a piece, times in seconds among it, so that it stands
  without the piece. A study itself has only settings, and pickles: workers of
  a corpus each get one.
  """

  def analyse(self, notes: Notes) -> Found:
    """Returns what is heard in a piece; of one without notes, too."""
    ...

  def told(self, found: Found) -> dict[str, Any]:
    """Returns a finding as JSON's own types: a key a part, times in seconds.

    The keys of all studies are told side by side, so each has its own.
    """
    ...

  def features(self, found: Found) -> dict[str, float]:
    """Returns numbers of the piece; NaN where it has no such thing."""
    ...

  def compare(self, one: Found, other: Found) -> dict[str, float]:
    """Returns how alike two pieces are in each respect, 0..1, 1 for equal."""
    ...

  def validate(self, found: Found, truth: Found) -> dict[str, float]:
    """Returns the field's scores of a finding against what people wrote."""
    ...

  def draw(self, found: Found, axes: 'Axes') -> None:
    """Draws a finding, seconds from left to right."""
    ...


class StudyError(AurlError):
  """A study that is not there, or that cannot be loaded."""


def names() -> tuple[str, ...]:
  """Returns the names of all studies, our own first."""
  theirs = {entry.name for entry in _entries()}
  return (*BUILT_IN, *sorted(theirs - set(BUILT_IN)))


def load(wanted: Sequence[str]) -> dict[str, Study[Any]]:
  """Returns studies by name, in the order asked for.

  Raises:
    StudyError: There is no such study (code `study.unknown`), or its package
      cannot be imported or has no such class (code `study.broken`).
  """
  return {name: _load(name) for name in wanted}


def _entries() -> tuple[importlib.metadata.EntryPoint, ...]:
  """Returns the entry points of other packages."""
  return tuple(importlib.metadata.entry_points(group=GROUP))


def _load(name: str) -> Study[Any]:
  """Returns the study of a name."""
  if name in BUILT_IN:
    module, _, kind = BUILT_IN[name].partition(':')
    return getattr(importlib.import_module(module), kind)()
  entry = next((e for e in _entries() if e.name == name), None)
  if entry is None:
    raise StudyError(
      f'there is no study {name!r}; there are: {", ".join(names())}',
      code='study.unknown',
    )
  try:
    made = entry.load()()
  except FAULTS as error:
    raise StudyError(
      f'study {name!r} ({entry.value}) cannot be loaded: {error}; mend or '
      'uninstall the package that brings it',
      code='study.broken',
    ) from error
  if not isinstance(made, Study):
    raise StudyError(
      f'study {name!r} ({entry.value}) lacks a method of '
      'aurl_jax.studies.study.Study; mend the package that brings it',
      code='study.broken',
    )
  return made
