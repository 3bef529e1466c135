"""A server under load, beside its engine without HTTP.

  python tools/bench/serve.py pop
  python tools/bench/serve.py chorale --connections 64 --seconds 20 --rounds 3

Starts `aurl serve`, waits until it is ready, and asks it over so many
connections for 4 bars that go on from 4 bars, each as soon as the one before
is answered. In turn with that, as many threads ask an engine in a process of
its own, without HTTP: `offline`. Both share the cores with the client. Prints
one JSON line:

  {"bench", "unit", "ours", "offline", "ratio", "errors", "p50_ms", "p99_ms",
   "notes", "connections", "rss_mb", "rss_grown_mb", "requests", "ready_s",
   "cpu_ms", "offline_cpu_ms"}

`ours` and `offline` are requests a second, medians of the rounds; the latency
is that of the client, over all rounds; `rss_grown_mb` is what the server has
grown by between the first round and the last. `cpu_ms` and `offline_cpu_ms` are
what a request takes of the cores in either process, which a machine that does
other things, too, changes less.
"""

import argparse
import asyncio
import base64
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from typing import Any

PROMPTS = 16
BARS = 4
TOKEN = 'a-token-of-the-benchmark'


def main() -> None:
  """Measures, and prints the line."""
  parser = argparse.ArgumentParser(description=__doc__)
  add = parser.add_argument
  add('model', nargs='?', default='pop')
  add('--connections', type=int, default=64)
  add('--slots', type=int, default=64)
  add('--seconds', type=float, default=15.0, help='of a round')
  add('--rounds', type=int, default=3)
  add('--cores', type=int, default=0, help='devices of both sides (all)')
  add('--engine', default='', help='(the other side; writes prompts there)')
  args = parser.parse_args()
  if args.engine:
    engine_side(args)
  else:
    print(json.dumps(measure(args)))


def measure(args: argparse.Namespace) -> dict[str, Any]:
  """Returns what the line tells."""
  with tempfile.TemporaryDirectory() as folder:
    prompts = pathlib.Path(folder) / 'prompts.json'
    other = start(__file__, '--engine', str(prompts), *passed(args))
    assert other.stdout.readline() == 'ready\n'
    begun = time.monotonic()
    server, port = serve(args)
    try:
      await_ready(port, server)
      ready = time.monotonic() - begun
      await_programs(port)
      told = rounds(
        args, port, server.pid, other, json.loads(prompts.read_text())
      )
    finally:
      server.terminate()
      server.wait(60)
      other.stdin.close()
      other.wait(60)
  return {'bench': f'serve.{args.model}', **told, 'ready_s': round(ready, 1)}


def passed(args: argparse.Namespace) -> list[str]:
  """Returns the flags of the other side."""
  named = 'connections', 'slots', 'seconds', 'cores'
  flags = [f'--{name}={getattr(args, name)}' for name in named]
  return [args.model, *flags]


def start(*words: str) -> subprocess.Popen:
  """Returns a process of this Python, with pipes."""
  return subprocess.Popen(
    [sys.executable, *words],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
    env={**os.environ, 'AURL_TOKEN': TOKEN},
  )


def serve(args: argparse.Namespace) -> tuple[subprocess.Popen, int]:
  """Returns the server, and its port."""
  words = ['-m', 'aurl_jax.cli', 'serve', args.model, '--port', '0']
  more = [f'--slots={args.slots}', f'--cores={args.cores}']
  process = subprocess.Popen(
    [sys.executable, *words, *more],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
    text=True,
    env={**os.environ, 'AURL_TOKEN': TOKEN},
  )
  for line in process.stderr:
    if 'http://' in line:
      port = int(line.split('http://')[1].split('/')[0].rpartition(':')[2])
      threading.Thread(
        target=process.stderr.read, name='drain', daemon=True
      ).start()
      return process, port
  raise SystemExit('the server has not started')


def await_ready(port: int, process: subprocess.Popen) -> None:
  """Waits until programs are compiled."""
  while process.poll() is None:
    try:
      with urllib.request.urlopen(f'http://127.0.0.1:{port}/readyz'):
        return
    except OSError:
      time.sleep(0.5)
  raise SystemExit('the server has ended')


def await_programs(port: int) -> None:
  """Waits until those of long prompts are compiled, too: they take a core."""
  asked = urllib.request.Request(
    f'http://127.0.0.1:{port}/metrics',
    headers={'Authorization': f'Bearer {TOKEN}'},
  )
  while True:
    with urllib.request.urlopen(asked) as answer:
      if b'\naurl_programs_due 0' in answer.read():
        return
    time.sleep(0.5)


