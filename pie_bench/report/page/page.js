"use strict";
// Texts of programs come from models and are hostile: they only ever become text nodes.
const data = JSON.parse(document.getElementById("data").textContent);
for (const pair of data.pairs) pair.runs.forEach((run, index) => { // cycles that are no stalls are another kind
  const cost = data.stalls[index], stalls = Object.keys(cost).filter((name) => name !== "busy");
  if (!stalls.length) return;
  cost.busy = cost[stalls[0]];
  data.counters.busy = "cycles that finish instructions";
  for (const program of run?.programs ?? []) for (const counters of program ? [program.counters, program.startupCounters] : []) {
    counters.busy = stalls.reduce((left, name) => left - (counters[name] ?? 0), counters.cycles ?? 0);
  }
});
const $ = (id) => document.getElementById(id);
const state = { run: 0, sort: "id", down: false, open: null, time: "process" };

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
function svg(tag, attributes = {}, tip = null) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (tip !== null) { const t = document.createElementNS("http://www.w3.org/2000/svg", "title"); t.textContent = tip; node.append(t); }
  return node;
}
const times = (value) => (value === null || value === undefined ? "–" : value.toFixed(2) + "×");
function seconds(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return size >= 1 ? value.toFixed(3) + " s" : size >= 1e-3 ? (value * 1e3).toFixed(2) + " ms" : (value * 1e6).toFixed(1) + " µs";
}
function bytes(value) { return value >= 1e7 ? (value / 1048576).toFixed(1) + " MiB" : (value / 1024).toFixed(0) + " KiB"; }
function count(value) {
  const size = Math.abs(value);
  const [unit, name] = size >= 1e9 ? [1e9, " G"] : size >= 1e6 ? [1e6, " M"] : size >= 1e4 ? [1e3, " k"] : [1, ""];
  return (value / unit).toFixed(unit === 1 ? (Number.isInteger(value) ? 0 : 2) : 2) + name;
}

// ---- theme and switches
const dark = window.matchMedia("(prefers-color-scheme: dark)");
let chosen = null;
try { chosen = localStorage.getItem("pie_bench theme"); } catch { /* file:// without storage */ }
function paint() { document.documentElement.dataset.theme = chosen ?? (dark.matches ? "dark" : "light"); }
paint();
dark.addEventListener("change", paint);
$("theme").addEventListener("click", () => {
  chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("pie_bench theme", chosen); } catch { /* as above */ }
  paint();
});
for (const input of document.querySelectorAll(".switch input")) {
  const apply = () => { if (input.checked) { document.body.dataset[input.name] = input.value; if (input.name === "time") { state.time = input.value; list(); } } };
  input.addEventListener("change", apply);
}

