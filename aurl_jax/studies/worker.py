"""A worker of `studies.pool`: hears pieces one by one, and sends lines back.

    python -m aurl_jax.studies.worker CONNECTION

CONNECTION is the number of an open connection of `multiprocessing`. From it
come the paths to import from, the studies, and then jobs; to it goes True
once the studies are there, and then a list of lines a job. The worker ends
when the connection does, or its standard input: with the process that started
it, however that ends and whatever a study does at the time.
"""

import os
import sys
import threading
from multiprocessing.connection import Connection

from aurl_jax.studies import analysis


def main() -> None:
  """Works until nobody asks."""
  # What a library prints must not stand among the results of the command.
  os.dup2(2, 1)
  threading.Thread(target=_leave_with_input, daemon=True).start()
  link = Connection(int(sys.argv[1]))
  try:
    sys.path[:] = link.recv()
    studies = link.recv()
    link.send(True)
    while True:
      link.send(analysis.lines(link.recv(), studies))
  except (EOFError, BrokenPipeError, ConnectionResetError):
    os._exit(0)


def _leave_with_input() -> None:
  """Ends the process when the input ends."""
  while os.read(0, 1):
    continue
  os._exit(0)


if __name__ == '__main__':
  main()