def rounds(
  args: argparse.Namespace,
  port: int,
  pid: int,
  other: subprocess.Popen,
  prompts: list[str],
) -> dict[str, Any]:
  """Lets both sides work in turn; the first round warms up."""
  ours, offline, times, grown = [], [], [], []
  errors = notes = done = 0
  used = [0.0, 0.0]
  for number in range(args.rounds + 1):
    before = cpu(pid)
    found = asyncio.run(load(args, port, prompts, number))
    own = (cpu(pid) - before) / max(1, len(found['times']))
    before = cpu(other.pid)
    print('go', file=other.stdin, flush=True)
    rate, count = map(float, other.stdout.readline().split())
    theirs = (cpu(other.pid) - before) / max(1, count)
    grown.append(rss(pid))
    if number:
      used = [used[0] + own / args.rounds, used[1] + theirs / args.rounds]
      ours.append(len(found['times']) / found['seconds'])
      offline.append(rate)
      times += found['times']
      errors += found['errors']
      notes += found['notes']
      done += len(found['times'])
  times.sort()
  at = lambda share: round(1e3 * times[int(share * (len(times) - 1))], 1)  # noqa: E731
  best, plain = statistics.median(ours), statistics.median(offline)
  return {
    'unit': 'requests/s',
    'ours': round(best, 2),
    'offline': round(plain, 2),
    'ratio': round(best / plain, 3),
    'errors': errors,
    'p50_ms': at(0.5),
    'p99_ms': at(0.99),
    'notes': round(notes / max(1, done), 1),
    'connections': args.connections,
    'rss_mb': round(grown[-1], 1),
    'rss_grown_mb': round(grown[-1] - grown[1], 1),
    'requests': done,
    'cpu_ms': round(1e3 * used[0], 2),
    'offline_cpu_ms': round(1e3 * used[1], 2),
  }


def cpu(pid: int) -> float:
  """Returns the seconds of the cores that a process has taken."""
  words = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2]
  told = words.split()
  return (int(told[11]) + int(told[12])) / os.sysconf('SC_CLK_TCK')


def rss(pid: int) -> float:
  """Returns the megabytes that a process has in memory."""
  for line in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines():
    if line.startswith('VmRSS'):
      return int(line.split()[1]) / 1024
  return 0.0


async def load(
  args: argparse.Namespace, port: int, prompts: list[str], number: int
) -> dict[str, Any]:
  """Asks over all connections for a while."""
  begun = time.monotonic()
  found: dict[str, Any] = {'times': [], 'errors': 0, 'notes': 0}
  until = begun + args.seconds
  await asyncio.gather(
    *(
      ask(port, prompts, 1_000_000 * number + 1000 * own, until, found)
      for own in range(args.connections)
    )
  )
  found['seconds'] = time.monotonic() - begun
  return found


async def ask(
  port: int, prompts: list[str], seed: int, until: float, found: dict[str, Any]
) -> None:
  """Asks over one connection, again and again."""
  reader, writer = await asyncio.open_connection('127.0.0.1', port)
  try:
    while time.monotonic() < until:
      seed += 1
      told = {
        'prompt': prompts[seed % len(prompts)],
        'bars': BARS,
        'seed': seed,
      }
      body = json.dumps(told).encode()
      writer.write(head(port, len(body)) + body)
      begun = time.monotonic()
      status, answer = await answered(reader)
      if status == 200:
        found['times'].append(time.monotonic() - begun)
        report = json.loads(answer)['pieces'][0]['report']
        found['notes'] += report['notes']
      else:
        found['errors'] += 1
  finally:
    writer.close()


def head(port: int, length: int) -> bytes:
  """Returns the head of a request."""
  return (
    'POST /v1/continue HTTP/1.1\r\n'
    f'host: 127.0.0.1:{port}\r\nauthorization: Bearer {TOKEN}\r\n'
    f'content-type: application/json\r\ncontent-length: {length}\r\n\r\n'
  ).encode()


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
  """Returns status and body of an answer."""
  lines = (await reader.readuntil(b'\r\n\r\n')).decode('latin-1').split('\r\n')
  told = dict(line.lower().split(': ', 1) for line in lines[1:] if ': ' in line)
  body = await reader.readexactly(int(told['content-length']))
  return int(lines[0].split()[1]), body


def engine_side(args: argparse.Namespace) -> None:
  """Writes prompts, then does a round for every line of stdin."""
  from aurl_jax.experiment import generate
  from aurl_jax.music import midi
  from aurl_jax.parallel import mesh
  from aurl_jax.serving import warming
  from aurl_jax.serving.engine import Engine
  from aurl_jax.serving.plan import Plan
  from aurl_jax.studies import pool

  mesh.host_devices(args.cores or pool.cores())
  composer = generate.load(args.model)
  engine = Engine(composer, Plan(slots=args.slots))
  warming.warm(engine)
  asked = [
    engine.submit(composer.request(bars=BARS, seed=seed))
    for seed in range(PROMPTS)
  ]
  files = [ticket.result()[0].midi() for ticket in asked]
  pathlib.Path(args.engine).write_text(
    json.dumps([base64.b64encode(data).decode() for data in files])
  )
  notes = [midi.read(data).notes for data in files]
  print('ready', flush=True)
  for number, _ in enumerate(sys.stdin):
    print(*engine_round(args, engine, notes, number), flush=True)
  engine.close(0)


def engine_round(
  args: argparse.Namespace, engine: Any, notes: list[Any], number: int
) -> tuple[float, int]:
  """Returns requests a second, and how many, of a thread a connection."""
  begun = time.monotonic()
  counts = [0] * args.connections

  def ask(own: int) -> None:
    seed = 1_000_000 * number + 1000 * own
    while time.monotonic() < begun + args.seconds:
      seed += 1
      asked = engine.composer.request(
        prompt=notes[seed % len(notes)], bars=BARS, seed=seed
      )
      engine.submit(asked).result()[0].midi()
      counts[own] += 1

  threads = [
    threading.Thread(target=ask, args=(own,)) for own in range(args.connections)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  return sum(counts) / (time.monotonic() - begun), sum(counts)


if __name__ == '__main__':
  main()
