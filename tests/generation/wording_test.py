"""What a report says is what was wished."""

from aurl_jax.generation import wording
from aurl_jax.generation.frame import Kept
from aurl_jax.generation.wish import Wish

ALWAYS = Kept(1.0, 0)


def told(wish, *names):
  return dict(wording.kept([wish], [dict.fromkeys(names, ALWAYS)]))


def test_every_rule_is_told_in_words():
  wish = Wish(
    key=('D minor', ''),
    chords='Dm | A7',
    instruments=('bass', 128),
    polyphony=3,
    density=((3, None), (0, 0)),
    rhythm=('8t', (0, 1.5)),
    meter=(3, 4),
    tempo=96.5,
  )
  names = ('key', 'chords', 'instruments', 'polyphony', 'density', 'rhythm')
  assert list(told(wish, *names, 'meter', 'tempo')) == [
    'notes of D minor, any',
    'notes that go with Dm | A7',
    'notes of Electric Bass (finger), drums, in their ranges',
    'at most 3 notes at once',
    '3 or more, 0 notes a bar',
    'notes begin on every 8t, quarters 0 1.5',
    'bars of 3/4',
    'bars at 96.5 quarter notes a minute',
  ]
  assert list(told(Wish(ranges=(('cello', (40, 60)),)), 'instruments')) == [
    'notes of Cello, in their ranges'
  ]
  # A rule that nobody wished for by itself has its name.
  assert list(told(Wish(key='C'), 'key', 'no drums', 'meter')) == [
    'notes of C',
    'no drums',
    'meter',
  ]
  assert list(told(Wish(each=1), 'polyphony')) == ['1 at once in each track']


def test_what_was_not_kept_is_counted_over_all_pieces():
  pieces = [{'key': Kept(0.75, 2)}, {'key': Kept(1.0, 0)}, {'key': Kept(0, 3)}]
  found = wording.kept([Wish(key='C')], pieces)
  assert found == [('notes of C', '58.3 %, 5 times not')]
  assert wording.kept([Wish(key='C')], []) == wording.kept([], [{}]) == []


def test_weights_are_told_beside_the_rule_of_their_wish():
  wishes = [Wish(key='C'), Wish(key='G', weight=1.5)]
  names = [wish.label('key') for wish in wishes]
  found = wording.kept(wishes, [dict.fromkeys(names, ALWAYS)])
  assert [words for words, _ in found] == [
    'notes of C',
    'notes of G (weight 1.5)',
  ]
