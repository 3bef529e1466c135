"""Byte-pair encoding over a tokenization of one field.

After Sennrich et al., "Neural Machine Translation of Rare Words with Subword
Units", ACL 2016, and Fradet et al., "Byte Pair Encoding for Symbolic Music",
EMNLP 2023: frequent neighbours become one id. Training and encoding are
Hugging Face's `tokenizers` (the extra `bpe`); decoding and the grammar need
numpy and jax alone. Augment ids before they are merged: `expand`, change
them, `merge`. Axes: `t` steps, `m` merged ids, `l` ids of the longest.
"""

import dataclasses
import functools
import json
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.bpe_grammar import BpeGrammar
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi

_PRIVATE = 0xF0000
"""First character of plane 15, which is for private use: stands for id 0."""
_EVENTS = 3
"""PAD, BOS and EOS, which are never merged, come before all other ids."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bpe:
  """The tokenizer; its fields are its whole state, so that it is plain JSON.

  Ids of `base` stay; each merge that makes something new is one more. No
  merge crosses a place where `base.bar_steps` cuts.

  Attributes:
    base: The tokenizer whose ids are merged.
    merges: Pairs of ids, in the order in which they are merged.

  Raises:
    ConfigError: A merge of an id that does not exist yet, or of PAD, BOS or
      EOS.
  """

  base: Remi | Performance
  merges: tuple[tuple[int, int], ...] = ()

  steps_a_bar: ClassVar[int | None] = None
  """The notes of a bar decide."""

  def __post_init__(self) -> None:
    self.expansions  # noqa: B018 (refuses what is no merge)

  @functools.cached_property
  def expansions(self) -> tuple[tuple[int, ...], ...]:
    """The ids of `base` that each id stands for."""
    size = self.base.codec.sizes[0]
    spelled: list[tuple[int, ...]] = [(id_,) for id_ in range(size)]
    known = set(spelled)
    for left, right in self.merges:
      if not _EVENTS <= min(left, right) <= max(left, right) < len(spelled):
        raise errors.ConfigError(
          f'merge [{left}, {right}] is of no ids that stand before it'
        )
      text = spelled[left] + spelled[right]
      if text not in known:
        known.add(text)
        spelled.append(text)
    return tuple(spelled)

  @property
  def grid(self) -> Grid:
    """That of `base`."""
    return self.base.grid

  @functools.cached_property
  def codec(self) -> Codec:
    """The vocabulary of `base` and the range `merged`."""
    (field,) = self.base.codec.fields
    more = len(self.expansions) - field.size
    merged = (Range('merged', 0, more - 1),) * bool(more)
    return Codec((Field(field.name, field.ranges + merged),))

  @functools.cached_property
  def grammar(self) -> BpeGrammar:
    """The legal sequences: those of which `base` has every id."""
    merged = self.expansions[self.base.codec.sizes[0] :]
    return BpeGrammar(self.base.grammar, merged)

  def quantise(self, notes: Notes) -> Notes:
    """Returns what `decode(encode(notes))` gives back: as `base` does."""
    return self.base.quantise(notes)

  def encode(self, notes: Notes) -> np.ndarray:
    """Returns int32 `[t, 1]` from BOS to EOS.

    Raises:
      TokenError: As `base` does.
      AurlError: The extra `bpe` is not installed (code `no_tokenizers`).
    """
    return self.merge(self.base.encode(notes))

  def merge(self, ids: np.ndarray) -> np.ndarray:
    """Returns ids of `base`, int32 `[t, 1]`, merged.

    Raises:
      AurlError: The extra `bpe` is not installed (code `no_tokenizers`).
    """
    words = [_text(word) for word in _words(self.base, ids)]
    found = self._merger.encode_batch(words, add_special_tokens=False)
    parts = [np.array(word.ids, np.int32) for word in found]
    return np.concatenate([np.zeros(0, np.int32), *parts])[:, None]

  @functools.cached_property
  def _merger(self) -> Any:
    """The library's tokenizer, with our ids."""
    library = _library()
    spelled = [_text(ids) for ids in self.expansions]
    model = library.models.BPE(
      vocab={text: id_ for id_, text in enumerate(spelled)},
      merges=[(spelled[a], spelled[b]) for a, b in self.merges],
    )
    return library.Tokenizer(model)

  def expand(self, ids: np.ndarray) -> np.ndarray:
    """Returns merged ids `[t, 1]` as ids of `base`, int32 `[t, 1]`.

    Raises:
      TokenError: Not ids of this vocabulary (codes `shape`, `range`).
    """
    stream = self.codec.check(ids)[:, 0]
    flat, start, length = self._table
    counts = length[stream]
    inside = np.arange(counts.sum())
    inside -= np.repeat(counts.cumsum() - counts, counts)
    return flat[np.repeat(start[stream], counts) + inside][:, None]

  @functools.cached_property
  def _table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All expansions in a row; where each starts, and how long it is."""
    length = np.array([len(ids) for ids in self.expansions])
    flat = np.concatenate([np.array(ids, np.int32) for ids in self.expansions])
    return flat, length.cumsum() - length, length

  def decode(self, ids: np.ndarray) -> Notes:
    """Returns the quantised music of ids `[t, 1]`, legal or cut anywhere.

    Raises:
      TokenError: Not ids of this vocabulary (codes `shape`, `range`).
    """
    return self.base.decode(self.expand(ids))

  def bar_steps(self, ids: np.ndarray) -> np.ndarray:
    """Returns the step indices at which a bar starts, ascending."""
    counts = self._table[2][ids[:, 0]]
    starts = counts.cumsum() - counts
    bars = self.base.bar_steps(self.expand(ids))
    return np.flatnonzero(np.isin(starts, bars))

  def bos(self) -> np.ndarray:
    """Returns the first step, int32 `[1]`."""
    return self.base.bos()

  def is_end(self, ids: Any) -> Any:
    """Returns bool `[...]`: which steps of `[..., 1]` are EOS."""
    return self.base.is_end(ids)


def train(
  base: Remi | Performance,
  pieces: Iterable[np.ndarray],
  *,
  merges: int = 1024,
  longest: int = 8,
) -> Bpe:
  """Returns a tokenizer that merges what is frequent in a corpus.

  Args:
    base: The tokenizer that made the ids.
    pieces: Ids of `base`, int `[t, 1]` each; read once.
    merges: How many ids to add, at most.
    longest: Most ids of `base` that one id may stand for.

  Raises:
    AurlError: The extra `bpe` is not installed (code `no_tokenizers`).
  """
  library = _library()
  size = base.codec.sizes[0]
  alphabet = [chr(_PRIVATE + id_) for id_ in range(size)]
  trainer = library.trainers.BpeTrainer(
    vocab_size=size + merges,
    initial_alphabet=alphabet,
    limit_alphabet=size,
    max_token_length=longest,
    show_progress=False,
    special_tokens=[],
  )
  tokenizer = library.Tokenizer(library.models.BPE())
  texts = ([_text(word) for word in _words(base, ids)] for ids in pieces)
  tokenizer.train_from_iterator(texts, trainer)
  pairs = json.loads(tokenizer.to_str())['model']['merges']
  known: dict[tuple[int, ...], int] = {(id_,): id_ for id_ in range(size)}
  found = []
  for pair in pairs:
    left, right = (tuple(ord(c) - _PRIVATE for c in text) for text in pair)
    found.append((known[left], known[right]))
    known.setdefault(left + right, len(known))
  return Bpe(base=base, merges=tuple(found))


def _words(base: Remi | Performance, ids: np.ndarray) -> list[np.ndarray]:
  """Returns what merges may not leave: bars; BOS and EOS stand alone."""
  stream = np.asarray(ids)[:, 0]
  alone = np.flatnonzero(stream < _EVENTS)
  cuts = np.concatenate([alone, alone + 1, base.bar_steps(ids)])
  cuts = np.unique(cuts[(cuts > 0) & (cuts < len(stream))])
  return np.split(stream, cuts) if len(stream) else []


def _text(ids: Sequence[int] | np.ndarray) -> str:
  return ''.join(chr(_PRIVATE + int(id_)) for id_ in ids)


def _library() -> ModuleType:
  try:
    import tokenizers
    import tokenizers.models
    import tokenizers.trainers
  except ImportError as error:
    raise errors.AurlError(
      'byte-pair encoding needs the package tokenizers, which is not '
      "installed; 'pip install aurl-jax[bpe]'",
      code='no_tokenizers',
    ) from error
  return tokenizers
