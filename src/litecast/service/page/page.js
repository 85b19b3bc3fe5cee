/* The page: a table of history in, its forecast out, made here by forecast.js and, where the page was served, by the
   server too. Nothing is loaded from elsewhere. Opened from a file, its models are in the page (litecast.service.onepage)
   or are chosen as the files of a bundle. */
"use strict";

const WORDS = {
  en: {
    skip: "Skip to the forecast", language: "Language", data: "Your data", model: "Model", result: "Forecast",
    about: "A demand forecaster of a few kilobytes, running in this page. Choose how large it may be, and see what that costs.",
    choose: "Drop a CSV here, or choose one", sample: "… or take a sample of the model's own data", none: "– none –",
    private: "The browser's forecast is made in this page. For the comparison the last rows are sent to this page's own server, nowhere else.",
    privateFile: "The file stays in this page: nothing is sent anywhere.",
    bundleFiles: "Choose bundle.json and forecast.js of a bundle",
    format: "What the CSV has to look like", dataset: "Data", budget: "Largest size of the model file", sizes: "Bytes, beside an icon's",
    formatWords: "One row a step; a column of times, then one column for each series, named as the model knows it. Leave a cell empty where a value is missing.",
    series: "Series", numbers: "The numbers", download: "Download the forecast (CSV)",
    reading: "Reading …", loading: "Loading the models …",
    read: (rows, series) => `Read: ${rows} rows, ${series} series.`,
    sampled: (name) => `Sample: ${name}.`, gaps: "with gaps",
    free: (kb) => `${kb} kB`, alone: "this model",
    size: "Model file", val: "Error (WAPE), validation", test: "Error (WAPE), test", here: "Time in the browser", there: "Time by the server",
    bytes: (n) => `${n} bytes`, ms: (n) => `${n} ms`, each: (text) => `${text} a series`, unknown: "not known", trip: "with the way there", off: "no server",
    modelFile: "The model file", icon: "The icon of this page (32 × 32 pixels)", reads: "bundle.json: what the browser reads", script: "forecast.js: what computes",
    past: "history", ahead: "forecast, browser", server: "forecast, server", band: (level) => `${level} % band`,
    time: "Time", step: (n) => `step ${n}`, browser: "Browser", serverShort: "Server", low: (level) => `low ${level}`, high: (level) => `high ${level}`,
    caption: (name, unit) => `${name}, ${unit}`,
    equal: (d) => `Browser and server agree: they differ by at most ${d} of the largest value.`,
    differs: (d) => `Browser and server DIFFER by ${d} of the largest value.`,
    only: "Forecast in the browser.", asking: "Asking the server …",
    chart: (name, from, to, unit) => `${name}: the forecast is between ${from} and ${to} ${unit}. The numbers are in the table below.`,
    sorted: "The rows were not in order of time and have been sorted.",
    filled: (n) => `${n} steps were not in the file and count as missing.`,
    left: (names) => `Not known to the model, left out: ${names}.`,
    warned: (text) => `The model warns: ${text}.`, noted: (text) => `The server notes: ${text}`,
    noServer: (text) => `The server gave no forecast: ${text}`, away: "it cannot be reached.", busy: "it is busy; try again in a moment.",
    noModels: "No models here. Choose the files of a bundle above.",
    badBundle: (text) => `These are not bundle.json and forecast.js of one bundle (${text}).`,
    large: (mb) => `The file is larger than ${mb} MB. Give the last rows only.`,
    empty: "The file has no rows below its header.",
    binary: "This is no text file. Save the sheet as CSV (UTF-8) and choose that.",
    header: "The first row must name the columns: a time, then at least one series.",
    twice: (name) => `The column ${name} is there twice.`,
    ragged: (row, has, needs) => `Row ${row} has ${has} cells, the header has ${needs}.`,
    number: (row, name, text) => `Row ${row}, column ${name}: “${text}” is no number. Leave the cell empty where a value is missing.`,
    when: (row, text) => `Row ${row}: “${text}” is no time. Write 2024-01-31 13:00.`,
    zone: (row, text) => `Row ${row}: “${text}” has a time zone. Give local standard time without one.`,
    same: (row, text) => `Row ${row}: the time ${text} is there twice.`,
    grid: (row, text, step) => `Row ${row}: ${text} does not lie a whole number of steps (${step}) after the first row.`,
    long: (n) => `From the first time to the last there are more than ${n} steps.`,
    strangers: (has, known) => `None of the columns (${has}) is a series of this model. It knows ${known}.`,
    few: (has, needs) => `This model needs ${needs} rows, the data has ${has}. Give more, or choose another size.`,
    nothing: (name) => `The series ${name} has no value in the last rows.`,
    failed: (text) => `The forecast failed: ${text}.`,
  },
  ko: {
    skip: "예측 결과로 건너뛰기", language: "언어", data: "데이터", model: "모델", result: "예측",
    about: "몇 킬로바이트짜리 수요 예측 모델이 이 페이지 안에서 실행됩니다. 크기를 고르면 오차와 시간이 어떻게 달라지는지 볼 수 있습니다.",
    choose: "CSV 파일을 여기에 놓거나 선택하세요", sample: "… 또는 모델이 학습한 데이터의 예시를 고르세요", none: "– 없음 –",
    private: "브라우저 예측은 이 페이지 안에서 계산됩니다. 비교를 위해 마지막 행들을 이 페이지의 서버에만 보냅니다.",
    privateFile: "파일은 이 페이지 밖으로 나가지 않습니다.",
    bundleFiles: "번들의 bundle.json과 forecast.js를 선택하세요",
    format: "CSV 형식", dataset: "데이터 종류", budget: "모델 파일의 최대 크기", sizes: "아이콘과 비교한 바이트 수",
    formatWords: "한 행이 한 시점입니다. 첫 열은 시각, 그다음 열은 모델이 아는 이름의 계열입니다. 값이 없으면 칸을 비워 두세요.",
    series: "계열", numbers: "수치 보기", download: "예측 내려받기 (CSV)",
    reading: "읽는 중 …", loading: "모델을 불러오는 중 …",
    read: (rows, series) => `${rows}개 행, ${series}개 계열을 읽었습니다.`,
    sampled: (name) => `예시: ${name}.`, gaps: "결측 있음",
    free: (kb) => `${kb} kB`, alone: "이 모델",
    size: "모델 파일", val: "검증 오차 (WAPE)", test: "시험 오차 (WAPE)", here: "브라우저 시간", there: "서버 시간",
    bytes: (n) => `${n}바이트`, ms: (n) => `${n} ms`, each: (text) => `계열당 ${text}`, unknown: "알 수 없음", trip: "왕복 포함", off: "서버 없음",
    modelFile: "모델 파일", icon: "이 페이지의 아이콘 (32 × 32 픽셀)", reads: "bundle.json: 브라우저가 읽는 것", script: "forecast.js: 계산하는 코드",
    past: "과거 값", ahead: "예측, 브라우저", server: "예측, 서버", band: (level) => `${level} % 구간`,
    time: "시각", step: (n) => `${n}단계`, browser: "브라우저", serverShort: "서버", low: (level) => `하한 ${level}`, high: (level) => `상한 ${level}`,
    caption: (name, unit) => `${name}, ${unit}`,
    equal: (d) => `브라우저와 서버의 예측이 같습니다. 차이는 최댓값의 ${d} 이하입니다.`,
    differs: (d) => `브라우저와 서버의 예측이 다릅니다. 차이는 최댓값의 ${d}입니다.`,
    only: "브라우저에서 예측했습니다.", asking: "서버에 묻는 중 …",
    chart: (name, from, to, unit) => `${name}: 예측은 ${from}에서 ${to} ${unit} 사이입니다. 수치는 아래 표에 있습니다.`,
    sorted: "행이 시간 순서가 아니어서 정렬했습니다.",
    filled: (n) => `파일에 없는 ${n}개 시점은 결측으로 봅니다.`,
    left: (names) => `모델이 모르는 열은 뺐습니다: ${names}.`,
    warned: (text) => `모델의 경고: ${text}.`, noted: (text) => `서버의 알림: ${text}`,
    noServer: (text) => `서버 예측을 받지 못했습니다: ${text}`, away: "서버에 연결할 수 없습니다.", busy: "서버가 바쁩니다. 잠시 뒤 다시 해 보세요.",
    noModels: "모델이 없습니다. 위에서 번들의 파일을 선택하세요.",
    badBundle: (text) => `한 번들의 bundle.json과 forecast.js가 아닙니다 (${text}).`,
    large: (mb) => `파일이 ${mb} MB보다 큽니다. 마지막 행들만 주세요.`,
    empty: "제목 행 아래에 데이터가 없습니다.",
    binary: "텍스트 파일이 아닙니다. 시트를 CSV(UTF-8)로 저장한 뒤 선택하세요.",
    header: "첫 행에는 열 이름이 있어야 합니다: 시각, 그리고 하나 이상의 계열.",
    twice: (name) => `열 ${name}이(가) 두 번 있습니다.`,
    ragged: (row, has, needs) => `${row}행의 칸은 ${has}개인데 제목 행은 ${needs}개입니다.`,
    number: (row, name, text) => `${row}행 ${name} 열: “${text}”은(는) 숫자가 아닙니다. 값이 없으면 칸을 비워 두세요.`,
    when: (row, text) => `${row}행: “${text}”은(는) 시각이 아닙니다. 2024-01-31 13:00처럼 쓰세요.`,
    zone: (row, text) => `${row}행: “${text}”에 시간대가 있습니다. 시간대 없는 현지 표준시로 쓰세요.`,
    same: (row, text) => `${row}행: 시각 ${text}이(가) 두 번 있습니다.`,
    grid: (row, text, step) => `${row}행: ${text}은(는) 첫 행에서 정해진 간격(${step})의 배수만큼 떨어져 있지 않습니다.`,
    long: (n) => `첫 시각부터 마지막 시각까지 ${n}개 시점을 넘습니다.`,
    strangers: (has, known) => `열(${has}) 가운데 이 모델이 아는 계열이 없습니다. 아는 계열: ${known}.`,
    few: (has, needs) => `이 모델에는 ${needs}개 행이 필요한데 데이터는 ${has}개입니다. 더 많은 행을 주거나 다른 크기를 고르세요.`,
    nothing: (name) => `계열 ${name}의 마지막 행들에 값이 없습니다.`,
    failed: (text) => `예측하지 못했습니다: ${text}.`,
  },
};

