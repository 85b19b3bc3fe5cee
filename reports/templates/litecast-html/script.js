// What the page can do beyond being read: sort tables, show one dataset or technique, let points tell their row.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const made = (tag, words) => Object.assign(document.createElement(tag), words);

// ---- tables: numbers as numbers, whatever unit follows; words behind them; empty cells last, either way round
const NUMBER = /^([<>≤≥≈~]?)\s*([+−-]?)(\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)(?![\w.])/i;
function sortKey(cell) {
  const text = cell.trim(), [, bound, sign, size] = NUMBER.exec(text) ?? [];
  if (size === undefined) return { rank: /^[–—-]?$/.test(text) ? 2 : 1, number: 0, text };
  const number = Number(size.replaceAll(",", "")) * (/[−-]/.test(sign) ? -1 : 1);
  return { rank: 0, number: number + ({ "<": -1e-9, ">": 1e-9 }[bound] ?? 0), text };
}

// Places of the cells in an order; "none" is the one they came in.
function sorted(cells, order, language) {
  const keys = cells.map(sortKey), turn = { none: 0, ascending: 1, descending: -1 }[order];
  const { compare } = new Intl.Collator(language, { numeric: true });
  const differ = (a, b) => a.rank - b.rank || a.number - b.number || compare(a.text, b.text);
  const last = (a, b) => (a.rank === 2) - (b.rank === 2);
  return [...keys.keys()].sort((i, j) => turn && (last(keys[i], keys[j]) || turn * differ(keys[i], keys[j])));
}

function makeSortable(table) {
  const body = table.tBodies[0], lines = [...body.rows], heads = all("thead th", table);
  for (const [column, head] of lines.length > 1 ? heads.entries() : []) {
    const button = made("button", { type: "button", innerHTML: head.innerHTML });
    head.replaceChildren(button);
    button.onclick = () => {
      const order = { ascending: "descending", descending: "none" }[head.ariaSort] ?? "ascending";
      const cells = lines.map((line) => line.cells[column].textContent);
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (order !== "none") head.ariaSort = order;
      body.append(...sorted(cells, order, document.documentElement.lang).map((place) => lines[place]));
    };
  }
}

// ---- filter: kept in the address, behind the place in the page: #section-2&dataset=seoul-bike
function shows(key, chosen) {
  const own = (name, value) => (key[name] ?? value).split(name === "technique" ? "+" : "\n"); // of a chain each
  return Object.entries(chosen).every(([name, value]) => !value || own(name, value).includes(value));
}
function readAddress(hash) {
  const parts = [...new URLSearchParams(hash.slice(1))], chosen = parts.filter(([, value]) => value);
  return { place: parts.find(([, value]) => !value)?.[0] ?? "", chosen: Object.fromEntries(chosen) };
}
function writeAddress(place, chosen) {
  const parts = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
  return [place, parts.toString()].filter(Boolean).map((part, i) => (i ? "&" : "#") + part).join("");
}

function show(chosen) {
  const put = (one, off) => one.classList.toggle("off", off);
  all("main tbody tr, main figure").forEach((one) => put(one, !shows(one.dataset, chosen)));
  all("main figure.table").forEach((one) => put(one, !one.querySelector("tbody tr:not(.off)")));
  for (const head of all("main h3")) { // a sub-section with nothing but figures of others goes as a whole
    const part = [head.closest("main > *")], has = (selector) => part.some((one) => one.querySelector(selector));
    for (let next; (next = part.at(-1).nextElementSibling) && !next.querySelector("h2, h3");) part.push(next);
    const off = has("figure") && !has("figure:not(.off)");
    [...part, ...all(`nav li:has([href="#${head.id}"])`)].forEach((one) => put(one, off));
  }
}

