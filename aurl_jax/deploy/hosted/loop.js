// Writes music with an ONNX export and onnxruntime-web, in a page or in node.
// One row; loop.py is the same in Python.
import { Rules } from './rules.js';

const LONGS = (values) => BigInt64Array.from(values, (x) => BigInt(x));

export class Loop {
  // ort: the runtime; read: gives the bytes of a file of the export by name.
  static async load(ort, read) {
    const text = async (name) => JSON.parse(new TextDecoder().decode(await read(name)));
    const told = (await text('manifest.json')).model;
    const data = await read('weights.bin');
    const graphs = {};
    const names = ['decoder', ...told.vocabulary.map((_, field) => `field_${field}`)];
    if (told.latent) names.push('encoder');
    for (const name of names) {
      graphs[name] = await ort.InferenceSession.create(await read(`${name}.onnx`), {
        executionProviders: ['wasm'],
        externalData: [{ path: 'weights.bin', data }],
      });
    }
    return Object.assign(new Loop(), { ort, told, graphs, rules: new Rules(await text('grammar.json')) });
  }

  // Gives what a graph makes of the parts of a feed that it wants, by name.
  run(name, feed) {
    const graph = this.graphs[name];
    return graph.run(Object.fromEntries(graph.inputNames.map((x) => [x, feed[x]])));
  }

  cache(room) {
    const { layers, key_heads: heads, head_dim: width } = this.told;
    const found = {};
    for (const name of ['past_key', 'past_value']) {
      for (let layer = 0; layer < layers; layer++) {
        const zeros = new Float32Array(heads * room * width);
        found[`${name}_${layer}`] = new this.ort.Tensor('float32', zeros, [1, heads, room, width]);
      }
    }
    return found;
  }

  // Gives the distributions of the latents of one piece, as the graph does.
  async encode(ids) {
    const { rules, ort } = this;
    const where = [];
    let clock = rules.run('start');
    for (const step of ids) {
      clock = rules.run('tick', ...clock, step);
      where.push(Array.from(rules.run('where', ...clock)[0]).slice(2));
    }
    const shape = [1, ids.length];
    const feed = { ids: new ort.Tensor('int64', LONGS(ids.flat()), [...shape, ids[0].length]) };
    for (const [k, name] of ['time', 'position'].entries()) {
      feed[name] = new ort.Tensor('int64', LONGS(where.map((x) => x[k])), shape);
    }
    return this.run('encoder', feed);
  }

  // Gives what a piece is written of, for write(): the middle of the standard
  // normal, or a draw within what encode() told, strength 0..1; dials are
  // turned by so many deviations of the data. normal() draws a number.
  latents({ told, strength = 0, dials = {}, normal = gauss } = {}) {
    const { latent } = this.told;
    const shapes = { slots: [latent.slots, latent.slot], piece: [latent.piece] };
    const found = {};
    for (const [name, before] of [['slots', ''], ['piece', 'piece_']]) {
      const size = shapes[name].reduce((x, y) => x * y, 1);
      if (!size) continue;
      const data = new Float32Array(size);
      if (told) {
        const logs = told[`${before}log_variance`].data;
        told[`${before}mean`].data.forEach((mean, i) => {
          data[i] = mean + (strength ? strength * Math.exp(0.5 * logs[i]) * normal() : 0);
        });
      }
      found[name] = new this.ort.Tensor('float32', data, [1, ...shapes[name]]);
    }
    const turns = {};
    for (const [name, far] of Object.entries(dials)) {
      const holds = { [name]: 1, ...latent.dials[name].holds };
      for (const [other, share] of Object.entries(holds)) turns[other] = (turns[other] ?? 0) + share * far;
    }
    for (const [name, far] of Object.entries(turns)) if (far) turn(found.slots, latent.dials[name], far);
    return found;
  }