const LIMITS = { bytes: 5e6, rows: 50_000 };
const STEPS = { "15min": 9e5, "30min": 18e5, h: 36e5, D: 864e5, W: 6048e5 }; // ms
const CLOSE = 1e-5; // of the largest value
const MISSING = ["", "na", "n/a", "nan", "null", "none", "-"];
const served = location.protocol.startsWith("http");
const at = (id) => document.getElementById(id);

/* ---- State, and words in the language that is shown: what is said is kept as [key, ...details]. */

const state = { language: "en", models: [], model: null, source: null, samples: [], shown: null, asked: 0 };
class Problem extends Error {
  constructor(...words) { super(words[0]); this.words = words; }
}

function word([key, ...details]) {
  const found = WORDS[state.language][key];
  return typeof found === "function" ? found(...details) : found;
}

const said = {};

function say(id, words) {
  said[id] = words;
  at(id).textContent = words ? word(words) : "";
}

function number(value, digits = 4) {
  return value.toLocaleString(state.language, { maximumSignificantDigits: digits });
}

function speak(language) {
  state.language = language;
  document.documentElement.lang = language;
  document.querySelectorAll("[data-word]").forEach((el) => { el.textContent = word([el.dataset.word]); });
  document.querySelectorAll("[data-label]").forEach((el) => el.setAttribute("aria-label", word([el.dataset.label])));
  document.querySelectorAll("[data-language]").forEach((el) => el.setAttribute("aria-pressed", el.dataset.language === language));
  if (!served) document.querySelector("#drop .hint").textContent = word(["privateFile"]);
  for (const id in said) say(id, said[id]);
  try { localStorage.setItem("language", language); } catch { /* not kept: of no matter */ }
  showModel();
  showSamples();
  showResult();
}

