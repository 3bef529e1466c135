import numpy as np
import pytest

from aurl_jax.generation.drafts import Drafts
from aurl_jax.generation.opening import opening
from aurl_jax.generation.sampling import Sampler
from aurl_jax.generation.stretch import Stretch
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import events
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.infill import Part
from tests import recogniser
from tests.generation import writers

TOKENIZER = Compound(
  voices=3, cells_per_beat=4, velocity_bins=2, controls=True, infill=True
)


@pytest.fixture(scope='module')
def drafts():
  model, params = writers.small(TOKENIZER)
  stretch = Stretch(TOKENIZER, opening(TOKENIZER, (4, 4), 90))
  return Drafts(
    model=model, params=params, stretch=stretch, sampler=Sampler(), count=2
  )


def song(bars):
  """A melody in voice 0, and chords in voice 1."""
  rng = np.random.default_rng(bars)
  melody = np.arange(0, 16 * bars, 4)
  chords = np.repeat(np.arange(0, 16 * bars, 8), 3)
  return Notes.build(
    4,
    {
      'onset': np.concatenate([melody, chords]),
      'duration': np.concatenate([0 * melody + 4, 0 * chords + 8]),
      'pitch': np.concatenate(
        [
          rng.integers(60, 80, len(melody)),
          np.tile([48, 52, 55], len(chords) // 3),
        ]
      ),
      'track': np.concatenate([0 * melody, 0 * chords + 1]),
    },
  )


def bars_of(drafts, count):
  return drafts.stretch.bars(TOKENIZER.encode(song(count)))


def voices(bars):
  ids = np.concatenate(bars)
  notes = ids[ids[:, 0] == TOKENIZER.codec.id('note')]
  columns = [
    TOKENIZER.codec.fields[field].values[notes[:, field]].tolist()
    for field in (events.VALUE, events.VOICE)
  ]
  return set(zip(*columns, strict=True))


@pytest.mark.parametrize('before', [0, 2, 12])
def test_a_piece_goes_on_by_so_many_bars(drafts, before):
  bars = bars_of(drafts, before) if before else []
  found = drafts.onward(bars, 3, 5)
  assert len(found) == 2
  for more in found:
    assert len(more) == 3
    ids = drafts.stretch.join([*bars, *more], end=True)
    assert recogniser.fault(TOKENIZER, ids.tolist()) == ''
    notes = TOKENIZER.decode(ids)
    assert notes.end <= 16 * (before + 3)
    assert len(notes.meters) == 1
    assert len(notes.tempos) == 1
  again = drafts.onward(bars, 3, 5)
  assert [np.concatenate(b).tolist() for b in again] == [
    np.concatenate(b).tolist() for b in found
  ]


def test_a_track_that_is_muted_does_not_play(drafts):
  bars = bars_of(drafts, 2)
  seeds = range(0, 12, 2)
  free = [more for seed in seeds for more in drafts.onward(bars, 2, seed)]
  played = [track for more in free for track in voices(more)]
  mute = played[0]
  for seed in seeds:
    for more in drafts.onward(bars, 2, seed, mute=mute):
      assert mute not in voices(more)


def test_bars_within_a_piece_are_written_anew(drafts):
  bars = bars_of(drafts, 8)
  for new in drafts.within(bars, 6, 8, 3):
    assert len(new) == 2
    ids = drafts.stretch.join([*bars[:6], *new], end=True)
    assert recogniser.fault(TOKENIZER, ids.tolist()) == ''
    notes = TOKENIZER.decode(ids)
    assert notes.end <= 8 * 16
    assert np.concatenate(new).tolist() != np.concatenate(bars[6:]).tolist()


def test_a_part_of_them_stays(drafts):
  bars = bars_of(drafts, 6)
  codec = TOKENIZER.codec
  part = Part(tracks=((0, 1),))
  for new in drafts.within(bars, 2, 4, 3, part=part, mute=(0, 0)):
    for own, old in zip(new, bars[2:4], strict=True):
      lead = [
        codec.id('program', 0, events.VALUE),
        codec.id('voice', 0, events.VOICE),
      ]
      kept = [
        step for step in own.tolist()
        if codec.event(step[0])[0] == 'note' and step[2:4] == lead
      ]  # fmt: skip
      was = [step for step in old.tolist() if step[2:4] == lead]
      assert kept == was