// ---- the list of pairs
const timed = () => (state.time === "process" ? 0 : 1);
function row(pair) {
  const run = pair.runs[state.run];
  if (!run) return null;
  const speedup = run.best === null ? null : run.samples[run.best][2 + timed()];
  const human = run.human[timed()];
  return { pair, run, id: pair.id, problem: pair.problem, speedup, human, kind: run.kind ?? "", flagged: run.shrunk.length > 0,
    doubtful: run.readings.flatMap((reading, index) => (reading?.[2] ? [`answer ${index}: ${reading[0]}`] : [])),
    over: speedup !== null && human !== null ? speedup / human : null };
}
const weakTests = (run) => `The tests of this problem are weak: they find ${run.weak} mutants.`;
const haystacks = new Map();
function haystack(pair) {
  const key = state.run + " " + pair.id;
  if (!haystacks.has(key)) {
    const run = pair.runs[state.run];
    haystacks.set(key, [pair.id, pair.problem, run?.code ?? "", pair.src, pair.tgt].join("\n").toLowerCase());
  }
  return haystacks.get(key);
}
function wanted() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [outcome, kind, problem, flagged, doubtful] = [$("outcome").value, $("kind").value, $("problem").value, $("flagged").checked, $("doubtful").checked];
  const rows = [];
  for (const pair of data.pairs) {
    if (problem && pair.problem !== problem) continue;
    const found = row(pair);
    if (!found) continue;
    if (kind && found.kind !== kind) continue;
    if (flagged && !found.flagged) continue;
    if (doubtful && !found.doubtful.length) continue;
    if (outcome === "unusable" ? found.run.usable : outcome && !found.run.samples.some((sample) => sample[1] === outcome)) continue;
    if (words.length && !words.every((word) => haystack(pair).includes(word))) continue;
    rows.push(found);
  }
  const key = state.sort, way = state.down ? -1 : 1;
  rows.sort((a, b) => {
    const [x, y] = [a[key], b[key]];
    if (x === y) return a.id < b.id ? -1 : 1;
    if (x === null || x === "") return 1; // what has no value comes last, whichever way
    if (y === null || y === "") return -1;
    return x < y ? -way : way;
  });
  return rows;
}
function list() {
  const rows = wanted();
  const body = $("table").tBodies[0];
  const fragment = document.createDocumentFragment();
  for (const found of rows) {
    const squares = el("span", { class: "answers" });
    found.run.samples.forEach(([outcome, name, speedup], index) => {
      const title = `answer ${index}: ${name ? data.classes[name] : outcome}${speedup ? ", " + times(speedup) : ""}`;
      squares.append(el("i", { title, style: `background:var(--${name ?? "same"})` }));
    });
    const summary = `${found.run.samples.filter((sample) => sample[0] === "ok").length} of ${found.run.samples.length} answers correct`;
    squares.setAttribute("role", "img");
    squares.setAttribute("aria-label", summary);
    const name = el("button", { type: "button", "aria-expanded": "false" }, found.id);
    const first = el("td", { class: "left" }, name);
    if (found.flagged) first.append(el("span", { class: "flag", title: "a constant or an array was made smaller" }, "⚑ smaller constant"));
    if (found.doubtful.length) first.append(el("span", { class: "flag", title: found.doubtful.join("\n") }, "? read doubtfully"));
    if (found.run.weak) first.append(el("span", { class: "flag", title: weakTests(found.run) }, "weak tests"));
    if (!found.run.usable) first.append(el("span", { class: "flag", title: "its source fails its tests here: in no metric" }, "not in the metrics"));
    const line = el("tr", { class: "pair", "data-id": found.id }, first, el("td", { class: "left" }, found.problem), el("td", { class: "left" }, squares),
      el("td", { class: found.speedup >= 1.1 ? "up" : found.speedup !== null && found.speedup < 0.99 ? "down" : "" }, times(found.speedup)),
      el("td", {}, times(found.human)), el("td", {}, times(found.over)), el("td", { class: "left" }, found.kind.replace("_", " ")));
    fragment.append(line);
  }
  body.replaceChildren(fragment);
  $("count").textContent = `${rows.length} of ${data.pairs.length} pairs`;
  if (state.open !== null) show(state.open, false);
}
$("table").addEventListener("click", (event) => {
  const line = event.target.closest("tr.pair");
  if (line) toggle(line.dataset.id);
  const sort = event.target.closest("[data-sort]")?.dataset.sort;
  if (sort) {
    state.down = state.sort === sort ? !state.down : ["speedup", "human", "over"].includes(sort);
    state.sort = sort;
    for (const th of $("table").querySelectorAll("th")) th.removeAttribute("aria-sort");
    event.target.closest("th").setAttribute("aria-sort", state.down ? "descending" : "ascending");
    list();
  }
});
const line = (id) => $("table").querySelector(`tr.pair[data-id="${CSS.escape(id)}"]`);
function toggle(id) { if (state.open === id) close(); else { show(id, true); history.replaceState(null, "", "#pair=" + encodeURIComponent(id)); } }
function close() {
  $("table").querySelector("tr.detail")?.remove();
  const open = $("table").querySelector("tr.open");
  if (open) { open.classList.remove("open"); open.querySelector("button").setAttribute("aria-expanded", "false"); open.querySelector("button").focus({ preventScroll: true }); }
  if (state.open !== null) history.replaceState(null, "", "#pairs");
  state.open = null;
}
function show(id, scroll) {
  $("table").querySelector("tr.detail")?.remove();
  $("table").querySelector("tr.open")?.classList.remove("open");
  const at = line(id);
  if (!at) { state.open = null; return; }
  state.open = id;
  at.classList.add("open");
  at.querySelector("button").setAttribute("aria-expanded", "true");
  const pair = data.pairs.find((each) => each.id === id);
  at.after(el("tr", { class: "detail" }, el("td", { colspan: 7 }, detail(pair, pair.runs[state.run]))));
  if (scroll) { at.querySelector("button").focus({ preventScroll: true }); at.scrollIntoView({ block: "start" }); }
}

