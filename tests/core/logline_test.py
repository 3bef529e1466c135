"""The log line: the very characters, and back from them."""

import datetime
import decimal
import textwrap

from hypothesis import given
from hypothesis import strategies as st

from aurl_jax.core import logline

WHEN = datetime.datetime(2026, 3, 1, 14, 5, 9, 123_999)
WHOLE = """\
[2026-03-01 14:05:09.123] [INFO] [aurl_jax.training] step 20/200
- Epoch: 1/9, Batch: 20/24
- Files processed: 187 (160 augmented)
- Losses: {recon: 1.31, kl: 0.02, adv: 12.00}
- Memory: GPU 3.1GB/80.0GB, RAM: 2.4GB
- Samples saved: samples/step_20/piece_1.mid"""


def entry(message='step 20/200', **details):
  return logline.Entry(
    time=WHEN,
    level='INFO',
    module='aurl_jax.training',
    message=message,
    details=logline.Details(**details) if details else None,
  )


def test_a_whole_record_is_the_agreed_lines():
  whole = entry(
    position=(1, 9, 20, 24),
    files=(187, 160),
    losses={'recon': 1.309, 'kl': 0.021, 'adv': 12},
    device='GPU',
    used=3.14,
    limit=80.0,
    ram=2.4,
    samples=('samples/step_20/piece_1.mid',),
  )
  assert logline.render(whole) == WHOLE


def test_what_is_absent_is_left_out():
  told = logline.render(entry(losses={'recon': 0.62}, ram=1.25)).split('\n')
  assert told[1:] == ['- Losses: {recon: 0.62}', '- Memory: RAM: 1.2GB']
  told = logline.render(entry(device='TPU', used=1.0)).split('\n')
  assert told[1:] == ['- Memory: TPU 1.0GB']
  assert logline.render(entry()).count('\n') == 0


def test_a_record_of_a_gpu_tells_of_it():
  found = logline.details(
    {
      'system/platform': 'GPU',
      'system/device_bytes': 3_140_000_000,
      'system/device_limit_bytes': 80_000_000_000,
      'system/host_bytes': 2_000_000_000,
      'loss': 0.5,
      'kl': 0.25,
    }
  )
  assert (found.device, found.used, found.limit) == ('GPU', 3.14, 80.0)
  assert found.losses == {'recon': 0.5, 'kl': 0.25}


def test_torn_lines_and_foreign_ones_are_passed_over():
  text = f'noise\n- Epoch: 1/1, Batch: 1/1\n{WHOLE}\nnoise\n[2026-03-01 14'
  (found,) = logline.parse(text)
  assert logline.render(found) == WHOLE
  assert list(logline.parse('')) == []


places = st.integers(0, 10**9)
tenths = st.integers(0, 10**6).map(lambda n: n / 10)
names = st.from_regex(r'[a-z_/]+', fullmatch=True)
details = st.builds(
  logline.Details,
  position=st.none() | st.tuples(*[places] * 4),
  files=st.none() | st.tuples(places, places),
  losses=st.dictionaries(
    names, st.decimals(-1000, 1000, places=2).map(float), max_size=3
  ),
  ram=st.none() | tenths,
  samples=st.lists(names, max_size=3).map(tuple),
)
on_device = st.builds(
  lambda told, used, limit: logline.Details(
    **(vars(told) | {'device': 'GPU', 'used': used, 'limit': limit})
  ),
  details,
  tenths,
  st.none() | tenths,
)
entries = st.builds(
  logline.Entry,
  time=st.datetimes().map(
    lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)
  ),
  level=st.sampled_from(['INFO', 'WARNING', 'Level 5']),
  module=names,
  # Whatever a message holds, be it a whole log.
  message=st.text() | st.just(textwrap.indent(WHOLE, '')) | st.just(WHOLE),
  details=st.none() | details | on_device,
)


@given(st.lists(entries, max_size=4))
def test_every_entry_reads_back_equal(written):
  empty = logline.Details()
  expected = [
    logline.Entry(**(vars(e) | {'details': e.details}))
    if e.details != empty
    else logline.Entry(**(vars(e) | {'details': None}))
    for e in written
  ]
  text = ''.join(logline.render(e) + '\n' for e in written)
  assert list(logline.parse(text)) == expected


@given(st.floats(0, 1e6, allow_nan=False))
def test_numbers_read_back_as_they_were_told(value):
  (found,) = logline.parse(logline.render(entry(losses={'a': value})))
  exact = decimal.Decimal(value)
  assert abs(decimal.Decimal(found.details.losses['a']) - exact) <= (
    decimal.Decimal('0.00500001')
  )
