// Runs the rules of an export (grammar.json). The operations are those of
// aurl_jax.deploy.programs; rules.py is the same with numpy.

const TYPES = { i: Int32Array, b: Uint8Array, f: Float32Array };

// An argument of one element goes with any.
const each = (f) => (out, ...args) => {
  const steps = args.map((x) => (x.length === 1 ? 0 : 1));
  for (let i = 0; i < out.length; i++) {
    out[i] = f(...args.map((x, k) => x[i * steps[k]]));
  }
};

const OPERATIONS = {
  add: each((x, y) => x + y),
  sub: each((x, y) => x - y),
  mul: each((x, y) => x * y),
  rem: each((x, y) => x % y),
  max: each((x, y) => Math.max(x, y)),
  min: each((x, y) => Math.min(x, y)),
  and: each((x, y) => x & y),
  or: each((x, y) => x | y),
  eq: each((x, y) => x === y),
  ne: each((x, y) => x !== y),
  lt: each((x, y) => x < y),
  le: each((x, y) => x <= y),
  gt: each((x, y) => x > y),
  ge: each((x, y) => x >= y),
  abs: each(Math.abs),
  neg: each((x) => -x),
  sign: each(Math.sign),
  exp: each(Math.exp),
  log1p: each(Math.log1p),
  as: each((x) => x),
  same: each((x) => x),
  repeat: each((x) => x),
  select: each((which, no, yes) => (which ? yes : no)),
  slice: (out, x, first, stop, stride) => {
    for (let i = 0; i < out.length; i++) out[i] = x[first + i * stride];
  },
  at: (out, x, i) => {
    const first = Math.min(Math.max(i[0], 0), x.length - out.length);
    out.set(x.subarray(first, first + out.length));
  },
  row: (out, x, i) => {
    const n = out.length;
    const first = Math.min(Math.max(i[0], 0), x.length / n - 1) * n;
    out.set(x.subarray(first, first + n));
  },
  take: (out, x, i) => {
    for (let k = 0; k < out.length; k++) {
      out[k] = x[Math.min(Math.max(i[k], 0), x.length - 1)];
    }
  },
  join: (out, ...parts) => {
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
  },
  put: (out, x, i, y) => {
    out.set(x);
    if (i[0] >= 0 && i[0] <= x.length - y.length) out.set(y, i[0]);
  },
  sum: (out, x) => {
    out[0] = x.reduce((total, value) => total + value, 0);
  },
  least: (out, x) => {
    out[0] = x.reduce((a, b) => Math.min(a, b));
  },
  any: (out, x) => {
    out[0] = x.some((value) => value) ? 1 : 0;
  },
};

// Whole numbers are divided towards 0, as in C; not is of bits or of truth.
function special(operation, kind) {
  if (operation === 'div') {
    return kind === 'f' ? each((x, y) => x / y) : each((x, y) => Math.trunc(x / y));
  }
  if (operation === 'not') return each(kind === 'b' ? (x) => (x ? 0 : 1) : (x) => ~x);
  if (operation === 'as' && kind === 'b') return each((x) => (x ? 1 : 0));
  return OPERATIONS[operation];
}

function sizeOf(operation, args, rest) {
  switch (operation) {
    case 'repeat': return rest[0];
    case 'slice': return Math.ceil((rest[1] - rest[0]) / rest[2]);
    case 'at': return rest[0];
    case 'row': return rest[0];
    case 'take': return args[1].length;
    case 'join': return args.reduce((sum, x) => sum + x.length, 0);
    case 'put': return args[0].length;
    case 'any':
    case 'sum':
    case 'least': return 1;
    default: return Math.max(...args.map((x) => x.length));
  }
}

export class Rules {
  // Takes a program, as it stands in grammar.json.
  constructor(told) {
    if (told.format !== 1) throw new Error(`grammar.json has format ${told.format}, not 1`);
    this.fields = told.fields;
    this.functions = told.functions;
    this.constants = told.constants.map((x) => {
      if (x.some((value) => typeof value === 'boolean')) return Uint8Array.from(x);
      return x.every(Number.isInteger) ? Int32Array.from(x) : Float32Array.from(x);
    });
  }

  has(name) {
    return name in this.functions;
  }

  // Gives the arrays that a function makes of its arguments.
  run(name, ...given) {
    const { code, outputs } = this.functions[name];
    const values = given.map((x) => (x.length === undefined ? [x] : x));
    const read = (x) => (x >= 0 ? values[x] : this.constants[-1 - x]);
    for (const [operation, kind, which, ...rest] of code) {
      const args = which.map(read);
      const out = new TYPES[kind](sizeOf(operation, args, rest));
      special(operation, kind)(out, ...args, ...rest);
      values.push(out);
    }
    return outputs.map(read);
  }
}