function make(tag, text, attributes = {}) {
  const el = document.createElement(tag);
  if (text !== undefined) el.textContent = text;
  for (const name in attributes) el.setAttribute(name, attributes[name]);
  return el;
}

/* ---- Models: of the server, of the page itself, or of a bundle's files. */

async function listed() {
  const inside = at("shelf");
  if (inside) return JSON.parse(inside.textContent).map((told) => known(told.bundle, told.script, told));
  if (!served) return [];
  const models = await (await fetched("models")).json();
  return models.map((told) => ({ ...told, budgets: told.budgets_kb ?? [], dataset: told.dataset ?? told.name }));
}

/* A model of its bundle.json and the text of its forecast.js. */
function known(bundle, script, told = {}) {
  const { card, errors, bytes } = bundle;
  return { name: told.name ?? card.dataset, budgets: told.budgets ?? [], windows: told.windows ?? [], reads: told.reads, bundle, script, ...card,
    bytes: bytes["model.safetensors"], val_wape: errors.val_wape, test_wape: errors.test_wape };
}

async function fetched(path) {
  const answer = await fetch(path).catch(() => { throw new Problem("noServer", word(["away"])); });
  if (!answer.ok) throw new Problem("noServer", `${path}: ${answer.status}`);
  return answer;
}

/* The forecaster of a model: forecast.js of its own bundle, once. */
async function opened(model) {
  if (model.forecaster) return model.forecaster;
  const folder = `models/${encodeURIComponent(model.name)}`;
  let text = model.bundle && JSON.stringify(model.bundle), module;
  if (model.script) {
    module = await import(URL.createObjectURL(new Blob([model.script], { type: "text/javascript" })));
  } else {
    text = await (await fetched(`${folder}/bundle.json`)).text();
    module = await import(new URL(`${folder}/forecast.js`, document.baseURI).href);
  }
  const bundle = JSON.parse(text);
  model.sizes = { reads: model.reads ?? new Blob([text]).size, script: bundle.bytes["forecast.js"] };
  model.levels = Object.keys(bundle.bands).sort((a, b) => b - a);
  model.warned = [];
  model.forecaster = await module.load(bundle, (words) => model.warned.push(words));
  return model.forecaster;
}

async function windowsOf(model) {
  if (!model.windows) model.windows = (await (await fetched(`models/${encodeURIComponent(model.name)}/vectors.json`)).json()).windows;
  return model.windows;
}

/* ---- Own files: text to a table, a table to the rows of a model. */

async function textOf(file) {
  if (file.size > LIMITS.bytes) throw new Problem("large", LIMITS.bytes / 1e6);
  const bytes = await file.arrayBuffer();
  let text;
  try { text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); }
  catch { text = new TextDecoder("euc-kr").decode(bytes); } // as spreadsheets in Korea save it
  if (text.includes("\0")) throw new Problem("binary");
  return text;
}

