"""Music as ids: four tokenizations, their grammars, and what they lose."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Bpe': 'aurl_jax.tokens.bpe',
    'Codec': 'aurl_jax.tokens.codec',
    'Compound': 'aurl_jax.tokens.compound',
    'Controls': 'aurl_jax.tokens.controls',
    'Grammar': 'aurl_jax.tokens.tokenizer',
    'Ledger': 'aurl_jax.tokens.ledger',
    'Performance': 'aurl_jax.tokens.performance',
    'Remi': 'aurl_jax.tokens.remi',
    'Tokenizer': 'aurl_jax.tokens.tokenizer',
    'VoiceGrid': 'aurl_jax.tokens.grid',
    'ledger': 'aurl_jax.tokens.ledger',
    'save': 'aurl_jax.tokens.tokenizer',
  },
)