  // Gives the ids of one piece. chance() is a number in [0, 1); told(step)
  // hears of each step, and stops the piece where it gives false.
  async write({ prompt, steps = 128, temperature = 0, chance = Math.random, told = () => true, latents } = {}) {
    const { rules, ort } = this;
    const { lead, width, opening, vocabulary } = this.told;
    const fields = vocabulary.length;
    const ids = (prompt ?? opening).map((x) => Array.from(x));
    const given = ids.length;
    let state = rules.run('init', steps);
    let clock = rules.run('start');
    for (const step of ids) state = rules.run('advance', ...state, step);
    const one = (x) => new ort.Tensor('int64', LONGS([x]), [1]);
    const row = (x) => new ort.Tensor('int64', LONGS(x), [1, fields]);
    const feed = this.cache(steps);
    feed.start = one(0);
    feed.state = new ort.Tensor('float32', new Float32Array(width), [1, width]);
    if (this.told.latent) Object.assign(feed, latents ?? this.latents());

    const draw = async (from, to, step) => {
      for (let field = from; field < to; field++) {
        feed.partial = row(step);
        let logits = (await this.run(`field_${field}`, feed)).logits.data;
        if (field === 0 && rules.has('weighed')) [logits] = rules.run('weighed', ...state, logits);
        const [may] = rules.run(`mask_${field}`, ...state, step);
        step[field] = drawn(logits, may, temperature, chance);
      }
    };

    for (let index = 0; index < steps - 1; index++) {
      const last = ids[index];
      const written = index + 1 >= given;
      const step = written ? new Array(fields).fill(0) : ids[index + 1];
      feed.first = new ort.Tensor('bool', [index === 0], [1]);
      feed.last = feed.ids = row(last);
      if (written) await draw(0, lead, step);
      clock = rules.run('tick', ...clock, last);
      const [[place, cell, time = 0]] = rules.run('where', ...clock);
      feed.following = row(step);
      feed.index = new ort.Tensor('int64', LONGS([index]), []);
      feed.place = one(place);
      feed.cell = one(cell);
      feed.time = one(time);
      const found = await this.run('decoder', feed);
      feed.state = found.hidden;
      for (const name of this.graphs.decoder.outputNames) {
        if (name !== 'hidden') keep(feed[name.replace('new', 'past')], found[name], index);
      }
      if (written) {
        await draw(lead, fields, step);
        ids.push(step);
        state = rules.run('advance', ...state, step);
        if (!told(step)) break;
      }
      if (ids.length >= given && rules.run('distance', ...state)[0][0] <= 0) break;
    }
    return ids;
  }
}

// Writes the keys or values of one step into a cache [1, heads, room, width].
function keep(cache, found, index) {
  const [, heads, room, width] = cache.dims;
  for (let head = 0; head < heads; head++) {
    const part = found.data.subarray(head * width, (head + 1) * width);
    cache.data.set(part, (head * room + index) * width);
  }
}

// Moves the dim of a dial in latents [1, slots, dims]; what is counted stays
// whole numbers, and what one lacks of what is wanted, the next one gets.
function turn(slots, { dim, middle, width, counted, deviation }, far) {
  const [, count, dims] = slots.dims;
  let left = 0;
  for (let slot = 0; slot < count; slot++) {
    const at = slot * dims + dim;
    let wanted = slots.data[at] * width + middle + far * deviation;
    if (counted) {
      left += wanted * counted;
      const whole = Math.max(Math.floor(left + 0.5), 0);
      left -= whole;
      wanted = whole / counted;
    }
    slots.data[at] = (wanted - middle) / width;
  }
}

function gauss() {
  const far = Math.sqrt(-2 * Math.log(1 - Math.random()));
  return far * Math.cos(2 * Math.PI * Math.random());
}

function drawn(logits, may, temperature, chance) {
  let best = -1;
  for (let i = 0; i < may.length; i++) {
    if (may[i] && (best < 0 || logits[i] > logits[best])) best = i;
  }
  if (!temperature) return best;
  const weights = Array.from(may, (ok, i) => (ok ? Math.exp((logits[i] - logits[best]) / temperature) : 0));
  let left = chance() * weights.reduce((sum, x) => sum + x, 0);
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i];
    if (weights[i] && left < 0) return i;
  }
  return best;
}
