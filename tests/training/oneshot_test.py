"""The loss of a one-shot decoder, against arithmetic by hand."""

import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import auxiliary, oneshot


def nats(logit, target, positive, gamma):
  right = 1 / (1 + math.exp(-logit if target else logit))
  weight = positive if target else 1
  return -weight * (1 - right) ** gamma * math.log(right)


@pytest.mark.parametrize('gamma', [0.0, 1.0, 2.0])
def test_each_answer_costs_its_nats(gamma):
  logits = [-3.0, 0.0, 0.7, 2.5]
  for target in (0.0, 1.0):
    found = oneshot.binary(
      jnp.array(logits), jnp.full(4, target), positive=2.0, gamma=gamma
    )
    wanted = [nats(logit, target, 2.0, gamma) for logit in logits]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_sure_answers_stay_finite():
  logits = jnp.array([-200.0, 200.0])
  for target in (jnp.zeros(2), jnp.ones(2)):
    value, slope = jax.value_and_grad(
      lambda x, target=target: oneshot.binary(x, target, 2.0, 1.0).sum()
    )(logits)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def outputs():
  """One piece of two cells, and a cell that it does not have."""
  aux = {
    'frames/onset': [[1.0, -1.0], [0.5, 0.0], [9.0, 9.0]],
    'frames/sustain': [[2.0, -2.0], [0.0, 1.0], [9.0, 9.0]],
    'frames/velocity': [[0.0, 1.0], [0.0, 5.0], [9.0, 9.0]],
    'roll/onset': [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]],
    'roll/sustain': [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]],
    'roll/velocity': [[0.25, 0.0], [0.0, 0.0], [0.0, 0.0]],
  }
  found = {name: jnp.array([value]) for name, value in aux.items()}
  found['roll/cells'] = jnp.array([[True, True, False]])
  return types.SimpleNamespace(aux=found)


def test_frames_by_hand():
  told = outputs()
  total = 0.0
  for kind in ('onset', 'sustain'):
    for cell in range(2):
      for pitch in range(2):
        logit = float(told.aux[f'frames/{kind}'][0, cell, pitch])
        target = float(told.aux[f'roll/{kind}'][0, cell, pitch])
        total += nats(logit, target, 2.0, 1.0)
  # One note has a velocity; that of the second cell is not known.
  total += (0.5 - 0.25) ** 2
  loss = auxiliary.named('frames')
  assert float(loss(told, {})) == pytest.approx(total / 2, rel=1e-5)


def test_its_gradient_is_right_and_padding_has_none():
  told = outputs()
  real = {k: v for k, v in told.aux.items() if k.startswith('roll/')}
  soft = {k: v for k, v in told.aux.items() if k.startswith('frames/')}

  def loss(soft):
    aux = jax.tree.map(jnp.asarray, soft) | real
    return oneshot.frames(types.SimpleNamespace(aux=aux), {})

  check_grads(loss, (soft,), order=1, modes=['rev'], eps=1e-2, rtol=1e-2)
  slopes = jax.grad(loss)(soft)
  for slope in slopes.values():
    assert not slope[0, 2].any()
    assert slope[0, 0].any()


def test_a_model_without_such_a_decoder_is_told():
  for name in ('frames', 'frames_key'):
    with pytest.raises(ConfigError, match=f"'{name}': .*latent.oneshot"):
      auxiliary.named(name)(types.SimpleNamespace(aux={}), {})