/* {header, rows: [[row number, cells]]} of text with commas, semicolons or tabs, quoted or not. */
function tableOf(text) {
  const first = text.split(/\r?\n/, 1)[0], count = (mark) => first.split(mark).length;
  const mark = [",", ";", "\t"].sort((a, b) => count(b) - count(a))[0], rows = [];
  let cells = [], cell = "", quoted = false, line = 1, begun = 1;
  const end = () => { cells.push(cell.trim()); cell = ""; };
  const close = () => {
    end();
    if (cells.some(Boolean)) rows.push([begun, cells]);
    cells = []; begun = line;
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "\n") line++;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') cell += text[i++];
      else quoted = false;
    } else if (c === '"' && !cell.trim()) { quoted = true; cell = ""; }
    else if (c === mark) end();
    else if (c === "\n") close();
    else cell += c;
  }
  close();
  if (!rows.length) throw new Problem("empty");
  const [[, header], ...rest] = rows;
  if (header.length < 2) throw new Problem("header");
  if (!rest.length) throw new Problem("empty");
  if (rest.length > LIMITS.rows) throw new Problem("long", number(LIMITS.rows));
  const twin = header.find((name, i) => header.indexOf(name) < i);
  if (twin !== undefined) throw new Problem("twice", twin);
  for (const [row, has] of rest) if (has.length !== header.length) throw new Problem("ragged", row, has.length, header.length);
  return { header, rows: rest, comma: mark !== "," };
}

function valueOf(text, comma, row, name) {
  if (MISSING.includes(text.toLowerCase())) return null;
  let plain = comma && /^[+-]?\d+,\d+$/.test(text) ? text.replace(",", ".") : text;
  if (/^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$/.test(plain)) plain = plain.replaceAll(",", "");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) || !Number.isFinite(Number(plain)) || Math.abs(plain) > 1e15)
    throw new Problem("number", row, name, text.slice(0, 40));
  return Number(plain);
}

function timeOf(text, row) {
  const found = /^(\d{4})[-./](\d{1,2})[-./](\d{1,2})\.?(?:[ T]+(\d{1,2}):(\d\d)(?::(\d\d)(?:\.0+)?)?)?(.*)$/.exec(text)
    ?? /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)?)?()()$/.exec(text);
  if (found && /^\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)$/i.test(found[7])) throw new Problem("zone", row, text.slice(0, 40));
  const [year, month, day, hour, minute, second] = (found ?? []).slice(1, 7).map((part) => Number(part ?? 0));
  const ms = found && !found[7] ? Date.UTC(year, month - 1, day, hour, minute, second) : NaN, back = new Date(ms);
  if (isNaN(ms) || back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day || hour > 23 || minute > 59)
    throw new Problem("when", row, text.slice(0, 40));
  return ms;
}

const iso = (ms) => new Date(ms).toISOString().slice(0, 16);
const month = (ms) => new Date(ms).getUTCFullYear() * 12 + new Date(ms).getUTCMonth();

/* {series, times, values (T, C), notes} of a table, for a model. */
function rowsFor(table, model) {
  const [clock, ...names] = table.header, notes = [], plain = model.frequency === "step";
  const all = plain && model.series.includes(clock) ? table.header : names;
  const series = model.series.filter((name) => all.includes(name)), left = all.filter((name) => !series.includes(name));
  if (!series.length) throw new Problem("strangers", brief(all), brief(model.series));
  if (left.length) notes.push(["left", brief(left)]);
  const places = series.map((name) => table.header.indexOf(name));
  let rows = table.rows.map(([row, cells]) => ({ row, text: cells[0], ms: plain ? 0 : timeOf(cells[0], row),
    values: places.map((place, c) => valueOf(cells[place], table.comma, row, series[c])) }));
  if (plain) return { series, times: null, values: rows.map((row) => row.values), notes };
  if (rows.some((row, i) => i && row.ms < rows[i - 1].ms)) {
    rows.sort((a, b) => a.ms - b.ms);
    notes.push(["sorted"]);
  }
  const twin = rows.find((row, i) => i && row.ms === rows[i - 1].ms);
  if (twin) throw new Problem("same", twin.row, twin.text);
  const whole = rows.length;
  rows = gridded(rows, model.frequency, series.length);
  if (rows.length > whole) notes.push(["filled", rows.length - whole]);
  return { series, times: rows.map((row) => iso(row.ms)), values: rows.map((row) => row.values), notes };
}

function brief(names) {
  return names.slice(0, 6).map((name) => name.slice(0, 30)).join(", ") + (names.length > 6 ? ", …" : "");
}

/* Rows a step apart, with empty ones where the file has none. */
function gridded(rows, frequency, width) {
  if (frequency === "trading-day") return rows;
  const start = rows[0].ms, monthly = frequency === "MS";
  const place = (ms) => (monthly ? month(ms) - month(start) : (ms - start) / STEPS[frequency]);
  const time = (i) => (monthly ? new Date(start).setUTCMonth(new Date(start).getUTCMonth() + i) : start + i * STEPS[frequency]);
  const count = place(rows.at(-1).ms) + 1;
  if (count > LIMITS.rows) throw new Problem("long", number(LIMITS.rows));
  const odd = rows.find((row) => !Number.isInteger(place(row.ms)) || (monthly && new Date(row.ms).getUTCDate() > 1));
  if (odd) throw new Problem("grid", odd.row, odd.text, frequency);
  const found = new Map(rows.map((row) => [place(row.ms), row]));
  return Array.from({ length: count }, (_, i) => found.get(i) ?? { ms: time(i), values: Array(width).fill(null) });
}

