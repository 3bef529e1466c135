"""From the token cache to batches: one chain whose index is a batch.

    batch number -> rows of the epoch's plan -> one gather from the cache

Since a batch follows from its number (`data.gather`), the state of the
iterator is that number; resuming there, on however many processes and with
however many workers, gives exactly the batches that would have followed.
"""

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, Unpack, cast, runtime_checkable

import grain

from aurl_jax.core.typing import Batch
from aurl_jax.data import gather
from aurl_jax.data import quarantine as quarantine_lib
from aurl_jax.data.cache import TokenCache
from aurl_jax.data.gather import Maker, Options
from aurl_jax.data.quarantine import Quarantine
from aurl_jax.data.worker import Job
from aurl_jax.data.workers import Workers


@runtime_checkable
class Stream(Protocol):
  """What an iterator of `batches` can do."""

  def __iter__(self) -> Iterator[Batch]: ...

  def __next__(self) -> Batch: ...

  def get_state(self) -> Any:
    """Returns where it stands; see `batches`."""

  def set_state(self, state: Any) -> None:
    """Goes on from there."""

  def close(self) -> None:
    """Ends the workers, if there are any."""


def batches_per_epoch(
  cache: TokenCache, split: str, **options: Unpack[Options]
) -> int:
  """Returns how many batches `batches` makes of an epoch of all pieces."""
  whole: Options = {**options}
  whole.pop('curriculum', None)
  return gather.timeline(cache[split], whole).begin(1)


def batches(
  cache: TokenCache,
  split: str,
  *,
  process_index: int = 0,
  process_count: int = 1,
  epochs: int | None = None,
  workers: int = 0,
  quarantine: Quarantine | None = None,
  **options: Unpack[Options],
) -> Iterable[Batch]:
  """Returns the batches of a split, epoch after epoch.

  A batch is as `core.typing` says. In mode `bucket` its rows and steps are
  those of one of `gather.shapes`, else always the same. Each iterator has
  `get_state()`, which is `{'next_index': n}`, n the batches taken so far, and
  `set_state`.

  Args:
    cache: The token cache.
    split: Its split, such as `train`.
    process_index: Which share of the rows to give, 0..process_count - 1.
    process_count: How many processes share each batch equally.
    epochs: Where to stop; None goes on for ever.
    workers: Processes that make batches ahead; 0 makes each when it is due.
    quarantine: Notes what is rotten, which is left out of the batches; None
      refuses it.
    **options: See `gather.Options`.

  Raises:
    DataError: The split is unknown or empty, or its batches do not divide;
      later: there is rot (`data.quarantine`), or workers die at once.
  """
  source = cache[split]
  share = {'index': process_index, 'count': process_count}
  known = functools.partial(_known, quarantine, split)
  note = functools.partial(_noting(quarantine), source)
  maker = Maker(source, options, known=known(), **share)
  end = sys.maxsize if epochs is None else maker.timeline.begin(epochs)
  if not workers:
    return _chain(maker, end, note)
  job = Job(
    folder=str(cache.folder),
    split=split,
    options=options,
    known={},
    batches=(0, end, 1),
    **share,
  )
  return _Ahead(lambda: Workers(job, workers, note, known))


def _noting(quarantine: Quarantine | None) -> Callable[..., None]:
  return quarantine.note if quarantine else quarantine_lib.strict


def _known(quarantine: Quarantine | None, split: str) -> dict[int, int]:
  return quarantine.known(split) if quarantine else {}


def _chain(
  maker: Maker, end: int, note: Callable[[int, Mapping[int, int]], None]
) -> grain.IterDataset:
  """Returns the batches made in this process, each when it is due."""

  def make(number: int) -> Batch:
    made = maker(number)
    note(made.number, made.rotten)
    return made.arrays

  return (
    grain.MapDataset.range(end)
    .map(make)
    .to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0))
  )


class _Ahead:
  """The batches made by workers, from the first for each iterator."""

  def __init__(self, start: Callable[[], Iterator[Batch]]) -> None:
    self._start = start

  def __iter__(self) -> Iterator[Batch]:
    return self._start()


def stream(cache: TokenCache, split: str, **options: Any) -> Stream:
  """Returns an iterator of `batches`, which takes the same arguments."""
  return cast('Stream', iter(batches(cache, split, **options)))
