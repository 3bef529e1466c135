"""Perceptual weights: how much a kind of event counts in the objective.

What is heard most should be learnt best: a wrong pitch is heard by all, a
velocity one bin off by nobody. Axes: `v` ids of a field.
"""

from collections.abc import Mapping, Sequence

from aurl_jax.core.coercion import suggest
from aurl_jax.core.errors import ConfigError

Ranges = Sequence[tuple[str, int]]
"""Of a field: each event, and how many ids it has, behind the reserved 0."""


def tables(
  fields: Sequence[tuple[str, Ranges]], weights: Mapping[str, float]
) -> tuple[tuple[float, ...], ...]:
  """Returns a weight for each id of each field; 1 where none is given.

  Args:
    fields: Name and ranges of each field.
    weights: Name of an event, or of a field for all events in it that are
      not named themselves -> weight, 0 or more.

  Raises:
    ConfigError: There is no such name, or a weight is negative.

  Example:
    >>> tables([('kind', [('bar', 1), ('note', 1)]), ('pitch', [('p', 2)])],
    ...        {'note': 2.0, 'pitch': 0.5})
    ((1.0, 1.0, 2.0), (1.0, 0.5, 0.5))
  """
  if not weights:
    return ()
  known = {name for name, _ in fields}
  known |= {event for _, ranges in fields for event, _ in ranges}
  for name, weight in weights.items():
    if name not in known:
      raise ConfigError(
        f'loss.weights: there is no {name!r}; {suggest(name, known)}'
      )
    if not weight >= 0:
      raise ConfigError(f'loss.weights: {name}={weight} is negative')
  return tuple(_table(name, ranges, weights) for name, ranges in fields)


def _table(
  name: str, ranges: Ranges, weights: Mapping[str, float]
) -> tuple[float, ...]:
  usual = weights.get(name, 1.0)
  table = [1.0]
  for event, size in ranges:
    table += [float(weights.get(event, usual))] * size
  return tuple(table)


def parse(text: str) -> dict[str, float]:
  """Returns the weights of a text such as `pitch=1,velocity=0.5`.

  Raises:
    ConfigError: A part of it is not NAME=NUMBER.
  """
  found = {}
  for part in filter(None, (word.strip() for word in text.split(','))):
    name, _, number = part.partition('=')
    try:
      found[name.strip()] = float(number)
    except ValueError as error:
      raise ConfigError(
        f'loss.weights: {part!r} is not NAME=NUMBER, such as velocity=0.5'
      ) from error
  return found
