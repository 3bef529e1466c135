"""Music as data: the `Notes` struct, its files, its time, its transforms."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Grid': 'aurl_jax.music.grid',
    'Notes': 'aurl_jax.music.notes',
    'Text': 'aurl_jax.music.notes',
    'Track': 'aurl_jax.music.notes',
    'chords': 'aurl_jax.music.chords',
    'midi': 'aurl_jax.music.midi',
    'note_sequence': 'aurl_jax.music.note_sequence',
    'plot': 'aurl_jax.music.plot',
    'theory': 'aurl_jax.music.theory',
    'time': 'aurl_jax.music.time',
    'transform': 'aurl_jax.music.transform',
  },
)
