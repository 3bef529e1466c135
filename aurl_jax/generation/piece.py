"""`Piece`: generated music, and what can be done with it."""

import dataclasses
import functools
import logging
import pathlib
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from aurl_jax.core import files
from aurl_jax.evaluation.originality import Index, Report
from aurl_jax.generation import page as page_lib
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.frame import Kept
from aurl_jax.generation.retries import Retry
from aurl_jax.music import abc_write, midi, musicxml_write, plot, sound
from aurl_jax.music import time as time_lib
from aurl_jax.music.notes import Notes

_FRAME_HEIGHT = 640
"""Pixels that a piece takes in a notebook."""

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piece:
  """A piece of generated music.

  Attributes:
    notes: The music, quantised.
    ids: int32 `[t, f]`, as sampled, BOS and the prompt included.
    seed: Its own: a request of one piece with this seed gives it again.
    ended: Whether it came to its own end.
    grammatical: Whether every step is legal.
    kept: How well the rules of a wish were kept, by name.
    retries: Further tries that were made in its place, and why; the piece is
      the best of all, which is the last one if that has no fault.
    more: Other facts about how it was written, for the report.
    index: Of the training music, if the model carries it.
  """

  notes: Notes
  ids: np.ndarray = dataclasses.field(repr=False)
  seed: int
  ended: bool
  grammatical: bool
  kept: Mapping[str, Kept] = dataclasses.field(default_factory=dict)
  retries: tuple[Retry, ...] = ()
  more: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
  index: Index | None = dataclasses.field(default=None, repr=False)

  @functools.cached_property
  def originality(self) -> Report | None:
    """What it shares with the training music; None without an index."""
    return None if self.index is None else self.index.report(self.notes)

  @functools.cached_property
  def report(self) -> dict[str, Any]:
    """Facts: grammatical, ended, steps, notes, seconds, seed.

    With a wish, of each rule the share that was kept (`kept`), and how many
    times it was not (`broken`). Of a model with an index of its training
    music what is shared with that (`original`, as `originality`). Of a piece
    that was drawn anew, each try (`retries`). Then what is in `more`: of a
    piece that was searched for its `log_probability` behind the prompt, in
    nats.
    """
    facts: dict[str, Any] = {
      'grammatical': self.grammatical,
      'ended': self.ended,
      'steps': len(self.ids),
      'notes': len(self.notes),
      'seconds': round(time_lib.duration_seconds(self.notes), 3),
      'seed': self.seed,
    }
    if self.kept:
      facts['kept'] = {name: k.share for name, k in self.kept.items()}
      facts['broken'] = {name: k.broken for name, k in self.kept.items()}
    if self.originality is not None:
      facts['original'] = self.originality.as_dict()
    if self.retries:
      facts['retries'] = [retry._asdict() for retry in self.retries]
    return facts | dict(self.more)

  def facts(self) -> str:
    """Returns the report as a line for people."""
    end = 'comes to its end' if self.ended else 'breaks off'
    return (
      f'{len(self.notes)} notes in {self.report["seconds"]:.1f} s, {end}; '
      f'{len(self.ids)} steps, seed {self.seed}'
      + (f', tried {len(self.retries) + 1} times' if self.retries else '')
    )

  def midi(self, *, single: bool = False) -> bytes:
    """Returns a standard MIDI file.

    Args:
      single: Whether all is one track (format 0).
    """
    return midi.write(self.notes, single=single)

  def musicxml(self) -> bytes:
    """Returns a score, rounded as `music.score_time.to_score` tells."""
    return musicxml_write.write(self.notes)

  def abc(self) -> str:
    """Returns a tune in ABC notation.

    Raises:
      ScoreError: A track is drums, or its notes sound together.
    """
    return abc_write.write(self.notes)

  def save(self, path: files.StrPath) -> pathlib.Path:
    """Writes the piece, as what the path's suffix tells.

    Args:
      path: Ends with .mid or .midi (MIDI), .musicxml or .xml (score), .abc
        (tune), .wav (sound) or .png (piano roll); appears whole or not at
        all.

    Returns:
      The path.

    Raises:
      RequestError: The suffix is another one (code `suffix`).
      ScoreError: The piece cannot be a score, or a tune.
    """
    path = pathlib.Path(path)
    writers: dict[str, Callable[[], bytes | str]] = {
      '.mid': self.midi,
      '.midi': self.midi,
      '.musicxml': self.musicxml,
      '.xml': self.musicxml,
      '.abc': self.abc,
      '.wav': self.wav,
      '.png': self.plot,
    }
    write = writers.get(path.suffix.lower())
    if write is None:
      raise RequestError(
        f'{path}: no piece can be saved as {path.suffix or "no suffix"!r}; '
        f'end the name with one of {", ".join(writers)}',
        code='suffix',
      )
    files.write_atomic(path, write())
    return path

  def plot(self, path: files.StrPath | None = None, title: str = '') -> bytes:
    """Returns a piano roll as PNG, and writes it if a path is given."""
    return plot.piano_roll(self.notes, path, title=title)

  def wav(
    self, path: files.StrPath | None = None, *, plain: bool = False
  ) -> bytes:
    """Returns its sound as a WAV file, and writes it if a path is given.

    Through fluidsynth and a sound font (`AURL_SOUNDFONT`, or the system's)
    if both are there, else by the plain synthesiser of `music.audio`; the
    log tells which. Up to ten minutes.

    Args:
      path: Where to save it, too.
      plain: Whether to take the plain synthesiser in any case, which gives
        the same bytes everywhere.
    """
    made = sound.render(self.notes, plain=plain)
    _log.info('sound by %s', made.by)
    if path is not None:
      files.write_atomic(path, made.wav)
    return made.wav

  def _repr_html_(self) -> str:
    """Shows roll and player in a notebook; nothing is loaded from a net."""
    name = self.notes.title or f'Piece {self.seed}'
    article = page_lib.article(
      0, name, self.facts(), midi=self.midi(), roll=self.plot(title=name)
    )
    page = page_lib.whole([article], [self.notes], title=name)
    return page_lib.frame(page, height=_FRAME_HEIGHT)

  def play(self) -> None:
    """Plays it through fluidsynth and waits for the end.

    The sound font is `AURL_SOUNDFONT`, or the system's.

    Raises:
      RequestError: fluidsynth or a sound font is missing (code `no_sound`).
    """
    program, font = sound.program(), sound.font()
    if not program or not font:
      missing = 'a sound font' if program else 'fluidsynth'
      raise RequestError(
        f'playing needs {missing}: install fluidsynth and a General MIDI '
        'sound font, name the font in AURL_SOUNDFONT, or save the piece and '
        'open it in any player',
        code='no_sound',
      )
    with tempfile.TemporaryDirectory() as folder:
      path = self.save(pathlib.Path(folder) / 'piece.mid')
      subprocess.run([program, '-i', '-q', font, str(path)], check=True)
