"""What may be asked of music that is there."""

import jaxtyping
import pytest

from aurl_jax.generation.defaults import freed
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.remake import Arrange, Between, Like, Vary
from aurl_jax.generation.request import Request
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

TUNE = Notes.build(4, {'onset': [0, 4], 'duration': 4, 'pitch': [60, 62]})


@pytest.mark.parametrize(
  ('make', 'match'),
  [
    (lambda: Like(TUNE, 1.5), r'likeness must be in 0\.\.1, not 1\.5'),
    (lambda: Like(TUNE, float('nan')), 'likeness must be'),
    (lambda: Vary(TUNE, -0.1), r'strength must be in 0\.\.1'),
    (lambda: Vary(TUNE, True), 'strength must be'),
    (lambda: Arrange(), 'give instruments, or human'),
    (lambda: Arrange(human=4), r'human must be in 0\.\.3'),
    (lambda: Arrange(instruments=('kazoo',)), "no instrument 'kazoo'"),
    (lambda: Vary(Notes.build(4)).notes(), 'the music to vary has no notes'),
    (lambda: Like('nope.mid').notes(), 'music to be like nope.mid cannot'),
    (lambda: Between(TUNE, 'no.mid').notes(), 'last music no.mid cannot'),
  ],
)
def test_what_cannot_be_is_refused(make, match):
  with pytest.raises(RequestError, match=match):
    make()


def test_other_types_are_refused_by_name(monkeypatch):
  monkeypatch.setattr(jaxtyping.config, 'jaxtyping_disable', True)
  with pytest.raises(RequestError, match='music to vary must be Notes'):
    Vary(3)
  with pytest.raises(RequestError, match='first music must be Notes'):
    Between(None, TUNE)
  with pytest.raises(RequestError, match='must be a tuple of names'):
    Arrange(instruments='violin')
  with pytest.raises(RequestError, match=r'like must be a value of generation'):
    Request(like='x.mid')
  with pytest.raises(RequestError, match=r'remake must be a value of'):
    Request(remake=Like(TUNE))


def test_music_is_notes_or_a_file(tmp_path):
  path = tmp_path / 'tune.mid'
  midi.write(TUNE, path)
  assert Vary(path).notes().pitch.tolist() == [60, 62]
  first, last = Between(str(path), TUNE).notes()
  assert first.pitch.tolist() == last.pitch.tolist()
  assert Arrange(instruments=('violin', 'drums', 3)).programs == (40, 128, 3)


@pytest.mark.parametrize(
  'beside',
  [
    {'bars': 4},
    {'prompt': TUNE},
    {'melody': TUNE},
    {'form': 'AABA'},
    {'like': Like(TUNE)},
    {'guidance': 2.0},
    {'meter': (3, 4)},
    {'original': 16},
  ],
)
def test_music_made_of_music_has_its_own_bars(beside):
  (name,) = beside
  match = f'takes no {name}; leave that out, or remake'
  if name == 'form':
    match = 'a piece of a form takes no remake'
  for remake in (Vary(TUNE), Between(TUNE, TUNE)):
    with pytest.raises(RequestError, match=match):
      Request(remake=remake, **beside)


def test_a_form_follows_no_reference_but_may_be_arranged():
  with pytest.raises(RequestError, match='a piece of a form takes no like'):
    Request(form='AABA', like=Like(TUNE))
  assert Request(form='AABA', arrange=Arrange(human=1)).arrange.human == 1


def test_a_model_s_defaults_give_way():
  assert freed({'remake': Vary(TUNE)}, False)['bars'] == 0
  assert 'temperature' not in freed({'remake': Vary(TUNE)}, False)
  assert freed({'like': Like(TUNE)}, True) == {
    'bars': 0,
    'temperature': 0.0,
    'like': Like(TUNE),
  }
  found = freed({'remake': Vary(TUNE), 'temperature': 0.5}, True)
  assert (found['bars'], found['temperature']) == (0, 0.5)
  assert freed({'bars': 3, 'steps': 9}, False) == {'bars': 3, 'steps': 9}
  assert freed({'n': 3}, True) == {'n': 3}
