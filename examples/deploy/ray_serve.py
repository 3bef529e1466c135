"""A model on many machines by Ray Serve: each replica is an engine of its own.

    pip install 'aurl-jax[serve]' 'ray[serve]>=2.44'
    AURL_TOKEN=... AURL_MODEL=pop AURL_HOSTS=music.example \
      serve run examples.deploy.ray_serve:app

The engine keeps nothing between requests, so that any replica can answer any
of them. Jobs alone belong to the replica that gave them, and Ray sends the
question for one to any: ask with `stream`, or let one replica do jobs. All
machines need the model: a shipped one, or a folder at the same place. Heads
that come slowly are the affair of Ray's proxy, and not of ours.
"""

import os
from typing import Any

from ray import serve

REPLICAS = int(os.environ.get('AURL_REPLICAS', '2'))
CORES = float(os.environ.get('AURL_CORES', '2'))
GPUS = float(os.environ.get('AURL_GPUS', '0'))


def build() -> Any:
  """Returns the application of one replica; called where it runs.

  Raises:
    KeyError: `AURL_TOKEN` or `AURL_MODEL` is not set. A token that is made
      would be another one in each replica.
  """
  import aurl_jax
  from aurl_jax.serving import http, server, warming
  from aurl_jax.serving.engine import Engine
  from aurl_jax.serving.settings import Settings

  hosts = os.environ.get('AURL_HOSTS', '').split(',')
  settings = Settings(
    tokens=(os.environ['AURL_TOKEN'],),
    hosts=tuple(host for host in hosts if host),
  )
  engine = Engine(aurl_jax.load(os.environ['AURL_MODEL']))
  ready = server.Readiness(engine, warming.warm, warming.behind)
  return http.app(engine, settings, ready)


app = serve.deployment(
  serve.ingress(build)(),
  name='aurl',
  num_replicas=REPLICAS,
  # Rows wait in the engine, which is fair among clients, and not in Ray.
  max_ongoing_requests=512,
  graceful_shutdown_timeout_s=60,
  ray_actor_options={'num_cpus': CORES, 'num_gpus': GPUS},
).bind()
