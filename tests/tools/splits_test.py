"""The tools that make the frozen tables, on music made here."""

import collections
import importlib

import numpy as np
import pytest

from aurl_jax.music.notes import Notes, Track

pytestmark = pytest.mark.usefixtures('tool_folder')
load = importlib.import_module


def piece(seed, *, up=0, tempo=1.0, late=0, length=200, drums=False):
  """A random melody over a random bass, in notes of uneven length."""
  rng = np.random.default_rng(seed)
  step = np.cumsum(rng.integers(1, 4, length)) * 120
  high = 60 + np.cumsum(rng.integers(-4, 5, length)) % 24
  low = 36 + np.cumsum(rng.integers(-4, 5, length)) % 12
  return Notes.build(
    480,
    {
      'onset': (np.concatenate([step, step]) * tempo).astype(int) + late,
      'duration': 100,
      'pitch': np.concatenate([high, low]) + up,
      'track': np.repeat([0, 1], length),
    },
    tracks=[Track('a', 0, drums), Track('b', 0, drums)],
  )


def test_a_piece_is_alike_in_any_key_and_tempo_and_cut_in_half():
  fingerprint = load('fingerprint')
  first = piece(0)
  half = first.trusted(
    **{name: getattr(first, name) for name in first.__dataclass_fields__}
    | {
      name: getattr(first, name)[:200]
      for name in (
        'onset',
        'duration',
        'pitch',
        'velocity',
        'program',
        'track',
        'is_drum',
      )
    }
  )
  all_ = [first, piece(0, up=5), piece(0, tempo=2.0, late=960), half]
  others = [piece(seed) for seed in range(1, 9)]
  prints = [fingerprint.phrases(notes) for notes in all_ + others]
  pairs = fingerprint.alike(prints)
  assert {(pair.one, pair.other) for pair in pairs} == {
    (i, j) for i in range(4) for j in range(i + 1, 4)
  }
  assert {pair.share for pair in pairs if pair.other < 3} == {1.0}
  assert min(pair.share for pair in pairs) > 0.9


def test_very_many_shared_phrases_are_enough():
  fingerprint = load('fingerprint')
  rng = np.random.default_rng(0)
  one, other = (
    rng.integers(0, 2**63, 5000).astype(np.uint64) for _ in range(2)
  )
  enough, few = fingerprint.MANY, fingerprint.MANY - 1
  for count, pairs in ((enough, 1), (few, 0)):
    mixed = np.unique(np.concatenate([other, one[:count]]))
    assert len(fingerprint.alike([np.unique(one), mixed])) == pairs


def test_drums_idioms_and_nothing_are_like_nothing():
  fingerprint = load('fingerprint')
  assert not len(fingerprint.phrases(piece(0, drums=True)))
  assert not len(fingerprint.phrases(Notes.build(480)))
  assert not fingerprint.alike([])
  many = [fingerprint.phrases(piece(0))] * (fingerprint.COMMON + 1)
  assert not fingerprint.alike(many)
  assert fingerprint.alike(many[:-1])


@pytest.mark.parametrize(
  ('composer', 'title', 'keys'),
  [
    ('Bach', 'Prelude in C, BWV862', ['bach bwv 862']),
    (
      'Bach,_Johann_Sebastian',
      'The_Well-Tempered_Clavier_I/17',
      ['bach bwv 862', 'bach the well tempered clavier i'],
    ),
    ('Schubert,_Franz', '4_Impromptus,_D.935/2', ['schubert op 142']),
    ('Schubert', 'Impromptus_Opus_142_2', ['schubert op 142']),
    ('Chopin,_Frédéric', 'Op.74/1_Życzenie', ['chopin op 74']),
    ('Haydn', 'Sonata_Hob_XVI_20', ['haydn hob xvi20']),
    ('Arne,_Thomas', '_/By_Dimpled_Brook', ['arne by dimpled brook']),
    ('Schumann,_Clara', '6_Lieder,_Op.13/1_Ich', ['schumann clara op 13']),
  ],
)
def test_movements_and_editions_share_a_work(composer, title, keys):
  assert load('works').classical(composer, title) == keys


def make(table, name, work, split='', digest=None, phrases=()):
  return load('corpora').Piece(
    table,
    name,
    digest or f'{table}/{name}',
    np.array(phrases, np.uint64),
    (work,) if work else (),
    split,
  )


def test_works_stay_whole_across_sets_and_follow_what_is_split():
  make_splits, fingerprint = load('make_splits'), load('fingerprint')
  pieces = [
    make('openscore_lieder', f'{i}', f'work {i // 3}') for i in range(90)
  ]
  pieces += [make('when_in_rome', f'{i}', f'work {i}') for i in range(30)]
  pieces += [make('pop909', 'a', '', 'valid', 'copy')]
  pieces += [make('giantmidi', 'a', 'mine', digest='copy')]
  pieces += [make('pop909', 'b', '', 'train')]
  pieces += [make('giantmidi', 'b', 'mine')]
  alike = [fingerprint.Pair(len(pieces) - 2, len(pieces) - 1, 50, 0.9)]
  chosen = make_splits.spread_works(pieces, alike)
  sides = collections.defaultdict(set)
  for entry, split in zip(pieces, chosen, strict=True):
    for key in entry.works:
      sides[key].add(split)
  assert all(len(side) == 1 for side in sides.values())
  # The one that is like a piece of training decides for its work.
  assert chosen[-4:] == ['valid', 'train', 'train', 'train']
  crossing = list(make_splits.cross(pieces, alike, chosen))
  assert [(p.label, like) for p, like in crossing] == [
    ('pop909/a', 'giantmidi/a')
  ]
  counts = collections.Counter(
    (entry.table, split) for entry, split in zip(pieces, chosen, strict=True)
  )
  for split in ('valid', 'test'):
    assert 6 <= counts['openscore_lieder', split] <= 9
    assert 2 <= counts['when_in_rome', split] <= 3


def test_a_set_of_three_works_leaves_no_split_empty():
  make_splits = load('make_splits')
  pieces = [make('hauptstimme', f'{i}', f'work {min(i, 2)}') for i in range(20)]
  chosen = make_splits.spread_works(pieces, [])
  assert sorted(chosen[:3]) == ['test', 'train', 'valid']
  assert set(chosen[2:]) == {'train'}
  one = [make('s3_symphonies', f'{i}', 'one') for i in range(4)]
  assert make_splits.spread_works(one, []) == ['train'] * 4
