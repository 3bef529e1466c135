"""Plays windows to a MIDI port in time, and measures how far ahead they were.

A window is due when the one before it ends. One that comes later is a miss,
and what happens then is chosen (`LATE`):

- `repeat`: the last bar is played once more, so that the beat goes on, and
  again until the next bar is there;
- `hold`: what sounds at the bar line sounds on, and time stands still until
  the bar is there.

In the middle of a bar, which only the first one may lack, time always stands
still. Whoever waits in vain for `patience` seconds stops and says so. Whatever
happens, nothing sounds on behind the end.
"""

import dataclasses
import statistics
from typing import Any

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy.ahead import Ahead, Ready
from aurl_jax.music.ports import Port
from aurl_jax.music.sounding import Sounding
from aurl_jax.music.take import Take
from aurl_jax.music.window import Window

LATE = ('repeat', 'hold')
"""What happens when a bar is not there in time."""
PATIENCE = 20.0
"""Seconds after which nobody waits any more."""
_DIGITS = 4


@dataclasses.dataclass(kw_only=True)
class Report:
  """How playing went. Times are seconds.

  Attributes:
    ended: Why it did: `done`, `interrupted`, or `starved` where it was waited
      for music in vain.
    bars: That were played, those that were repeated not counted.
    notes: That were struck.
    first_note: From the start to the first of them; None without any.
    headroom: How long before it was due each bar stood ready as a whole; less
      than 0 where it was late. Of all bars but the first.
    misses: Windows that were late.
    repeated: Bars that were played again.
    held: For how long time stood still.
    music: That was written, by its tempos.
    computing: What that took.
    late: How long after they were due messages were sent, at most.
  """

  ended: str = 'done'
  bars: int = 0
  notes: int = 0
  first_note: float | None = None
  headroom: list[float] = dataclasses.field(default_factory=list)
  misses: int = 0
  repeated: int = 0
  held: float = 0.0
  music: float = 0.0
  computing: float = 0.0
  late: float = 0.0

  def facts(self) -> dict[str, Any]:
    """Returns it for machines; of `headroom` the least and the median.

    `speed` is how many seconds of music a second of computing gives.
    """
    found = dataclasses.asdict(self)
    room = found.pop('headroom')
    found['least_headroom'] = min(room, default=None)
    found['median_headroom'] = statistics.median(room) if room else None
    found['speed'] = self.music / self.computing if self.computing else None
    return {
      name: round(value, _DIGITS) if isinstance(value, float) else value
      for name, value in found.items()
    }


class Player:
  """Plays once.

  Attributes:
    report: How it goes.
    take: What has been played.
  """

  def __init__(
    self,
    ahead: Ahead,
    port: Port,
    *,
    late: str = 'repeat',
    patience: float = PATIENCE,
  ) -> None:
    """Plays nothing yet.

    Args:
      ahead: What is played; its clock is the time. It has just begun.
      port: Where to.
      late: One of `LATE`.
      patience: Seconds to wait for music, above 0.

    Raises:
      ConfigError: A value out of its range.
    """
    if late not in LATE:
      raise ConfigError(f'late is one of {", ".join(LATE)}, not {late!r}')
    if not patience > 0:
      raise ConfigError(f'patience must be above 0 seconds, not {patience:g}')
    self.report, self.take = Report(), Take()
    self._ahead, self._port, self._clock = ahead, port, ahead.clock
    self._late, self._patience = late, patience
    self._sounding = Sounding()
    self._unsent: list[Any] = []
    self._bar: list[Window] = []
    self._start = self._clock.now()

  def play(self) -> Report:
    """Plays until the music is over, or Ctrl-C; then all is silent.

    The port stays open, the computing is closed.

    Raises:
      DecodeError: Of the music that is computed.
    """
    try:
      self._play()
    except KeyboardInterrupt:
      self.report.ended = 'interrupted'
    finally:
      try:
        self._silence()
      finally:
        self._ahead.close()
    return self.report

  def _play(self) -> None:
    ready = self._ahead.take(self._start + self._patience)
    due = self._clock.now()
    while True:
      wanted = due
      if ready is None:
        found = self._bridge(due)
        if found is None:
          self.report.ended = 'starved'
          return
        ready, due = found
      window = ready.window
      if window is None:
        self._clock.wait(due)
        return
      self._count(ready, window, wanted)
      self._keep(window)
      due = self._perform(window, due)
      ready = self._ahead.take(due)

  def _bridge(self, due: float) -> tuple[Ready, float] | None:
    """Fills the time until there is music, from when that was due.

    Returns:
      What there is then, and when it is due now; None where it does not come.
    """
    if not self._bar:
      return None
    self.report.misses += 1
    if self._late == 'repeat' and self._bar[-1].last:
      return self._repeat(due)
    ready = self._ahead.take(due + self._patience)
    if ready is None:
      return None
    now = self._clock.now()
    self.report.held += now - due
    return ready, now

  def _repeat(self, due: float) -> tuple[Ready, float] | None:
    until = due + self._patience
    while due < until:
      self.report.repeated += 1
      self._send(self._sounding.silence(), self.take.length)
      for window in self._bar:
        due = self._perform(window, due)
      ready = self._ahead.take(due)
      if ready is not None:
        return ready, due
    return None

  def _keep(self, window: Window) -> None:
    """Keeps the windows of the bar that is played."""
    if window.first:
      self._bar = []
    self._bar.append(window)

  def _count(self, ready: Ready, window: Window, due: float) -> None:
    report = self.report
    report.computing += ready.seconds
    report.music += window.seconds
    report.bars += window.last
    if window.first and window.bar:
      report.headroom.append(due - ready.at)

  def _perform(self, window: Window, start: float) -> float:
    """Plays a window; returns when it ends."""
    self.take.begin(window)
    for hit in window.hits:
      due = start + hit.seconds
      self._clock.wait(due)
      messages = self._sounding.messages(hit)
      self._send(messages, hit.tick)
      now = self._clock.now()
      if messages:
        self.report.late = max(self.report.late, now - due)
      if hit.velocity:
        self.report.notes += 1
        if self.report.first_note is None:
          self.report.first_note = now - self._start
    return start + window.seconds

  def _send(self, messages: list[Any], tick: int) -> None:
    """Sends messages, at a tick of the window, and keeps them."""
    self._unsent = list(messages)
    while self._unsent:
      self.take.hear(self._unsent[0], tick)
      self._port.send(self._unsent[0])
      del self._unsent[0]

  def _silence(self) -> None:
    """Ends all that sounds; the take first, as the port may be gone."""
    # Ctrl-C may have come before an end was sent.
    ends = [each for each in self._unsent if each.type == 'note_off']
    messages = [*ends, *self._sounding.panic()]
    for message in messages:
      self.take.hear(message, self.take.length)
    for message in messages:
      self._port.send(message)
