"""Listening tests: made, taken in a browser, and judged, from one machine.

`make` turns folders of music into a blinded test, `server` hands it out,
`answers` keeps what listeners say, `analysis` says what that comes to.
"""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'analysis': 'aurl_jax.listening.analysis',
    'answers': 'aurl_jax.listening.answers',
    'make': 'aurl_jax.listening.make',
    'server': 'aurl_jax.listening.server',
    'webmushra': 'aurl_jax.listening.webmushra',
  },
)
