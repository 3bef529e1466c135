"""Every command that the documentation shows is one that there is.

Verbs of `aurl` go through their own parser, pages and keys through the reader
of pages; of tools and `make` it is looked up in their sources. Nothing is run.
"""

import argparse
import contextlib
import functools
import io
import itertools
import re
import tomllib

import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.core.errors import AurlError
from aurl_jax.experiment import pages as config_pages
from tests.docs import pages

PLACEHOLDER = re.compile(r'[A-Z][A-Z0-9_]*(\.\w+)?|…|\.\.\.')
"""What stands for something of the reader's: RUN, FOLDER, N."""
SHORT = re.compile('arguments are required|expected (one|at least one) arg')
OF_OTHERS = re.compile('--logdir|--xla_gpu_[a-z_]+')
"""Flags of programs that are not ours: TensorBoard's and XLA's."""
_PYTHONS = {'python', 'python3', '.venv/bin/python', 'peers/bin/python'}
_PAGES = [pages.read(path) for path in pages.sources()]
_SHELL = re.compile(r'aurl |make |tools/|python |aurl_jax\.main |--set ')


def inline() -> list[pages.Command]:
  """Commands in the text: those that have something behind their name."""
  found = []
  for page in _PAGES:
    for number, text in page.inline():
      if _SHELL.match(text) and not re.search(r' \| \w+( \||$)|[{}]', text):
        found += pages.split(text, f'{page.name}:{number} (inline)')[:1]
  return found


SHOWN = [c for page in _PAGES for c in pages.commands(page)]
COMMANDS = [*SHOWN, *inline()]


class Refused(Exception):
  """What a parser says instead of leaving."""


@functools.cache
def parser_of(verb):
  """The verb's own parser, which raises and takes placeholders for numbers."""
  whole = cli.build_parser(verb)
  for parser in parsers(whole):
    parser.error = refuse
    for action in parser._actions:
      if action.type is not None:
        action.type = patient(action.type)
      if action.choices and not isinstance(action, argparse._SubParsersAction):
        action.choices = [*action.choices, *'NK']
  return whole


def refuse(message):
  raise Refused(message)


def parsers(parser):
  yield parser
  for action in parser._actions:
    if isinstance(action, argparse._SubParsersAction):
      for part in action.choices.values():
        yield from parsers(part)


def patient(convert):
  def converted(text):
    return text if PLACEHOLDER.fullmatch(text) else convert(text)

  converted.__name__ = getattr(convert, '__name__', 'value')
  return converted


def fault_of(command):
  """What is wrong with a command, or None; programs of others are right."""
  words = [w for w in command.words if w not in ('…', '...')]
  if not words:
    return None
  program, rest = words[0], words[1:]
  if program == 'taskset':
    program, rest = rest[2], rest[3:]
  if program == 'aurl':
    return fault_of_verb(rest)
  if program == 'make':
    return fault_of_target(rest)
  if program.startswith('--'):
    return fault_of_keys(words, 'base')
  if program in _PYTHONS and rest[:1] == ['-m']:
    program, rest = rest[1], rest[2:]
  elif program in _PYTHONS and rest:
    program, rest = rest[0], rest[1:]
  if program == 'aurl_jax.main':
    return fault_of_page(rest)
  if program.startswith('tools/'):
    return fault_of_tool(program, rest)
  if program.startswith('tests.'):
    return fault_of_tool(program.replace('.', '/') + '.py', [])
  if program == 'pytest':
    gone = [w for w in rest if '/' in w and not (pages.ROOT / w).exists()]
    return f'no {gone}' if gone else None
  if program == 'pip' or program.endswith('/pip'):
    return fault_of_install(rest, (pages.ROOT / command.where).parent)
  return None


def fault_of_verb(words):
  if words[:1] == ['VERB'] or words[:1] == ['--version']:
    return None
  if words[0] not in cli.VERBS:
    return f'no verb {words[0]}'
  asked = [w for w in words if not w.startswith('[')]
  try:
    with contextlib.redirect_stderr(io.StringIO()):
      values = parser_of(words[0]).parse_args(asked)
  except Refused as refused:
    return str(refused)
  sets = [f'--set={one}' for one in getattr(values, 'set', None) or []]
  page = getattr(values, 'config', None) or 'base'
  return fault_of_keys(sets, page) if sets else None


def fault_of_keys(words, page):
  """Of `--set KEY=VALUE`, whether a page has such keys and takes the values."""
  line = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
  line.add_argument('--set', action='append', default=[])
  values, _ = line.parse_known_args(words)
  if not values.set:
    return None
  sets = [
    one
    for one in values.set
    if not PLACEHOLDER.search(one.partition('=')[2] or 'X')
  ]
  try:
    config_pages.override(loaded(page), sets)
  except AurlError as error:
    return str(error)
  return None


@functools.cache
def loaded(page):
  return config_pages.load(config_pages.find(page))


