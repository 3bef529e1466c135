r"""Broken and mutated MIDI files through a server; one JSON line tells of it.

    aurl serve chorale & AURL_TOKEN=... python tools/attack_server.py FOLDER
    {"cases": 10000, "statuses": {"200": 3012, ...}, "faults": 0, "p50_ms": ...}

Files of FOLDER come first as they are, then with up to eight places changed,
by turns to `/v1/continue` and `/v1/analyze`. Only 200 and 4xx are no faults.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import random
import sys
import time
import urllib.parse

_LARGEST = 20_000
"""Bytes of files that are mutated."""
_BOUNDARY = 'frontier'


def main() -> int:
  """Asks, counts, and prints; returns 1 if there was a fault."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('folder', type=pathlib.Path)
  parser.add_argument('--url', default='http://127.0.0.1:8000')
  parser.add_argument('--cases', type=int, default=10_000)
  parser.add_argument('--seed', type=int, default=1)
  args = parser.parse_args()
  told = attack(args.url, args.folder, args.cases, args.seed)
  print(json.dumps(told))
  return int(bool(told['faults']))


def attack(
  url: str, folder: pathlib.Path, cases: int, seed: int
) -> dict[str, object]:
  """Returns what a server did with so many files.

  Args:
    url: Of the server; its token is in AURL_TOKEN.
    folder: Of files, which need not be MIDI.
    cases: How many files are sent.
    seed: Of the mutations.
  """
  draw = random.Random(seed)
  found = sorted(p for p in folder.iterdir() if p.suffix not in ('.csv', '.md'))
  small = [p for p in found if p.stat().st_size < _LARGEST]
  statuses: collections.Counter[int] = collections.Counter()
  seconds = []
  for case in range(cases):
    whole = case < len(found)
    data = found[case].read_bytes() if whole else mutated(draw, small)
    route = ('continue', 'analyze')[case % 2]
    begun = time.perf_counter()
    statuses[ask(url, route, data)] += 1
    seconds.append(time.perf_counter() - begun)
  slowest = sorted(range(cases), key=seconds.__getitem__)[-3:]
  seconds.sort()
  faults = sum(n for s, n in statuses.items() if s != 200 and s // 100 != 4)
  return {
    'cases': cases,
    'statuses': {str(s): n for s, n in sorted(statuses.items())},
    'faults': faults,
    'p50_ms': round(1000 * seconds[len(seconds) // 2], 1),
    'p99_ms': round(1000 * seconds[int(0.99 * (len(seconds) - 1))], 1),
    'most_ms': round(1000 * seconds[-1], 1),
    'slowest': slowest,
  }


def mutated(draw: random.Random, paths: list[pathlib.Path]) -> bytes:
  """Returns a file with a few places changed, lost or added."""
  data = bytearray(draw.choice(paths).read_bytes())
  for _ in range(draw.randint(1, 8)):
    at = draw.randrange(len(data) or 1)
    data[at : at + draw.randint(0, 3)] = draw.randbytes(draw.randint(0, 3))
  return bytes(data)


def ask(url: str, route: str, data: bytes) -> int:
  """Returns the status of a file that is sent; 0 if there is no answer."""
  field, more = {
    'analyze': ('music', '{"studies": ["chords"]}'),
    'continue': ('prompt', '{"bars": 1}'),
  }[route]
  body = (
    f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="request"\r\n\r\n'
    f'{more}\r\n--{_BOUNDARY}\r\ncontent-disposition: form-data; '
    f'name="{field}"; filename="x.mid"\r\n\r\n'
  ).encode()
  body += data + f'\r\n--{_BOUNDARY}--\r\n'.encode()
  headers = {
    'Authorization': f'Bearer {os.environ.get("AURL_TOKEN", "")}',
    'Content-Type': f'multipart/form-data; boundary={_BOUNDARY}',
  }
  place = urllib.parse.urlsplit(url)
  link = http.client.HTTPConnection(
    place.hostname or '', place.port, timeout=60
  )
  try:
    link.request('POST', f'/v1/{route}', body, headers)
    answer = link.getresponse()
    json.loads(answer.read())
    return answer.status
  except (OSError, ValueError, http.client.HTTPException):
    return 0
  finally:
    link.close()


if __name__ == '__main__':
  sys.exit(main())
