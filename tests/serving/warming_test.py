from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi
from aurl_jax.serving import warming
from aurl_jax.serving.settings import MIDI


def test_long_odd_files_are_read_within_the_limits(monkeypatch):
  read, found = midi.read, []

  def kept(data, limits):
    try:
      found.append((len(data), len(read(data, limits).notes)))
    except MidiError as error:
      found.append((len(data), error.code))
      raise

  monkeypatch.setattr(midi, 'read', kept)
  warming.load_readers()
  # Neither is refused for its size alone: then nothing of it is read.
  assert [how for _, how in found if how == 'too_large'] == []
  assert len(found) == 3
  assert all(MIDI.bytes // 2 < size <= MIDI.bytes for size, _ in found)
