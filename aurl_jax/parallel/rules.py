"""Which axis of the mesh splits which axis of a parameter.

A rule is a regular expression on a parameter's path, such as
`decoder/layers/0/mlp/wide/kernel`, and a partition of its shape. The path of
an optimizer's moment ends like its parameter's, so one list serves both.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AbstractMesh, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

Rule = tuple[str, P]
AnyMesh = Mesh | AbstractMesh

RULES: tuple[Rule, ...] = (
  # Tables are small, and a lookup in one split by width would move the
  # activations of the whole batch.
  (r'(^|/)embed/tables/\d+$', P('tensor', None)),
  (r'(^|/)embed/shared/(pitch|class)$', P()),
  (r'(^|/)metrical_embed$', P('tensor', None)),
  (r'attention/(qkv|kv)_kernel$', P('fsdp', None, 'tensor', None)),
  (r'attention/q_kernel$', P('fsdp', 'tensor', None)),
  (r'attention/summary/query$', P('tensor', None)),
  (r'attention/relative_embed$', P('tensor', None, None)),
  (r'attention/out_kernel$', P('tensor', None, 'fsdp')),
  (r'mlp/(wide|gate)/kernel$', P('fsdp', 'tensor')),
  (r'mlp/narrow/kernel$', P('tensor', 'fsdp')),
  (
    r'(head|lead)/fields/\d+/(hidden|last|earlier)/kernel$',
    P('fsdp', 'tensor'),
  ),
  (r'(head|lead)/fields/\d+/out/kernel$', P('tensor', 'fsdp')),
  (r'(^|/)heard/kinds/\w+/kernel$', P('fsdp', None)),
  # Of latents.
  (r'latent/kernel$', P('fsdp', 'tensor')),
  (r'encoder/(slot|piece)/kernel$', P('fsdp', 'tensor')),
  (r'(^|/)blank_embed$', P()),
  (r'oneshot/(read|spread|out)/kernel$', P('fsdp', 'tensor')),
  (r'oneshot/(slot_embed|cell_embed|bias)$', P()),
  # Of the hierarchy.
  (r'(^|/)down/kernel$', P('fsdp', 'tensor')),
  (r'(^|/)start$', P()),
  (r'norm/scale$', P()),
  (r'(^|/)(out_)?reach$', P()),
  (r'(^|/)reaches/\d+$', P()),
)
"""Megatron's split (Shoeybi et al. 2019, section 3) times FSDP's."""

BATCH = P(('data', 'fsdp'))
"""A batch is split by rows."""


@dataclasses.dataclass(frozen=True)
class Placement:
  """Where one array of a tree lies.

  Attributes:
    path: Keys from the root, joined by `/`.
    shape: Of the array.
    spec: Mesh axis, or None, of each axis of the array.
    note: Why the spec is not the rule's; empty if it is.
  """

  path: str
  shape: tuple[int, ...]
  spec: P
  note: str = ''


def shardings(tree: Any, mesh: AnyMesh, rules: Sequence[Rule] = RULES) -> Any:
  """Returns a tree of `NamedSharding` for arrays or their shapes.

  What no rule matches (counters, keys) is replicated, and so is an axis of
  an array that the mesh axis of its rule does not divide, and an array of
  another rank than its rule's, such as a factored moment: its axes are not
  the parameter's.
  """

  def place(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
    return NamedSharding(mesh, _placement(path, leaf, mesh, rules).spec)

  return jax.tree_util.tree_map_with_path(place, tree)


def placements(
  tree: Any, mesh: AnyMesh, rules: Sequence[Rule] = RULES
) -> list[Placement]:
  """Returns where each array of a tree lies, in the tree's order."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return [_placement(path, leaf, mesh, rules) for path, leaf in leaves]


def describe(tree: Any, mesh: AnyMesh, rules: Sequence[Rule] = RULES) -> str:
  """Returns a table for people: path, shape, partition, note."""
  lines = []
  for place in placements(tree, mesh, rules):
    shape = '×'.join(map(str, place.shape)) or 'scalar'
    spec = ', '.join(str(axis) for axis in place.spec) or 'replicated'
    note = f'  ({place.note})' if place.note else ''
    lines.append(f'{place.path}  {shape}  {spec}{note}')
  return '\n'.join(lines)


