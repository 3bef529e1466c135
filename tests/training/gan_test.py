"""What a section `gan` may say, and what the state holds by it."""

import jax
import jax.numpy as jnp
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.training.gan import GanConfig
from aurl_jax.training.options import StepConfig
from aurl_jax.training.scaling import ScalingConfig
from tests.training import players


@pytest.mark.parametrize(
  ('changes', 'said'),
  [
    ({'loss': 'vanilla'}, 'choose hinge or wgan'),
    ({'warmup': 0}, 'a critic that has seen nothing would teach'),
    ({'accuracy': 0.4}, 'half of them is chance'),
    ({'first': 8}, 'first and grow go together'),
    ({'steps': 0}, 'steps must be above 0'),
    ({'drawn': 1.5}, r'a share of the rows, 0\.\.1'),
    ({'penalty': -1.0}, 'penalty must be 0 or more'),
  ],
)
def test_refused_with_the_cause(changes, said):
  with pytest.raises(ConfigError, match=said) as info:
    GanConfig(**changes)
  assert info.value.code == 'gan_config'


def test_scaled_losses_have_no_critic():
  with pytest.raises(ConfigError, match="'bfloat16' or 'float32'"):
    StepConfig(gan=players.gan(), scaling=ScalingConfig(loss_scale=8.0))


def test_the_weight_is_raised_once_the_gate_is_open():
  gan = players.gan(ramp=4, weight=0.8)
  state = lambda open_, since: {  # noqa: E731
    'open': jnp.float32(open_),
    'since': jnp.int32(since),
  }
  assert float(gan.weight(state(0, 0))) == 0
  raised = [float(gan.weight(state(1, n))) for n in (0, 1, 3, 9)]
  assert raised == pytest.approx([0.2, 0.4, 0.8, 0.8])


def test_the_state_has_a_critic_of_latents_where_it_is_asked_for():
  like = lambda gan: jax.eval_shape(gan.init, jax.random.key(0))  # noqa: E731
  assert not {'matcher', 'matcher_opt'} & like(players.gan()).keys()
  assert {'matcher', 'matcher_opt'} <= like(players.gan(latents=1.0)).keys()
