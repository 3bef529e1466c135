"""What a set copies from training music, in a report.

Held against training pieces, where they are named, or against the index that a
model carries. What is no copy shares something, too: the training pieces with
each other (leave-one-out), or else the pieces of the reference with the index.
Beside each piece that shares most stands the pair of bars, to see and to hear.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.evaluation import borrowing, comparison
from aurl_jax.evaluation.borrowing import Borrowed, Corpus, Limits
from aurl_jax.evaluation.originality import Index, Report
from aurl_jax.experiment import music_sets, progress
from aurl_jax.experiment.music_sets import Music
from aurl_jax.music.notes import Notes

CELLS = 4
"""Of a beat: 16ths, in which steps of training music are counted."""
_BASELINE = 1000
"""Training pieces at most that are held against all others."""
_SHOWN = 3
"""Pieces whose bars are shown, those that share most."""
_KNOWN = 0.95
"""A piece of the reference of whose runs so many are known is in training."""


class Pair(NamedTuple):
  """Bars of a piece that are as bars of the training music.

  Attributes:
    piece: Number of the piece in its set.
    bar: Where they begin in it, from 1.
    source: Name of the training piece.
    source_bar: Where they begin there, from 1.
    notes: The training piece; None where only an index is known.
  """

  piece: int
  bar: int
  source: str
  source_bar: int
  notes: Notes | None


class Judge:
  """What is known of training music, made ready once for several sets."""

  def __init__(
    self,
    known: Index | Corpus,
    own: Sequence[Borrowed],
    facts: Mapping[str, Any],
  ) -> None:
    """Takes what is known.

    Args:
      known: The training music, or its index.
      own: What pieces share with it that are no copies.
      facts: What is told of it.
    """
    self.own, self.facts = list(own), dict(facts)
    if isinstance(known, Corpus):
      self.index, self.pieces, self._of = known.index, known.pieces, known.of
    else:
      self.index, self.pieces = known, {}
      self._of = functools.partial(borrowing.of, known)

  @property
  def limits(self) -> Limits | None:
    """From where on a piece is flagged; None of too few pieces."""
    return borrowing.limits(self.own)

  def told(
    self, pieces: Sequence[Notes], seed: int
  ) -> tuple[dict[str, Any], list[Pair]]:
    """Returns the part of a report on a set, and the pairs that are shown."""
    found = [self._of(notes) for notes in pieces]
    limits = self.limits
    flagged = [bool(limits and limits.flags(each)) for each in found]
    report = dict(self.facts) | {
      name: self._row(name, found, seed) for name in Borrowed._fields
    }
    report['limits'] = limits and limits._asdict()
    if limits is None:
      report['why'] = (
        f'nothing is flagged by {len(self.own)} pieces; a limit takes '
        f'{borrowing.FEWEST} of them'
      )
    report['flagged'] = sum(flagged) if limits else None
    worst = sorted(range(len(found)), key=lambda k: self._rank(found[k]))
    copies, pairs = [], []
    for number in worst[:_SHOWN]:
      told = self.index.report(pieces[number])
      if not told.run and not told.near:
        continue
      shares = {'piece': number + 1, 'flagged': flagged[number]}
      where = {'run_of': told.as_dict()['run'], 'near': told.as_dict()['near']}
      copies.append(shares | found[number]._asdict() | where)
      pairs += self._pairs(number, told)
    return report | {'nearest': copies}, pairs

  def _rank(self, found: Borrowed) -> tuple[float, ...]:
    limits = self.limits or Limits(1, 1.0, 0)
    beyond = max(
      found.run / max(limits.run, 1), found.alike / max(limits.alike, 0.01)
    )
    return (-beyond, -found.share)

  def _row(
    self, name: str, found: Sequence[Borrowed], seed: int
  ) -> dict[str, Any]:
    one, other = (
      np.array([getattr(x, name) for x in rows], np.float64)
      for rows in (found, self.own)
    )
    row = comparison.row(name, one, other, seed=seed)
    if isinstance(row, str):
      return {'why': row}
    told = row.as_dict()
    told['baseline'] = told.pop('reference')
    return told

  def _pairs(self, number: int, told: Report) -> list[Pair]:
    """Returns the bars of the longest run, or of the nearest passage."""
    if told.run is not None and told.run.source is not None:
      bar, source = told.run.bar, told.run.source
    elif told.near:
      bar, source = told.near[0].bars[0], told.near[0].source
    else:
      return []
    notes = self.pieces.get(source.piece)
    return [Pair(number, bar, source.piece, source.bar, notes)]


def of_training(
  name: str, beats: str = 'keep', told: progress.Report | None = None
) -> Judge:
  """Returns the judge by a folder of MIDI files, or by JSON of frames.

  Args:
    name: As of `music_sets.of_files`.
    beats: Likewise.
    told: Is told how far the baseline is.

  Raises:
    DataError: There is no such music.
  """
  found = music_sets.of_files(name, beats)
  pieces = dict(zip(found.names, found.pieces, strict=True))
  corpus = Corpus(pieces, CELLS)
  own = corpus.baseline(_BASELINE, told)
  facts = {
    'against': name,
    'pieces': len(pieces),
    'baseline': f'{len(own)} pieces of it, each against all others',
    'cells_per_beat': CELLS,
  }
  return Judge(corpus, own, facts)


def of_index(index: Index, name: str, reference: Sequence[Notes]) -> Judge:
  """Returns the judge by the index that a model carries.

  Args:
    index: Of its training music.
    name: Of the model.
    reference: Music whose pieces are no copies; those that the model has learnt
      from are left out.
  """
  found = [borrowing.of(index, notes) for notes in reference]
  own = [each for each in found if each.share < _KNOWN]
  facts = {
    'against': f'the index of {name}',
    'pieces': len(index.pieces),
    'baseline': f'{len(own)} pieces of the reference; {len(found) - len(own)} '
    'more are known to the index',
    'cells_per_beat': index.cells_per_beat,
  }
  return Judge(index, own, facts)


def part(
  made: Music, judge: Judge | None, reference: Sequence[Notes], seed: int
) -> tuple[dict[str, Any], list[Pair]]:
  """Returns the part of a report on a set, and the pairs that are shown.

  Args:
    made: The set.
    judge: By training music that was named; None takes the model's own index.
    reference: As of `of_index`.
    seed: Of drawn sets.
  """
  if judge is None:
    index = made.composer.index if made.composer is not None else None
    if index is None:
      why = 'no training music is named, and none is known: --training PATH'
      return {'why': why}, []
    judge = of_index(index, made.name, reference)
  return judge.told(made.pieces, seed)
