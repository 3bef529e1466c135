"""Structure: bars that return, phrases, sections, form, intensity.

`Structure` is the study; `views` sees bars, `alike` compares them,
`boundaries` (fitted), `lengths` (shortest description) and `factors` (matrix
decomposition) find phrases, `labels` and `forms` name what they find.
"""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Finding': 'aurl_jax.studies.structure.found',
    'Structure': 'aurl_jax.studies.structure.finding',
  },
)