/* ---- Forecasts. state.source is {table} of a file or {window} of a sample. */

async function forecast() {
  const turn = ++state.asked, { model, source } = state;
  say("problem", null);
  at("result").setAttribute("aria-busy", "true");
  try {
    if (!model) throw new Problem("noModels");
    const forecaster = await opened(model);
    if (turn !== state.asked || !source) return;
    const rows = source.table ? rowsFor(source.table, model)
      : { series: [source.window.series], times: source.window.times, values: source.window.values.map((v) => [v]), notes: [] };
    if (source.table) say("status", ["read", number(rows.values.length, 9), rows.series.length]);
    show(model, forecaster, rows);
    showResult();
    if (served) await compare(turn, model, rows);
  } catch (error) {
    if (turn !== state.asked) return;
    state.shown = null;
    say("problem", error.words ?? ["failed", error.message]);
    say("verdict", null);
    showResult();
  } finally {
    if (turn === state.asked) at("result").removeAttribute("aria-busy");
    showModel();
  }
}

/* The browser's forecast, into state.shown. */
function show(model, forecaster, { series, times, values, notes }) {
  if (values.length < model.L) throw new Problem("few", values.length, model.L);
  const last = values.slice(-model.L), empty = series.find((_, c) => last.every((row) => row[c] === null));
  if (empty !== undefined) throw new Problem("nothing", empty);
  model.warned.length = 0;
  let y;
  try { y = forecaster.forecast(values, times, series); }
  catch (error) { throw new Problem("failed", error.message); }
  const edges = Object.fromEntries(model.levels.map((level) => [level, forecaster.bands(y, level, series)]));
  const warned = [...new Set(model.warned)].map((text) => ["warned", text]), runs = [];
  for (let i = 0; i < 9; i++) {
    const begun = performance.now();
    forecaster.forecast(values, times, series);
    runs.push((performance.now() - begun) / series.length);
  }
  model.here = runs.sort((a, b) => a - b)[4];
  model.there = null;
  const name = series.includes(state.shown?.name) ? state.shown.name : series[0];
  state.shown = { model, series, times, values, y, edges, name, ahead: coming(times, model), server: null, notes: [...notes, ...warned] };
  say("verdict", served ? ["asking"] : ["only"]);
}

/* Times of the forecast, until the server tells its own: those of trading days are its alone to know. */
function coming(times, { frequency, H }) {
  if (!times || frequency === "trading-day") return null;
  const last = Date.parse(`${times.at(-1)}Z`);
  return Array.from({ length: H }, (_, h) => iso(frequency === "MS"
    ? new Date(last).setUTCMonth(new Date(last).getUTCMonth() + h + 1) : last + (h + 1) * STEPS[frequency]));
}

/* The same rows by the server. */
async function compare(turn, model, { series, times, values }) {
  const rows = values.slice(-model.history), begun = performance.now();
  const body = { values: Object.fromEntries(series.map((name, c) => [name, rows.map((row) => row[c])])) };
  if (times) body.times = times.slice(-model.history);
  try {
    const answer = await fetch(`forecast?model=${encodeURIComponent(model.name)}`, { method: "POST", body: JSON.stringify(body),
      headers: { "content-type": "application/json" } }).catch(() => { throw new Problem("noServer", word(["away"])); });
    const told = await answer.json().catch(() => ({ error: String(answer.status) }));
    if (!answer.ok) throw new Problem("noServer", answer.status === 503 ? word(["busy"]) : told.error);
    if (turn !== state.asked) return;
    const { shown } = state;
    model.there = performance.now() - begun;
    shown.server = shown.y.map((_, h) => series.map((name) => told.series[name].forecast[h]));
    shown.ahead = told.times ?? shown.ahead;
    shown.notes.push(...told.notes.map((text) => ["noted", text]));
    const pairs = shown.server.flatMap((row, h) => row.map((value, c) => [value, shown.y[h][c]]));
    const gap = Math.max(...pairs.map(([a, b]) => Math.abs(a - b))) / Math.max(...pairs.map(([a]) => Math.abs(a)), 1e-300);
    shown.gap = gap;
    say("verdict", [gap <= CLOSE ? "equal" : "differs", gap.toExponential(1)]);
    at("verdict").className = gap <= CLOSE ? "equal" : "differs";
  } catch (error) {
    if (turn !== state.asked) return;
    at("verdict").className = "differs";
    say("verdict", error.words ?? ["failed", error.message]);
  }
  showResult();
}

/* ---- What is seen. */

function siblings() {
  return state.models.filter((model) => model.dataset === state.model?.dataset);
}