// ---- one pair
function detail(pair, run) {
  const inside = el("div", { class: "inside" });
  const [source, human, answer] = run.programs;
  inside.append(el("p", { class: "says" }, sentence(run, source, answer)));
  if (run.weak) inside.append(el("p", { class: "note" }, weakTests(run)));
  for (const [name, before, after] of run.shrunk) {
    inside.append(el("p", { class: "says" }, el("span", { class: "flag" }, "⚑ "), `${name} is ${after} where the source has ${before}: the tests pass, larger inputs may not.`));
  }
  inside.append(reading(run));
  if (run.log) inside.append(el("h3", {}, "What the compiler says"), el("div", { class: "log" }, run.log));
  const tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "Difference" });
  const place = el("div", { role: "tabpanel", tabindex: "0", "aria-label": "Difference, scrolls sideways" });
  const choices = [];
  if (run.code !== null) choices.push([`source → answer ${run.shown}`, pair.src, run.code, run.lines, ["source", `answer ${run.shown}`], [source, answer]]);
  choices.push(["source → human rewrite", pair.src, pair.tgt, pair.human, ["source", "human rewrite"], [source, human]]);
  if (run.code !== null) choices.push(["human rewrite | answer", pair.tgt, run.code, null, ["human rewrite", `answer ${run.shown}`], [human, answer]]);
  choices.forEach(([title, before, after, blocks, heads, programs], index) => {
    const button = el("button", { type: "button", role: "tab", "aria-selected": String(index === 0), onclick: () => {
      for (const other of tabs.children) other.setAttribute("aria-selected", String(other === button));
      place.replaceChildren(difference(before, after, blocks, heads, programs));
    } }, title);
    tabs.append(button);
  });
  place.append(difference(...choices[0].slice(1)));
  inside.append(tabs, place);
  if (source?.lines) inside.append(el("p", { class: "note" }, `Times beside lines: simulated, on test ${run.profiled} (the source's slowest), including what a line calls in libraries, without start-up. Bars: shares of the slower program's time.`));
  if (source) {
    inside.append(el("div", { class: "two" },
      el("div", { role: "region", tabindex: "0", "aria-label": "Time of each test" }, el("h3", {}, "Time of each test"), testTimes(pair, source, human, answer)),
      el("div", { role: "region", tabindex: "0", "aria-label": "Counters" }, el("h3", {}, answer ? "Why it is faster, or not" : "What the human rewrite changes"), why(source, human, answer))));
  }
  return inside;
}
/** How each answer was read: the rule that chose its program, what was passed over, and the whole text of the one shown
 * and of those read doubtfully. It is open where there are such. */
