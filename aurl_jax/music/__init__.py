"""Music as data: the `Notes` struct, its files, its time, its transforms."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Grid': 'aurl_jax.music.grid',
    'Notes': 'aurl_jax.music.notes',
    'Text': 'aurl_jax.music.notes',
    'Track': 'aurl_jax.music.notes',
    'abc_write': 'aurl_jax.music.abc_write',
    'chords': 'aurl_jax.music.chords',
    'clean': 'aurl_jax.music.clean',
    'midi': 'aurl_jax.music.midi',
    'musicxml_write': 'aurl_jax.music.musicxml_write',
    'note_sequence': 'aurl_jax.music.note_sequence',
    'plot': 'aurl_jax.music.plot',
    'theory': 'aurl_jax.music.theory',
    'time': 'aurl_jax.music.time',
    'transform': 'aurl_jax.music.transform',
  },
)
