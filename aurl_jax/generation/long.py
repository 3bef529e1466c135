"""Long pieces: from a form to bars, section after section.

A letter that is new is written on from the piece so far; one that returns is
copied from where it stood (section memory) and then varied: a part of it is
written anew by infilling, with what stands on both sides given. The last bars
are written as the end of a piece. Of several drafts the best one is taken, and
when that is weak (`generation.judge`), more are drawn, a bounded number of
times; the log tells what is left of that. Of `compound`.
"""

import dataclasses
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from aurl_jax.generation import judge, variation
from aurl_jax.generation.drafts import MOST_BARS, Drafts
from aurl_jax.generation.form import Form
from aurl_jax.generation.judge import Verdict
from aurl_jax.generation.stretch import Bar
from aurl_jax.tokens.infill import ALL, Infill, Part, Track

LEAD: Track = (0, 0)
"""Whose track a melody is: the first piano's, as in POP909."""
TRIES = 3
"""How many times drafts are drawn at most, the first included."""
_CLOSE = 2
"""Bars of a last section that has stood before which are written anew."""
_LOOSE = 1 << 20
"""Tells the chance of a piece's looseness apart from that of its sections."""
_DIGITS = 3

Draw = Callable[[int], list[list[Bar]]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
  """A long piece.

  Attributes:
    bars: Its bars.
    log: Of each stretch that was written the number of its section, its `first`
      bar, how many `bars`, `what` it is (`new`, `varied` or `end`), how many
      `tries` it took, whether it is `weak` in spite of them, and its `faults`.
  """

  bars: list[Bar]
  log: list[dict[str, Any]]


def write(
  drafts: Drafts,
  form: Form,
  bar: int,
  seed: int,
  tries: int = TRIES,
  families: Collection[int] = (),
) -> Written:
  """Writes a piece of a form.

  Args:
    drafts: What writes bars.
    form: Its sections.
    bar: Ticks of a bar.
    seed: The same gives the same piece.
    tries: How many times drafts of a stretch are drawn at most.
    families: Of instruments that were asked for (`judge.players`).
  """
  work = _Work(
    drafts=drafts,
    form=form,
    bar=bar,
    seed=seed,
    tries=tries,
    families=families,
  )
  for number in range(work.begin(), len(form.sections)):
    work.add(number)
  if drafts.infills:
    for number in range(len(form.sections)):
      work.vary(number)
  work.close()
  return Written(bars=work.bars, log=work.log)


@dataclasses.dataclass(kw_only=True)
class _Work:
  """A piece that is being written; arguments as of `write`."""

  drafts: Drafts
  form: Form
  bar: int
  seed: int
  tries: int
  families: Collection[int] = ()
  bars: list[Bar] = dataclasses.field(default_factory=list)
  log: list[dict[str, Any]] = dataclasses.field(default_factory=list)
  draws: int = 0

  def begin(self) -> int:
    """Writes a beginning without melody to what it leads to.

    The first section with a melody is written before it: a model that has begun
    without one seldom brings it in (in 20 of 36 pieces `pop` did not).

    Returns:
      How many sections have been written; 0 where the piece does not begin so,
      or the beginning is too long to be filled in at once.
    """
    sections = self.form.sections
    told = [section.melody for section in sections[:-1]]
    if not self.drafts.infills or True not in told or told[0]:
      return 0
    number = told.index(True)
    start = self.form.starts[number]
    if start > MOST_BARS:
      return 0
    self.add(number)
    for entry in self.log:
      entry['first'] += start
    self.bars = [self.drafts.stretch.blank()] * start + self.bars
    self._anew(0, 0, start, 'new')
    return number + 1

  def add(self, number: int) -> None:
    """Writes a section, or copies what it returns to."""
    section, home = self.form.sections[number], self._home(number)
    stop = len(self.bars) + section.bars
    if home is not None:
      start = self.form.starts[home]
      known = min(section.bars, self.form.sections[home].bars)
      self.bars += self.bars[start : start + known]
    while (missing := stop - len(self.bars)) > 0:
      # Parts of a section are about as long as each other.
      count = -(-missing // -(-missing // MOST_BARS))
      self._onward(number, count, ends=stop - count == len(self.bars))

  def vary(self, number: int) -> None:
    """Writes a part of a section anew that has stood before."""
    section = self.form.sections[number]
    if self._home(number) is None:
      return
    start = self.form.starts[number]
    alike = self._alike(number)
    if alike:
      model = self.form.starts[alike[0]]
      known = min(section.bars, self.form.sections[alike[0]].bars)
      self.bars[start : start + known] = self.bars[model : model + known]
    change = variation.draw(
      np.random.default_rng([self.seed, number]),
      bars=section.bars,
      visit=len(alike) or self._run(number),
      again=not alike,
      loose=float(np.random.default_rng([self.seed, _LOOSE]).random()),
    )
    stop = start + section.bars
    if change.backing:
      for first in range(start, stop, MOST_BARS):
        self._backing(number, first, min(stop, first + MOST_BARS))
    if change.last:
      self._anew(number, stop - change.last, stop, 'varied')

  def close(self) -> None:
    """Writes the last bars as an end, unless they have been."""
    if any(entry['what'] == 'end' for entry in self.log):
      return
    number, stop = len(self.form.sections) - 1, len(self.bars)
    first = stop - min(_CLOSE, self.form.sections[-1].bars)
    self._anew(number, first, stop, 'end')

  def _home(self, number: int) -> int | None:
    """Returns the section that one returns to, None for none."""
    section = self.form.sections[number]
    if not section.recalls:
      return None
    labels = [each.label for each in self.form.sections[:number]]
    return labels.index(section.label) if section.label in labels else None

  @property
  def _tells_melody(self) -> bool:
    """Whether the form tells sections with a melody from others."""
    return any(not section.melody for section in self.form.sections)

  def _run(self, number: int) -> int:
    """Returns how many sections of its letter stand right before one."""
    label = self.form.sections[number].label
    count = 0
    while number > count and self.form.sections[number - count - 1][0] == label:
      count += 1
    return count

  def _alike(self, number: int) -> list[int]:
    """Returns the sections that one returns to as a whole passage does.

    Of `AABBAABB` the second `A` of the second passage takes after the second
    one of the first, in which that was varied.
    """
    label, run = self.form.sections[number].label, self._run(number)
    return [
      other
      for other in range(number)
      if self.form.sections[other].label == label and self._run(other) == run
    ]

  def _mute(self, number: int) -> Track | None:
    return None if self.form.sections[number].melody else LEAD

  def _onward(self, number: int, count: int, ends: bool) -> None:
    """Writes bars behind the piece so far."""
    first = len(self.bars)
    if ends and number == len(self.form.sections) - 1:
      self.bars += [self.drafts.stretch.blank()] * count
      self._anew(number, first, first + count, 'end')
      return

    def draw(seed: int) -> list[list[Bar]]:
      return self.drafts.onward(self.bars, count, seed, mute=self._mute(number))

    self.bars += self._best(number, (first, first), 'new', draw)

  def _backing(self, number: int, first: int, last: int) -> None:
    """Writes everything anew but the melody, if there is one."""
    ids = np.concatenate(self.bars[first:last])
    tracks = Infill(self.drafts.stretch.tokenizer.codec).tracks(ids)
    others = tuple(track for track in tracks if track != LEAD)
    if others:
      self._anew(number, first, last, 'varied', Part(tracks=others))

  def _anew(
    self, number: int, first: int, last: int, what: str, part: Part = ALL
  ) -> None:
    """Writes bars anew, with what stands on both sides given."""
    # What is filled in may be of a track that stays, too.
    mute = LEAD if part.tracks else self._mute(number)

    def draw(seed: int) -> list[list[Bar]]:
      if not self.drafts.infills:
        before, count = self.bars[:first], last - first
        found = self.drafts.onward(before, count, seed, mute=mute)
      else:
        found = self.drafts.within(
          self.bars, first, last, seed, part=part, mute=mute
        )
      if what != 'end':
        return found
      closed = self.drafts.stretch.closed
      return [[*bars[:-1], closed(bars[-1], self.bar)] for bars in found]

    best = self._best(number, (first, last), what, draw)
    self.bars[first:last] = best

  def _best(
    self, number: int, place: tuple[int, int], what: str, draw: Draw
  ) -> list[Bar]:
    """Returns the best of the drafts, and tells the log of it.

    `place` is what it stands for: the first bar, and one past the last.
    """
    found: list[tuple[float, list[Bar], Verdict]] = []
    tries = 0
    while tries < self.tries and not (found and not found[0][2].weak):
      tries += 1
      self.draws += 1
      for bars in draw(_seed(self.seed, self.draws)):
        judged = self._verdict(number, place, what, bars)
        found.append((judged.score, bars, judged))
      found.sort(key=lambda each: each[0])
    _, best, judged = found[0]
    faults = {k: round(v, _DIGITS) for k, v in judged.faults.items()}
    self.log.append(
      {
        'section': number,
        'first': place[0],
        'bars': len(best),
        'what': what,
        'tries': tries,
        'weak': judged.weak,
        'faults': faults,
      }
    )
    return best

  def _verdict(
    self, number: int, place: tuple[int, int], what: str, bars: list[Bar]
  ) -> Verdict:
    """Returns what is wrong with bars in their place."""
    first, last = place
    stretch = self.drafts.stretch
    whole = [*self.bars[:first], *bars, *self.bars[last:]]
    notes = stretch.tokenizer.decode(stretch.join(whole, end=True))
    lead = np.array([stretch.count(bar, LEAD) for bar in whole])
    found = judge.facts(notes, self.bar, lead)
    before = found.without(first, first + len(bars))
    new = what == 'new'
    return judge.verdict(
      found.part(first, first + len(bars)),
      before,
      melody=self.form.sections[number].melody and self._tells_melody,
      new=new,
      players=judge.players(before, self.families, new=new),
      ends=judge.busy(notes, self.bar, len(whole)) if what == 'end' else 0,
    )


def _seed(seed: int, draw: int) -> int:
  """Returns a seed of its own for each batch of a piece."""
  words = np.random.SeedSequence([seed, draw]).generate_state(1, np.uint64)
  return int(words[0] >> np.uint64(1))
