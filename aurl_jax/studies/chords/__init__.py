"""Chords and keys of a piece, and what they make together.

`recogniser` hears chords beat by beat, for preprocessing; the study
(`Chords`) hears them at every onset where they may change, names them as
numerals of local keys, and tells what follows what.
"""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Chords': 'aurl_jax.studies.chords.study',
    'Harmony': 'aurl_jax.studies.chords.finding',
    'Listener': 'aurl_jax.studies.chords.listener',
    'Recogniser': 'aurl_jax.studies.chords.recogniser',
    'asked': 'aurl_jax.studies.chords.asked',
    'embedding': 'aurl_jax.studies.chords.embedding',
    'numerals': 'aurl_jax.studies.chords.numerals',
    'progressions': 'aurl_jax.studies.chords.progressions',
  },
)