def matching(path: str, rules: Sequence[Rule] = RULES) -> list[Rule]:
  """Returns the rules whose expression is found in a path."""
  return [rule for rule in rules if re.search(rule[0], path)]


def path_name(path: tuple[Any, ...]) -> str:
  """Returns a pytree path as the keys joined by `/`."""
  return jax.tree_util.keystr(path, simple=True, separator='/')


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Returns how every array of a batch, rows first, is split."""
  return NamedSharding(mesh, BATCH)


def share(mesh: Mesh) -> tuple[int, int]:
  """Returns which slice of a batch's rows this process reads, of how many.

  Not simply its index and the number of processes: where `tensor` reaches
  over hosts, several processes hold the same rows and must read the same.
  Where the rows of a process are no slice of the batch (devices of a pod may
  lie so), it reads the whole batch, 0 of 1.
  """
  process = np.vectorize(lambda device: device.process_index, otypes=[int])
  parts = mesh.shape['data'] * mesh.shape['fsdp']
  owners = process(mesh.devices).reshape(parts, -1)
  return slice_of(owners, jax.process_index())


def slice_of(owners: np.ndarray, process: int) -> tuple[int, int]:
  """Returns `share` from the process of each device, `[parts, copies]`.

  Example:
    >>> slice_of(np.array([[0, 0], [0, 0], [1, 1], [1, 1]]), 1)
    (1, 2)
    >>> slice_of(np.array([[0, 1]]), 1), slice_of(np.array([[0], [1], [0]]), 1)
    ((0, 1), (0, 1))
  """
  held = {
    int(owner): np.flatnonzero((owners == owner).any(axis=1))
    for owner in np.unique(owners)
  }
  size = len(held[process])
  even = all(
    len(parts) == size and not parts[0] % size and np.ptp(parts) == size - 1
    for parts in held.values()
  )
  if not even or len(owners) % size:
    return 0, 1
  return int(held[process][0]) // size, len(owners) // size


def place_batch(batch: Any, mesh: Mesh) -> Any:
  """Returns global arrays of a tree of this process's `share` (numpy)."""
  sharding, count = batch_sharding(mesh), share(mesh)[1]

  def place(rows: np.ndarray) -> jax.Array:
    whole = (len(rows) * count, *rows.shape[1:])
    return jax.make_array_from_process_local_data(sharding, rows, whole)

  return jax.tree.map(place, batch)


def constrain_rows(x: jax.Array) -> jax.Array:
  """Splits the first axis as a batch is split, on the mesh in use.

  Keeps the compiler from moving activations where it should gather
  parameters. Without a mesh, or inside `jax.shard_map`, returns `x`.
  """
  mesh = jax.sharding.get_abstract_mesh()
  automatic = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
  wanted = jax.sharding.AxisType.Auto
  if any(automatic.get(axis) != wanted for axis in BATCH[0]):
    return x
  return jax.lax.with_sharding_constraint(x, BATCH)


def _placement(
  path: tuple[Any, ...], leaf: Any, mesh: AnyMesh, rules: Sequence[Rule]
) -> Placement:
  name, shape = path_name(path), tuple(leaf.shape)
  found = matching(name, rules)
  if not found or not shape:
    return Placement(name, shape, P())
  rank = len(found[0][1])
  if rank not in (0, len(shape)):
    note = f'{len(shape)} axes, not the {rank} of the parameter: replicated'
    return Placement(name, shape, P(), note)
  axes, notes = [], []
  for size, axis in zip(shape, found[0][1], strict=False):
    parts = mesh.shape[axis] if axis else 1
    if size % parts:
      notes.append(f'{axis} {parts} does not divide {size}: replicated')
      axis = None
    axes.append(axis)
  return Placement(name, shape, P(*axes), '; '.join(notes))
