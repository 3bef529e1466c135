import json

import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.data import pipeline
from aurl_jax.data.quarantine import Quarantine
from tests.data import streams

SIZES = [30] * 40
OPTIONS = {'batch_size': 4, 'context': 32, 'seed': 1}


@pytest.fixture
def tokens(tmp_path):
  return streams.write(tmp_path / 'tokens', streams.corpus(SIZES))


def take(tokens, **options):
  return list(pipeline.batches(tokens, 'train', epochs=1, **OPTIONS, **options))


@pytest.mark.parametrize('mode', ['pack', 'pad', 'crop', 'bucket'])
def test_a_rotten_piece_is_left_out_named_and_counted(tokens, tmp_path, mode):
  streams.rot(tokens, 7)
  noted = Quarantine(tmp_path / 'q.json', limit=10.0)
  batches = take(tokens, mode=mode, quarantine=noted)
  shown = {int(p) for batch in batches for p in batch['pieces'].flat}
  assert shown == set(range(-1, 40)) - {7}
  assert noted.count == 1
  [entry] = json.loads((tmp_path / 'q.json').read_text())['train']
  assert (entry['piece'], entry['name']) == (7, 'p7')


def test_padding_stands_at_the_end_of_a_row_without_a_chunk(tokens, tmp_path):
  for piece in range(0, 40, 5):
    streams.rot(tokens, piece)
  options = {'batch_size': 2, 'context': 128}
  noted = Quarantine(tmp_path / 'q.json', limit=100.0)
  for batch in pipeline.batches(
    tokens, 'train', epochs=1, quarantine=noted, **options
  ):
    for segments, ids in zip(batch['segments'], batch['ids'], strict=True):
      length = int((segments > 0).sum())
      assert not segments[length:].any()
      assert not ids[length:].any()
      numbers = sorted(set(segments[:length].tolist()))
      assert numbers == list(range(1, len(numbers) + 1))


def test_above_the_limit_the_run_stops(tokens, tmp_path):
  for piece in (3, 9):
    streams.rot(tokens, piece)
  noted = Quarantine(tmp_path / 'q.json', limit=4.9)
  with pytest.raises(DataError, match='2 of 40 pieces') as caught:
    take(tokens, quarantine=noted)
  assert caught.value.code == 'rotten_data'
  assert 'ids.npy' in str(caught.value)
  assert 'aurl cache verify' in str(caught.value)
  assert 'data.max_bad=4.9 %' in str(caught.value)


def test_just_the_limit_is_allowed(tokens, tmp_path):
  for piece in (3, 9):
    streams.rot(tokens, piece)
  take(tokens, quarantine=Quarantine(tmp_path / 'q.json', limit=5.0))


def test_without_a_quarantine_rot_is_refused(tokens):
  streams.rot(tokens, 3)
  with pytest.raises(DataError, match='ids of p3 are not what') as caught:
    take(tokens)
  assert caught.value.code == 'cache_damaged'


def test_what_was_noted_is_left_out_again_though_it_was_mended(
  tokens, tmp_path
):
  sound = streams.digests(take(tokens))
  iterator = iter(
    pipeline.batches(
      tokens,
      'train',
      quarantine=Quarantine(tmp_path / 'q.json', limit=50.0),
      **OPTIONS,
    )
  )
  before = streams.digests(iterator, 4)
  shown = next(batch for batch in take(tokens)[5:])['pieces']
  streams.rot(tokens, int(shown[0, 0]))
  unbroken = before + streams.digests(iterator, 16)
  assert unbroken[:5] == sound[:5]
  assert unbroken[5] != sound[5]
  # Mended, as a set that was prepared again.
  streams.rot(tokens, int(shown[0, 0]))
  for start in range(20):
    again = iter(
      pipeline.batches(
        tokens,
        'train',
        quarantine=Quarantine(tmp_path / 'q.json', limit=50.0),
        **OPTIONS,
      )
    )
    again.set_state({'next_index': start})
    assert streams.digests(again, 20 - start) == unbroken[start:]


def test_processes_write_beside_each_other_and_read_all(tokens, tmp_path):
  path = tmp_path / 'q.json'
  split = tokens['train']
  Quarantine(path, limit=100.0).note(split, 8, {1: 1})
  Quarantine(path, process=2, limit=100.0).note(split, 5, {2: 2, 4: 4})
  assert sorted(p.name for p in tmp_path.glob('q*')) == ['q.2.json', 'q.json']
  for process in (0, 1, 2):
    found = Quarantine(path, process=process)
    assert found.known('train') == {1: 8, 2: 5, 4: 5}
    assert found.count == 3
  assert Quarantine(path).known('valid') == {}


def test_a_damaged_list_is_told(tmp_path):
  path = tmp_path / 'q.json'
  path.write_text('{"train": [{"piece": 1}]}')
  with pytest.raises(DataError, match='delete it'):
    Quarantine(path)
