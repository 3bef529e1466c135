"""Pieces cut into excerpts: their bars, their splits, what holds over."""

import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.data import excerpts, prepare, sources, splits
from aurl_jax.data.cache import TokenCache
from aurl_jax.data.piece import Options
from aurl_jax.data.preprocess import Preprocess
from aurl_jax.data.sources import Source
from aurl_jax.data.store import Store
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound

BEAT = 120


def song(seed, bars=5):
  """A note a beat; the last of each bar sounds on for a beat more."""
  rng = np.random.default_rng(seed)
  count = 4 * bars
  lengths = np.where(np.arange(count) % 4 == 3, 2, 1) * BEAT
  columns = {
    'onset': np.arange(count) * BEAT,
    'duration': lengths,
    'pitch': 60 + rng.integers(0, 12, count),
  }
  return Notes.build(BEAT, columns, tempos=[(0, 400_000)])


@pytest.fixture
def folder(tmp_path):
  for seed in range(12):
    midi.write(song(seed), tmp_path / f'{seed}.mid')
  (tmp_path / 'torn.mid').write_bytes(b'MThd nothing of use')
  return tmp_path


def test_a_piece_becomes_its_bars_and_the_rest(folder):
  found = excerpts.of(sources.folder(folder), 2)
  names = [source.name for source in found if source.name.startswith('3.mid')]
  assert names == ['3.mid:1', '3.mid:3', '3.mid:5']
  assert all(isinstance(source, Source) for source in found)
  own = [source for source in found if source.name in names]
  whole = song(3)
  for number, source in enumerate(own):
    notes, start = source.read().notes, number * 8 * BEAT
    inside = (whole.onset >= start) & (whole.onset < start + 8 * BEAT)
    pitches = whole.pitch[inside].tolist()
    if number:
      # The note that sounds on from the bar before begins with the excerpt.
      before = np.flatnonzero(whole.onset < start)[-1]
      pitches.append(int(whole.pitch[before]))
      assert (notes.onset == 0).sum() == 2
    assert sorted(notes.pitch.tolist()) == sorted(pitches)
    assert notes.end <= 8 * BEAT
    assert notes.tempos['tick'].tolist() == [0]
    assert int(notes.tempos['microseconds'][0]) == 400_000


def test_excerpts_stay_in_the_split_of_their_piece(folder):
  found = excerpts.of(sources.folder(folder), 1)
  told = {}
  for source in found:
    if source.name != 'torn.mid':
      told.setdefault(source.name.partition(':')[0], set()).add(source.split)
  assert all(len(split) == 1 for split in told.values())
  assert set.union(*told.values()) == set(splits.SPLITS)
  given = {'3.mid': 'test', splits.digest(song(4)): 'valid'}
  found = excerpts.of(sources.folder(folder), 1, given=given)
  names = {source.name: source.split for source in found}
  assert (names['3.mid:2'], names['4.mid:2']) == ('test', 'valid')


def test_digests_tell_bars_and_changes_apart(folder):
  (one, other, *_) = excerpts.of(sources.folder(folder), 1)
  changed, *_ = excerpts.of(
    sources.folder(folder), 1, preprocess=Preprocess(voices=0)
  )
  again, *_ = excerpts.of(sources.folder(folder), 1)
  assert len({one.digest(), other.digest(), changed.digest()}) == 3
  assert again.digest() == one.digest()


def test_what_cannot_be_read_is_reported_once(folder, tmp_path):
  report = prepare.prepare(
    folder,
    Compound(),
    tmp_path / 'out',
    options=Options(excerpt=2),
  )
  assert report.counts['dropped'] == 1
  assert report.counts['ok'] == 12 * 3
  cache = TokenCache.open(tmp_path / 'out')
  pieces = [
    Compound().decode(np.asarray(cache[split].ids[start:stop]))
    for split in cache.splits
    for start, stop in zip(
      cache[split].offsets, cache[split].offsets[1:], strict=False
    )
  ]
  assert len(pieces) == 36
  assert max(piece.end for piece in pieces) <= 8 * 12


def test_a_negative_length_is_refused():
  with pytest.raises(ConfigError, match=r'excerpt -1'):
    Options(excerpt=-1)


class Counted(Preprocess):
  """Counts the pieces that it is asked to change."""

  def __call__(self, notes):
    calls.append(len(notes))
    return super().__call__(notes)


calls = []


@pytest.mark.parametrize(('kept', 'times'), [(1000, 1), (20, 2)])
def test_whole_pieces_are_changed_once_as_far_as_memory_goes(
  folder, kept, times
):
  calls.clear()
  reader = excerpts.Reader(Counted(), kept=kept)
  found = sources.folder(folder)[:12]
  read = [[reader(source)[0].notes for source in found] for _ in range(2)]
  assert read[0] == read[1]
  assert len(calls) == 12 * times


def test_a_set_that_is_prepared_is_found_without_reading_it(folder, tmp_path):
  calls.clear()
  store = Store(tmp_path / 'store')
  options = Options(excerpt=2, preprocess=Counted())
  given = {'options': options, 'store': store}
  first = prepare.keep(folder, Compound(), tmp_path / 'sets', **given)
  assert len(calls) == 12
  again = prepare.keep(folder, Compound(), tmp_path / 'sets', **given)
  assert len(calls) == 12
  assert (again.folder, again.counts) == (first.folder, first.counts)
  # Another file, another set; the others need not be read for their bars.
  midi.write(song(99), folder / '99.mid')
  other = prepare.keep(folder, Compound(), tmp_path / 'sets', **given)
  assert other.folder != first.folder
  assert other.counts['ok'] == 13 * 3
  assert len(calls) == 13
