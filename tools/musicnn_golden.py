"""What musicnn hears in 20 pieces: golden data of our port, and its weights.

  python tools/musicnn_golden.py sounds DIR            (with aurl_jax)
  python tools/musicnn_golden.py judge DIR GOLDEN      (where musicnn is)
  python tools/musicnn_golden.py weights FILE          (likewise)

The package musicnn 0.1.0 and aurl_jax want other versions of what they share.
So the first command writes 20 sounds: ten chorales of the embedded corpus and
ten pieces by a seeded program, played by our plain synthesiser. The second one,
in an environment of its own, writes what the original says of these files, with
its own front end and its own graph, to `tests/evaluation/golden/musicnn.npz`.
The third writes the checkpoint `MTT_musicnn` as
`aurl_jax/evaluation/musicnn.safetensors`, without the layer of tags. Figures
of this state were made by Python 3.11, tensorflow-cpu 2.15.1, librosa 0.10.2,
numpy 1.26 and `pip install --no-deps musicnn==0.1.0`; `weights` needs
safetensors.
"""

import argparse
import pathlib
import sys

COUNT = 20
SECONDS = 7.0
"""Of each piece: two windows."""
LAYERS = ('mean_pool', 'max_pool', 'penultimate')
MODEL = 'MTT_musicnn'
_TAGS = 'dense_1/'


def main() -> int:
  """Does a part of the work; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('part', choices=('sounds', 'judge', 'weights'))
  parser.add_argument('path', type=pathlib.Path)
  parser.add_argument('golden', type=pathlib.Path, nargs='?')
  args = parser.parse_args()
  if args.part == 'sounds':
    args.path.mkdir(parents=True, exist_ok=True)
    for number, sound in enumerate(sounds()):
      (args.path / f'{number:02}.wav').write_bytes(sound)
  elif args.part == 'judge':
    judge(args.path, args.golden)
  else:
    weights(args.path)
  return 0


def sounds():
  """Returns the WAV files, 16 kHz and 16 bits."""
  from aurl_jax.music import audio

  return [audio.wav(audio.render(notes, seconds=SECONDS)) for notes in pieces()]


def pieces():
  """Returns the 20 pieces."""
  from aurl_jax.data import bach

  half = COUNT // 2
  scores = sorted(bach.corpus().glob('bwv2[567]*.mxl'))[:half]
  return [
    *(bach.read(path) for path in scores),
    *(seeded(seed) for seed in range(COUNT - half)),
  ]


def seeded(seed):
  """Returns a piece of chords, a line and drums, of another density each."""
  import numpy as np

  from aurl_jax.music.notes import Notes, Track

  rng = np.random.default_rng([20, seed])
  count = 8 * (seed + 2)
  onset = rng.integers(0, 64, count)
  track = rng.integers(0, 3, count)
  pitch = np.choose(
    track, [rng.integers(28, 60, count), rng.integers(60, 100, count), 38]
  )
  return Notes.build(
    4,
    {
      'onset': onset,
      'duration': rng.integers(1, 12, count),
      'pitch': pitch,
      'velocity': rng.integers(20, 128, count),
      'track': track,
    },
    tracks=[Track(), Track(), Track(is_drum=True)],
  )


def judge(folder, golden):
  """Writes what the original says of all files of a folder."""
  import numpy as np
  from musicnn import configuration
  from musicnn.extractor import extractor

  # All windows at once: of later batches the original repeats the penultimate
  # layer of the first.
  configuration.BATCH_SIZE = 64
  found = {name: [] for name in LAYERS}
  for path in sorted(folder.glob('*.wav')):
    _, _, features = extractor(str(path), model=MODEL, input_length=3)
    for name in LAYERS:
      values = np.asarray(features[name], np.float32)
      if not np.isfinite(values).all():
        raise SystemExit(f'{path}: the original says what is no number')
      found[name].append(values)
  np.savez_compressed(golden, **{k: np.stack(v) for k, v in found.items()})


def weights(path):
  """Writes the weights of the checkpoint, without what only training needs."""
  import musicnn
  import numpy as np
  import safetensors.numpy
  import tensorflow as tf

  # The files have no name but their ending.
  home = pathlib.Path(musicnn.__file__).parent / MODEL
  reader = tf.compat.v1.train.NewCheckpointReader(f'{home}/')
  kept = {
    name: np.ascontiguousarray(reader.get_tensor(name), np.float32)
    for name in sorted(reader.get_variable_to_shape_map())
    if 'Adam' not in name and 'power' not in name and not name.startswith(_TAGS)
  }
  notice = {
    'source': f'{MODEL} of musicnn 0.1.0, ISC licence, see musicnn.LICENSE'
  }
  safetensors.numpy.save_file(kept, path, metadata=notice)


if __name__ == '__main__':
  sys.exit(main())
