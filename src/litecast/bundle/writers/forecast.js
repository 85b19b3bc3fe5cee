/* litecast: (await load(content of bundle.json)).forecast(values, times) */

const fail = (why) => { throw Error(why); };

const DAY = 864e5, F32 = Float32Array, ARRAYS = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, f4: F32 };

/* content: bundle.json, parsed; warn: is told what makes a forecast err more. Rejects what is no bundle. */
export async function load({ card, bands, program, tensors, calendar }, warn = console.warn) {
  const { L, H, mean, std, season, history } = card, log = card.transform === "log", w = {};
  for (const name in tensors) w[name] = await tensor(tensors[name]);
  const ops = program.ops.map((op) => Object.fromEntries(Object.entries(op).map(([k, v]) => [k, w[v] ?? v])));
  if (ops.some(({ op }) => !OPS[op])) fail("not of this bundle");
  const dates = await dating(card, calendar, program.known, warn),

    numbers = (series) => series.map((s) =>
      card.series.includes(s) ? card.series.indexOf(s) : fail("no series " + s)),

    filled = (v) => {
      const from = v.length - L;
      if (v.length < history && v.slice(from).some(isNaN)) warn(`gaps need ${history} rows`);
      return F32.from(v.slice(from), (x, i) => {
        for (const by of [season, 1])
          for (let k = by; isNaN(x) && k <= Math.min(L, from + i); k += by) x = v[from + i - k];
        return x || 0;
      });
    };

  return {
    card,

    /* The H steps after the last row, raw: H Float64Arrays of C numbers. values: T >= L rows of C raw numbers, null or
       NaN = missing; times: T (or T + H) ISO texts, a step apart, local standard time; series: of the columns, if not
       all. Throws Error. */
    forecast(values, times, series = card.series) {
      if (!(values.length >= L)) fail(`give ${L} or more rows`);
      const told = dates(times, values.length), y = Array.from({ length: H }, () => new Float64Array(series.length));
      numbers(series).forEach((n, c) => {
        const x = filled(values.slice(-history).map((row) => {
          const v = row[c] ?? NaN;
          if (row.length !== series.length || typeof v !== "number" || Math.abs(v) === Infinity)
            fail(`a row is ${series.length} finite numbers, or null`);
          return ((log ? Math.log(v > 0 ? v : NaN) : v) - mean[n]) / std[n];
        }));
        const v = { ...told, x };
        for (const op of ops) v[op.out] = vec(op.size, OPS[op.op](op, ...op.in.map((k) => v[k]), n));
        v[program.output].forEach((out, h) => {
          out = out * std[n] + mean[n];
          y[h][c] = log ? Math.exp(out) : out;
        });
      });
      return y;
    },

    /* [low, high] of a forecast: between them lie `level` % of values, as validation has it. */
    bands(y, level = 80, series = card.series) {
      const by = bands[level] ?? fail(`no bands of ${level} %`), s = numbers(series);
      return [-1, 1].map((side) => y.map((row, h) => row.map((v, c) => {
        const r = side * std[s[c]] * (by[h][s[c]] ?? by[h][0]);
        return log ? v * Math.exp(r) : v + r;
      })));
    },
  };
}

/* Times and count of rows -> what a program reads of the calendar. */
async function dating({ L, H, frequency, history, holidays }, { step, last, ...told }, ahead, warn) {
  if (!step[0]) return () => ({ types: [], steps: [] }); /* none is 0 */
  const [days, types, known] = await Promise.all([told.days, told.types, told.known].map(tensor)),
    [first, until, ...gaps] = holidays ?? [1970, 9999], [, S, F] = known.shape,
    next = (AFTER[frequency] ?? AFTER.fixed)(step, first, gaps);
  return (times, count) => {
    const more = times?.length - count, year = (ms) => new Date(ms).getUTCFullYear();
    if (![0, H].includes(more)) fail("give a time a row");
    const t = times.slice(-history - more).map((s) => {
      const iso = (s + "T00:00").slice(0, 16).replace(" ", "T"), ms = Date.parse(iso + "Z"),
        fits = /^.{10}(.{6}(:\d\d)?)?$/.test(s) && new Date(ms).toJSON()?.startsWith(iso);
      return fits ? ms : fail(s + " is no time: 2024-01-31T13:00");
    });
    if (t.some((ms, i) => i && ms !== next(t[i - 1], ms))) fail("times are not a step apart");
    for (let h = more; h < H; h++) t.push(next(t.at(-1)));
    const span = t.slice(-L - H), kinds = span.map((ms) => days[Math.floor(ms / DAY)] ?? fail("times: 1970 to " + last));
    if (year(span[0]) < first || year(t.at(-1)) > until) warn(`holidays are known of ${first} to ${until}`);
    const steps = span.map((ms) => Math.floor(ms % DAY * S / DAY)), at = (h) => (kinds[L + h] * S + steps[L + h]) * F;
    return {
      types: kinds.map((k) => types[k]), steps, known: ahead.flatMap((h) => [...known.slice(at(h), at(h) + F)]),
    };
  };
}

