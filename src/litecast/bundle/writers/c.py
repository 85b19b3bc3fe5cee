"""forecast.c and forecast.h: C99 without allocation or state, for microcontrollers and for whatever calls C.

Weights stay codes, in whole bytes or two a byte; vectors share one array on the stack, whose places are planned here.
Functions come from kernels.c, those that a program needs; each op becomes a call.
"""

import math
import re
import textwrap
from pathlib import Path

import numpy as np

from litecast.bundle.derive import Unfit
from litecast.bundle.program import FLOAT, INT, TABLE, Op, Program, Tensor
from litecast.data import calendar, daytypes

NAME = "C: `forecast.c`, `forecast.h`"
USE = """C99 and `math.h`; nothing is allocated, nothing kept between calls, threads may call at once.

```c
float y[FORECAST_H];
forecast_time last;                  /* of the last row: local standard time, year, month, day, hour, minute */
int said = forecast(values, count, &last, series, y);
```

`values` are the last `count` rows of one series, raw, the oldest first, `NAN` where one is missing; `said` below 0 is
an error, above 0 a warning, see `forecast.h`, which has all series in one call, and bands, too. Gaps are filled and the
calendar, with the file's holidays, is made in C. Of trading days `last` is an array, the times of the last `FORECAST_L`
rows, the oldest first. With `-DFORECAST_INT8` what enters a layer is rounded to 8 bit, by at most 1/254 of its largest
value, and products are of whole numbers: quicker where there is no unit for floats. Never compile with `-ffast-math`:
`NAN` counts. Weights stand in flash as codes of a byte or half a byte, not as the shorter streams of the model file.
"""
FILES = "forecast.c", "forecast.h"
ELEMENTWISE = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
DAY = 1440
FINER = 16  # parts of a whole number that kernels.c adds up, with FORECAST_INT8
MINUTES = {"15min": 15, "30min": 30, "h": 60, "D": DAY, "W": 7 * DAY}
PHASES = {"day": "(float)minute / 1440.0f", "week": "((float)weekday(day) + (float)minute / 1440.0f) / 7.0f",
          "year": "(float)(day - day_of(year_of(day), 1, 1)) / 365.25f"}  # fmt: skip
FLAGS = {"weekend": "weekday(day) > 4 ? 1.0f : 0.0f", "holiday": "off(day) ? 1.0f : 0.0f"}


def write(program: Program, card: dict, folder: Path) -> list[str]:
    made = dict(zip(FILES, sources(program, card), strict=True))
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return list(made)


def sources(program: Program, card: dict) -> tuple[str, str]:
    """forecast.c and forecast.h; card as `writers` has it."""
    return _Source(program, card).text(), _header(card)


