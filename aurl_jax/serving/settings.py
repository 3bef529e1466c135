"""`Settings`: who may ask an HTTP server what, and how much of it."""

import dataclasses

from aurl_jax.core.errors import ConfigError
from aurl_jax.music.midi import Limits
from aurl_jax.serving.fonts import Font

LOOPBACK = ('localhost', '127.0.0.1', '[::1]')
"""Names that a machine has for itself."""
MIDI = Limits(bytes=1 << 20, tracks=256, pieces=1, events=200_000, faults=2000)
"""What a MIDI file of a stranger may hold."""
_SHORTEST = 16
"""Characters of a token."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
  """What is allowed.

  Attributes:
    tokens: Any of which opens all routes but those of health; at least one.
    hosts: Names by which the server may be called (`Host`), without ports,
      besides those of loopback: others are pages that rebind their name.
    origins: Web origins, such as `https://a.example`, whose pages may ask.
    body: Bytes of a body at most, MIDI and all.
    fields: Parts of a multipart body at most.
    midi: What a MIDI file may hold.
    notes: Of a piece that is sent.
    beats: It lasts at most, in quarter notes.
    body_seconds: In which a body must have come.
    jobs: That are kept at once, those that are done among them.
    job_seconds: For which the pieces of a job are kept.
    font: By which the studio plays; None leaves it to oscillators.

  Raises:
    ConfigError: There is no token, or one is short.
  """

  tokens: tuple[str, ...]
  hosts: tuple[str, ...] = ()
  origins: tuple[str, ...] = ()
  body: int = 2 << 20
  fields: int = 8
  midi: Limits = MIDI
  notes: int = 20_000
  beats: int = 4096
  body_seconds: float | int = 15.0
  jobs: int = 256
  job_seconds: float | int = 3600.0
  font: Font | None = None

  def __post_init__(self) -> None:
    if not self.tokens or min(map(len, self.tokens)) < _SHORTEST:
      raise ConfigError(
        f'a server needs a token of at least {_SHORTEST} characters; give one '
        'in AURL_TOKEN or a file, or leave it out to have one made',
        code='token',
      )