/* By frequency: what it is told -> a time -> the next one, midnight UTC for local. */
const AFTER = {};

AFTER.fixed = ([step, unit]) => (ms) => ms + step * (unit === "m" ? 6e4 : DAY);

AFTER.MS = () => (ms) => new Date(ms).setUTCMonth(new Date(ms).getUTCMonth() + 1);

/* Any later time that the data has, else the next weekday that is no holiday: they are told as days from 1 January of
   the first year to the first one, then from each to the next. */
AFTER["trading-day"] = (_, year, gaps) => {
  let day = Date.UTC(year, 0) / DAY;
  const closed = gaps.map((g) => day += g);
  return (ms, then) => {
    if (then > ms) return then;
    do ms += DAY;
    while ((ms / DAY + 3) % 7 > 4 || closed.includes(ms / DAY));
    return ms;
  };
};

/* Numbers as the bundle packs them: a typed array that knows its shape. */
async function tensor({ kind, shape, codes, dtype, scale, run }) {
  const packed = new ARRAYS[dtype.slice(1)](await bytes(codes)), scales = new F32(await bytes(scale)),
    value = { int: (c, i) => c * scales[i / run | 0], table: (c) => scales[c] }[kind];
  return Object.assign(value ? F32.from(packed, value) : packed, { shape });
}