def fault_of_page(words):
  pairs = [w for w in words if not PLACEHOLDER.fullmatch(w.split('=')[-1])]
  if '--help' in pairs:
    return None
  if pairs and not any(w.startswith('--config=') for w in words):
    pairs = ['--config=base', *pairs]
  try:
    config_pages.parse(pairs)
  except AurlError as error:
    return str(error)
  return None


def fault_of_target(words):
  text = (pages.ROOT / 'Makefile').read_text()
  targets = set(re.findall(r'^([\w-]+):', text, re.MULTILINE))
  return None if words[0] in targets else f'no target {words[0]}'


def fault_of_tool(program, words):
  if not any(pages.ROOT.glob(program)):
    return f'no {program}'
  told = flags_of(program)
  asked = {w.partition('=')[0] for w in words if re.match(r'--?[a-z]', w)}
  unknown = sorted(asked - told)
  return f'no flags {unknown}' if unknown else None


@functools.cache
def flags_of(program):
  """Texts of a tool, and of those that it imports, that look like flags."""
  todo, found = [pages.ROOT / program], {}
  while todo:
    path = todo.pop()
    if path in found or not path.is_file():
      continue
    text = path.read_text()
    found[path] = set(re.findall(r'(?<![\w-])--?[a-z][\w-]*', text))
    if path.suffix == '.py':
      named = re.findall(r'^\s*(?:import|from) (\w+)', text, re.MULTILINE)
      named += re.findall(r'^from tools\.bench import (\w+)', text, re.M)
      todo += [path.parent / f'{name}.py' for name in named]
  return set().union(*found.values())


def fault_of_install(words, folder):
  known = tomllib.loads((pages.ROOT / 'pyproject.toml').read_text())
  extras = known['project']['optional-dependencies']
  for word, after in itertools.pairwise([*words, '']):
    if asked := re.match(r'aurl[-_]jax\[([\w,]+)\]', word):
      unknown = set(asked[1].split(',')) - set(extras)
      if unknown:
        return f'no extra {unknown}'
    found = [home / after for home in (pages.ROOT, folder)]
    if word == '-r' and not any(path.exists() for path in found):
      return f'no {after}'
  return None


def test_many_commands_are_found():
  programs = [command.words[0] for command in SHOWN]
  assert programs.count('aurl') > 60
  assert programs.count('make') > 8
  assert len(inline()) > 60


def test_every_command_is_one_that_there_is():
  faults = []
  for command in COMMANDS:
    fault = fault_of(command)
    # Text speaks of a verb, or of a flag, without the rest.
    if fault and not ('inline' in command.where and SHORT.search(fault)):
      faults.append(f'{command.where}: {" ".join(command.words)}: {fault}')
  assert not faults, '\n'.join(faults)


def test_every_flag_in_the_text_belongs_to_something():
  known = set().union(
    *(
      action.option_strings
      for verb in cli.VERBS
      for parser in parsers(parser_of(verb))
      for action in parser._actions
    ),
    *(
      flags_of(pages.name_of(path))
      for folder in ('tools', 'tests')
      for path in (pages.ROOT / folder).rglob('*')
      if path.suffix in ('.py', '.sh')
    ),
    ('--config', '--workdir', '--mode', '--allow', '--fix'),
  )
  told = {
    (f'{page.name}:{number}', flag)
    for page in _PAGES
    for number, text in page.inline()
    for flag in re.findall(r'(?<![\w-])--[a-z][\w-]*', text)
  }
  assert len(told) > 80
  strangers = {
    (where, flag)
    for where, flag in told
    if flag not in known and not OF_OTHERS.fullmatch(flag)
  }
  assert not strangers, sorted(strangers)


@pytest.mark.parametrize(
  ('line', 'told'),
  [
    ('aurl generat pop', 'no verb'),
    ('aurl generate pop --barz 8', 'unrecognized'),
    ('aurl generate pop --bars many', 'invalid'),
    ('aurl generate', 'required'),
    ('aurl train --set model.widht=3', 'model.width'),
    ('aurl train --set model.width=wide', 'model.width'),
    ('make tests', 'no target'),
    ('tools/nothing.py', 'no tools/nothing.py'),
    ('python tools/probe.py pop --dat x', 'no flags'),
    ('python -m aurl_jax.main --config=nothing', 'nothing'),
    ('python -m aurl_jax.main --config=tiny --config.trian.steps=1', 'train'),
    ('--set model.metricle=32', 'model.metrical'),
    ('pip install aurl-jax[server]', 'no extra'),
  ],
)
def test_what_is_not_there_is_noticed(line, told):
  (command,) = pages.split(line, 'here')
  assert told in (fault_of(command) or '')


@pytest.mark.parametrize(
  'line',
  [
    'aurl generate RUN --bars N --key "D minor" --out DIR',
    'AURL_TOKEN=x aurl serve pop',
    'aurl train --data ~/midi --workdir RUN --set model.width=8',
    'taskset -c 0 aurl train ...',
    'curl --json x',
  ],
)
def test_what_is_there_is_let_pass(line):
  (command,) = pages.split(line, 'here')
  assert fault_of(command) is None
