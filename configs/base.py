"""The page that every other one starts from: each section, each key.

`get_config` of a page takes its variant: `dev` (quick and chatty), `test`
(seconds) or `prod` (the full run, the default).
"""

import os

import ml_collections

VARIANTS = ('dev', 'test', 'prod')


def section(**values: object) -> ml_collections.ConfigDict:
  """Returns one section, whose keys are fixed from now on."""
  return ml_collections.ConfigDict(values)


def none(kind: type) -> ml_collections.FieldReference:
  """Returns None for a key that may be given a value of a type."""
  return ml_collections.config_dict.placeholder(kind)


def shared(name: str) -> str:
  """Returns the folder of a data set that is not part of the project.

  It lies in the folder AURL_DATA, by default `../shared/data`.
  """
  return os.path.join(os.environ.get('AURL_DATA') or '../shared/data', name)


def chance(
  first: float = 1.0, last: float = 1.0, ramp: int = 0
) -> ml_collections.ConfigDict:
  """Returns how likely a change is: from `first` to `last` in `ramp` steps."""
  return section(first=first, last=last, ramp=ramp)


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns a compound-token transformer of 4.0M parameters."""
  if variant not in VARIANTS:
    raise LookupError(
      f'no variant {variant!r} of this page; choose one of '
      + ', '.join(VARIANTS)
    )
  config = section(
    seed=0,
    data=section(
      source='chorales',
      batching='pack',
      buckets='',
      context=0,
      bucket_rows=0,
      workers=0,
      max_bad=1.0,
      splits='',
      preprocess=section(
        beats='keep',
        quantise=0.0,
        triplets=True,
        velocity=0.0,
        velocity_mean=76,
        velocity_spread=18,
        voices=none(int),
        chords=False,
      ),
      quality=section(
        min_notes=none(int),
        max_notes=none(int),
        min_seconds=none(float),
        max_seconds=none(float),
        min_bars=none(int),
        max_bars=none(int),
        max_silence=none(float),
        max_silence_share=none(float),
        max_polyphony=none(int),
        min_pitches=none(int),
        max_pitch_share=none(float),
        max_density=none(float),
        min_velocities=none(int),
        max_tracks=none(int),
        allow_drums_only=True,
      ),
      duplicates='keep',
      controls='none',
      excerpt=0,
    ),
    tokenizer=section(
      name='aurl_jax.tokens.compound:Compound',
      cells_per_beat=12,
      velocity_bins=32,
      chords=False,
      controls=False,
      infill=False,
      studied=False,
    ),
    augment=section(
      transpose=0,
      stretch=0.0,
      velocity=0,
      instruments=False,
      swing=False,
      humanise=0,
      transpose_chance=chance(),
      stretch_chance=chance(),
      velocity_chance=chance(),
      instruments_chance=chance(),
      swing_chance=chance(),
      humanise_chance=chance(),
    ),
    objective=section(
      causal=1.0,
      bars=0.0,
      tracks=0.0,
      given=0.0,
      given_of='melody,bass',
      control_dropout=0.15,
      context_loss=False,
      room=0,
    ),
    loss=section(
      weights='',
      z_loss=0.0,
      balance='fixed',
      auxiliary='',
      likelihood=1.0,
      balance_rate=0.025,
      balance_alpha=1.5,
    ),
    elbo=section(
      beta=1.0, free_bits=0.0, schedule='constant', ramp=0, patience=0
    ),
    gan=section(
      critic=section(width=64, layers=2, heads=2, beats=16, bars=4),
      loss='hinge',
      weight=0.5,
      drawn=0.0,
      ramp=500,
      features=5.0,
      latents=0.0,
      steps=2,
      learning_rate=3e-4,
      penalty=0.1,
      penalty_every=8,
      warmup=200,
      accuracy=0.7,
      tolerance=0.03,
      temperature=1.0,
      first=0,
      grow=0,
    ),
    curriculum=section(by='none', first=0.1, ramp=0, unit='epochs', power=2.0),
    model=section(
      mode='transformer',
      width=256,
      layers=4,
      heads=4,
      kv_heads=0,
      hidden=0,
      context=512,
      dropout=0.1,
      mlp='gelu',
      head_width=128,
      positions='rope',
      relative=0,
      rope_base=10_000.0,
      metrical=0,
      shared_pitch=False,
      lead=0,
      heard='',
      pattern='full',
      horizon=0,
      window=0,
      bar_layers=2,
      piece_layers=2,
      piece_bars=1024,
      dtype='float32',
      activations=0,
      remat='none',
      scan=False,
      attention='auto',
      packed=True,
      latent=section(
        slot=0,
        beats=1,
        slots=8,
        piece=0,
        reach=4,
        layers=2,
        drop=0.0,
        dials='',
        oneshot=0,
        blur=0.0,
      ),
    ),
    mesh=section(
      data=-1,
      fsdp=1,
      tensor=1,
      host_devices=0,
      coordinator='',
      processes=1,
      process=0,
    ),
    optimizer=section(
      name='adamw',
      learning_rate=1e-3,
      warmup_steps=100,
      schedule='cosine',
      final_fraction=0.1,
      b1=0.9,
      b2=0.98,
      eps=1e-8,
      weight_decay=0.05,
      clip_norm=1.0,
      clip_value=0.0,
      decay_fraction=0.2,
    ),
    train=section(
      steps=2000,
      begin_from='',
      batch_size=16,
      accumulate=1,
      log_every=20,
      evaluate_every=200,
      evaluate_batches=0,
      checkpoint_every=200,
      sample_every=0,
      label_smoothing=0.0,
      adversarial=0.0,
      ema=0.0,
      average_every=0,
      average_from=0,
      spike=0.0,
      rollback_after=10,
      rollbacks=3,
      loss_scale=32768.0,
      loss_scale_steps=2000,
    ),
    checkpoint=section(
      keep_best=0,
      keep_every=0,
      metric='valid/loss',
      mode='min',
      patience=0,
      min_delta=0.0,
    ),
    generate=section(
      n=4,
      bars=0,
      steps=0,
      steps_per_bar=20,
      temperature=1.0,
      top_k=0,
      top_p=0.98,
      typical_p=1.0,
      min_p=0.0,
      crowd=0,
      forms='labelled',
      seed=0,
    ),
    logging=section(
      console=True,
      tensorboard=True,
      wandb=False,
      trackio=False,
      keep_checkpoints=3,
      baseline=False,
      page=True,
      profile_at=0,
      profile_steps=10,
    ),
  )
  if variant == 'test':
    config.train.update(
      steps=20, log_every=1, evaluate_every=10, checkpoint_every=5
    )
  elif variant == 'dev':
    config.train.update(steps=200, log_every=5, evaluate_every=100)
  return config
