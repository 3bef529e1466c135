"""What bodies hold, and the requests that they become.

Music is sent as the bytes of a MIDI file, in base64: no field names a path or
an address, so that nothing is read that was not sent. Types are strict: no text
becomes a number, nothing unknown is passed over.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any

import pydantic
from pydantic import Field

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.remake import Arrange, Between, Like, Vary
from aurl_jax.generation.wish import Wish
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.serving.settings import Settings
from aurl_jax.tokens.controls import Controls, Levels

_TEXT = 4096
"""Characters of a text at most."""
_BARS = 4096
"""Values of bars at most."""
_STRENGTH = 0.4
"""Of variations, where none is told."""
TUNE = (
  'TVRoZAAAAAYAAAABAARNVHJrAAAARwDAAACQPEAEgDxAAJBAQASAQEAAkENABIBDQACQSEAEgEhA'
  'AJBHQASAR0AAkENABIBDQACQPkAEgD5AAJA8QASAPEAA/y8A'
)
"""Two bars of eight notes, for examples: a MIDI file in base64."""
MUSIC = ('prompt', 'melody', 'accompaniment', 'bass', 'music', 'first', 'last')
"""Fields that hold MIDI."""

Midi = Annotated[
  str,
  Field(
    description='A MIDI file, in base64.',
    examples=[TUNE],
    json_schema_extra={
      'contentEncoding': 'base64',
      'contentMediaType': 'audio/midi',
    },
  ),
]
Text = Annotated[str, Field(max_length=_TEXT)]
Pair = tuple[int, int]
Named = Annotated[str, Field(max_length=100)] | int


class Body(pydantic.BaseModel):
  """Base of all bodies: strict, and closed."""

  model_config = pydantic.ConfigDict(
    extra='forbid', strict=True, allow_inf_nan=False
  )


class LevelsBody(Body):
  """Controls of a piece or of a bar, as `aurl generate --control` has them."""

  key: int | None = None
  density: int | None = None
  polyphony: int | None = None
  register_: int | None = Field(default=None, alias='register')


class ControlsBody(LevelsBody):
  """What a piece is to be like."""

  families: list[int] = Field(default=[], max_length=32)
  style: int | None = None
  bars: list[LevelsBody] = Field(default=[], max_length=_BARS)


class WishBody(Body):
  """Rules that notes keep; those of bars are one value, or a list."""

  key: Text | list[Text] | None = None
  chords: Text | None = None
  strict: bool | None = None
  instruments: list[Named] | None = Field(default=None, max_length=64)
  ranges: list[tuple[Named, Pair]] | None = Field(default=None, max_length=64)
  polyphony: int | list[int] | None = None
  each: int | None = None
  density: tuple[int, int | None] | list[tuple[int, int | None]] | None = None
  rhythm: Text | list[float] | list[Text] | list[list[float]] | None = None
  meter: Pair | list[Pair] | None = None
  tempo: float | list[float] | None = None
  weight: float | None = None


class LikeBody(Body):
  """Music whose style is to be met."""

  music: Midi
  likeness: float | int = 0.7


class ArrangeBody(Body):
  """Who plays what is written, and how humanly."""

  instruments: list[Named] = Field(default=[], max_length=64)
  human: float | int = 0.0


class Answering(Body):
  """How an answer comes; no part of the request."""

  stream: bool = Field(
    default=False, description='Send steps as they are written (SSE).'
  )
  job: bool = Field(
    default=False, description='Answer at once with a job to ask for later.'
  )
  deadline: float | None = Field(
    default=None, gt=0, le=86_400, description='Seconds until it is given up.'
  )


ANSWERING = tuple(Answering.model_fields)


class Sampling(Answering):
  """How ids are drawn; what is left out is the model's own."""

  n: int | None = Field(default=None, description='Pieces.', examples=[1])
  seed: int | None = Field(
    default=None, description='The same seed gives the same pieces.'
  )
  temperature: float | None = None
  top_k: int | None = None
  top_p: float | None = None
  typical_p: float | None = None
  min_p: float | None = None
  repeat: int | None = None
  original: int | None = None
  guidance: float | None = None
  retries: int | None = None
  crowd: int | None = None
  controls: ControlsBody | None = None
  arrange: ArrangeBody | None = None


class Writing(Sampling):
  """What is new, or added, is to be like this."""

  bars: int | None = Field(default=None, examples=[4])
  steps: int | None = None
  beams: int | None = None
  diversity: float | None = None
  wish: WishBody | list[WishBody] | None = None
  like: LikeBody | None = None


class GenerateBody(Writing):
  """New music."""

  meter: Pair | None = Field(default=None, examples=[[3, 4]])
  tempo: float | None = None
  form: Text | None = None
  minutes: float | None = None
  melody: Midi | None = None
  accompaniment: Midi | None = None
  bass: Midi | None = None


class ContinueBody(Writing):
  """Music that goes on from other music."""

  prompt: Midi
  excerpt: Pair | None = None


class InfillBody(Sampling):
  """Bars of music, written anew."""

  prompt: Midi
  rewrite: Pair = Field(
    description='The first bar, from 0, and one past the last.',
    examples=[[1, 2]],
  )
  excerpt: Pair | None = None
  given: Text | None = None
  tracks: list[Pair] | None = Field(default=None, max_length=256)
  drafts: int | None = None
  like: LikeBody | None = None


class InterpolateBody(Sampling):
  """Music between two pieces, for models with latents."""

  first: Midi
  last: Midi


class VaryBody(Sampling):
  """A new version of a piece, with its form, bars and meters."""

  music: Midi
  strength: float | int = Field(
    default=_STRENGTH, description='How much becomes new, 0..1.'
  )


