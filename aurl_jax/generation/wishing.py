"""A request's wish: which bars it is about, and what they have already."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from aurl_jax.generation import given as given_lib
from aurl_jax.generation import tune, wishes
from aurl_jax.generation.constraints import Constraint, Soft
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.frame import Kept
from aurl_jax.generation.given import Given
from aurl_jax.generation.request import Request
from aurl_jax.generation.wish import Wish
from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.tokenizer import Tokenizer


def settled(tokenizer: Tokenizer, request: Request) -> Request:
  """Returns a request whose wishes have the meter that its bars will have.

  Its files are read (`Request.opened`).

  A wish that has to know a meter and names none takes that of the request, of
  the end of the prompt, of another wish, or of the music that is given. Where
  the first step tells meter and tempo for all (`grid`), a wish's are told
  there.

  Raises:
    RequestError: Request, prompt or given music have another meter than the
      wish (code `meter`), or, of a grid or given music, another tempo.
    MidiError: A file holds no music.
  """
  request = request.opened()
  given = given_lib.of(tokenizer, request)
  if given is not None:
    return _beside(request, given)
  if not request.wishes:
    return request
  told = request.meter or _last_meter(tokenizer, request)
  for wish in request.wishes:
    _check_meter(tokenizer, request, wish, told)
  meters = [m for wish in request.wishes for m in wish.bars('meter')]
  held = told or next(iter(meters), None)
  found = tuple(_with_meter(wish, held) for wish in request.wishes)
  request = dataclasses.replace(request, wish=found)
  if not isinstance(tokenizer, VoiceGrid):
    return request
  tempos = [tempo for wish in found for tempo in wish.bars('tempo') if tempo]
  if request.prompt is not None:
    if tempos:
      raise RequestError(
        'a prompt of this model has its own tempo; leave it out of the wish',
        code='tempo',
      )
    return request
  return dataclasses.replace(
    request,
    meter=request.meter or next(iter(meters), None),
    tempo=request.tempo or next(iter(tempos), None),
  )


def _check_meter(
  tokenizer: Tokenizer,
  request: Request,
  wish: Wish,
  told: tuple[int, int] | None,
) -> None:
  """Raises RequestError if a wish begins in another meter than the piece."""
  asked = wish.bars('meter')
  first = request.meter or isinstance(tokenizer, VoiceGrid)
  if told and asked and asked[0] != told and first:
    raise RequestError(
      f'the wish is for {asked[0][0]}/{asked[0][1]}, and the piece begins in '
      f'{told[0]}/{told[1]}; ask for one of them',
      code='meter',
    )


def _with_meter(wish: Wish, held: tuple[int, int] | None) -> Wish:
  """Returns a wish with the meter that holds, if it has to know one."""
  if held and not wish.meter and wishes.needs_meter(wish):
    return dataclasses.replace(wish, meter=held)
  return wish


def _beside(request: Request, given: Given) -> Request:
  """Returns a request to write to given music, whose bars it has."""
  found = []
  for wish in request.wishes or (Wish(),):
    asked, count = wish.bars('meter'), given.bars
    if any(wish.bars('tempo')):
      raise RequestError(
        'music that is given has its own tempo; leave it out of the wish',
        code='tempo',
      )
    if asked and tuple(asked[i % len(asked)] for i in range(count)) != (
      given.meters
    ):
      first = given.meters[0]
      raise RequestError(
        f'music that is given has its own meter, {first[0]}/{first[1]} at '
        'first; leave it out of the wish',
        code='meter',
      )
    found.append(dataclasses.replace(wish, meter=given.meters))
  if found[0].weight is not None:
    # Something has to hold what is written to what is given.
    found.insert(0, Wish(meter=given.meters))
  return dataclasses.replace(request, wish=tuple(found), bars=given.bars)


def _last_meter(
  tokenizer: Tokenizer, request: Request
) -> tuple[int, int] | None:
  """Returns the meter in which the prompt ends; None without one."""
  notes = request.prompt_notes()
  if notes is None:
    return None
  _, numerator, denominator = time.meter_changes(notes)[-1]
  return tokenizer.grid.nearest_meter(numerator, denominator)


def meters(
  tokenizer: Tokenizer, request: Request, prompt: Int[np.ndarray, 't f']
) -> tuple[tuple[tuple[int, int], ...], int]:
  """Returns the meters that written bars must have, and the bars before them.

  None where a settled request leaves them open.

  Args:
    tokenizer: Of the ids.
    request: What is asked, a number of bars in it.
    prompt: The steps to begin with.
  """
  bars, first, _ = _about(tokenizer, request, prompt)
  for wish in request.wishes:
    if wish.weight is None:
      return wishes.meters(tokenizer, wish, bars), first
  return (), first


def constraints(
  tokenizer: Tokenizer,
  request: Request,
  prompt: Int[np.ndarray, 't f'],
  steps: int,
  told: int = 0,
) -> tuple[Constraint, ...]:
  """Returns the constraints of a settled request's wish.

  Args:
    tokenizer: Of the ids.
    request: What is asked.
    prompt: The steps to begin with.
    steps: The budget, those included.
    told: Controls that a bar is told at most.

  Raises:
    RequestError: As `wishes.constraints`.
  """
  found: list[Constraint] = []
  for wish in request.wishes:
    bars, first, given = _about(tokenizer, request, prompt)
    hard = wish.weight is None
    parts = wishes.constraints(
      tokenizer,
      wish,
      bars,
      first=first,
      given=given,
      prompt=len(prompt),
      steps=steps if hard else 0,
      told=told,
    )
    if not hard:
      parts = tuple(Soft(inner=part, weight=wish.weight) for part in parts)
    found += parts
  _, first, _ = _about(tokenizer, request, prompt)
  return (*found, *tune.constraints(tokenizer, request.tune, first))


def judge(
  tokenizer: Tokenizer, request: Request, prompt: Int[np.ndarray, 't f']
) -> Callable[[Notes], dict[str, Kept]]:
  """Returns what tells how well pieces keep a settled request's wishes.

  Its rules are made out once for all pieces.

  Args:
    tokenizer: Of the pieces.
    request: What is asked.
    prompt: The steps to begin with.
  """
  bars, first, given = _about(tokenizer, request, prompt)
  rules = [
    (wish, rule)
    for wish in request.wishes
    for rule in wishes.made_out(tokenizer, wish, bars, first, given).rules
  ]

  def judged(notes: Notes) -> dict[str, Kept]:
    # What is given is exempt, and its meters are its own.
    rest = notes if given is None else given.without(notes)
    found: dict[str, Kept] = {}
    for wish, rule in rules:
      if isinstance(rule, given_lib.Beside):
        found[rule.name] = rule.kept(notes)
      elif given is None or rule.name != 'meter':
        found[wish.label(rule.name)] = rule.kept(rest)
    if request.tune is not None:
      found |= tune.kept(request.tune, tokenizer.grid, notes, first)
    return found

  return judged


def _about(
  tokenizer: Tokenizer, request: Request, prompt: np.ndarray
) -> tuple[int, int, Given | None]:
  """Returns the bars that are written, those before, and what is given.

  A bar that an opening has begun is the first of those that are written.
  """
  given = given_lib.of(tokenizer, request)
  if given is not None:
    return request.bars, 0, given
  if request.prompt is not None:
    return request.bars, len(tokenizer.bar_steps(prompt)), None
  return request.bars, 0, None