function startFilter(form) {
  const chosen = () => Object.fromEntries([...form.elements].map((choice) => [choice.name, choice.value]));
  function keep() {
    history.replaceState(null, "", writeAddress(readAddress(location.hash).place, chosen()));
    show(chosen());
  }
  function obey() { // an address with a choice sets it, a link to a place keeps what was chosen
    const asked = readAddress(location.hash);
    if (Object.keys(asked.chosen).length) for (const one of form.elements) one.value = asked.chosen[one.name] ?? "";
    keep();
    if (location.hash.includes("&")) document.getElementById(asked.place)?.scrollIntoView();
  }
  form.onchange = keep;
  addEventListener("hashchange", obey);
  obey();
}

// ---- points: the one under the pointer or nearest to it, the focused or the tapped one tells its row

// Place of the box nearest to (x, y) within reach, of several that hold it that with the nearest middle; -1: none.
function nearest(boxes, x, y, reach) {
  const far = boxes.map(({ left, right, top, bottom }) => [
    Math.hypot(Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom)),
    Math.hypot((left + right) / 2 - x, (top + bottom) / 2 - y)]);
  const [best = -1] = [...far.keys()].sort((i, j) => far[i][0] - far[j][0] || far[i][1] - far[j][1]);
  return best >= 0 && far[best][0] <= reach ? best : -1;
}

// Points of a figure from left to right, without those beyond their axes, which nobody sees.
function seen(svg) {
  const box = (one) => one.getBoundingClientRect(), frames = new Map();
  all("[id*=axes_]", svg).forEach((axes) => frames.set(axes, box(axes.querySelector("path"))));
  const inside = (link, { left, top }) => nearest([frames.get(link.closest("[id*=axes_]"))], left, top, 9) === 0;
  const points = all("a", svg).map((link) => ({ link, box: box(link) })).filter(({ link, box }) => inside(link, box));
  return points.sort((a, b) => a.box.left - b.box.left || a.box.top - b.box.top);
}

function startPoints() {
  const tip = made("div", { id: "tip", hidden: true, ariaHidden: "true" });
  let told = null;
  function at({ target, clientX, clientY }) {
    const svg = target.closest?.("figure svg"), link = target.closest?.("figure svg a");
    const points = svg && !link ? seen(svg) : [];
    return link ?? points[nearest(points.map(({ box }) => box), clientX, clientY, 14)]?.link;
  }
  function tell(link) {
    told?.classList.remove("told");
    [told, tip.hidden] = [link, !link?.ariaLabel];
    if (tip.hidden) return;
    link.classList.add("told");
    tip.replaceChildren(...link.ariaLabel.split("\n").map((textContent) => made("div", { textContent })));
    const { left, right, top, bottom } = link.getBoundingClientRect(), { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min((left + right - width) / 2, innerWidth - width - 20))}px`;
    tip.style.top = `${scrollY + (top > height + 12 ? top - height - 6 : bottom + 6)}px`;
  }
  document.body.append(tip);
  all("figure svg").forEach((svg) => all("a > title", svg).forEach((title, place) => {
    title.parentElement.ariaLabel = title.textContent;
    title.parentElement.setAttribute("tabindex", place ? -1 : 0); // one stop: arrows lead from point to point
    title.remove(); // or the browser would show it as well
  }));
  addEventListener("pointermove", (event) => event.pointerType === "touch" || tell(at(event)));
  addEventListener("click", (event) => {
    const link = at(event);
    if (link && link !== told) event.preventDefault(); // a first tap tells, a second one opens
    tell(link);
  });
  addEventListener("focusout", () => tell());
  addEventListener("focusin", ({ target }) => {
    if (!target.matches("figure svg a:focus-visible")) return;
    const points = seen(target.ownerSVGElement).map(({ link }) => link);
    if (points.includes(target)) tell(target); else points[0]?.focus();
  });
  addEventListener("keydown", ({ key, target }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key], link = step && target.closest?.("figure svg a");
    const points = link ? seen(link.ownerSVGElement).map((one) => one.link) : [];
    if (key === "Escape") tell(); else points[points.indexOf(link) + step]?.focus();
  });
}

if (globalThis.document) {
  all("figure.table table").forEach(makeSortable);
  all("form.filter").forEach(startFilter);
  startPoints();
  document.documentElement.dataset.ready = "1";
}
