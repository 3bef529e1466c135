"""What of the package is not collected here: parts of extras that are absent.

Their tests skip with a reason; `tools/env/make_venv` installs them all.
"""

import importlib.util

_OF_SERVE = ('http', 'reading', 'schema', 'server', 'hearing')

collect_ignore = []
if not all(
  map(importlib.util.find_spec, ('fastapi', 'uvicorn', 'python_multipart'))
):
  collect_ignore += [f'aurl_jax/serving/{name}.py' for name in _OF_SERVE]
