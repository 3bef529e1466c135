// The page of an export: writes a piece and prints how fast.
import * as ort from './ort/ort.wasm.min.mjs';
import { Loop } from './loop.js';

const find = (name) => document.getElementById(name);
const state = find('state');

async function read(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function main() {
  ort.env.wasm.wasmPaths = new URL('./ort/', location.href).href;
  // Threads need headers that a plain server of files does not send.
  ort.env.wasm.numThreads = 1;
  const loop = await Loop.load(ort, read);
  const button = find('write');
  button.addEventListener('click', async () => {
    button.disabled = true;
    find('ids').textContent = '';
    const begun = performance.now();
    let count = 0;
    const told = (step) => {
      count += 1;
      const seconds = (performance.now() - begun) / 1000;
      find('ids').textContent += `${step.join(' ')}\n`;
      state.textContent = `${count} steps, ${((count * step.length) / seconds).toFixed(0)} tokens/s (${(count / seconds).toFixed(0)} steps/s)`;
      return true;
    };
    const steps = Number(find('steps').value);
    const temperature = Number(find('temperature').value);
    window.written = await loop.write({ steps, temperature, told });
    button.disabled = false;
  });
  state.textContent = 'ready';
  button.disabled = false;
}

main().catch((error) => {
  state.textContent = `it does not run here: ${error.message}`;
});
