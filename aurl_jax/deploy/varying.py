"""New versions of a piece.

A piece is looked at in units that are alike wherever they return: stretches of
bars that a model's latents hold (`deploy.windows`), or bars. A share of them
is written anew, each with all that are the same, so that the form stays. Which
of them is drawn by the seed, and what becomes new at one strength does so at
any greater one.

- A model with latents writes a stretch of latents that lie between its own and
  a draw of the prior, as far as the strength says.
- A model that infills (of `compound`) writes bars, two at most at once, with
  what stands on both sides given; at first the backing alone, the melody kept.

Axes: `s` units, `b` bars.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Bool, Int

from aurl_jax.core.errors import TokenError
from aurl_jax.deploy import liking, mixing, splicing, windows
from aurl_jax.deploy.splicing import Job, Own
from aurl_jax.deploy.windows import Window
from aurl_jax.generation import kinship
from aurl_jax.generation.drafts import Drafts
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.opening import opening
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.remake import Vary
from aurl_jax.generation.request import Request
from aurl_jax.generation.stretch import Stretch
from aurl_jax.music.notes import Notes
from aurl_jax.music.rebuild import rebuilt
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.infill_parts import Part
from aurl_jax.tokens.tokenizer import Tokenizer

_AT_ONCE = 2
"""Bars that are written anew at once, at most."""
_DIGITS = 4
_WHAT = 'music to vary'
_FORM, _DRAW = 101, 102
"""Tell chances of one seed apart."""
_BACKING = Part(given='melody')


def check(own: Own, asked: Vary) -> None:
  """Raises RequestError unless a model can vary a piece.

  Raises also as `source.read`.
  """
  if own.model.config.has_latents:
    windows.read(own.encoder, asked.notes(), _WHAT)
  else:
    _stretched(own, asked)


def vary(own: Own, request: Request, asked: Vary) -> list[Piece]:
  """Returns new versions of a piece, one a seed; raises as `check`.

  The report tells the strength, which `bars` were written, in which of them
  the `melody` was given, and what share of the notes was kept
  (`kinship.notes_kept`).
  """
  seeds = list(range(request.seed, request.seed + request.n))
  if own.model.config.has_latents:
    return _by_latents(own, request, asked, seeds)
  return [_by_bars(own, request, asked, seed) for seed in seeds]


def _by_latents(
  own: Own, request: Request, asked: Vary, seeds: Sequence[int]
) -> list[Piece]:
  """Returns versions written of a piece's own latents and drawn ones."""
  music = windows.held(own.encoder, asked.notes(), _WHAT)
  found = windows.read(own.encoder, music, _WHAT)
  same = kinship.alike(music, [(w.start, w.end) for w in found])
  chosen = [_chosen(same, seed, asked.strength) for seed in seeds]
  jobs = []
  if any(which.any() for which in chosen):
    told = own.encoder.posterior([window.ids for window in found]).mean
    for seed, which in zip(seeds, chosen, strict=True):
      drawn = own.draws(len(found), splicing.seed_of(seed, _DRAW))
      new = mixing.between(told, drawn, float(asked.strength))
      # What is the same in the piece becomes the same.
      new = jax.tree.map(lambda x, at=same[which]: np.asarray(x)[at], new)
      places = [found[at] for at in np.flatnonzero(which).tolist()]
      jobs.append(Job(places, new, seed, same[which].tolist()))
  tempo = liking.start(own.tokenizer, music)[1]
  written = splicing.written(own, request, jobs, tempo)
  versions = [
    splicing.spliced(music, job.places, parts)
    for job, parts in zip(jobs, written, strict=True)
  ] or [music] * len(seeds)
  bars = [
    [bar for at in np.flatnonzero(w).tolist() for bar in _bars(found[at])]
    for w in chosen
  ]
  return [
    _version(own.tokenizer, asked, (music, version), seed, own_bars)
    for version, seed, own_bars in zip(versions, seeds, bars, strict=True)
  ]


def _bars(window: Window) -> range:
  return range(window.first, window.last)


def _chosen(
  same: Int[np.ndarray, ' s'], seed: int, share: float | int
) -> Bool[np.ndarray, ' s']:
  """Returns which units become new; those of a kind together."""
  drawn = np.random.default_rng([seed, _FORM]).random(len(same))
  return np.asarray(drawn[same] < share)


