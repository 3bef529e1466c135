"""The gate: when it opens, when it shuts, and what goes back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.training.gan import GanConfig
from aurl_jax.training.gate import Gate, make_judge
from tests.training import players, toy

CONFIG = GanConfig(warmup=20, accuracy=0.7, tolerance=0.05)


def state(step, params=0.0, is_open=0.0, on=0):
  return {
    'step': jnp.int32(step),
    'params': jnp.float32(params),
    'opt': jnp.float32(10 * params),
    'ema': jnp.float32(params / 2),
    'guard': {'updates': jnp.int32(step), 'skipped': jnp.int32(step)},
    'gan': {
      'critic': jnp.float32(params),
      'open': jnp.float32(is_open),
      'since': jnp.int32(7),
      'on': jnp.int32(on),
    },
  }


def after(gate, now, nats):
  """The context after a gate was asked, behind an evaluation."""
  context = toy.context(
    int(now['step']), state=now, record={'valid/loss': nats}
  )
  assert gate.due(context)
  gate(context)
  return context


def gate(accuracy, back=None):
  return Gate(CONFIG, lambda state: {'accuracy': accuracy}, back)


def test_it_opens_for_a_critic_that_is_good_and_has_warmed_up():
  assert not after(gate(0.9), state(10), 2.0).state['gan']['open']
  assert not after(gate(0.7), state(20), 2.0).state['gan']['open']
  found = after(gate(0.71), state(20), 2.0)
  assert float(found.state['gan']['open']) == 1
  assert int(found.state['gan']['since']) == 0
  assert found.record['valid/gan/open'] == 1
  assert found.record['valid/gan/accuracy'] == 0.71


def test_it_stays_open_for_a_critic_that_is_beaten():
  found = after(gate(0.5), state(40, is_open=1.0, on=10), 2.0)
  assert found.state['gan']['open']
  assert int(found.state['gan']['since']) == 7
  assert found.record['valid/gan/share'] == 0.25


def test_where_nats_rise_the_generator_goes_back_and_the_gate_shuts():
  asked = []

  def back(most):
    asked.append(most)
    return state(30, params=3.0)

  one = gate(0.9, back)
  after(one, state(30, params=3.0, is_open=1.0), 2.0)
  within = after(one, state(40, params=4.0, is_open=1.0), 2.09)
  assert within.state['gan']['open']
  risen = after(one, state(50, params=5.0, is_open=1.0), 2.11)
  assert asked == [30]
  now = risen.state
  assert (float(now['params']), float(now['opt'])) == (3.0, 30.0)
  assert float(now['ema']) == 1.5
  assert float(now['gan']['critic']) == 5.0
  assert not now['gan']['open']
  assert (int(now['step']), int(now['guard']['updates'])) == (50, 30)
  assert int(now['guard']['skipped']) == 50
  assert risen.record['valid/gan/rollbacks'] == 1
  # Shut until the nats are below the limit again.
  assert not after(one, state(60), 2.2).state['gan']['open']
  assert after(one, state(70), 2.05).state['gan']['open']


def test_without_anything_to_go_back_to_it_only_shuts():
  one = gate(0.9)
  after(one, state(30, is_open=1.0), 2.0)
  found = after(one, state(40, params=4.0, is_open=1.0), float('nan'))
  assert not found.state['gan']['open']
  assert float(found.state['params']) == 4.0


def test_a_resumed_gate_remembers():
  one, other = gate(0.9), gate(0.9)
  assert one.save()['least'] is None
  after(one, state(30), 2.0)
  other.load(one.save())
  assert not after(other, state(40, is_open=1.0), 2.2).state['gan']['open']
  other.load(gate(0.9).save())
  assert after(other, state(40, is_open=1.0), 2.2).state['gan']['open']


def test_the_judge_tells_figures_of_held_out_rows():
  gan = players.gan()
  variables = gan.init(jax.random.key(0))
  now = {
    'params': players.MODEL.init(jax.random.key(1)),
    'gan': variables,
  }
  judge = make_judge(gan, lambda: [players.batch(0), players.batch(1)])
  found = judge(now)
  assert found == judge(now)
  assert 0 <= found['accuracy'] <= 1
  names = {
    f'{s}/{n}' for s in ('real', 'made') for n in ('note', 'bar', 'phrase')
  }
  assert found.keys() == names | {'accuracy'}
  alone = [make_judge(gan, lambda i=i: [players.batch(i)])(now) for i in (0, 1)]
  first = alone[0]['real/note']
  assert np.isfinite(first)
  assert min(a['real/note'] for a in alone) - 1e-6 <= found['real/note']
  assert found['real/note'] <= max(a['real/note'] for a in alone) + 1e-6
  with pytest.raises(Exception, match='nothing to judge'):
    make_judge(gan, list)(now)
