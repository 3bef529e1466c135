"""A server of a small model that prints its port; for tests that end it."""

from aurl_jax.serving import http, server
from aurl_jax.serving.settings import Settings
from tests.serving import stage

if __name__ == '__main__':
  with stage.engine_of() as engine:
    sockets = server.listen(server.Address(port=0))
    app = http.app(engine, Settings(tokens=(stage.TOKEN,)))
    print(sockets.getsockname()[1], flush=True)
    server.run(app, engine, sockets)
