"""One piece on its way from a source to a data set: the whole transform.

`aurl prepare` and its Beam pipeline both run it, and nothing else differs
between one piece and another. What follows from the file's bytes and the
recipe alone is kept in a store (`data.store`), so that a set that grows by a
file, or shares files with another, costs one file.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

import aurl_jax
from aurl_jax.core import files
from aurl_jax.core.errors import ConfigError, DataError
from aurl_jax.data import duplicates as duplicates_lib
from aurl_jax.data import metadata, report, splits, studied
from aurl_jax.data import store as store_lib
from aurl_jax.data.metadata import Told
from aurl_jax.data.parts import Piece
from aurl_jax.data.preprocess import Preprocess
from aurl_jax.data.quality import Filter
from aurl_jax.data.report import FileReport
from aurl_jax.data.sources import Source
from aurl_jax.data.store import Store
from aurl_jax.music import note_sequence
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import controls
from aurl_jax.tokens import tokenizer as tokenizer_lib
from aurl_jax.tokens.options import EventTokenizer
from aurl_jax.tokens.tokenizer import Tokenizer

VERSION = 1
"""Of the transform; what was kept by another version is made anew."""


DUPLICATES = {
  'keep': None,
  'exact': duplicates_lib.Options(alike=2),
  'near': duplicates_lib.Options(),
}
"""What may be done about duplicates. Two pieces are never alike by more than
all, so that above 1 only equal ones are left out."""


CONTROLS = ('none', 'piece', 'bars', 'studied')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
  """What is done to pieces, and which of them are left out.

  Attributes:
    preprocess: Changes of the music, none by default.
    quality: Limits of a good piece, none by default.
    duplicates: One of `DUPLICATES`: `keep` all, in one split; leave out
      `exact` ones, or those and `near` ones (`data.duplicates`).
    controls: What of them is told of each piece (`tokens.controls`): `none`,
      those of the `piece`, of its `bars`, too, or all with what the studies
      hear (`data.studied`).
    excerpt: Bars that pieces are cut into, each a piece then; 0 for whole
      pieces.
  """

  preprocess: Preprocess = dataclasses.field(default_factory=Preprocess)
  quality: Filter = dataclasses.field(default_factory=Filter)
  duplicates: str = 'keep'
  controls: str = 'none'
  excerpt: int = 0

  def __post_init__(self) -> None:
    if self.controls not in CONTROLS:
      raise ConfigError(
        f'controls {self.controls!r}; choose one of {", ".join(CONTROLS)}'
      )
    if self.excerpt < 0:
      raise ConfigError(f'excerpt {self.excerpt} is not 0 (whole) or more')
    if self.duplicates not in DUPLICATES:
      raise ConfigError(
        f'duplicates {self.duplicates!r}; choose '
        + ' or '.join(map(repr, DUPLICATES))
      )

  @property
  def near(self) -> duplicates_lib.Options | None:
    """How near is too near; None keeps duplicates."""
    return DUPLICATES[self.duplicates]

  def as_dict(self) -> dict[str, Any]:
    """Returns the options as JSON values."""
    values = dataclasses.asdict(self)
    if self.controls == 'none':
      # What was prepared before there were any stays valid.
      del values['controls']
    if self.controls == 'studied':
      values['studied'] = studied.VERSION
    if not self.excerpt:
      del values['excerpt']
    return values


UNCHANGED = Options()
"""Every piece as it is."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transform:
  """Makes a piece of a source.

  Attributes:
    tokenizer: Makes the ids.
    options: What happens before.
    given: Name or digest -> split.
    store: Keeps what was made, or None.
  """

  tokenizer: Tokenizer
  options: Options = UNCHANGED
  given: Mapping[str, str] = dataclasses.field(default_factory=dict)
  store: Store | None = None

  def __post_init__(self) -> None:
    heard = getattr(self.tokenizer, 'studied', False)
    if self.options.controls == 'studied' and not heard:
      raise ConfigError(
        "controls 'studied': this tokenization tells nothing that studies "
        'hear; use compound or remi with controls=True and studied=True'
      )

  def __call__(self, index: int, source: Source) -> Piece:
    """Reads and encodes a source; what cannot be used says why.

    Args:
      index: Of the source; the order of all.
      source: What to read.
    """
    try:
      made = self._made(source)
      return self._piece(index, source, made)
    except (OSError, ValueError) as error:
      return dropped(
        index,
        source.name,
        getattr(error, 'code', 'unreadable'),
        str(error),
      )

  def _piece(self, index: int, source: Source, made: '_Made') -> Piece:
    told = metadata.describe(source, made.title)
    issues = (*made.issues, *_rows(told))
    given = self.given.get(made.digest) or self.given.get(source.name)
    known = report.known(told.metadata)
    return Piece(
      index=index,
      file=FileReport(
        name=source.name,
        status='repaired' if issues else 'ok',
        split=given or source.split or '',
        digest=made.digest,
        notes=made.notes,
        steps=len(made.ids),
        issues=issues,
      ),
      sequence=_signed(made.music, source.name, told),
      ids=made.ids,
      bars=made.bars,
      described={**made.described, **known},
    )

  def _made(self, source: Source) -> '_Made':
    """Returns what follows from bytes and recipe, kept or made now."""
    if self.store is None:
      return self._make(source)
    key = store_lib.key_of({**self._recipe, 'source': source.digest()})
    kept = self.store.get(key)
    if kept is not None:
      return _Made.from_entry(kept)
    made = self._make(source)
    self.store.put(key, made.as_entry())
    return made

  def _encode(self, notes: Notes) -> np.ndarray:
    """Returns the ids of a piece, with its controls if they are asked for."""
    asked = self.options.controls
    if asked == 'none':
      return self.tokenizer.encode(notes)
    if not isinstance(self.tokenizer, EventTokenizer):
      raise ConfigError(
        f'controls {asked!r}: this tokenization tells none; use compound or '
        'remi with controls=True'
      )
    grid = self.tokenizer.grid
    if asked == 'studied':
      told = studied.of(notes, grid)
    else:
      told = controls.of(notes, grid, bars=asked == 'bars')
    return self.tokenizer.encode(notes, told)

  @functools.cached_property
  def _recipe(self) -> dict[str, Any]:
    options = self.options.as_dict()
    # Duplicates are a matter between pieces.
    del options['duplicates']
    return recipe(self.tokenizer) | {'options': options, 'piece': VERSION}

  def _make(self, source: Source) -> '_Made':
    """Raises DataError if the piece has no notes or is not good enough."""
    reading = source.read()
    notes = reading.notes
    if not len(notes):
      raise DataError(f'{source.name} has no notes', code='no_notes')
    digest = splits.digest(notes)
    notes = self.options.preprocess(notes)
    if refused := self.options.quality(notes):
      texts = '; '.join(reason.text for reason in refused)
      raise DataError(f'{source.name}: {texts}', code=refused[0].code)
    ids = self._encode(notes)
    proto = note_sequence.to_note_sequence(notes, id='', filename='')
    return _Made(
      digest=digest,
      title=notes.title,
      notes=len(notes),
      issues=_rows(reading),
      described=report.describe(notes, len(ids)),
      music=proto.SerializeToString(deterministic=True),
      ids=ids,
      bars=np.asarray(self.tokenizer.bar_steps(ids), np.int64),
    )


