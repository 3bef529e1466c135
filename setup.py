"""Finds the packages; everything else stands in pyproject.toml.

`configs/` lives at the top level, where people look for it, and is installed
as `aurl_jax.configs`; the frozen splits beside their generator are installed
as `aurl_jax.splits`. A mapping beside found packages is more than
pyproject.toml can say.
"""

import setuptools

setuptools.setup(
  packages=[
    *setuptools.find_packages(include=['aurl_jax', 'aurl_jax.*']),
    'aurl_jax.configs',
    'aurl_jax.splits',
  ],
  package_dir={
    'aurl_jax': 'aurl_jax',
    'aurl_jax.configs': 'configs',
    'aurl_jax.splits': 'tools/splits',
  },
)
