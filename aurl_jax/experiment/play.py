"""Music of a run or a bundle, played while it is written."""

import contextlib
import logging
import pathlib
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy.ahead import Ahead, Rehearsal, Thread
from aurl_jax.deploy.live import Live
from aurl_jax.deploy.player import Player
from aurl_jax.experiment import generate
from aurl_jax.music import midi, ports
from aurl_jax.music.ports import Port

_log = logging.getLogger(__name__)


class Stage(NamedTuple):
  """Where and how music is played.

  Attributes:
    port: Name of a MIDI port, as of `ports.open_port`.
    virtual: Whether to make that port.
    dry: Whether to play to nobody, by a clock that skips what is waited for.
    out: A MIDI file that what was played is kept in; '' for none.
    late: What happens when a bar is not there in time (`player.LATE`).
    ahead: Complete bars that may wait to be played.
  """

  port: str = ''
  virtual: bool = False
  dry: bool = False
  out: str = ''
  late: str = 'repeat'
  ahead: int = 2


def run(model: str, changes: Mapping[str, Any], stage: Stage) -> dict[str, Any]:
  """Plays until the music is over, or Ctrl-C.

  Args:
    model: The run's folder, the bundle's folder, or a name.
    changes: Fields of `Request`; `bars` 0 is music without an end.
    stage: Where and how.

  Returns:
    As `player.Report.facts`; and `out`, if what was played is kept.

  Raises:
    ConfigError: The stage has a value out of its range.
    MidiError: There is no such port (codes `port`, `no_rtmidi`).
    BundleError, CheckpointError, RequestError: As `generate.to_folder`.
    DecodeError: The model gives no numbers, or no bar.
  """
  _check(stage, changes)
  outline, request = generate.outlined(model, changes)
  Live(outline, request)
  port = _port(stage)
  try:
    live = Live(generate.load(model), request)
    live.warm()
    _log.info('ready; Ctrl-C ends the music')
    with terminable():
      player = Player(_ahead(live, stage), port, late=stage.late)
      facts = player.play().facts()
  finally:
    port.close()
  if stage.out:
    midi.write(player.take.notes(), stage.out)
    facts['out'] = stage.out
  return facts


def _check(stage: Stage, changes: Mapping[str, Any]) -> None:
  if stage.ahead < 1:
    raise ConfigError(f'ahead must be at least 1 bar, not {stage.ahead}')
  if stage.out and pathlib.Path(stage.out).suffix not in ('.mid', '.midi'):
    raise ConfigError(
      f'{stage.out}: what is played is kept as MIDI; end the name with .mid'
    )
  if stage.dry and not changes.get('bars'):
    raise ConfigError('music without an end cannot be rehearsed; give --bars')


def _port(stage: Stage) -> Port:
  if stage.dry:
    return ports.Silent()
  return ports.open_port(stage.port, virtual=stage.virtual)


def _ahead(live: Live, stage: Stage) -> Ahead:
  kind = Rehearsal if stage.dry else Thread
  return kind(live.windows(), stage.ahead)


@contextlib.contextmanager
def terminable() -> Iterator[None]:
  """Lets SIGTERM end the music as Ctrl-C does, with all notes off."""
  if threading.current_thread() is not threading.main_thread():
    yield
    return

  def stop(*_: Any) -> None:
    raise KeyboardInterrupt

  before = signal.signal(signal.SIGTERM, stop)
  try:
    yield
  finally:
    signal.signal(signal.SIGTERM, before)
