"""What a report says of copies: planted ones, clean pieces, and no music."""

import json

import pytest

from aurl_jax.evaluation import originality
from aurl_jax.experiment import appraise, appraise_original
from aurl_jax.experiment.music_sets import Music
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from tests.evaluation import copying

TRAINING = [copying.tune(seed, notes=80) for seed in range(50)]


def host(seed):
  return copying.tune(1000 + seed, notes=90)


def planted(seed):
  """A host with forty notes of both lines of a training piece."""
  made = host(seed)
  for track in (0, 1):
    made = copying.planted(
      made, TRAINING[seed], track, 10, 45, at=96, up=3, shift=5
    )
  return made


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  root = tmp_path_factory.mktemp('training')
  for number, notes in enumerate(TRAINING):
    midi.write(notes, root / f'{number:02}.mid')
  return root


@pytest.fixture(scope='module')
def judge(folder):
  return appraise_original.of_training(str(folder))


def test_planted_copies_are_flagged_and_clean_ones_are_not(judge):
  pieces = [planted(k) if k % 2 else host(k) for k in range(40)]
  told, pairs = judge.told(pieces, seed=0)
  limits = judge.limits
  flagged = [limits.flags(judge._of(notes)) for notes in pieces]
  assert flagged == [k % 2 == 1 for k in range(40)]
  assert told['flagged'] == 20
  assert told['limits'] == limits._asdict()
  assert told['run']['generated'][0] > told['run']['baseline'][0]
  assert told['pieces'] == 50
  for copy, pair in zip(told['nearest'], pairs, strict=True):
    number = copy['piece'] - 1
    assert number % 2 == 1
    assert copy['flagged']
    assert copy['run_of']['source']['piece'] == f'{number:02}.mid'
    assert copy['run_of']['source']['semitones'] == 3
    assert pair.piece == number
    assert pair.source == f'{number:02}.mid'
    assert len(pair.notes) == len(midi.read(midi.write(pair.notes)).notes)
    assert (pair.bar, pair.source_bar) == (
      copy['run_of']['bar'],
      copy['run_of']['source']['bar'],
    )


def test_an_index_is_held_against_what_is_no_copy():
  pieces = {f'{k}': notes for k, notes in enumerate(TRAINING)}
  index = originality.build(pieces.items(), copying.TICKS)
  reference = [host(100 + k) for k in range(45)] + TRAINING[:5]
  judge = appraise_original.of_index(index, 'mine', reference)
  assert len(judge.own) == 45
  assert '5 more' in judge.facts['baseline']
  told, pairs = judge.told([planted(1), host(2), host(3)], seed=0)
  assert told['flagged'] == 1
  assert told['nearest'][0]['piece'] == 1
  # There is no music beside it that could be shown.
  assert pairs[0].notes is None
  assert pairs[0].source == '1'


def test_few_pieces_tell_no_limit(judge):
  pieces = {'a': TRAINING[0]}
  index = originality.build(pieces.items(), copying.TICKS)
  few = appraise_original.of_index(index, 'mine', [host(1), host(2)])
  told, _ = few.told([planted(0), host(5)], seed=0)
  assert told['flagged'] is None
  assert told['limits'] is None
  assert 'by 2 pieces' in told['why']
  nothing, pairs = judge.told([Notes.build(4), Notes.build(4)], seed=0)
  assert nothing['flagged'] == 0
  assert (nothing['nearest'], pairs) == ([], [])


def test_without_training_music_there_is_a_reason():
  made = Music('mine', [host(1)], ['a'])
  told, pairs = appraise_original.part(made, None, [host(2)], 0)
  assert '--training' in told['why']
  assert not pairs


def test_the_page_shows_and_plays_the_pair(folder, tmp_path):
  for name, some in (
    ('made', [planted(1), host(1), host(2)]),
    ('real', [host(k) for k in range(10, 14)]),
  ):
    (tmp_path / name).mkdir()
    for number, notes in enumerate(some):
      midi.write(notes, tmp_path / name / f'{number}.mid')
  told = appraise.write(
    str(tmp_path / 'made'),
    str(tmp_path / 'real'),
    tmp_path / 'out',
    appraise.Asked(encoder='', training=str(folder)),
    quiet=True,
  )
  original = told['models'][0]['originality']
  assert original['flagged'] == 1
  page = (tmp_path / 'out' / 'report.html').read_text()
  source = original['nearest'][0]['run_of']['source']
  assert f'training: 01.mid, bar {source["bar"]}' in page
  buttons = page.count('<button type="button" data-piece=')
  _, _, script = page.partition('const pieces = ')
  played = json.loads(script.partition(';\n')[0])
  assert len(played) == buttons >= 3 + 3 + 2
  # The pair sounds alike: bars of the copy hold notes of the training bars.
  tail = [{note[2] for note in notes} for notes in played[6:8]]
  assert len({pitch + 3 for pitch in tail[1]} & tail[0]) >= 4