async function bytes(text) {
  if (!text) return 0;
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

const sum = (n, f) => {
  let s = 0;
  for (let i = 0; i < n; i++) s += f(i);
  return s;
};

const vec = (n, f) => {
  const v = new F32(n);
  for (let i = 0; i < n; i++) v[i] = f(i);
  return v;
};

const dot = (w, row, a, at, n) => sum(n, (i) => w[row * n + i] * a[at + i]);

const avg = (a, at = 0, n = a.length) => sum(n, (i) => a[at + i]) / n;

const each = (f) => (op, a, b) => (i) => f(a[i % a.length], b[i % b.length]);

const sigmoid = (a) => 1 / (1 + Math.exp(-a));

/* The whole table of an op `usual`, flat. */
const week = ({ rows, patterns, high, wide }) => {
  const K = rows.shape.at(-1), M = patterns ? patterns.shape[1] : K, R = rows.length / K, table = patterns ? vec(R * M, (i) =>
    sum(K, (k) => rows[(i - i % M) / M * K + k] * patterns[k * M + i % M])) : rows;
  return high ? OPS.cosines(table, M / high, high, wide) : table;
};

const recurrent = (G, cell) => (op, a) => {
  const n = a.length / op.steps, H = op.weight_hh.shape[1], states = [];
  let h = new F32(H), c = h;
  for (let t = 0; t < op.steps; t++) {
    [h, c] = cell(vec(G * H, (j) => op.bias_ih[j] + dot(op.weight_ih, j, a, t * n, n)),
      vec(G * H, (j) => op.bias_hh[j] + dot(op.weight_hh, j, h, 0, H)), h, c, H);
    states.push(...h);
  }
  return (i) => (op.last ? h : states)[i];
};

/* Each: (what the op is told, its inputs, the series' number) -> i -> element i of what it makes. The docstring of
   bundle/__init__.py says what they compute. */
const OPS = {};

OPS.add = each((a, b) => a + b);

OPS.sub = each((a, b) => a - b);

OPS.mul = each((a, b) => a * b);

OPS.div = each((a, b) => a / b);

OPS.slice = ({ start }, a) => (i) => a[start + i];

OPS.concat = (op, ...parts) => {
  const all = parts.slice(0, -1).flatMap((part) => [...part]);
  return (i) => all[i];
};

OPS.relu = (op, a) => (i) => Math.max(a[i], 0);

OPS.mean = ({ start, width }, a) => (i) => avg(a, start + i * width, width);

OPS.spread = ({ floor }, a) => {
  const m = avg(a);
  return () => Math.sqrt(sum(a.length, (i) => (a[i] - m) ** 2) / a.length) + floor;
};

OPS.smooth = ({ kernel, size }, a) => (i) =>
  sum(kernel, (k) => a[Math.min(Math.max(i + k - (kernel >> 1), 0), size - 1)]) / kernel;

OPS.linear = ({ weight, bias }, a) => (i) => dot(weight, i, a, 0, a.length) + (bias ? bias[i] : 0);

/* Halves to even, in float32. */
OPS.round = ({ bits, scale, zero }, a) => (i) => {
  const s = Math.fround(scale), q = Math.fround(a[i] / s), r = Math.round(q), odd = r - q === 0.5 && r % 2 ? 1 : 0;
  return Math.min(Math.max(r - odd, -zero), 2 ** bits - 1 - zero) * s;
};

OPS.row = ({ weight, size }, n) => (i) => weight[n * size + i];

OPS.usual = (op, type, step, n) => {
  op.table ??= week(op);
  return (i) => op.table[(n * op.own * op.types + (type[i] | 0)) * op.steps + (step[i] | 0)];
};

OPS.fit = ({ ease }, u, x) => {
  const n = x.length, center = avg(u, 0, n), level = avg(x), d = (i) => u[i] - center;
  const k = (sum(n, (i) => (x[i] - level) * d(i)) / n + ease) / (sum(n, (i) => d(i) ** 2) / n + ease);
  return (i) => level + d(i) * k;
};

OPS.lags = ({ weight, patch, days }, a, types) => (h) => {
  const L = a.length, used = days * patch, p = h % patch, ahead = (h - p) / patch;
  return sum(days, (d) => {
    const at = L - used + d * patch + p, alike = types[at] === types[L + h];
    return sum(3, (i) => {
      const from = at + i - 1, w = (kind) => weight[((ahead * 2 + kind) * days + d) * 3 + i];
      return from < L - used || from >= L ? 0 : a[from] * (w(0) + alike * w(1));
    });
  });
};

OPS.conv1d = ({ weight, bias, stride, dilation, padding, size }, a) => (j) => {
  const [out, inner, K] = weight.shape, P = a.length / inner, Q = size / out, q = j % Q, o = (j - q) / Q;
  return sum(inner * K, (i) => {
    const k = i % K, from = q * stride + k * dilation - padding;
    return from < 0 || from >= P ? 0 : weight[o * inner * K + i] * a[(i - k) / K * P + from];
  }) + (bias ? bias[o] : 0);
};

OPS.gru = recurrent(3, (i, g, h, c, n) => [vec(n, (j) => {
  const gate = (k) => sigmoid(i[k * n + j] + g[k * n + j]), z = gate(1);
  return (1 - z) * Math.tanh(i[2 * n + j] + gate(0) * g[2 * n + j]) + z * h[j];
}), c]);

OPS.lstm = recurrent(4, (i, g, h, c, n) => {
  const gate = (k, j) => i[k * n + j] + g[k * n + j], next = vec(n, (j) => sigmoid(gate(1, j)) * c[j] + sigmoid(gate(0, j)) * Math.tanh(gate(2, j)));
  return [vec(n, (j) => sigmoid(gate(3, j)) * Math.tanh(next[j])), next];
});

/* No op of programs but what `usual` does to coefficients: to their values. */
OPS.cosines = (c, kept, high, wide) => {
  const wave = (k, at, n) => Math.cos(Math.PI * k * (at + 0.5) / n) * Math.sqrt((k ? 2 : 1) / n), rows = vec(c.length / kept * wide, (i) =>
    sum(kept, (k) => c[(i - i % wide) / wide * kept + k] * wave(k, i % wide, wide)));
  return rows.map((_, i) => {
    const a = (i - i % wide) / wide % high;
    return sum(high, (k) => rows[i + (k - a) * wide] * wave(k, a, high));
  });
};
