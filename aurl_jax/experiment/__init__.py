"""The one place that knows every layer: from a config to the work itself."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'build': 'aurl_jax.experiment.build',
    'bundle': 'aurl_jax.experiment.bundle',
    'data': 'aurl_jax.experiment.data',
    'doctor': 'aurl_jax.experiment.doctor',
    'evaluate': 'aurl_jax.experiment.evaluate',
    'generate': 'aurl_jax.experiment.generate',
    'inspect': 'aurl_jax.experiment.inspect',
    'pages': 'aurl_jax.experiment.pages',
    'run': 'aurl_jax.experiment.run',
    'sections': 'aurl_jax.experiment.sections',
    'train': 'aurl_jax.experiment.train',
    'compare': 'aurl_jax.experiment.compare',
    'curves': 'aurl_jax.experiment.curves',
    'markup': 'aurl_jax.experiment.markup',
    'plots': 'aurl_jax.experiment.plots',
    'records': 'aurl_jax.experiment.records',
    'snapshot': 'aurl_jax.experiment.snapshot',
    'status': 'aurl_jax.experiment.status',
    'watch': 'aurl_jax.experiment.watch',
    'web': 'aurl_jax.experiment.web',
    'workdir': 'aurl_jax.experiment.workdir',
  },
)