def _version(
  tokenizer: Tokenizer,
  asked: Vary,
  pair: tuple[Notes, Notes],
  seed: int,
  bars: Sequence[int],
  melody: Sequence[int] = (),
) -> Piece:
  """Returns a new version of a piece, with its report.

  `pair` is the piece as ids hold it, and the version; `bars` are new ones, and
  in those of `melody` the melody stays.
  """
  before, after = pair
  report = {
    'strength': float(asked.strength),
    'notes_kept': round(kinship.notes_kept(before, after), _DIGITS),
    'bars': [bar + 1 for bar in bars],
    'melody': [bar + 1 for bar in melody],
  }
  if not bars:
    # As it was given, and not only as ids can hold it.
    after = asked.notes()
  return splicing.piece(tokenizer, after, seed, varied=report)


def _stretched(own: Own, asked: Vary) -> tuple[Stretch, Notes]:
  """Returns what takes a piece apart into bars, and the piece as ids hold it.

  Raises:
    RequestError: The model does not infill (code `vary`), or the piece has
      several meters (code `meter`).
  """
  tokenizer = own.tokenizer
  fills = 'mask' in tokenizer.codec.fields[0].starts
  if not isinstance(tokenizer, Compound) or tokenizer.pedal or not fills:
    raise RequestError(
      'this model can make no new version of a piece: it has no latents, and '
      'does not infill bars of compound; take pop or pop_dials, or train one '
      "with model.mode 'vae', or with tokenizer.infill=True",
      code='vary',
    )
  try:
    notes = tokenizer.quantise(asked.notes())
  except TokenError as error:
    cause = str(error).partition('; use ')[0]
    raise RequestError(
      f'this model cannot read the music to vary: {cause}', code='prompt'
    ) from error
  bars = windows.bars_of(notes)
  if len(set(bars.meters)) > 1 or not bars.whole.all():
    raise RequestError(
      'bars are written anew in pieces of one meter, and the music to vary has '
      'several; cut out a part (music.cut.slice_bars), or take a model with '
      'latents, such as pop_dials',
      code='meter',
    )
  meter, tempo = liking.start(tokenizer, notes)
  return Stretch(tokenizer, opening(tokenizer, meter, tempo)), notes


def _by_bars(own: Own, request: Request, asked: Vary, seed: int) -> Piece:
  """Returns a new version of a piece, some bars of which are infilled."""
  stretch, music = _stretched(own, asked)
  drafts = Drafts(
    model=own.model,
    params=own.encoder.params,
    stretch=stretch,
    sampler=request.sampler,
    count=1,
  )
  starts = windows.bars_of(music).starts
  spans = list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
  same = kinship.alike(music, spans)
  chosen = _chosen(same, seed, asked.strength)
  whole = _chosen(same, seed, asked.strength**2)
  bars = stretch.bars(stretch.tokenizer.encode(music))
  for first, last in _runs(same, chosen, whole):
    part = Part() if whole[first] else _BACKING
    drawn = splicing.seed_of(seed, _DRAW, first)
    (new,) = drafts.within(bars, first, last, drawn, part=part)
    for at, bar in zip(range(first, last), new, strict=True):
      for other in np.flatnonzero(same == at).tolist():
        bars[other] = bar
  after = stretch.tokenizer.decode(stretch.join(bars, end=True))
  after = rebuilt(after, {}, tempos=music.tempos, meters=music.meters)
  due = np.flatnonzero(chosen).tolist()
  melody = [bar for bar in due if not whole[bar]]
  return _version(own.tokenizer, asked, (music, after), seed, due, melody)


def _runs(
  same: Int[np.ndarray, ' b'],
  chosen: Bool[np.ndarray, ' b'],
  whole: Bool[np.ndarray, ' b'],
) -> list[tuple[int, int]]:
  """Returns the bars that are written, at most two at once: (first, end).

  Those are the first ones of their kind, and all of a run wholly, or not.
  """
  due = np.flatnonzero(chosen & (same == np.arange(len(same)))).tolist()
  found: list[tuple[int, int]] = []
  for bar in due:
    first, last = found[-1] if found else (bar, -1)
    joins = last == bar and last - first < _AT_ONCE
    if joins and whole[first] == whole[bar]:
      found[-1] = (first, bar + 1)
    else:
      found.append((bar, bar + 1))
  return found
