import pytest

from aurl_jax.generation.request import Request
from aurl_jax.serving.errors import Cancelled, Overloaded
from aurl_jax.serving.jobs import Jobs, NotThere
from aurl_jax.serving.ticket import Ticket


def ticket(seconds=100.0):
  return Ticket(Request(), 'a', seconds)


def test_jobs_are_their_askers_alone():
  jobs = Jobs(4, 100)
  one, other = jobs.add(ticket(), 'a'), jobs.add(ticket(), 'a')
  assert len(one.name) >= 20
  assert one.name != other.name
  assert jobs.find(one.name, 'a') is one
  for name, asker in ((one.name, 'b'), ('x', 'a'), (one.name[:-1], 'a')):
    with pytest.raises(NotThere):
      jobs.find(name, asker)
    with pytest.raises(NotThere):
      jobs.drop(name, asker)
  jobs.drop(one.name, 'a')
  assert isinstance(one.ticket.future.exception(0), Cancelled)
  with pytest.raises(NotThere):
    jobs.find(one.name, 'a')


def test_only_so_many_are_kept_and_the_old_ones_go():
  jobs = Jobs(2, -1.0)
  done, going = ticket(0.0), ticket()
  kept = [jobs.add(done, 'a'), jobs.add(going, 'a')]
  with pytest.raises(Overloaded):
    jobs.room()
  done.answer([])
  jobs.room()
  with pytest.raises(NotThere):
    jobs.find(kept[0].name, 'a')
  assert jobs.find(kept[1].name, 'a').ticket is going