function reading(run) {
  const [rule, passed] = run.readings[run.shown] ?? ["", []];
  const others = passed.length ? ` (${passed.length} passed over)` : "";
  const doubtful = run.readings.some((found) => found?.[2]);
  const list = el("ul", {});
  run.readings.forEach((found, index) => {
    const text = run.texts[index] === undefined ? [] : [el("div", { class: "raw" }, run.texts[index])];
    if (found) list.append(el("li", {}, `${found[2] ? "? " : ""}answer ${index}: ${found[0]}`, ...(found[1].length ? [el("ul", {}, ...found[1].map((each) => el("li", {}, `passed over: ${each}`)))] : []), ...text));
    else if (text.length) list.append(el("li", {}, `answer ${index}`, ...text));
  });
  return el("details", { class: "reading", open: doubtful }, el("summary", {}, `How answer ${run.shown} was read${rule ? `: ${rule}` : ""}${others}`), list);
}
/** Seconds of a program's cycles of one kind. */
const spent = (program, name) => data.stalls[state.run][name] * (program.counters[name] ?? 0);
function sentence(run, source, answer) {
  if (!run.usable) return "The source program fails its tests here, so this pair is in no metric.";
  if (run.best === null) {
    const [outcome, name] = run.samples[run.shown] ?? ["no_code", "no_program"];
    const tests = run.failed.length ? ` Wrong: ${run.wrong} tests (${run.failed.slice(0, 12).join(", ")}${run.wrong > 12 ? ", …" : ""}).` : "";
    return `No answer is correct. Answer ${run.shown}: ${name ? data.classes[name] : outcome}${run.detail ? ` (${outcome}, ${run.detail})` : ""}.${tests}`;
  }
  const saved = source.seconds - answer.seconds;
  const start = source.startup - answer.startup;
  let text = `Answer ${run.best} takes ${seconds(answer.seconds)} where the source takes ${seconds(source.seconds)}: ${times(run.samples[run.best][2])} (${times(run.samples[run.best][3])} without start-up).`;
  const parts = Object.keys(data.stalls[state.run]).map((name) => [name, spent(source, name) - spent(answer, name)]).sort((a, b) => b[1] - a[1]);
  if (saved > 0 && parts.length && Object.keys(source.counters).length) {
    const [name, most] = parts[0];
    if (most > 0.05 * saved) {
      text += ` Of ${seconds(saved)} saved, ${Math.round((100 * most) / saved)} % comes from fewer ${data.counters[name] ?? name}`;
      text += parts[1] && parts[1][1] > 0.05 * saved ? `, ${Math.round((100 * parts[1][1]) / saved)} % fewer ${data.counters[parts[1][0]] ?? parts[1][0]}` : "";
      text += ".";
    }
  }
  if (source.lines) {
    const [line, most] = Object.entries(source.lines).sort((a, b) => b[1] - a[1])[0] ?? [];
    const whole = Object.values(source.lines).reduce((a, b) => a + b, 0);
    if (most) text += ` The source's most expensive line is ${line}: ${Math.round((100 * most) / whole)} % of its time in test ${run.profiled} after start-up.`;
  }
  const share = Math.round((100 * start) / saved);
  if (saved > 0) text += share > 0 ? ` ${share} % of the saving is process start-up.` : " None of the saving is process start-up.";
  return text;
}
const KEYWORDS = new Set("alignas alignof asm auto bool break case catch char class const constexpr const_cast continue decltype default delete do double dynamic_cast else enum explicit extern false float for friend goto if inline int long mutable namespace new noexcept nullptr operator private protected public register reinterpret_cast return short signed sizeof static static_assert static_cast struct switch template this throw true try typedef typename union unsigned using virtual void volatile while".split(" "));
const TOKEN = /(\/\/.*|\/\*[\s\S]*?(?:\*\/|$))|("(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)|(^[ \t]*#.*)|(\b\d[\w.']*)|([A-Za-z_]\w*)/gm;
/** Classes of a text's characters: for each line a list of [text, class]. */
function coloured(text) {
  const lines = [[]];
  const push = (piece, kind) => piece.split("\n").forEach((part, index) => { if (index) lines.push([]); if (part) lines[lines.length - 1].push([part, kind]); });
  let last = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > last) push(text.slice(last, match.index), "");
    push(match[0], match[1] ? "c" : match[2] ? "s" : match[3] ? "p" : match[4] ? "n" : KEYWORDS.has(match[0]) ? "k" : "");
    last = match.index + match[0].length;
  }
  push(text.slice(last), "");
  return lines;
}
/** A line's cell; characters from..to are marked as those that changed. */
function cell(pieces, kind, from = 0, to = 0) {
  const td = el("td", { class: kind });
  let at = 0;
  for (const [text, colour] of pieces ?? []) {
    const cuts = [0, Math.min(Math.max(from - at, 0), text.length), Math.min(Math.max(to - at, 0), text.length), text.length];
    for (let i = 0; i < 3; i++) {
      const part = text.slice(cuts[i], cuts[i + 1]);
      if (!part) continue;
      const span = colour ? el("span", { class: colour }, part) : document.createTextNode(part);
      td.append(i === 1 ? el("mark", {}, span) : span);
    }
    at += text.length;
  }
  return td;
}
/** A text's lines without the blank ones: [texts, coloured pieces, numbers]; Python's matching_lines counts the same. */
function shownLines(text) {
  const normal = text.replace(/\r\n?/g, "\n");
  const [lines, colours, kept] = [normal.split("\n"), coloured(normal), []];
  lines.forEach((line, index) => { if (/[^ \t\v\f]/.test(line)) kept.push(index); });
  return [kept.map((index) => lines[index]), kept.map((index) => colours[index]), kept.map((index) => index + 1)];
}
function difference(before, after, blocks, heads, programs) {
  const [[left, leftColours, leftNumbers], [right, rightColours, rightNumbers]] = [shownLines(before), shownLines(after)];
  const [leftTimes, rightTimes] = programs.map((program) => program?.lines ?? null);
  const timed = leftTimes !== null || rightTimes !== null;
  const whole = Math.max(...[leftTimes, rightTimes].map((lines) => Object.values(lines ?? {}).reduce((a, b) => a + b, 0)));
  /** The cell with a line's simulated time. */
  const heat = (lines, number) => {
    if (!timed) return null;
    const time = lines?.[number] ?? 0;
    const share = whole ? time / whole : 0;
    return el("td", { class: share >= 0.02 ? "time hot" : "time", style: `--share:${(100 * share).toFixed(1)}%`, title: share ? `${(100 * share).toFixed(1)} %` : null }, share >= 0.001 ? seconds(1e-6 * time) : "");
  };
  const side = () => [el("col", { class: "no" }), ...(timed ? [el("col", { class: "time" })] : []), el("col")];
  const span = timed ? 3 : 2;
  const table = el("table", { class: "diff" }, el("colgroup", {}, ...side(), ...side()),
    el("thead", {}, el("tr", {}, el("th", { colspan: span, scope: "col" }, heads[0]), el("th", { colspan: span, scope: "col" }, heads[1]))));
  const body = el("tbody");
  table.append(body);
  const pair = (i, j, changed) => {
    let [x, y] = [i === null ? "" : left[i], j === null ? "" : right[j]];
    let [head, tail, marked] = [0, 0, changed && i !== null && j !== null];
    if (marked) {
      const most = Math.min(x.length, y.length);
      while (head < most && x[head] === y[head]) head++;
      while (tail < most - head && x[x.length - 1 - tail] === y[y.length - 1 - tail]) tail++;
      marked = head + tail >= 0.3 * Math.max(x.length, y.length); // else too different to mark a part
    }
    const mark = (text) => (marked ? [head, text.length - tail] : [0, 0]);
    return el("tr", {}, el("td", { class: "no" }, i === null ? "" : String(leftNumbers[i])), heat(leftTimes, i === null ? null : leftNumbers[i]), cell(i === null ? null : leftColours[i], i === null ? "none" : changed ? "del" : "", ...mark(x)),
      el("td", { class: "no" }, j === null ? "" : String(rightNumbers[j])), heat(rightTimes, j === null ? null : rightNumbers[j]), cell(j === null ? null : rightColours[j], j === null ? "none" : changed ? "add" : "", ...mark(y)));
  };
  if (blocks === null) { // side by side, not compared
    for (let i = 0; i < Math.max(left.length, right.length); i++) body.append(pair(i < left.length ? i : null, i < right.length ? i : null, false));
    return table;
  }
  let [i, j] = [0, 0];
  for (const [x, y, size] of [...blocks, [left.length, right.length, 0]]) {
    const rows = Math.max(x - i, y - j);
    for (let n = 0; n < rows; n++) body.append(pair(i + n < x ? i + n : null, j + n < y ? j + n : null, true));
    const equal = [];
    for (let n = 0; n < size && x + n < left.length && y + n < right.length; n++) equal.push(pair(x + n, y + n, false));
    const hidden = equal.slice(4, -4);
    if (hidden.length > 4 && !hidden.some((row) => row.querySelector(".hot"))) { // long equal parts are folded
      body.append(...equal.slice(0, 4));
      const fold = el("tr", { class: "fold" }, el("td", { colspan: 2 * span }, el("button", { type: "button", onclick: () => fold.replaceWith(...hidden) }, `⋯ ${hidden.length} equal lines`)));
      body.append(fold, ...equal.slice(-4));
    } else body.append(...equal);
    [i, j] = [x + size, y + size];
  }
  return table;
}
const WHO = [["source", "var(--soft)"], ["human", "var(--human)"], ["answer", ""]];
function testTimes(pair, ...programs) {
  const colour = (who) => WHO[who][1] || `var(--run${state.run % 6})`;
  const [width, height, left, bottom] = [620, 210, 56, 22];
  const all = programs.flatMap((program) => program?.times ?? []).filter((value) => value > 0);
  const [low, high] = [Math.log10(Math.min(...all)) - 0.05, Math.log10(Math.max(...all)) + 0.05];
  const y = (value) => 8 + (height - bottom - 8) * (1 - (Math.log10(Math.max(value, 1e-9)) - low) / (high - low || 1));
  const step = (width - left - 10) / pair.tests.length;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "img", "aria-label": "Simulated time of each test, logarithmic" });
  const label = (x, at, text, anchor) => { const t = svg("text", { x, y: at, "text-anchor": anchor, "font-size": 11, fill: "var(--soft)" }); t.textContent = text; picture.append(t); };
  for (let e = Math.floor(low); e <= high; e++) for (const m of [1, 2, 5]) {
    const value = m * 10 ** e;
    if (Math.log10(value) < low || Math.log10(value) > high) continue;
    picture.append(svg("line", { x1: left, x2: width - 10, y1: y(value), y2: y(value), stroke: "var(--line)" }));
    label(left - 6, y(value) + 4, seconds(value * 1e-6), "end");
  }
  const order = pair.tests.map((_, index) => index).sort((a, b) => (programs[0]?.times[b] ?? 0) - (programs[0]?.times[a] ?? 0));
  order.forEach((test, place) => {
    const x = left + (place + 0.5) * step;
    const [first, last] = [programs[0]?.times[test], (programs[2] ?? programs[1])?.times[test]];
    if (first && last) picture.append(svg("line", { x1: x, x2: x, y1: y(first), y2: y(last), stroke: "var(--line)", "stroke-width": Math.min(step * 0.5, 4) }));
    programs.forEach((program, who) => {
      if (program) picture.append(svg("circle", { cx: x, cy: y(program.times[test]), r: Math.max(1.6, Math.min(4, step * 0.4)), fill: colour(who) }, `test ${pair.tests[test]}, ${WHO[who][0]}: ${seconds(program.times[test] * 1e-6)}`));
    });
  });
  label((left + width) / 2, height - 4, `${pair.tests.length} tests, the source's slowest first`, "middle");
  const legend = el("div", { class: "legend" });
  programs.forEach((program, who) => { if (program) legend.append(el("span", {}, el("i", { style: `background:${colour(who)}` }), `${WHO[who][0]} ${seconds(program.seconds)}`)); });
  return el("div", {}, legend, picture);
}
function why(source, human, answer) {
  const compared = answer ?? human;
  if (!compared) return el("p", { class: "note" }, "Nothing else was measured.");
  const cost = data.stalls[state.run];
  const names = Object.keys(source.counters);
  const saved = source.seconds - compared.seconds;
  const order = Object.keys(data.counters);
  const rows = names.filter((name) => name !== data.pages).map((name) => {
    const [before, after] = [source.counters[name], compared.counters[name] ?? 0];
    return { title: data.counters[name] ?? name, place: (order.indexOf(name) + order.length) % order.length, before, after, human: human?.counters[name], share: name in cost ? (spent(source, name) - spent(compared, name)) / Math.abs(saved) : null };
  }).sort((a, b) => (b.share !== null) - (a.share !== null) || Math.abs(b.share ?? 0) - Math.abs(a.share ?? 0) || a.place - b.place || Math.abs(b.before - b.after) - Math.abs(a.before - a.after));
  const table = el("table", { class: "why" }, el("thead", {}, el("tr", {}, ...["", "source", answer ? "answer" : "human", ...(answer && human ? ["human"] : []), "change", "of the time saved"].map((text, i) => (i ? el("th", { scope: "col" }, text) : el("td"))))));
  const body = el("tbody");
  table.append(body);
  const add = (title, before, after, other, share, write) => {
    const change = before ? (after >= 10 * before ? `${(after / before).toFixed(0)}×` : `${after >= before ? "+" : "−"}${Math.abs((100 * (after - before)) / before).toFixed(after && Math.abs(after - before) < 0.1 * before ? 1 : 0)} %`) : "–";
    const meter = el("span", { class: "meter" + (share < 0 ? " bad" : "") }, el("i", { style: `width:${Math.min(100, Math.abs(100 * (share ?? 0)))}%` }));
    body.append(el("tr", {}, el("th", { class: "left", scope: "row" }, title), el("td", {}, write(before)), el("td", {}, write(after)), ...(answer && human ? [el("td", {}, other === undefined ? "–" : write(other))] : []),
      el("td", {}, before === after ? "same" : change), el("td", { class: "left" }, ...(share === null ? ["–"] : [meter, ` ${Math.round(100 * share) < 0 ? "−" : ""}${Math.abs(Math.round(100 * share))} %`]))));
  };
  add("time", source.seconds, compared.seconds, human?.seconds, Math.sign(saved), seconds);
  add("of it before main (start-up)", source.startup, compared.startup, human?.startup, saved ? (source.startup - compared.startup) / Math.abs(saved) : null, seconds);
  const derived = (title, of, write) => { if (of(source) !== null && of(compared) !== null) add(title, of(source), of(compared), human ? of(human) ?? undefined : undefined, null, write); };
  derived("peak memory", (program) => (data.pages in program.counters ? 4096 * program.counters[data.pages] : null), bytes);
  derived("instructions a cycle", ({ counters }) => (counters.cycles ? counters.instructions / counters.cycles : null), (value) => value.toFixed(2));
  const shown = rows.filter((each) => each.before || each.after);
  const most = shown.filter((each) => each.share !== null).length > 6 ? 17 : 8;
  for (const each of shown.slice(0, most)) add(each.title, each.before, each.after, each.human, each.share, count);
  if (shown.length > most) {
    const more = el("tr", {}, el("td", { colspan: 6, class: "left" }, el("button", { type: "button", onclick: () => { more.remove(); for (const each of shown.slice(most)) add(each.title, each.before, each.after, each.human, each.share, count); } }, `${shown.length - most} more counters`)));
    body.append(more);
  }
  const note = names.length ? `Counts over all tests, start-up included; shares ${order.some((name) => name.startsWith("stall_")) ? "of cycles, by what was waited for in them" : "by the environment's cost model"}.` : "This run's records hold no counters.";
  return el("div", {}, table, el("p", { class: "note" }, note));
}