class _Source:
    """The text of forecast.c. defines: macros; variants: function -> which of kernels.c it is, if there are several;
    tensors: name -> as it is held in C."""

    def __init__(self, program: Program, card: dict):
        self.program, self.card, self.sizes, self.variants = program, card, program.sizes(), {}
        self.dated = bool({"types", "known"} & program.inputs.keys()) and card["frequency"] != "step"
        self.tensors, self.data, self.cosine_tables = dict(program.tensors), {}, ""
        self.place, work = places(program)
        self.defines = {"SPAN": card["L"] + card["H"], "SEASON": card["season"],
                        "LOG": int(card["transform"] == "log"), "WORK": work}
        calls = [call for op in program.ops for call in self.called(op)]
        frame = self.frame(calls)
        self.taken = {"tensor"}  # parts of kernels.c that are there already
        self.body = self.when() + self.parts(frame) + frame

    def text(self) -> str:
        held = "".join(map(self.tensor, self.tensors)) + "".join(
            array(name, values) for name, values in self.data.items() if re.search(rf"\b{name}\b", self.body))
        shares = PARTS["shares"] + self.cosine_tables if "HIGH" in self.defines else ""
        head = HEAD.format(name=_comment(self.card["dataset"]))
        return "\n".join([head, self.defined(), PARTS["tensor"], held, shares, self.body])

    def defined(self) -> str:
        return "".join(f"#define {name} {value}\n" for name, value in self.defines.items()) + "\n"

    # ---- data

    def tensor(self, name: str) -> str:
        held, word = self.tensors[name], identifier(name)
        kind, codes = _codes(held)
        scale = array(f"{word}_scale", held.scale) if held.scale.size else ""
        return (array(f"{word}_codes", codes) + scale + f"static const tensor {word} = {{{word}_codes, "
                f"{f'{word}_scale' if scale else 0}, {held.run or max(1, held.size)}, {kind}}};\n")

    # ---- ops

    def at(self, name: str) -> str:
        return f"v + {self.place[name]}" if name in self.place else f"c->{name}"

    def called(self, op: Op) -> list[str]:
        """Lines of C, each a statement."""
        out, ins, told = self.at(op.out), [self.at(name) for name in op.inputs], op.numbers
        weights = {role: f"&{identifier(name)}" for role, name in op.weights.items()}
        if op.kind == "slice":
            return []  # a part of what it is cut from
        if op.kind in ELEMENTWISE or op.kind == "relu":
            return [self.each(op)]
        if op.kind == "concat":
            starts = np.cumsum([0, *(self.sizes[name] for name in op.inputs)])
            return [f"copy({a}, {out} + {start}, {self.sizes[name]});"
                    for name, a, start in zip(op.inputs, ins, starts, strict=False)]  # fmt: skip
        bias = weights.get("bias", 0)
        made = {
            "mean": lambda: f"mean({ins[0]} + {told['start']}, {told['width']}, {out}, {op.size});",
            "spread": lambda: f"spread({ins[0]}, {self.sizes[op.inputs[0]]}, {number(told['floor'])}, {out});",
            "smooth": lambda: f"smooth({ins[0]}, {told['kernel']}, {out}, {op.size});",
            "row": lambda: f"row({weights['weight']}, series, {out}, {op.size});",
            "fit": lambda: (f"fit({ins[0]}, {ins[1]}, {self.sizes[op.inputs[1]]}, {number(told['ease'])}, {out}, "
                            f"{op.size});"),
            "linear": lambda: self.map(weights["weight"], bias, op),
            "round": lambda: self.rounded(op),
            "lags": lambda: (f"lags({weights['weight']}, {ins[0]}, {self.sizes[op.inputs[0]]}, c->types, "
                             f"{told['patch']}, {told['days']}, {out}, {op.size});"),
            "conv1d": lambda: self.conv(op, weights["weight"], bias),
            "gru": lambda: self.recurrent(op, weights),
            "lstm": lambda: self.recurrent(op, weights),
            "usual": lambda: self.usual(op),
        }  # fmt: skip
        if op.kind not in made:
            raise Unfit(f"C has no op {op.kind}")
        return [made[op.kind]()]

    def each(self, op: Op) -> str:
        """Element by element; what has one element meets all."""
        ins = [f"v[{self.place[name]}{' + i' if self.sizes[name] > 1 else ''}]" for name in op.inputs]
        value = f"{ins[0]} > 0.0f ? {ins[0]} : 0.0f" if op.kind == "relu" else f" {ELEMENTWISE[op.kind]} ".join(ins)
        return f"for (int i = 0; i < {op.size}; i++) v[{self.place[op.out]} + i] = {value};"

    def map(self, weight: str, bias, op: Op) -> str:
        n = self.sizes[op.inputs[0]]
        self.widest(n)
        return f"map({weight}, {bias}, {self.at(op.inputs[0])}, {n}, {self.at(op.out)}, {op.size}, 1);"

    def widest(self, n: int) -> None:
        self.defines["WIDEST"] = max(self.defines.get("WIDEST", 0), n)

    def rounded(self, op: Op) -> str:
        bits, zero = op.numbers["bits"], op.numbers["zero"]
        limits = number(-zero), number(2**bits - 1 - zero)
        given = ", ".join([self.at(op.inputs[0]), number(op.numbers["scale"]), *limits])
        return f"rounded({given}, {self.at(op.out)}, {op.size});"

    def conv(self, op: Op, weight: str, bias) -> str:
        rows, inner, kernel = self.tensors[op.weights["weight"]].shape
        self.widest(inner * kernel)
        told = [op.numbers[name] for name in ("stride", "dilation", "padding")]
        numbers = ", ".join(map(str, [inner, self.sizes[op.inputs[0]] // inner, kernel, *told]))
        return (f"conv1d({weight}, {bias}, {self.at(op.inputs[0])}, {numbers}, {self.at(op.out)}, {rows}, "
                f"{op.size // rows});")

    def recurrent(self, op: Op, weights: dict) -> str:
        steps, last = op.numbers["steps"], op.numbers["last"]
        hidden, n = op.size // (1 if last else steps), self.sizes[op.inputs[0]] // steps
        self.defines["HIDDEN"] = max(self.defines.get("HIDDEN", 0), hidden)
        self.widest(max(n, hidden))
        held = ", ".join(weights[role] for role in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        return f"{op.kind}({held}, {self.at(op.inputs[0])}, {n}, {steps}, {last}, {self.at(op.out)}, {hidden});"

    def usual(self, op: Op) -> str:
        """A table of values, or blocks of `high` types: products with patterns, cosines, or both."""
        told, rows, patterns = op.numbers, self.tensors[op.weights["rows"]], op.weights.get("patterns")
        types, steps, out = told["types"], told["steps"], f"{self.at(op.out)}, {op.size});"
        own = f"(uint32_t)series * {told['own']}u"
        self.defines |= {"STEPS": steps}
        if patterns is None and not told.get("high"):
            return f"usual(&{identifier(op.weights['rows'])}, {own} * {types * steps}u, c->types, c->steps, {out}"
        block = self.tensors[patterns].size // self.tensors[patterns].shape[0] if patterns else rows.shape[-1]
        high = told.get("high") or block // steps
        if types % high or block % high or told.get("wide", steps) != steps:
            raise Unfit(f"C forecasts from blocks of whole types, and {types} types are kept in blocks of {high}")
        self.defines |= {"TYPES": types, "HIGH": high, "KEPT": block // high, "WHOLE": 0}
        self.variants["coefficients"] = self.coefficients(op, rows, patterns)
        tall, wide = (self.cosines(n) if told.get("high") and n > 1 else "0" for n in (high, steps))
        held = f"&{identifier(op.weights['rows'])}, {f'&{identifier(patterns)}' if patterns else 0}"
        return f"usual_blocks({held}, {own} * {types // high}u, {tall}, {wide}, c->types, c->steps, {out}"

    def coefficients(self, op: Op, rows: Tensor, patterns: str | None) -> str:
        if patterns is None:
            return "coefficients plain"
        self.tensors[patterns] = held = turned(self.tensors[patterns])
        self.defines["RANK"] = rank = held.shape[1]
        largest = [int(np.abs(each.codes.astype(np.int64)).max()) for each in (rows, held) if each.kind == INT]
        one = all(each.kind == INT and each.scale.size == 1 for each in (rows, held)) and rows.bits > 4
        if not one or FINER * self.defines["HIGH"] * rank * math.prod(largest) >= 2**31 or held.size > 2**16:
            return "coefficients float"
        codes = held.codes.ravel()
        near = codes.clip(-128, 127)
        beyond = np.flatnonzero(codes != near)
        self.data |= {"more": (codes - near)[beyond], "places": beyond.astype(np.uint16)}
        self.tensors[patterns] = Tensor(INT, near.astype(np.int8).reshape(held.shape), held.scale, held.run, 8)
        self.defines |= {"ROW": f"{rows.codes.dtype}_t", "BEYOND": len(beyond), "WHOLE": int("high" in op.numbers)}
        return "coefficients whole"

    def cosines(self, n: int) -> str:
        """Name of the table of 4 n."""
        table = np.cos(np.pi * np.arange(4 * n) / (2 * n)) * math.sqrt(2 / n)
        self.cosine_tables += array(f"cosines_{n}", np.float32(table), "cosine", "COSINE({})")
        return f"cosines_{n}"

    # ---- time

    def when(self) -> str:
        """What the calendar of one forecast is, and what one of its steps puts there."""
        read, known = self.program.inputs, self.program.known
        fields = [f"uint8_t {name}[SPAN];" for name in ("types", "steps") if name in read]
        fields += [f"float known[{read['known']}];"] if "known" in read else []
        if not fields:
            return ""
        kind = f"typedef struct {{ {' '.join(fields)} int said; }} calendar;\n\n"
        if not self.dated:
            return kind
        again = "i && minute >= MINUTES ? c->types[i - 1] : " if self.program.calendar["steps"] > 1 else ""
        lines = [f"c->types[i] = (uint8_t)({again}type(day));"] if "types" in read else []
        lines += ["c->steps[i] = (uint8_t)(minute * STEPS / 1440);"] if "steps" in read else []
        if known:
            stride = known[1] if len(known) > 1 else self.card["H"]
            names = calendar.names(self.card["frequency"], self.card["country"])
            lines += [f"if (i < FORECAST_L || (i - FORECAST_L) % {stride}) return;",
                      f"float *z = c->known + (i - FORECAST_L) / {stride} * {len(names)};"]
            lines += [f"z[{place}] = {_column(name)};" for place, name in enumerate(names)]
        if self.card["holidays"]:
            lines.insert(0, "if (day < FIRST_DAY || day > LAST_DAY) c->said = FORECAST_UNKNOWN_YEAR;")
        body = "\n    ".join(["(void)minute;", *lines])
        put = f"static void put(calendar *c, int i, int32_t day, int minute)\n{{\n    {body}\n}}\n\n"
        put = (self.type() if "types" in read else "") + put
        self.calendar()
        return kind + self.parts(put) + put

    def type(self) -> str:
        """A function: row of the usual week of a day."""
        told = self.program.calendar
        special = "kind(day)" if self.special else "0"
        day = {1: "0", 7: "weekday(day)", 12: "month_of(day) - 1"}.get(told["weekdays"], "weekday(day) % 5")
        return (f"static int type(int32_t day)\n{{\n    int special = {special};\n    return special ? "
                f"{told['weekdays'] - 1} + special : {day};\n}}\n\n")

    @property
    def special(self) -> bool:
        """Does any day count as special?"""
        told = self.program.calendar
        return bool("types" in self.program.inputs and told["kinds"] and told["special"])

    def calendar(self) -> None:
        """What the functions of time are told."""
        frequency, country, free = (self.card[name] for name in ("frequency", "country", "holidays"))
        first, last, *gaps = free or (1970, 2099)
        days = np.cumsum(gaps, dtype=np.int64)
        edges = np.array([f"{first}-01-01", f"{last}-12-31"], "M8[D]").astype(int)
        self.data["holidays"] = days.astype(np.uint16 if days.max(initial=0) < 2**16 else np.uint32)
        self.defines |= {"HOLIDAYS": len(days), "FIRST_DAY": edges[0], "LAST_DAY": edges[1]}
        self.variants["span"] = {"MS": "span months", "trading-day": "span trading"}.get(frequency, "span steps")
        if frequency in MINUTES:
            self.defines |= {"MINUTES": MINUTES[frequency], "DAILY": int(MINUTES[frequency] >= DAY)}
        if frequency == "trading-day" and self.special:
            which, weekday = daytypes._EXPIRY.get(country, (0, 0))
            self.variants["kind"] = "kind trading"
            self.defines |= {"EXPIRES(day)": "expires(day)" if which else "0", "EXPIRY_WHICH": which,
                             "EXPIRY_WEEKDAY": weekday}  # fmt: skip

    # ---- the functions that are called

    def parts(self, text: str) -> str:
        """Those of kernels.c that a text needs, and those that these need, in their order there."""
        text, wanted = self.defined() + text, {}
        while found := {title: part for title, part in PARTS.items() if title not in self.taken
                        and self.variants.get(title.split()[0], title.split()[0]) == title
                        and re.search(rf"\b{title.split()[0]}\(", text)}:  # fmt: skip
            wanted |= found
            self.taken |= found.keys()
            text = "".join(found.values())
        return "".join(part for title, part in PARTS.items() if title in wanted)

    def frame(self, calls: list[str]) -> str:
        made = bool({"types", "steps", "known"} & self.program.inputs.keys())
        back = f"v[{self.place[self.program.output]} + i] * deviations[series] + means[series]"
        bands = self.card["bands"]
        for name, values in (("means", self.card["mean"]), ("deviations", self.card["std"])):
            self.data[name] = np.float32(values)
        for level, radius in bands.items():
            self.data[f"radius_{level}"] = np.float32(radius).ravel()
        lines = ["(void)c;", *calls] if made else calls
        body = "\n    ".join(lines)
        one = ONE.format(c=", const calendar *c" if made else "", x=self.place["x"], body=body,
                         back=f"expf({back})" if self.card["transform"] == "log" else back)  # fmt: skip
        when = ["calendar c;" if self.dated else "calendar c = {0};"] if made else []
        when = "\n    ".join(when if self.dated else [*when, "(void)last;"])
        dated = "dated(last, &c)" if self.dated else "0"
        calls = CALLS.format(when=when, dated=dated, c=", &c" if made else "")
        return one + calls + (_band(self.card) if bands else "")


def places(program: Program) -> tuple[dict[str, int], int]:
    """Where each vector starts in the one array, and the length of that: a place is used again when what lay there was
    read for the last time."""
    sizes, at, roots = program.sizes(), {}, {}
    for op in program.ops:  # a slice lies where it was cut from
        start = roots.get(op.inputs[0], (op.inputs[0], 0)) if op.kind == "slice" else (op.out, 0)
        roots[op.out] = (start[0], start[1] + op.numbers.get("start", 0)) if op.kind == "slice" else start
    root = {name: roots.get(name, (name, 0))[0] for name in sizes}
    last = {root[name]: i for i, op in enumerate(program.ops) for name in op.inputs}
    last[root[program.output]] = len(program.ops)
    at["x"], live = 0, {"x": sizes["x"]}
    for i, op in enumerate(program.ops):
        if op.kind == "slice":
            continue
        dies = [name for name in op.inputs if last[root[name]] == i and root[name] == name and sizes[name] == op.size]
        if dies and op.kind in (*ELEMENTWISE, "relu", "round"):
            at[op.out] = at[dies[0]]  # each element is read before it is written
        else:
            at[op.out] = _gap(op.size, [(at[name], size) for name, size in live.items()])
        live[op.out] = op.size
        live = {name: size for name, size in live.items() if last.get(name, -1) > i}
    length = max(at[name] + sizes[name] for name in at)
    return at | {name: at[whole] + start for name, (whole, start) in roots.items() if whole in at}, length


def _gap(size: int, taken: list[tuple[int, int]]) -> int:
    """The first place with room."""
    start = 0
    for place, length in sorted(taken):
        if place - start >= size:
            break
        start = max(start, place + length)
    return start


def turned(held: Tensor) -> Tensor:
    """A matrix the other way round, as codes if it has one scale, or a table."""
    if held.kind == INT and held.scale.size > 1:
        held = Tensor(FLOAT, held.values())
    return Tensor(held.kind, np.ascontiguousarray(held.codes.T), held.scale, held.run, held.bits)


def _codes(held: Tensor) -> tuple[str, np.ndarray]:
    """What C calls it, and what lies in memory: codes of four bits two a byte, the first in the lower half."""
    if held.kind == INT and held.bits <= 4:
        codes = np.append(held.codes.ravel(), np.zeros(held.size % 2, np.int8)) & 15
        return "INT4", (codes[::2] | codes[1::2] << 4).astype(np.uint8)
    return {TABLE: "TABLE", FLOAT: "FLOAT"}.get(held.kind, f"INT{8 * held.codes.itemsize}"), held.codes.ravel()


def identifier(name: str) -> str:
    return "w_" + re.sub(r"\W", "_", name)


def number(value: float) -> str:
    """A literal of float."""
    text = str(np.float32(value))
    return f"{text}f" if set(".en") & set(text) else f"{text}.0f"


def array(name: str, values: np.ndarray, kind: str = "", form: str = "{}") -> str:
    """form: of each value in C."""
    values, real = values if values.size else np.zeros(1, values.dtype), values.dtype.kind == "f"
    texts = ", ".join(form.format(number(value) if real else value) for value in values)
    kind = kind or ("float" if real else f"{values.dtype}_t")
    return f"static const {kind} {name}[{values.size}] = {{\n{textwrap.fill(texts, 120)}}};\n"


def _column(name: str) -> str:
    """A column of the calendar."""
    cycle, _, wave = name.partition("_")
    return f"wave({PHASES[cycle]}{' + 0.25f' if wave == 'cos' else ''})" if wave else FLAGS[name]


def _band(card: dict) -> str:
    wide = {level: len(radius[0]) for level, radius in card["bands"].items()}
    cases = "\n".join(BAND_CASE.format(level=level, place=f"i * {n} + series" if n > 1 else "i")
                      for level, n in wide.items())
    ways = ("/ expf(by)", "* expf(by)") if card["transform"] == "log" else ("- by", "+ by")
    move = "y[i] {}, high[i] = y[i] {}".format(*ways)
    return BAND.format(cases=cases, move=move)


def _header(card: dict) -> str:
    series = "\n".join(f" * {number:>4}  {_comment(name)}" for number, name in enumerate(card["series"]))
    bands = BAND_HEAD.format(levels=" or ".join(card["bands"])) if card["bands"] else ""
    return HEADER.format(name=_comment(card["dataset"]), unit=_comment(card["unit"]), series=series, bands=bands,
                         L=card["L"], H=card["H"], C=len(card["series"]), history=card["history"],
                         times=card["L"] if card["frequency"] == "trading-day" else 1,
                         frequency=card["frequency"])  # fmt: skip


def _comment(text: str) -> str:
    return text.replace("*/", "* /").replace("\n", " ")


def _read(path: Path) -> dict[str, str]:
    """Title -> part."""
    _, *parts = path.read_text(encoding="utf-8").split("\n== ")
    return {part.partition("\n")[0]: part.partition("\n")[2].strip("\n") + "\n\n" for part in parts}


PARTS = _read(Path(__file__).with_name("kernels.c"))
HEAD = """/* Forecasts of {name}. Written by litecast.bundle; see forecast.h. */
#include "forecast.h"

#include <math.h>
#include <stdint.h>

"""
ONE = """static int one(const float *values, int stride, int count, int series, float *y{c})
{{
    float v[WORK]; /* all vectors; places are used again */
    int said = window(values, stride, count, series, v + {x});
    if (said < 0) return said;
    {body}
    for (int i = 0; i < FORECAST_H; i++) y[i * stride] = {back};
    return said;
}}

"""
CALLS = """int forecast(const float *values, int count, const forecast_time *last, int series, float *y)
{{
    {when}
    int said = {dated};
    if (said < 0) return said;
    if (count < FORECAST_L) return FORECAST_TOO_SHORT;
    if (series < 0 || series >= FORECAST_SERIES) return FORECAST_NO_SERIES;
    int more = one(values, 1, count, series, y{c});
    return more < 0 ? more : said | more;
}}

int forecast_all(const float *values, int count, const forecast_time *last, float *y)
{{
    {when}
    int said = {dated};
    if (said < 0) return said;
    if (count < FORECAST_L) return FORECAST_TOO_SHORT;
    for (int series = 0; series < FORECAST_SERIES; series++) {{
        int more = one(values + series, FORECAST_SERIES, count, series, y + series{c});
        if (more < 0) return more;
        said |= more;
    }}
    return said;
}}
"""
BAND = """
int forecast_band(const float *y, int level, int series, float *low, float *high)
{{
    if (series < 0 || series >= FORECAST_SERIES) return FORECAST_NO_SERIES;
    for (int i = 0; i < FORECAST_H; i++) {{
        float by;
        switch (level) {{
{cases}
        default: return FORECAST_NO_LEVEL;
        }}
        by *= deviations[series];
        low[i] = {move};
    }}
    return 0;
}}
"""
BAND_CASE = "        case {level}: by = radius_{level}[{place}]; break;"
BAND_HEAD = """
/* Of one series: between low and high (FORECAST_H each) lie `level` % of values, as validation has it; {levels}. */
int forecast_band(const float *y, int level, int series, float *low, float *high);
"""
HEADER = """/* Forecasts of {name}, {unit}: {H} steps ({frequency}) from at least the last {L}.
 * Written by litecast.bundle. Series by their number:
{series}
 */
#ifndef FORECAST_H_INCLUDED
#define FORECAST_H_INCLUDED

#define FORECAST_L {L}
#define FORECAST_H {H}
#define FORECAST_SERIES {C}
#define FORECAST_TIMES {times}
#define FORECAST_HISTORY {history} /* rows that a forecast may depend on, where values are missing */

enum {{
    FORECAST_FEW_ROWS = 1,      /* said: gaps may need rows that were not given, up to FORECAST_HISTORY */
    FORECAST_UNKNOWN_YEAR = 2,  /* said: there are no holidays of such a year in the file */
    FORECAST_TOO_SHORT = -1,    /* fewer than FORECAST_L rows */
    FORECAST_NO_SERIES = -2,
    FORECAST_NOT_FINITE = -3,   /* a value is infinite; give NAN where one is missing */
    FORECAST_BAD_TIME = -4,     /* none, or outside of 1970 to 2099 */
    FORECAST_NO_LEVEL = -5      /* no such band */
}};

typedef struct {{ int year, month, day, hour, minute; }} forecast_time; /* local standard time, 2024, 1, 31, 13, 0 */

/* values: the last `count` rows of a series, raw, the oldest first, NAN = missing; rows before the last
 * FORECAST_HISTORY do not count. last: times of the last FORECAST_TIMES rows, the oldest first; not read, and may be 0,
 * where a file reads no calendar. y (FORECAST_H), raw. Returns 0, what is to be said (1 or 2, or both), or an error,
 * below 0. */
int forecast(const float *values, int count, const forecast_time *last, int series, float *y);

/* The same of all series: values (count, FORECAST_SERIES), y (FORECAST_H, FORECAST_SERIES), row after row. */
int forecast_all(const float *values, int count, const forecast_time *last, float *y);
{bands}
#endif
"""
