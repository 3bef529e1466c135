"""`Composer`: a model, its parameters and its tokenizer, ready to write."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import jax
import numpy as np
from jaxtyping import Int

from aurl_jax.deploy import encoder as encoder_lib
from aurl_jax.deploy import liking, remaking
from aurl_jax.deploy import rows as rows_lib
from aurl_jax.deploy.dials import Dials
from aurl_jax.deploy.encoder import Encoder
from aurl_jax.deploy.priors import Priors
from aurl_jax.deploy.rows import Row
from aurl_jax.deploy.splicing import Own
from aurl_jax.evaluation.originality import Index
from aurl_jax.generation import (
  arranging,
  beam,
  constraints,
  ending,
  lines,
  longer,
  original,
  repeats,
  retries,
  several,
  speculate,
  stream,
  told,
  wishing,
)
from aurl_jax.generation.decode import Batch, Sample, Writer
from aurl_jax.generation.defaults import freed
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.guidance import Guided, Without
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.prompt import Prompts
from aurl_jax.generation.request import Request
from aurl_jax.models.functional import Model
from aurl_jax.models.latent import Latents
from aurl_jax.tokens.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Composer:
  """What `aurl_jax.load` gives.

  A model that carries a prior of its latents draws from it what it writes of;
  without, it writes of the middle of the standard normal.

  Attributes:
    model: The network.
    params: Its parameters.
    tokenizer: Between notes and its ids.
    defaults: What a request of this model has where its asker says nothing.
    priors: Of its latents, if any have been fitted.
    dials: Of its latents, if it has some and they have been measured.
    index: Of its training music, by which copies are known, if it is there.
  """

  model: Model
  params: Any
  tokenizer: Tokenizer
  defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  priors: Priors | None = None
  dials: Dials | None = None
  index: Index | None = None

  def request(self, **changes: Any) -> Request:
    """Returns a request with the model's own defaults, but for changes.

    Args:
      **changes: Fields of `Request`. Where they name what has a length of
        its own and no `bars`, the model's own bars need not fit
        (`defaults.freed`).

    Raises:
      RequestError: A value out of its range.
    """
    latents = self.model.config.has_latents
    return Request(**{**self.defaults, **freed(changes, latents)})

  def check(self, request: Request) -> None:
    """Raises RequestError if a request cannot be met, before anything is run.

    Needs no parameters (`deploy.bundle.outline`). Whether a prompt is legal is
    seen when it is read.
    """
    if request.long:
      longer.check(self.tokenizer, request)
      return
    if request.remake is not None:
      remaking.check(self.encoder, request)
      return
    request = self.settled(request)
    self.asked(request, Prompts(self.tokenizer).prompt(request))

  def settled(self, request: Request) -> Request:
    """Returns a request with all that follows from what it asks.

    Raises:
      RequestError: As `liking.settled` and `wishing.settled`.
    """
    request = liking.settled(self.model, self.tokenizer, request)
    return wishing.settled(self.tokenizer, request)

  @functools.cached_property
  def encoder(self) -> Encoder:
    """What tells latents of music, if the model has some."""
    return Encoder(
      model=self.model, params=self.params, tokenizer=self.tokenizer
    )

  @overload
  def generate(self, request: Request) -> list[Piece]: ...
  @overload
  def generate(self, request: Sequence[Request]) -> list[list[Piece]]: ...

  def generate(self, request: Request | Sequence[Request]) -> Any:
    """Returns the pieces that a request asks for; of several, those of each.

    The same request gives the same pieces, on the same kind of device. Several
    are written together, as far as one program serves them, and give what each
    gives alone, up to the rounding of sums (`generation.decode`).

    Raises:
      RequestError: It cannot be met: a prompt that the tokenizer cannot
        hold or that leaves no room, more steps than the context, or a wish
        that no music can keep.
      DecodeError: The model's output is no number, whatever is tried
        (`Request.retries`).
    """
    if isinstance(request, Request):
      return self.generate([request])[0]
    return [
      [arranging.arranged(piece, asked.arrange) for piece in pieces]
      for asked, pieces in zip(request, self._each(request), strict=True)
    ]

  def _each(self, requests: Sequence[Request]) -> list[list[Piece]]:
    """Returns the pieces of each request; some kinds one by one."""
    if any(each.long or each.remake for each in requests):
      return [self._apart(each) for each in requests]
    rows = [self.row(each) for each in requests]
    drawn = [one for one in rows if not (one.request.beams or one.speculates)]
    together = iter(self._drawn(drawn))
    pieces = []
    for one in rows:
      if one.request.beams:
        pieces.append(self._searched(one))
      elif one.speculates:
        pieces.append(self._guessed(one))
      else:
        own = [next(together) for _ in one.batch.prompts]
        pieces.append(one.likeliest(own))
    return pieces

  def row(self, request: Request) -> Row:
    """Returns the rows of a request, ready to be written.

    Not of one that is `apart`.

    Raises:
      RequestError: As `generate`.
    """
    request = self.settled(request)
    prompt = Prompts(self.tokenizer).prompt(request)
    return self._row(request, prompt)

  def _row(self, request: Request, prompt: np.ndarray) -> Row:
    judge = rows_lib.judge(self.tokenizer, request, prompt, self.index)
    writing = self.asked(request, prompt)
    return Row(request, judge, *writing, self.tokenizer, self.index)

  def _apart(self, request: Request) -> list[Piece]:
    """Returns the pieces of one request."""
    if request.long:
      return self._of_form(request)
    if request.remake is None:
      return self._each([request])[0]
    own = Own(self.encoder, self._of_latents, self._prior)
    return [
      dataclasses.replace(piece, index=self.index)
      for piece in remaking.remade(own, request)
    ]

  def _of_latents(
    self, request: Request, latents: Latents, seeds: list[int]
  ) -> list[Piece]:
    """Returns a piece of each row of latents, by a seed each."""
    request = wishing.settled(self.tokenizer, request)
    row = self._row(request, Prompts(self.tokenizer).prompt(request))
    batch = row.batch
    guided = batch.asked._replace(latents=latents)
    batch = dataclasses.replace(batch, asked=guided, seeds=seeds)
    return self._drawn([row._replace(batch=batch)])

  def _of_form(self, request: Request) -> list[Piece]:
    """Returns long pieces, each written by itself."""
    seeds = range(request.seed, request.seed + request.n)
    own = self.model, self.params, self.tokenizer
    return [
      dataclasses.replace(longer.compose(*own, request, seed), index=self.index)
      for seed in seeds
    ]

  def _drawn(self, asked: Sequence[Row]) -> list[Piece]:
    """Returns the pieces of all rows that are drawn; what fails, drawn anew."""
    written = several.write([one.drawing for one in asked])
    samples = [sample for found in written for sample in found]
    rows = [row for one in asked for row in one.each()]

    def again(
      due: list[int], attempt: int
    ) -> list[tuple[retries.Try, retries.Retry]]:
      ways = [rows[i].anew(attempt) for i in due]
      found = several.write([row.drawing for row, _ in ways])
      return [
        (rows[i].tried(sample), how)
        for i, (_, how), (sample,) in zip(due, ways, found, strict=True)
      ]

    pieces: list[Piece] = retries.mend(
      [row.tried(sample) for row, sample in zip(rows, samples, strict=True)],
      [row.request.retries for row in rows],
      again,
    )
    return pieces

  def _guessed(self, row: Row) -> list[Piece]:
    codec, count = self.tokenizer.codec, row.request.speculate
    found = speculate.speculate(*row.drawing, codec, count)
    return [
      row.piece(one.sample, row.batch.seed + index, passes=one.passes)
      for index, one in enumerate(found)
    ]

  def _searched(self, row: Row) -> list[Piece]:
    """Returns the best pieces of one search, at most as many as asked."""
    request = row.request
    apart = request.diversity > 0
    # Vijayakumar et al. find groups of one to differ most.
    wide = beam.Beam(
      width=1 if apart else request.beams,
      groups=request.beams if apart else 1,
      diversity=request.diversity,
    )
    (found,) = beam.search(row.writer, row.batch.part(slice(0, 1)), wide)
    return [
      row.piece(one.sample, request.seed, log_probability=one.score)
      for one in found[: request.n]
    ]

  def stream(
    self, request: Request, every: int = 1
  ) -> Iterator[list[Int[np.ndarray, 'k f']]]:
    """Yields the ids of the pieces that a request asks for, as they come.

    Together, behind their prompt, they are the ids of `generate`.

    Args:
      request: As of `generate`, of at most `decode.MOST_ROWS` pieces.
      every: Steps that are written between one yield and the next.

    Raises:
      RequestError, DecodeError: As `generate`.
    """
    if request.long:
      raise RequestError(
        'a piece of a form is written out of order and cannot be streamed; '
        'generate it',
        code='form',
      )
    if request.remake or request.arrange:
      raise RequestError(
        'music that is made of other music, or arranged, is made as a whole '
        'and cannot be streamed; generate it',
        code='remake',
      )
    if request.drafts > 1:
      raise RequestError(
        'drafts are compared when all are written, and cannot be streamed; '
        'generate them, or leave them out'
      )
    request = self.settled(request)
    prompt = Prompts(self.tokenizer).prompt(request)
    return stream.stream(*self.asked(request, prompt), every)

  def asked(self, request: Request, prompt: np.ndarray) -> tuple[Writer, Batch]:
    """Returns what writes, and the rows that a settled request asks for."""
    steps = self._steps(request, prompt)
    writer = Writer(
      self.model,
      self.params,
      self.tokenizer.grammar,
      self._wanted(request, prompt, steps),
      request.sampler,
    )
    return writer, Batch.of(self._guided(request, prompt), steps, request.seed)

  def _guided(self, request: Request, prompt: np.ndarray) -> Guided:
    """Returns the prompts of all rows, their twins and their latents."""
    rows, latents = [prompt] * request.rows, self._latents(request)
    if request.guidance == 1:
      return Guided(rows, latents=latents)
    bars = told.asks(request) and not Prompts(self.tokenizer).fills(request)
    twin = Prompts(self.tokenizer).twin(prompt, bars)
    if not bars:
      return Guided(rows, [twin] * request.rows, request.guidance, latents)
    if self.model.config.pattern != 'full':
      raise RequestError(
        'guidance by controls of bars needs a model whose attention sees all '
        f'steps, and this one has the pattern {self.model.config.pattern!r}; '
        'ask with guidance 1',
        code='guidance',
      )
    return Guided(
      rows,
      [twin] * request.rows,
      request.guidance,
      latents,
      unread=told.unread(self.tokenizer.codec),
    )

  def _latents(self, request: Request) -> Latents | None:
    """Returns what a model with a prior is told of each row, else None.

    Each row is drawn by its own seed, as it would be alone. Music to go on
    from has latents of its own, which no draw can fit.
    """
    like = request.like
    if (self.priors is None and like is None) or request.prompt is not None:
      return None
    seeds = range(request.seed, request.seed + request.n)
    drawn = [self._prior(1, seed) for seed in seeds]
    found: Latents = jax.tree.map(lambda *x: np.concatenate(x), *drawn)
    if like is not None and self.params is not None:
      found = liking.latents(self.encoder, like, found, seeds)
    return found

  def _prior(self, n: int, seed: int) -> Latents:
    """Returns draws of the model's prior, the standard normal without one."""
    if self.priors is None:
      return encoder_lib.standard(self.model.config.latent, n, seed)
    return self.priors.sample(n, seed)

  def _wanted(
    self, request: Request, prompt: np.ndarray, steps: int
  ) -> tuple[constraints.Constraint, ...]:
    """Returns what the pieces shall be beyond legal."""
    wanted: list[constraints.Constraint] = []
    fills = Prompts(self.tokenizer).fills(request)
    meters = wishing.meters(self.tokenizer, request, prompt)
    # Of what is written anew the context tells the controls.
    asked = () if fills else told.of(request)
    most = told.most(asked)
    if request.bars and fills:
      # The grammar gives a fill its bars.
      wanted += ending.within(self.tokenizer, request.bars + 1, *meters)
    elif request.bars:
      due = request.bars
      if request.prompt is None:
        # An opening begins the first of them.
        due -= len(self.tokenizer.bar_steps(prompt))
      # Excerpts end behind their last note, and nothing else was learnt; what
      # rules must still have in the last bar comes before its end.
      early = self.model.config.has_latents and not request.wishes
      length = constraints.bars(self.tokenizer, prompt, due, steps, early=early)
      wanted.append(length)
      wanted += ending.within(self.tokenizer, length.most, *meters)
      if all(wish.weight is not None for wish in request.wishes):
        # A wish without a weight keeps steps for all that it must have.
        wanted += ending.paced(self.tokenizer, length.most, steps, most)
    codec = self.tokenizer.codec
    if fills:
      wanted += lines.lines(codec, prompt)
    elif Prompts(self.tokenizer).infills:
      wanted.append(Without(codec))
    wanted += told.told(self.tokenizer, asked, request.guidance == 1)
    wanted += wishing.constraints(self.tokenizer, request, prompt, steps, most)
    if request.original:
      wanted.append(
        original.original(self.tokenizer, self.index, request.original)
      )
    if request.repeat:
      # The first to give way: what all others leave may have to repeat.
      wanted.append(repeats.no_repeat(self.tokenizer, request.repeat, steps))
    return tuple(wanted)

  def _steps(self, request: Request, prompt: np.ndarray) -> int:
    context = self.model.config.context
    if request.steps > context:
      raise RequestError(
        f'steps {request.steps} exceed the context of the model, {context}',
        code='steps',
      )
    steps = request.steps or context
    if len(prompt) >= steps:
      raise RequestError(
        f'the prompt takes {len(prompt)} of {steps} steps and leaves no room; '
        'name some bars of it: excerpt=(0, 8), or --excerpt 1-8',
        code='steps',
      )
    return steps

  def piece(self, sample: Sample, seed: int) -> Piece:
    """Returns the piece that a decoded sample is, and its seed's."""
    return Piece(
      notes=self.tokenizer.decode(sample.ids),
      ids=sample.ids,
      seed=seed,
      ended=sample.ended,
      grammatical=sample.legal,
    )