// ---- filters and keys
function options(select, entries, every) { select.append(el("option", { value: "" }, every), ...entries.map(([value, text]) => el("option", { value }, text))); }
data.runs.forEach((name, index) => $("run").append(el("option", { value: index }, name)));
options($("outcome"), [...Object.entries(data.classes).filter(([name]) => data.pairs.some((pair) => pair.runs.some((run) => run?.samples.some((sample) => sample[1] === name)))), ...(data.pairs.some((pair) => pair.runs.some((run) => run && !run.usable)) ? [["unusable", "not in the metrics"]] : [])], "any");
options($("kind"), ["algorithm", "data_structure", "input_output", "other"].map((name) => [name, name.replace("_", " ")]), "any");
options($("problem"), [...new Set(data.pairs.map((pair) => pair.problem))].sort().map((name) => [name, name]), "all");
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("reset", () => setTimeout(() => { $("run").value = state.run; list(); }));
let pending = 0;
$("filters").addEventListener("input", () => { state.run = Number($("run").value || 0); clearTimeout(pending); pending = setTimeout(list, 60); });
for (const name of document.querySelectorAll("[data-problem]")) {
  name.setAttribute("tabindex", "0");
  const go = () => { $("problem").value = name.dataset.problem; list(); $("pairs").scrollIntoView(); };
  name.addEventListener("click", go);
  name.addEventListener("keydown", (event) => { if (event.key === "Enter") go(); });
}
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName) && document.activeElement.type !== "radio" && document.activeElement.type !== "checkbox";
  if (event.key === "Escape") { if (typing) document.activeElement.blur(); else close(); return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { event.preventDefault(); $("search").focus(); }
  if (event.key === "j" || event.key === "k") {
    const lines = [...$("table").querySelectorAll("tr.pair")];
    const current = document.activeElement?.closest?.("tr.pair") ?? (state.open !== null ? line(state.open) : null);
    const next = lines[current ? lines.indexOf(current) + (event.key === "j" ? 1 : -1) : 0];
    if (next) { if (state.open !== null) toggle(next.dataset.id); else next.querySelector("button").focus(); }
  }
});
list();
/** A link to a pair opens it, in the first run that has it, whatever is filtered. */
function follow() {
  const id = decodeURIComponent((location.hash.match(/^#pair=(.*)$/) ?? [])[1] ?? ""), pair = data.pairs.find((each) => each.id === id);
  if (!pair) return;
  if (!line(id)) {
    $("filters").reset();
    if (!pair.runs[state.run]) state.run = pair.runs.findIndex(Boolean);
    $("run").value = state.run;
    list();
  }
  show(id, true);
}
addEventListener("hashchange", follow);
follow();
document.body.dataset.ready = "true";
