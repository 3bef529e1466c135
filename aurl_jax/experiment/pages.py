"""Config pages: from a command line to one plain mapping.

A page is a Python file with `get_config(variant)`, named by its path or, for
the pages that ship as `aurl_jax.configs`, by its bare name: `quickstart`,
`configs/tiny.py:test`. Reading a page executes it, so a page comes from the
command line only; a run keeps its config as JSON, and that is what resuming,
serving and loading read.
"""

import dataclasses
import importlib.resources
import pathlib
from collections.abc import Sequence
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from aurl_jax.core import coercion
from aurl_jax.core import config as config_lib
from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment.workdir import Workdir

PAGES = 'aurl_jax.configs'


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommandLine:
  """What `python -m aurl_jax.main` was asked to do.

  Attributes:
    config: The page's values with the overrides applied, or None.
    workdir: Folder of the run, or None.
    mode: `train`, `evaluate` or `generate`.
    allow: Names outside `aurl_jax` that the config may build.
  """

  config: dict[str, Any] | None
  workdir: pathlib.Path | None
  mode: str
  allow: tuple[str, ...]


def find(page: str) -> str:
  """Returns `PATH[:variant]` of a page named by path or by bare name.

  Raises:
    ConfigError: There is no such file and no such shipped page.
  """
  name, colon, variant = page.partition(':')
  if pathlib.Path(name).is_file():
    return page
  stem = name.removeprefix('configs/').removesuffix('.py')
  shipped = importlib.resources.files(PAGES)
  path = shipped.joinpath(f'{stem}.py')
  if path.is_file() and not stem.startswith('_'):
    return f'{path}{colon}{variant}'
  known = sorted(
    entry.name.removesuffix('.py')
    for entry in shipped.iterdir()
    if entry.name.endswith('.py') and not entry.name.startswith('_')
  )
  raise ConfigError(
    f'no config page {name!r}: neither a file nor one of {", ".join(known)}',
    code='no_page',
  )


