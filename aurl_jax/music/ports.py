"""MIDI ports that music is sent to, through mido and python-rtmidi."""

from typing import Any, Protocol, runtime_checkable

import mido

from aurl_jax.core.errors import MidiError

_BACKEND = 'mido.backends.rtmidi'
_MISSING = (
  'MIDI ports need python-rtmidi: pip install "aurl_jax[live]"; without a '
  'port, --dry plays against a clock, and --out keeps what it plays'
)


@runtime_checkable
class Port(Protocol):
  """What messages are sent to, such as a port of mido."""

  def send(self, message: Any) -> None:
    """Sends a `mido.Message` at once."""
    ...

  def close(self) -> None:
    """Closes it; nothing is sent after that."""
    ...


class Silent:
  """A port that nobody hears."""

  def send(self, message: Any) -> None:
    """Drops a message."""
    del message

  def close(self) -> None:
    """Does nothing."""


def names() -> list[str]:
  """Returns the names of the ports that music can be sent to.

  Raises:
    MidiError: python-rtmidi is missing (code `no_rtmidi`), or the system has
      no MIDI (code `port`).
  """
  try:
    found: list[str] = _backend().get_output_names()
  except ImportError as error:
    raise MidiError(_MISSING, code='no_rtmidi') from error
  except (OSError, RuntimeError) as error:
    # rtmidi has errors of its own for each system, and no class for all.
    raise _unusable(error) from error
  return found


def open_port(name: str = '', *, virtual: bool = False) -> Port:
  """Opens a port that music can be sent to.

  Args:
    name: Of the port, or a part of its name that no other has; '' is the
      first one.
    virtual: Whether to make a port of this name, which other programs find
      (not on Windows).

  Raises:
    MidiError: As `names`; or there is no such port, or several (code `port`).
  """
  told = [] if virtual else names()
  whole = name or 'aurl' if virtual else _chosen(name, told)
  try:
    port: Port = _backend().open_output(whole, virtual=virtual)
  except ImportError as error:
    raise MidiError(_MISSING, code='no_rtmidi') from error
  except (OSError, RuntimeError) as error:
    raise _unusable(error) from error
  return port


def _chosen(name: str, told: list[str]) -> str:
  found = [other for other in told if name.lower() in other.lower()]
  if name in told:
    return name
  if not found or (name and len(found) > 1):
    what = (
      f'several ports are named like {name!r}'
      if found
      else (f'there is no port {name!r}' if told else 'there is no MIDI port')
    )
    raise MidiError(
      f'{what}; there are: {", ".join(found or told) or "none"}. Start or '
      'connect what shall play, or make a port with --virtual',
      code='port',
    )
  return found[0]


def _backend() -> Any:
  return mido.Backend(_BACKEND, load=True)


def _unusable(error: Exception) -> MidiError:
  return MidiError(
    f'this system gives no MIDI port ({error}); on Linux ALSA must have its '
    'sequencer (modprobe snd-seq). --dry plays against a clock',
    code='port',
  )
