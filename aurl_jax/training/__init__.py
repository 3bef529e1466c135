"""Training: a pure step, a dull loop, and callbacks that say when."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Best': 'aurl_jax.training.selection',
    'Checkpoint': 'aurl_jax.training.callbacks',
    'CountTable': 'aurl_jax.training.baseline',
    'EarlyStop': 'aurl_jax.training.selection',
    'Evaluate': 'aurl_jax.training.callbacks',
    'Log': 'aurl_jax.training.callbacks',
    'LossConfig': 'aurl_jax.training.losses',
    'OptimizerConfig': 'aurl_jax.training.optimizer',
    'Sample': 'aurl_jax.training.callbacks',
    'StepConfig': 'aurl_jax.training.options',
    'Stop': 'aurl_jax.training.signals',
    'TrainingError': 'aurl_jax.training.metrics',
    'eval_params': 'aurl_jax.training.state',
    'Watch': 'aurl_jax.training.watch',
    'evaluate': 'aurl_jax.training.evaluate',
    'fit': 'aurl_jax.training.loop',
    'make_eval_step': 'aurl_jax.training.steps',
    'make_train_step': 'aurl_jax.training.steps',
    'resume': 'aurl_jax.training.callbacks',
    'state': 'aurl_jax.training.state',
  },
)
