"""What music is made of: beats, melody and voices, chords.

Plain functions on `Notes` and arrays; nothing here knows a model.
"""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'beats': 'aurl_jax.studies.beats',
    'chords': 'aurl_jax.studies.chords',
    'corpus': 'aurl_jax.studies.corpus',
    'study': 'aurl_jax.studies.study',
    'voices': 'aurl_jax.studies.voices',
  },
)
