import dataclasses
import json

import numpy as np
import pytest

from aurl_jax.data import prepare, report, sources
from aurl_jax.data.piece import Options, Transform
from aurl_jax.data.preprocess import Preprocess
from aurl_jax.data.quality import Filter
from aurl_jax.data.store import Store
from aurl_jax.music import midi, note_sequence
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.remi import Remi
from tests.data.prepare_test import fill, song


@pytest.fixture
def music(tmp_path):
  return fill(tmp_path / 'music', range(3))


def only(music, name='song000.mid'):
  return next(s for s in sources.folder(music) if s.name == name)


def proto_of(piece):
  return note_sequence.load_proto().NoteSequence.FromString(piece.sequence)


def same(one, other):
  assert one.file == other.file
  assert one.sequence == other.sequence
  assert one.described == other.described
  assert one.ids.dtype == other.ids.dtype == np.int32
  np.testing.assert_array_equal(one.ids, other.ids)
  np.testing.assert_array_equal(one.bars, other.bars)


def test_a_source_becomes_ids_a_record_and_its_description(music):
  tokenizer = Remi()
  piece = Transform(tokenizer=tokenizer)(4, only(music))
  assert piece.index == 4
  assert (piece.file.status, piece.file.name) == ('ok', 'song000.mid')
  np.testing.assert_array_equal(piece.ids, tokenizer.encode(song(0)))
  np.testing.assert_array_equal(piece.bars, tokenizer.bar_steps(piece.ids))
  assert piece.notes() == song(0)
  assert proto_of(piece).id == 'song000.mid'
  expected = report.describe(song(0), len(piece.ids))
  assert {name: piece.described[name] for name in expected} == expected


def test_metadata_are_in_the_record_and_the_description(music):
  told = {'genre': 'test', 'title': 'One'}
  (music / 'song000.json').write_text(json.dumps(told))
  piece = Transform(tokenizer=Remi())(0, only(music))
  assert list(proto_of(piece).sequence_metadata.genre) == ['test']
  assert proto_of(piece).sequence_metadata.title == 'One'
  assert piece.described['genre'] == {'test': 1}


def test_what_cannot_be_used_says_why(music):
  (music / 'text.mid').write_text('this is no music')
  midi.write(Notes.build(480), music / 'silent.mid')
  for name, code in (('text.mid', 'no_header'), ('silent.mid', 'no_notes')):
    piece = Transform(tokenizer=Remi())(0, only(music, name))
    assert (piece.file.status, piece.file.code) == ('dropped', code)
    assert len(piece.ids) == 0


def test_pieces_are_preprocessed_before_they_are_judged(music):
  late = dataclasses.replace(song(0), onset=song(0).onset + 13)
  midi.write(late, music / 'late.mid')
  options = Options(preprocess=Preprocess(quantise=1.0))
  piece = Transform(tokenizer=Compound(), options=options)(
    0, only(music, 'late.mid')
  )
  assert not (piece.notes().onset % 120).any()
  limits = Options(quality=Filter(min_notes=31))
  piece = Transform(tokenizer=Compound(), options=limits)(0, only(music))
  assert piece.file.code == 'few_notes'
  assert piece.file.reason == 'song000.mid: 30 notes; at least 31'


def test_what_is_kept_is_what_would_be_made(music, tmp_path, monkeypatch):
  (music / 'song000.json').write_text('{"genre": "test"}')
  store = Store(tmp_path / 'store')
  transform = Transform(tokenizer=Compound(), store=store)
  fresh = transform(0, only(music))
  assert len(list(store)) == 1
  monkeypatch.setattr(midi, 'read', None)
  same(transform(0, only(music)), fresh)


def test_a_name_is_not_kept_with_the_music(music, tmp_path):
  transform = Transform(tokenizer=Remi(), store=Store(tmp_path / 'store'))
  one = transform(0, only(music))
  (music / 'song000.mid').rename(music / 'other.mid')
  other = transform(0, only(music, 'other.mid'))
  assert len(list(transform.store)) == 1
  assert proto_of(other).id == other.file.name == 'other.mid'
  np.testing.assert_array_equal(one.ids, other.ids)


@pytest.mark.parametrize(
  'change',
  [
    {'tokenizer': Remi(velocity_bins=16)},
    {'options': Options(preprocess=Preprocess(quantise=0.5))},
    {'options': Options(quality=Filter(min_notes=2))},
  ],
)
def test_another_recipe_is_another_entry(music, tmp_path, change):
  store = Store(tmp_path / 'store')
  same_again = {'options': Options(duplicates='near')}
  for told, count in (({}, 1), (same_again, 1), (change, 2)):
    Transform(**({'tokenizer': Remi(), 'store': store} | told))(0, only(music))
    assert len(list(store)) == count


def test_a_poisoned_store_never_gives_wrong_data(music, tmp_path):
  transform = Transform(tokenizer=Remi(), store=Store(tmp_path / 'store'))
  fresh = transform(0, only(music))
  for path in transform.store:
    data = bytearray(path.read_bytes())
    data[-20] ^= 4
    path.write_bytes(bytes(data))
  same(transform(0, only(music)), fresh)


def test_a_set_that_grows_reads_only_what_is_new(music, tmp_path, monkeypatch):
  store = Store(tmp_path / 'store')
  prepare.prepare(music, Remi(), tmp_path / 'one', store=store)
  fill(music, [7])
  read, opened = midi.read, []
  monkeypatch.setattr(
    midi, 'read', lambda path: opened.append(path.name) or read(path)
  )
  grown = prepare.prepare(music, Remi(), tmp_path / 'two', store=store)
  assert opened == ['song007.mid']
  assert grown.counts['ok'] == 4


def test_near_duplicates_are_left_out_and_named(music, tmp_path):
  moved = song(1, up=3)
  midi.write(moved, music / 'song1 moved.mid')
  options = Options(duplicates='near')
  report = prepare.prepare(music, Remi(), tmp_path / 'out', options=options)
  assert report.reasons == {'duplicate': 1}
  (left,) = [file for file in report.files() if file.code]
  # Files go by name, so the moved one came first.
  assert {'song001.mid', 'song1 moved.mid'} == {
    left.name,
    next(w.rstrip(',') for w in left.reason.split(' of ')[1:]).split(',')[0],
  }
