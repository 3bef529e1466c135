"""Pure transforms, `Notes` to new `Notes`."""

from aurl_jax.music.quantise import merge_equal, quantise, to_cells

__all__ = ['merge_equal', 'quantise', 'to_cells']
