"""What a user deploys, made of a model file: `python -m litecast.bundle FILE OUT/`.

A network becomes a **program** (`derive.program`), a list of ops over named vectors, and every form of the bundle is
written from it: `writers/<name>.py` is found by its file. This page says what the ops compute; `reference` is the same
in NumPy. A program forecasts one window of one series; series differ in `series`, their number, alone.

Inputs (those in `program.inputs` are read, the others need not be made)

    x      (L,)     scaled history, gaps filled: steps 1 to 4 of docs/file-format.md, float32
    known  (K,)     rows of the calendar z (F columns) at the steps `program.known` of the horizon, one after the other
    types  (L+H,)   row of the usual week of each step: with kind, weekday and step of the day of its cell, and the
                    `program.calendar`: weekdays + kind - 1 if kind > 0 and special, else weekday
    steps  (L+H,)   step of the day of each step, 0 where a step is a day or longer
    series          whole number, position among the card's series

The last op makes the forecast (H,) in scaled units; raw is y * std + mean, with the transform `log` its exponential.

Vectors are float32 and flat; matrices are row-major. An op is `out = kind(inputs; weights; numbers)`, `size` the length
of out. In JSON it is one flat object: {"op", "out", "size", "in": [...], and weights and numbers by their names}.

    slice(a; start)          a[start : start + size]
    concat(a, b, ...)        one after the other
    add, sub, mul, div(a, b) by element; b (or a) may be of size 1 and then meets every element
    relu(a)                  max(a, 0)
    mean(a; start, width)    out[i] = mean of a[start + i width : start + (i + 1) width]
    spread(a; floor)         one number: sqrt(mean of (a - mean of a)^2) + floor
    smooth(a; kernel)        mean of the kernel (odd) elements around each one; beyond the ends stand the end values
    linear(a; weight (size, n), bias (size,) or none)         weight @ a + bias
    round(a; bits, scale, zero)                               scale * clip(rint(a / scale), -zero, 2^bits - 1 - zero)
    row(; weight (C, size))                                   weight[series]
    conv1d(a; weight (out, in, kernel), bias (out,); stride, dilation, padding)
                             a is (in, P), zeros beyond its ends, the result (out, P'), both flat;
                             P' = (P + 2 padding - dilation (kernel - 1) - 1) // stride + 1
    gru, lstm(a; weight_ih (G h, n), weight_hh (G h, h), bias_ih, bias_hh (G h,); steps, last)
                             a is (steps, n), one row a step; state h starts at 0; the result is the last state, or
                             without `last` all states (steps, h). Gates in the order of PyTorch,
                             of gru (G = 3) r, z, n: h = (1 - z) tanh(i_n + r h_n) + z h, where i = weight_ih @ a +
                             bias_ih, h_ = weight_hh @ h + bias_hh, r and z are the sigmoids of their sums;
                             of lstm (G = 4) i, f, g, o: c = sig(f) c + sig(i) tanh(g); h = sig(o) tanh(c)
    usual(types, steps; rows, patterns (K, M) or none; types, steps, own, high, wide)
                             usual values: out[j] = table[(series own T + types[j]) S + steps[j]], T and S the numbers
                             `types` and `steps`. The table is flat: without patterns it is `rows`; with them rows
                             (R, K) @ patterns, flat. If there are `high` and `wide`, what was found is not yet values
                             but coefficients of cosine transforms, each high x kept, kept <= wide, and gives
                             high x wide values: value (a, b) = sum over x < high, y < kept of
                             u(x, high) u(y, wide) c[x, y] cos(pi x (a + 1/2) / high) cos(pi y (b + 1/2) / wide),
                             u(0, n) = sqrt(1 / n), else sqrt(2 / n)
    fit(u, x; ease)          the usual values u (L+H,) at level and width of the window x (L,): d = u - mean of u[:L],
                             p = d[:L]; out = mean of x + d (mean of ((x - mean of x) p) + ease) / (mean of p^2 + ease)
    lags(a, types; weight (A, 2 D 3), patch, days)
                             earlier days, D = days of P = patch steps each, weight seen as w (A, 2, D, 3): step
                             h = A' P + p of the horizon, with near(d, i) = a[L - (D - d) P + p + i - 1], 0 before the
                             first of these D P steps and after the last:
                             out[h] = sum over d, i of near(d, i) (w[A', 0, d, i] + alike(d) w[A', 1, d, i]), alike(d)
                             = 1 where types[L - (D - d) P + p] = types[L + h], else 0

Weights are `program.Tensor`: whole codes with scales, indices into a table, or floats, as the model file holds them, so
that memory may hold them so too. A network without a program (`derive.Unfit`) is bundled by ONNX and model file alone.
"""

from litecast.bundle.make import write

__all__ = ["write"]
