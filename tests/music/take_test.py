import mido

from aurl_jax.music.take import Take
from aurl_jax.music.window import Window


def bar(number, ticks, meter, tempos):
  return Window(number, True, True, ticks, 1.0, (), tempos, meter, 4)


def test_a_take_has_what_was_heard_where_it_was_heard():
  take = Take()
  take.begin(bar(0, 16, (4, 4), ((0, 500_000),)))
  take.hear(mido.Message('program_change', channel=2, program=33), 0)
  take.hear(mido.Message('note_on', channel=2, note=40, velocity=90), 12)
  take.hear(mido.Message('note_on', channel=9, note=36, velocity=70), 14)
  take.begin(bar(1, 12, (3, 4), ((0, 500_000), (4, 400_000))))
  take.hear(mido.Message('note_off', channel=2, note=40), 4)
  take.hear(mido.Message('note_off', channel=9, note=36), 0)
  take.hear(mido.Message('control_change', channel=9, control=123), 12)
  # Of nothing that sounds.
  take.hear(mido.Message('note_off', channel=2, note=50), 8)
  notes = take.notes()
  notes.check()
  assert notes.onset.tolist() == [12, 14]
  assert notes.duration.tolist() == [8, 2]
  assert notes.pitch.tolist() == [40, 36]
  assert notes.velocity.tolist() == [90, 70]
  assert notes.program.tolist() == [33, 0]
  assert notes.is_drum.tolist() == [False, True]
  assert notes.tempos.tolist() == [(0, 500_000), (20, 400_000)]
  assert notes.meters.tolist() == [(0, 4, 4), (16, 3, 4)]


def test_nothing_heard_is_a_piece_without_notes():
  assert len(Take().notes()) == 0
