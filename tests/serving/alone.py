"""A server of a small model that prints its port; for tests that end it.

With --warm it is as ready as `aurl serve` is, and all is compiled.
"""

import sys

from aurl_jax.serving import http, server, warming
from aurl_jax.serving.settings import Settings
from tests.serving import stage

if __name__ == '__main__':
  with stage.engine_of() as engine:
    if '--warm' in sys.argv:
      warming.warm(engine)
      warming.behind(engine)
    sockets = server.listen(server.Address(port=0))
    app = http.app(engine, Settings(tokens=(stage.TOKEN,)))
    print(sockets.getsockname()[1], flush=True)
    server.run(app, engine, sockets)
