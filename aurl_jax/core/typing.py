"""The types that rooms hand to each other.

`b` batch, `t` time, `f` field. A batch holds, by name:

  ids        int32 [b, t, f]  0 is PAD in field 0 and IGNORE in the others
  segments   int32 [b, t]     1.. for each piece of a row, 0 is padding
  positions  int32 [b, t]     index inside the segment
  pieces     int32 [b, t]     index of the piece in its split, -1 at padding
  epochs     int32 [b]        which pass over the split, from 0
  weights    int32 [b, t, f]  1 where an id counts as a target, else 0; only
                              with objectives (`data.objective`)
  aux        a dict of what auxiliary losses read, each [b] or [b, t]; only
             with such losses (`training.auxiliary`)
"""

from typing import Any, TypeAlias

from jaxtyping import Array, Key

Batch: TypeAlias = dict[str, Any]
"""Named arrays of one step; see the module's docstring."""

Keys: TypeAlias = Key[Array, '...']
"""Random keys of `jax.random.key`: one, or one for each row of a batch."""

Size: TypeAlias = Any
"""How many: an int, or the symbol of any number in a program that is exported
(`jax.export.symbolic_shape`)."""