class TurnBody(Body):
  """Music with its latents moved, for models that have some."""

  music: Midi
  dials: dict[Annotated[str, Field(max_length=40)], float | int] = Field(
    default={},
    max_length=16,
    description='Attribute -> how far, in deviations of the data.',
  )
  toward: tuple[float | int, float | int] = Field(
    default=(0.0, 0.0), description='Along two directions of the seed.'
  )
  seed: int = Field(default=0, ge=0, lt=1 << 63)


class AnalyzeBody(Body):
  """Music to be heard by studies."""

  music: Midi
  studies: list[Annotated[str, Field(max_length=40)]] | None = Field(
    default=None, max_length=8
  )


EXAMPLES: dict[type[Body], dict[str, Any]] = {
  GenerateBody: {'bars': 4, 'seed': 1, 'temperature': 0.9},
  ContinueBody: {'prompt': TUNE, 'bars': 4},
  InfillBody: {'prompt': TUNE, 'rewrite': [1, 2]},
  InterpolateBody: {'first': TUNE, 'last': TUNE, 'n': 4},
  VaryBody: {'music': TUNE, 'strength': 0.4},
  TurnBody: {'music': TUNE, 'dials': {'density': 1.5}},
  AnalyzeBody: {'music': TUNE, 'studies': ['chords']},
}
"""A body of each kind, for OpenAPI."""


def described(kind: type[Body]) -> dict[str, Any]:
  """Returns the JSON schema of a body, whole in itself: without references."""
  found = kind.model_json_schema()
  parts = found.pop('$defs', {})

  def inlined(value: Any) -> Any:
    if isinstance(value, dict):
      if '$ref' in value:
        name = value['$ref'].rpartition('/')[2]
        rest = {key: part for key, part in value.items() if key != '$ref'}
        return inlined(parts[name]) | inlined(rest)
      return {key: inlined(part) for key, part in value.items()}
    return (
      [inlined(part) for part in value] if isinstance(value, list) else value
    )

  whole: dict[str, Any] = inlined(found)
  return whole


def notes(name: str, told: str | bytes, settings: Settings) -> Notes:
  """Returns the notes of music that was sent.

  Args:
    name: What the field is called.
    told: A MIDI file, as it is or in base64.
    settings: How much it may hold.

  Raises:
    RequestError: It is no base64, has no notes, or too much of something.
    MidiError: It is no MIDI file, or one of too many events.
  """
  if isinstance(told, str):
    try:
      told = base64.b64decode(told, validate=True)
    except (binascii.Error, ValueError) as error:
      raise RequestError(
        f'{name} must be a MIDI file in base64', code=name
      ) from error
  found = midi.read(told, settings.midi).notes
  if not len(found):
    raise RequestError(f'the {name} has no notes', code=name)
  tables = found.tempos, found.meters, found.keys, found.controls, found.bends
  ends = int(found.end), *map(_last, tables), *(t.tick for t in found.texts)
  beats = max(ends) / found.ticks_per_beat
  if len(found) > settings.notes or beats > settings.beats:
    raise RequestError(
      f'the {name} has {len(found)} notes in {beats:.0f} beats; at most '
      f'{settings.notes} in {settings.beats} are read: send a part of it',
      code=name,
    )
  return found


def changes(
  body: Body,
  settings: Settings,
  found: Mapping[str, bytes] | None = None,
) -> dict[str, Any]:
  """Returns what a body asks, as fields of `Request`.

  Args:
    body: What was sent.
    settings: How much music may hold.
    found: MIDI files that came beside it, by the names of their fields.

  Raises:
    RequestError, MidiError: As `notes`, or a value out of its range.
  """
  told = {
    name: getattr(body, name)
    for name in body.model_fields_set
    if name not in ANSWERING and getattr(body, name) is not None
  }
  for name in MUSIC:
    if name in told:
      music = (found or {}).get(name, told[name])
      told[name] = notes(name, music, settings)
  if 'first' in told:
    told['remake'] = Between(told.pop('first'), told.pop('last'))
  if isinstance(body, VaryBody):
    told['remake'] = Vary(told.pop('music'), told.pop('strength', _STRENGTH))
  for name, read in _READERS.items():
    if name in told:
      told[name] = read(told[name], settings)
  return told


def _controls(body: ControlsBody, _: Settings) -> Controls:
  return Controls(
    piece=_levels(body),
    instruments=tuple(sorted(set(body.families))),
    style=body.style,
    bars=tuple(_levels(bar) for bar in body.bars),
  )


def _levels(body: LevelsBody) -> Levels:
  return Levels(body.key, body.density, body.polyphony, body.register_)


def _wish(body: WishBody | list[WishBody], _: Settings) -> tuple[Wish, ...]:
  bodies = body if isinstance(body, list) else [body]
  return tuple(
    Wish(
      **{
        name: _tuples(value)
        for name, value in one.model_dump(exclude_unset=True).items()
        if value is not None
      }
    )
    for one in bodies
  )


def _like(body: LikeBody, settings: Settings) -> Like:
  return Like(notes('music', body.music, settings), body.likeness)


def _arrange(body: ArrangeBody, _: Settings) -> Arrange:
  return Arrange(instruments=tuple(body.instruments), human=body.human)


def _tracks(
  pairs: list[tuple[int, int]], _: Settings
) -> tuple[tuple[int, int], ...]:
  return tuple(pairs)


_READERS: Mapping[str, Any] = {
  'controls': _controls,
  'wish': _wish,
  'like': _like,
  'arrange': _arrange,
  'tracks': _tracks,
}


def _tuples(value: Any) -> Any:
  """Returns lists as tuples, all the way down."""
  if isinstance(value, list | tuple):
    return tuple(_tuples(part) for part in value)
  return value


def _last(table: Any) -> int:
  return int(table['tick'].max()) if len(table) else 0
