// Writes ids with an ONNX export in node, as its page does in a browser:
//
//     node tools/export/write.mjs EXPORT ORT [STEPS]
//
// ORT is the folder of onnxruntime-web (tools/export/web_runtime.py). Prints
// one line of JSON: load_ms, steps_per_second, tokens_per_second, ids; of a model
// with latents also mean, what the encoder tells of these ids, slots, the same
// with the first dial turned by 1.5, and varied, the ids that these give.
import fs from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, runtime, steps = '96'] = process.argv.slice(2);
const url = (...parts) => pathToFileURL(path.resolve(...parts)).href;
const ort = await import(url(runtime, 'ort.wasm.min.mjs'));
const { Loop } = await import(url(folder, 'loop.js'));
ort.env.wasm.wasmPaths = `${url(runtime)}/`;
ort.env.wasm.numThreads = 1;

const begun = performance.now();
const loop = await Loop.load(ort, async (name) =>
  new Uint8Array(await fs.readFile(path.join(folder, name))));
const loaded = performance.now();
const ids = await loop.write({ steps: Number(steps) });
const seconds = (performance.now() - loaded) / 1000;
const more = {};
if (loop.told.latent?.slot) {
  const told = await loop.encode(ids);
  const [dial] = Object.keys(loop.told.latent.dials);
  const latents = loop.latents({ told, dials: dial ? { [dial]: 1.5 } : {} });
  more.mean = Array.from(told.mean.data);
  more.slots = Array.from(latents.slots.data);
  more.varied = await loop.write({ steps: Number(steps), latents });
}
console.log(JSON.stringify({
  load_ms: Math.round(loaded - begun),
  steps_per_second: ids.length / seconds,
  tokens_per_second: (ids.length * ids[0].length) / seconds,
  ids,
  ...more,
}));
