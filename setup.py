"""Finds the packages; everything else stands in pyproject.toml.

`configs/` lives at the top level, where people look for it, and is installed
as `aurl_jax.configs`. A mapping beside found packages is more than
pyproject.toml can say.
"""

import setuptools

setuptools.setup(
  packages=[
    *setuptools.find_packages(include=['aurl_jax', 'aurl_jax.*']),
    'aurl_jax.configs',
  ],
  package_dir={'aurl_jax': 'aurl_jax', 'aurl_jax.configs': 'configs'},
)
