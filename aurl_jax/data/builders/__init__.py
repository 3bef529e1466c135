"""TFDS builders: how records come to lie on the disk. No TensorFlow."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'NoteSequences': 'aurl_jax.data.builders.note_sequences',
    'archives': 'aurl_jax.data.builders.archives',
    'note_sequences': 'aurl_jax.data.builders.note_sequences',
    'published': 'aurl_jax.data.builders.published',
  },
)