def load(page: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
  """Returns a page's values with `section.key=value` overrides applied.

  Raises:
    ConfigError: An unknown page, key or a value of another type.
  """
  config = parse([f'--config={page}', *_as_flags(overrides)]).config
  assert config is not None
  return config


def override(
  values: dict[str, Any], overrides: Sequence[str]
) -> dict[str, Any]:
  """Returns a stored config with `section.key=value` overrides applied.

  Raises:
    ConfigError: An unknown key or a value of another type.
  """
  config = _parse(_as_flags(overrides), values).config
  assert config is not None
  return config


def _as_flags(overrides: Sequence[str]) -> list[str]:
  """Returns flags of `section.key=value`; raises where one has no value."""
  for item in overrides:
    if '=' not in item:
      raise ConfigError(
        f'--set {item}: there is no value; write --set {item}=VALUE',
        code='bad_flag',
      )
  return [f'--config.{item}' for item in overrides]


def parse(argv: Sequence[str]) -> CommandLine:
  """Parses the flags of `aurl_jax.main` (without the program's name).

  Overrides without a page change the config of the run in the workdir.

  Raises:
    ConfigError: A flag, page or key that does not exist, or a bad value; a
      near miss names the key that was probably meant.
    SystemExit: `--help` was asked for and has been printed.
  """
  given = _given(argv)
  stored = None
  if _overridden(argv) and 'config' not in given and 'workdir' in given:
    stored = Workdir(pathlib.Path(given['workdir'])).read_config()
  return _parse(argv, stored)


def _parse(argv: Sequence[str], stored: dict[str, Any] | None) -> CommandLine:
  """Parses flags that change a stored config, or the page that they name."""
  argv = ['aurl_jax.main', *(_with_path(word) for word in argv)]
  _check_keys(argv, stored)
  values, rest = _read(argv, stored)
  if values.help:
    print(_help(values))
    raise SystemExit(0)
  if rest[1:]:
    raise ConfigError(f'unexpected arguments {rest[1:]}', code='bad_flag')
  config = values.config
  if isinstance(config, ml_collections.ConfigDict):
    config = _fresh_sections(config.to_dict(), _overridden(argv))
    config = {name: _of_file(value, name) for name, value in config.items()}
  return CommandLine(
    config=config,
    workdir=pathlib.Path(values.workdir) if values.workdir else None,
    mode=values.mode,
    allow=tuple(values.allow),
  )


def _help(values: flags.FlagValues) -> str:
  """Returns what `--help` prints: an example, and the flags."""
  return (
    'python -m aurl_jax.main --config=quickstart --workdir=runs/quickstart\n\n'
    'Trains, evaluates or generates from a config page; any key of the page\n'
    'is a flag: --config.section.key=value.\n\nFlags:\n' + values.get_help()
  )


def _read(
  argv: Sequence[str], stored: dict[str, Any] | None
) -> tuple[flags.FlagValues, list[str]]:
  values = _define(argv, stored)
  try:
    return values, values(argv)
  except flags.Error as error:
    raise ConfigError(f'{error}', code='bad_flag') from error
  except LookupError as error:
    raise ConfigError(f'{error.args[0]}', code='no_variant') from error
  except (OSError, SyntaxError, ImportError) as error:
    raise ConfigError(f'cannot read the page: {error}') from error


def _check_keys(argv: Sequence[str], stored: dict[str, Any] | None) -> None:
  """Raises ConfigError for an override of a key that the page lacks."""
  keys = _overridden(argv)
  page = [word for word in argv if word.lstrip('-').startswith('config=')]
  if not keys or not (page or stored):
    return
  base = stored
  if base is None:
    base = _read([argv[0], page[-1]], None)[0].config.to_dict()
  known = config_lib.flatten(base)
  for key in keys:
    if key not in known:
      raise ConfigError(
        f'unknown config key {key}; {coercion.suggest(key, known)}',
        code='unknown_key',
      )


def _given(argv: Sequence[str]) -> dict[str, str]:
  """Returns what the flags say, of `--name=value` and of `--name value`."""
  given = {}
  for word, after in zip(argv, [*argv, ''][1:], strict=True):
    name, equals, value = word.lstrip('-').partition('=')
    given[name] = value if equals else after
  return given


def _overridden(argv: Sequence[str]) -> list[str]:
  """Returns the keys, as `section.key`, that the flags set."""
  return [
    name.removeprefix('config.')
    for name in _given(argv)
    if name.startswith('config.')
  ]


def _fresh_sections(
  config: dict[str, Any], overridden: Sequence[str]
) -> dict[str, Any]:
  """Returns the config without what a page says about another class.

  Where a flag names the class of a section, `package.module:Class`, the
  page's other keys belong to the class that it named; only those that flags
  set as well stay.
  """
  fresh = dict(config)
  for key in overridden:
    section, _, name = key.rpartition('.')
    if name == 'name' and section in config and _names(config[section][name]):
      fresh[section] = {
        inner: value
        for inner, value in config[section].items()
        if f'{section}.{inner}' in overridden
      }
  return fresh


def _names(name: str) -> bool:
  """Returns whether a name says of what class the whole section is."""
  return ':' in name or name.startswith('@')


def _of_file(section: Any, where: str) -> Any:
  """Returns a section, or the one of the JSON file that its name says.

  A name `@FILE` is for what is learnt and too long for a page, such as the
  merges of a `Bpe`. The run keeps the section, and needs the file no more.
  """
  name = section.get('name', '') if isinstance(section, dict) else ''
  if not str(name).startswith('@'):
    return section
  path = pathlib.Path(name[1:])
  try:
    return config_lib.from_json(path.read_bytes())
  except (OSError, ConfigError) as error:
    raise ConfigError(
      f'{where}.name: no section can be read from {path} ({error}); name a '
      'JSON file of one, such as tools/bpe_ratio.py --save writes',
      code='bad_name',
    ) from error


def _with_path(word: str) -> str:
  flag, equals, page = word.partition('=')
  if equals and flag in ('--config', '-config'):
    return f'{flag}={find(page)}'
  return word


def _define(
  argv: Sequence[str], stored: dict[str, Any] | None
) -> flags.FlagValues:
  values = flags.FlagValues()
  if stored is None:
    config_flags.DEFINE_config_file(
      'config',
      None,
      'Config page: a path or a shipped name, with an optional :variant.',
      flag_values=values,
      sys_argv=list(argv),
    )
  else:
    config_flags.DEFINE_config_dict(
      'config',
      ml_collections.ConfigDict(stored),
      'The config of the run in the workdir.',
      flag_values=values,
      sys_argv=list(argv),
    )
  flags.DEFINE_string('workdir', None, 'Folder of the run.', flag_values=values)
  flags.DEFINE_enum(
    'mode',
    'train',
    ['train', 'evaluate', 'generate'],
    'What to do.',
    flag_values=values,
  )
  flags.DEFINE_list(
    'allow',
    [],
    'Modules outside aurl_jax whose names the config may build.',
    flag_values=values,
  )
  flags.DEFINE_boolean(
    'help', False, 'Shows this help.', short_name='h', flag_values=values
  )
  return values
