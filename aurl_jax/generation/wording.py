"""How well a wish was kept, in a musician's words."""

from collections.abc import Mapping, Sequence
from typing import Any

from aurl_jax.generation.frame import Kept
from aurl_jax.generation.wish import Wish
from aurl_jax.music import instruments


def kept(
  wishes: Sequence[Wish], pieces: Sequence[Mapping[str, Kept]]
) -> list[tuple[str, str]]:
  """Returns of each rule what was wished, and how well all pieces kept it.

  Args:
    wishes: What was wished.
    pieces: Of each piece how well it kept the rules, by name.

  Example:
    >>> kept([Wish(key='C', density=(3, 8))], [
    ...   {'key': Kept(1.0, 0), 'density': Kept(0.75, 1)}])
    [('notes of C', 'always'), ('3 to 8 notes a bar', '75 %, 1 time not')]
  """
  told = []
  for name in pieces[0] if pieces else ():
    shares = [piece[name].share for piece in pieces]
    broken = sum(piece[name].broken for piece in pieces)
    share = sum(shares) / len(shares)
    often = f'{100 * share:.3g} %, {broken} time{"s" * (broken > 1)} not'
    rule, _, weight = name.partition(', ')
    same = [wish for wish in wishes if wish.label(rule) == name]
    words = _rule(same[0], rule) if same else _OTHER.get(rule, rule)
    words += f' ({weight})' if weight else ''
    told.append((words, often if broken else 'always'))
  return told


def _rule(wish: Wish, name: str) -> str:
  """Returns a rule of a wish in words; its name, where that says enough."""
  bars = wish.bars(name) if name in _BARS else ()
  if name in _BARS and any(bars):
    return _BARS[name](', '.join(_value(name, value) for value in bars))
  if name == 'chords':
    return f'notes that go with {wish.chords}'
  if name == 'instruments':
    players = wish.instruments or tuple(player for player, _ in wish.ranges)
    titles = [instruments.title(instruments.program(p)) for p in players]
    return f'notes of {", ".join(titles)}, in their ranges'
  if name == 'polyphony':
    return f'{wish.each} at once in each track'
  return name


def _value(name: str, value: Any) -> str:
  """Returns the value of a bar."""
  if not value and name != 'density':
    return 'any'
  if name == 'density':
    least, most = value
    if most is None:
      return f'{least} or more'
    return f'{least}' if least == most else f'{least} to {most}'
  if name == 'meter':
    return '/'.join(map(str, value))
  if name == 'rhythm':
    if isinstance(value, str):
      return f'every {value}'
    return 'quarters ' + ' '.join(f'{place:g}' for place in value)
  return f'{value:g}' if name == 'tempo' else str(value)


_OTHER = {'original': 'no long run of notes from the training music'}
"""What is asked for without a wish."""
_BARS = {
  'key': 'notes of {}'.format,
  'polyphony': 'at most {} notes at once'.format,
  'density': '{} notes a bar'.format,
  'rhythm': 'notes begin on {}'.format,
  'meter': 'bars of {}'.format,
  'tempo': 'bars at {} quarter notes a minute'.format,
}
