"""`forecast.js`, an ES module: the source beside this file without what other bundles need, its comments and spaces."""

import re
from pathlib import Path

from litecast.bundle.derive import Unfit

NAME = "JavaScript: `forecast.js`"
USE = """
An ES module without dependencies, for browsers and Node 18 or later. It reads `bundle.json` alone.

```javascript
import * as litecast from "./forecast.js";
const model = await litecast.load(await (await fetch("bundle.json")).json());
const y = model.forecast(values, times);  // values: rows of raw numbers, null = missing; times: ISO texts
const [low, high] = model.bands(y, 80);   // where there are bands; each H rows of one number a series
```
"""
FILE = "forecast.js"
_SOURCE = Path(__file__).with_name(FILE)
_NAME = re.compile(r"(?:async function|const) (\w+)|(OPS|AFTER)\W+([\w-]+)")
_TEXT = re.compile(r'("[^"\n]*"|`[^`]*`|/\^.*?\$/)')  # strings, templates, patterns


def write(program, card, folder) -> list[str]:
    kinds = {op.kind for op in program.ops} | {"cosines" for op in program.ops if op.numbers.get("high")}
    after = {"MS", "trading-day"} & {card["frequency"]} or {"fixed"}
    (folder / FILE).write_text(shipped({"OPS": kinds, "AFTER": after}), encoding="utf-8")
    return [FILE]


def shipped(wanted: dict[str, set[str]]) -> str:
    """The module with these members of its tables OPS and AFTER. The source is paragraphs of one name each; what is
    indented goes on. Raises Unfit where there is no such op."""
    head, *parts = re.split(r"\n\n(?! )", _SOURCE.read_text(encoding="utf-8"))
    parts = [re.sub(r"/\*.*?\*/\s*", "", part, flags=re.S) for part in parts]
    named = [(part, _NAME.match(part)) for part in parts]
    if missing := wanted["OPS"] - {name[3] for _, name in named if name}:
        raise Unfit(f"JavaScript has no op {', '.join(sorted(missing))}")
    kept = [(part, name) for part, name in named if not name or not name[2] or name[3] in wanted[name[2]]]
    while unused := [(part, name) for part, name in kept if name and name[1] and not any(
            re.search(rf"\b{name[1]}\b", other) for other, _ in kept if other is not part)]:  # fmt: skip
        kept = [pair for pair in kept if pair not in unused]
    return "\n".join([head, *(_tight(part) for part, _ in kept), ""])


def _tight(text: str) -> str:
    """Without spaces that mean nothing, and brackets of a single argument. (What is compared is of one type.)"""
    parts = _TEXT.split(text)
    for place in range(0, len(parts), 2):
        code = re.sub(r"\s*([][=<>+*/?:,;{}()|&!%-])\s*", r"\1", parts[place])
        code = re.sub(r"\b0(?=\.\d)", "", re.sub(r"([=!])==", r"\1=", code))
        parts[place] = re.sub(r"[;,](?=[]}])", "", re.sub(r"(?<!\w)\((\w+)\)=>", r"\1=>", code))
    return "".join(parts).strip()