function showModels() {
  const datasets = [...new Set(state.models.map((model) => model.dataset))];
  at("dataset-line").hidden = datasets.length < 2;
  at("dataset").replaceChildren(...datasets.map((name) => new Option(name, name, false, name === state.model?.dataset)));
  const chosen = siblings().flatMap((model) => (model.budgets.length ? model.budgets : [null]).map((kb) => [model, kb]));
  chosen.sort(([a, x], [b, y]) => (x ?? a.bytes / 1e3) - (y ?? b.bytes / 1e3));
  at("budgets").replaceChildren(...chosen.map(([model, kb]) => {
    const label = make("label"), input = make("input", undefined, { type: "radio", name: "budget" });
    input.checked = model === state.model && (state.kb === undefined || state.kb === kb);
    if (input.checked) state.kb = kb;
    input.addEventListener("change", () => { state.model = model; state.kb = kb; forecast(); });
    const text = make("span", kb === null ? model.name : `${kb} kB`);
    label.append(input, text);
    return label;
  }));
}

function showModel() {
  const { model } = state, facts = at("facts"), bars = at("bars");
  facts.replaceChildren();
  bars.replaceChildren();
  if (!model) return;
  const share = (value) => (value === undefined || value === null ? word(["unknown"]) : `${(100 * value).toFixed(2)} %`);
  const ms = (value) => word(["ms", number(value, 2)]);
  const told = [["size", word(["bytes", number(model.bytes, 9)])], ["val", share(model.val_wape)], ["test", share(model.test_wape)],
    ["here", model.here === undefined ? "–" : word(["each", ms(model.here)])],
    ["there", served ? (model.there ? `${ms(model.there)}, ${word(["trip"])}` : "–") : word(["off"])]];
  for (const [key, value] of told) {
    const pair = make("div");
    pair.append(make("dt", word([key])), make("dd", value));
    facts.append(pair);
  }
  const sizes = [["modelFile", model.bytes], ["icon", state.icon], ["script", model.sizes?.script], ["reads", model.sizes?.reads]];
  const most = Math.max(...sizes.map(([, bytes]) => bytes ?? 0));
  for (const [key, bytes] of sizes) {
    if (!bytes) continue;
    const item = make("li", undefined, { class: key }), bar = make("div", undefined, { class: "bar" });
    bar.style.width = `${100 * bytes / most}%`;
    item.append(make("span", word([key])), make("b", word(["bytes", number(bytes, 9)])), bar);
    bars.append(item);
  }
}

function showSamples() {
  const chosen = state.source?.window, options = state.samples.map((window, i) => {
    const name = nameOf(window);
    return new Option(name, i, false, window === chosen);
  });
  at("sample").replaceChildren(new Option(word(["none"]), "", false, !chosen), ...options);
  at("sample-line").hidden = !state.samples.length;
  if (state.model) at("example").textContent = exampleOf(state.model);
}

function nameOf({ series, times, values }) {
  const until = times ? ` → ${times.at(-1).replace("T", " ")}` : "";
  return series + until + (values.includes(null) ? ` (${word(["gaps"])})` : "");
}

function exampleOf({ series, frequency, H }) {
  const names = series.slice(0, 2), until = coming(["2024-01-30T23:00"], { frequency: frequency === "trading-day" ? "D" : frequency, H: 3 });
  const day = ["D", "W", "MS", "trading-day"].includes(frequency);
  const times = frequency === "step" ? ["1", "2", "3"] : until.map((time) => (day ? time.slice(0, 10) : time.replace("T", " ")));
  if (frequency === "MS") times.splice(0, 3, "2024-02-01", "2024-03-01", "2024-04-01");
  return [`time,${names.join(",")}`, ...times.map((time, i) => [time, ...names.map((_, c) => (i === 1 && !c ? "" : 120 + 7 * i + c))].join(","))].join("\n");
}

function showResult() {
  const { shown } = state;
  at("series-line").hidden = !shown || shown.series.length < 2;
  at("download").hidden = !shown;
  for (const id of ["chart", "legend", "table", "notes", "series"]) at(id).replaceChildren();
  if (!shown) return;
  at("series").append(...shown.series.map((name) => new Option(name, name, false, name === shown.name)));
  at("notes").append(...shown.notes.map((words) => make("li", word(words))));
  drawChart();
  drawTable();
  const url = URL.createObjectURL(new Blob(["\ufeff" + csvOf(shown)], { type: "text/csv" }));
  URL.revokeObjectURL(at("download").href);
  Object.assign(at("download"), { href: url, download: `forecast-${shown.model.name}.csv` });
}

const sketch = (tag, attributes, text) => {
  const el = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const name in attributes) el.setAttribute(name, attributes[name]);
  if (text !== undefined) el.textContent = text;
  return el;
};

