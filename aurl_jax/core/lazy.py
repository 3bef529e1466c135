"""Package roots that import their parts on first use (PEP 562).

A root lists its public names once, as `'Name': 'package.module'`; importing
the root costs nothing, and `dir()` still shows the table of contents.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(
  package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
  """Returns `__getattr__`, `__dir__` and `__all__` for a package root.

  Args:
    package: The root's own `__name__`.
    names: Public name -> module that defines it. A module that ends in the
      public name itself is handed out as a module.

  Example:
    >>> getattr_, dir_, all_ = attach('aurl_jax.music', {'Notes': '...'})
    >>> all_
    ['Notes']
  """

  def getattr_(name: str) -> Any:
    if name not in names:
      raise AttributeError(f'module {package!r} has no attribute {name!r}')
    module = importlib.import_module(names[name])
    is_module = names[name] == f'{package}.{name}'
    value = module if is_module else getattr(module, name)
    setattr(sys.modules[package], name, value)
    return value

  everything = sorted(names)
  return getattr_, lambda: everything, everything