def recipe(tokenizer: Tokenizer) -> dict[str, Any]:
  """Returns what the ids of equal music depend on, as JSON values."""
  return {
    'library': aurl_jax.__version__,
    'tokenizer': json.loads(json.dumps(tokenizer_lib.save(tokenizer))),
    'codec': files.digest(repr(tokenizer.codec).encode()),
  }


def dropped(index: int, name: str, code: str, reason: str) -> Piece:
  """Returns a piece that cannot be used, and why."""
  file = FileReport(name=name, status='dropped', code=code, reason=reason)
  return Piece(index=index, file=file)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Made:
  """What follows from the bytes of a file and the recipe.

  `music` is the NoteSequence without name and metadata.
  """

  digest: str
  title: str
  notes: int
  issues: tuple[tuple[str, str, str], ...]
  described: Mapping[str, Mapping[str, int]]
  music: bytes
  ids: np.ndarray
  bars: np.ndarray

  def as_entry(self) -> store_lib.Entry:
    """Returns it as arrays."""
    told = {name: getattr(self, name) for name in _TOLD}
    text = json.dumps(told).encode()
    smallest = np.min_scalar_type(int(self.ids.max(initial=0)))
    return {
      'told': np.frombuffer(text, np.uint8),
      'music': np.frombuffer(self.music, np.uint8),
      'ids': self.ids.astype(smallest),
      'bars': self.bars.astype(np.uint32),
    }

  @classmethod
  def from_entry(cls, entry: store_lib.Entry) -> '_Made':
    """Inverts `as_entry`."""
    told = json.loads(entry['told'].tobytes())
    told['issues'] = tuple(tuple(issue) for issue in told['issues'])
    return cls(
      **told,
      music=entry['music'].tobytes(),
      ids=entry['ids'].astype(np.int32),
      bars=entry['bars'].astype(np.int64),
    )


_TOLD = ('digest', 'title', 'notes', 'issues', 'described')


def _rows(told: Any) -> tuple[tuple[str, str, str], ...]:
  """Returns the issues of a reading, or of metadata, as plain values."""
  return tuple((i.code, i.where, i.action) for i in told.issues)


def _signed(music: bytes, name: str, told: Told) -> bytes:
  """Returns the record of a piece: its music with name and metadata."""
  proto = note_sequence.load_proto().NoteSequence.FromString(music)
  proto.id = proto.filename = name
  metadata.put(told.metadata, proto)
  return proto.SerializeToString(deterministic=True)