function pathOf(points) {
  let path = "", pen = false;
  for (const [x, y] of points) {
    path += y === null ? "" : `${pen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = y !== null;
  }
  return path;
}

function steps(low, high) {
  const rough = (high - low || 1) / 6, power = 10 ** Math.floor(Math.log10(rough)), step = power * ([1, 2, 5].find((n) => n * power >= rough) ?? 10);
  return Array.from({ length: 12 }, (_, i) => (Math.ceil(low / step) + i) * step).filter((value) => value <= high);
}

function drawChart() {
  const { name, series, model, y, server, edges, values } = state.shown, c = series.indexOf(name), { H, L } = model;
  const past = values.slice(-Math.max(2 * H, Math.min(L, 8 * H))).map((row) => row[c]), count = past.length + H;
  const width = Math.max(at("chart").clientWidth, 280), height = width < 500 ? 260 : 340, pad = { left: 56, right: 8, top: 12, bottom: 26 };
  const column = (rows) => rows.map((row) => row[c]), ahead = column(y);
  const all = [...past.filter((v) => v !== null), ...ahead, ...Object.values(edges).flatMap(([low, high]) => [...column(low), ...column(high)])];
  const [least, most] = [Math.min(...all), Math.max(...all)], room = (most - least || Math.abs(most) || 1) * 0.05;
  const x = (i) => pad.left + (width - pad.left - pad.right) * i / (count - 1);
  const v = (value) => (value === null ? null : pad.top + (height - pad.top - pad.bottom) * (most + room - value) / (most - least + 2 * room));
  const svg = sketch("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": word(["chart", name, number(Math.min(...ahead)), number(Math.max(...ahead)), model.unit]) });
  for (const tick of steps(least - room, most + room)) {
    svg.append(sketch("line", { class: "grid", x1: pad.left, x2: width - pad.right, y1: v(tick), y2: v(tick) }),
      sketch("text", { x: pad.left - 6, y: v(tick) + 4, "text-anchor": "end" }, number(tick)));
  }
  const times = timesShown(past.length), few = Math.max(2, Math.min(6, Math.floor(width / 150)));
  for (let k = 0; k < few; k++) {
    const i = Math.round((count - 1) * k / (few - 1)), anchor = k === 0 ? "start" : k === few - 1 ? "end" : "middle";
    svg.append(sketch("text", { x: x(i), y: height - 8, "text-anchor": anchor }, times[i]));
  }
  for (const level of model.levels) {
    const [low, high] = edges[level].map(column), there = (values) => values.map((value, h) => [x(past.length + h), v(value)]);
    svg.append(sketch("path", { class: "band", d: `${pathOf([...there(high), ...there(low).reverse()])}Z` }));
  }
  svg.append(sketch("line", { class: "now", x1: x(past.length - 0.5), x2: x(past.length - 0.5), y1: pad.top, y2: height - pad.bottom }));
  svg.append(sketch("path", { class: "past", d: pathOf(past.map((value, i) => [x(i), v(value)])) }));
  past.forEach((value, i) => { // a value between two gaps is no line
    if (value !== null && (past[i - 1] ?? null) === null && (past[i + 1] ?? null) === null)
      svg.append(sketch("circle", { class: "lone", cx: x(i), cy: v(value), r: 1.5 }));
  });
  svg.append(sketch("path", { class: "ahead", d: pathOf(ahead.map((value, h) => [x(past.length + h), v(value)])) }));
  if (server) for (const [h, value] of column(server).entries()) svg.append(sketch("circle", { class: "server", cx: x(past.length + h), cy: v(value), r: 3.5 }));
  at("chart").append(svg);
  const marks = [["past", sketch("path", { class: "past", d: "M1 7H25" })], ["ahead", sketch("path", { class: "ahead", d: "M1 7H25" })]];
  if (server) marks.push(["server", sketch("circle", { class: "server", cx: 13, cy: 7, r: 3.5 })]);
  marks.push(...model.levels.map((level) => [["band", level], sketch("rect", { class: "band", width: 26, height: 14 })]));
  at("legend").append(...marks.map(([words, mark]) => {
    const item = make("span"), svg = sketch("svg", { viewBox: "0 0 26 14", "aria-hidden": "true" });
    svg.append(mark);
    if (words[0] === "band" && words[1] === model.levels.at(-1) && model.levels.length > 1) svg.append(mark.cloneNode());
    item.append(svg, word([].concat(words)));
    return item;
  }));
}

/* Of the last `count` rows and the steps to come. */
function timesShown(count) {
  const { times, ahead, model } = state.shown, day = ["D", "W", "MS", "trading-day"].includes(model.frequency);
  const short = (time) => (day ? time.slice(0, 10) : time.slice(5, 16).replace("T", " "));
  return [...Array.from({ length: count }, (_, i) => (times ? short(times.at(i - count)) : String(i - count + 1))),
    ...Array.from({ length: model.H }, (_, h) => (ahead ? short(ahead[h]) : `+${h + 1}`))];
}

/* Header and rows of the forecast of some series. */
function numbersOf({ y, server, edges, model, ahead, series }, names) {
  const columns = names.flatMap((name) => {
    const c = series.indexOf(name), kinds = [["browser", y]];
    if (server) kinds.push(["serverShort", server]);
    for (const level of model.levels) kinds.push([["low", level], edges[level][0]], [["high", level], edges[level][1]]);
    return kinds.map(([words, rows]) => [names.length > 1 ? `${name} ${word([].concat(words))}` : word([].concat(words)), rows.map((row) => row[c])]);
  });
  return { header: [word(["time"]), ...columns.map(([title]) => title)],
    rows: y.map((_, h) => [ahead ? ahead[h].replace("T", " ") : word(["step", h + 1]), ...columns.map(([, column]) => column[h])]) };
}

function drawTable() {
  const { shown } = state, { header, rows } = numbersOf(shown, [shown.name]), head = make("thead"), body = make("tbody"), top = make("tr");
  top.append(...header.map((title) => make("th", title, { scope: "col" })));
  head.append(top);
  body.append(...rows.map(([time, ...cells]) => {
    const row = make("tr");
    row.append(make("th", time, { scope: "row" }), ...cells.map((value) => make("td", number(value, 6))));
    return row;
  }));
  at("table").append(make("caption", word(["caption", shown.name, shown.model.unit])), head, body);
}

/* No cell of a sheet may begin as a formula. */
function csvOf(shown) {
  const { header, rows } = numbersOf(shown, shown.series), cell = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? "'" : "") + text.replaceAll('"', '""')}"`;
  return [header.map(cell).join(","), ...rows.map(([time, ...values]) => [cell(time), ...values].join(","))].join("\r\n");
}

/* ---- What is done. */

async function take(file) {
  say("problem", null);
  say("status", ["reading"]);
  state.asked++;
  try {
    state.source = { table: tableOf(await textOf(file)) };
    showSamples();
    await forecast();
    if (said.problem) say("status", null);
  } catch (error) {
    state.source = state.shown = null;
    say("status", null);
    say("verdict", null);
    say("problem", error.words ?? ["failed", error.message]);
    showResult();
  }
}

async function choose(model) {
  Object.assign(state, { model, kb: undefined, samples: [] });
  const longest = siblings().sort((a, b) => b.history - a.history)[0];
  state.samples = longest ? await windowsOf(longest).catch(() => []) : [];
  if (!state.source?.table) pick(state.samples[0]);
  showModels();
  showSamples();
  await forecast();
}

function pick(window) {
  state.source = window ? { window } : null;
  say("status", window ? ["sampled", nameOf(window)] : null);
  if (!window) state.shown = null;
}

/* Files of a bundle, chosen by hand. */
async function takeBundle(files) {
  try {
    const [json, script] = ["bundle.json", "forecast.js"].map((name) => [...files].find((file) => file.name === name));
    if (!json || !script) throw new Problem("badBundle", [...files].map((file) => file.name).join(", "));
    const model = known(JSON.parse(await json.text()), await script.text(), { reads: json.size });
    await opened(model);
    const vectors = [...files].find((file) => file.name === "vectors.json");
    if (vectors) model.windows = JSON.parse(await vectors.text()).windows;
    state.models = [model];
    say("problem", null);
    await choose(model);
  } catch (error) {
    say("problem", error.words ?? ["badBundle", error.message]);
  }
}

function listen() {
  document.querySelectorAll("[data-language]").forEach((el) => el.addEventListener("click", () => speak(el.dataset.language)));
  at("file").addEventListener("change", ({ target }) => { if (target.files.length) take(target.files[0]); target.value = ""; });
  at("bundle-files").addEventListener("change", ({ target }) => takeBundle(target.files));
  at("sample").addEventListener("change", ({ target }) => {
    pick(state.samples[target.value]);
    if (state.source) forecast(); else showResult();
  });
  at("dataset").addEventListener("change", ({ target }) => {
    state.source = null;
    choose(state.models.find((model) => model.dataset === target.value));
  });
  at("series").addEventListener("change", ({ target }) => { state.shown.name = target.value; showResult(); at("series").focus(); });
  const drop = at("drop"), over = (on) => drop.classList.toggle("over", on);
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  drop.addEventListener("dragover", () => over(true));
  drop.addEventListener("dragleave", () => over(false));
  drop.addEventListener("drop", ({ dataTransfer }) => { over(false); if (dataTransfer.files.length) take(dataTransfer.files[0]); });
  let wide = 0;
  new ResizeObserver(([{ contentRect }]) => {
    if (state.shown && Math.abs(contentRect.width - wide) > 1) { wide = contentRect.width; at("chart").replaceChildren(); at("legend").replaceChildren(); drawChart(); }
  }).observe(at("result"));
}

async function start() {
  const asked = new URLSearchParams(location.search).get("lang");
  let kept = null;
  try { kept = localStorage.getItem("language"); } catch { /* none */ }
  listen();
  speak([asked, kept, navigator.language.slice(0, 2)].find((language) => WORDS[language]) ?? "en");
  say("status", ["loading"]);
  at("bundle").hidden = served || Boolean(at("shelf"));
  try {
    state.models = await listed();
    state.icon = served ? (await (await fetched("favicon.ico")).blob()).size : 4286;
    say("status", null);
    const best = [...state.models].sort((a, b) => (b.budgets.includes(4) - a.budgets.includes(4)) || a.bytes - b.bytes)[0];
    if (!best) throw new Problem("noModels");
    await choose(best);
  } catch (error) {
    say("status", null);
    say("problem", error.words ?? ["failed", error.message]);
  }
  document.documentElement.dataset.ready = "yes";
}

start();
