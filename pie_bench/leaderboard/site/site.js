"use strict";
// Names come from submitters and are hostile: they only ever become text nodes and attributes that run nothing.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const first = { k: String(data.ks[0]), method: "best", time: "process", q: "", status: "", group: "", sort: "0", dir: "desc", x: "correct" };
const state = { ...first };
const ROWS = 50; // a table of thousands would make every key press wait for its layout
const parts = (row) => [2, 3, 4].map((column) => [row.cells[column].firstChild, row.cells[column].lastChild]);
const sections = [...document.querySelectorAll(".group")];
const groups = data.groups.map((group, number) => {
  const section = sections[number], body = section.querySelector("tbody");
  const rows = [...body.rows].map((row, place) => {
    return { ...group.entries[place], row, number: place, rank: row.cells[0], shown: parts(row), visible: true, point: null };
  });
  const foot = section.querySelector("tfoot");
  return { ...group, section, body, rows, foot, feet: foot ? parts(foot.rows[0]) : null, most: ROWS, more: section.querySelector(".more"),
    figure: section.querySelector("figure"), plot: section.querySelector(".plot"), choice: section.querySelector("figure select") };
});
const published = $("published"), unfolded = published?.open;
let filtered = false;
const everything = groups.flatMap((group) => group.rows);
const missing = [null, "—", "", null, null];
const view = (row) => row.cells[`${state.k}|${state.method}|${state.time}`] ?? [missing, missing, missing];

// ---- numbers of the chosen view, and ranks by them: filters and sorting leave ranks as they are
function numbers() {
  for (const group of groups) {
    for (const row of group.rows) { row.now = view(row); row.place = "—"; row.filled = false; }
    const ranked = group.rows.filter((row) => row.now[0][0] !== null).sort((a, b) => b.now[0][0] - a.now[0][0]);
    ranked.forEach((row, place) => { row.place = place && ranked[place - 1].now[0][0] === row.now[0][0] ? ranked[place - 1].place : String(place + 1); });
    if (group.foot) fill(group.feet, group.human[state.time] ?? [missing, missing, missing]);
  }
}
function fill(shown, cells) {
  cells.forEach((cell, column) => { shown[column][0].textContent = cell[1]; shown[column][1].textContent = cell[2]; });
}

// ---- sort: unknown values last, whatever the direction
function key(row) {
  const sort = state.sort;
  if (sort in row.now) return row.now[sort][0];
  return sort === "name" ? row.name.toLowerCase() : row[sort] === "" ? null : row[sort];
}
function sort() {
  const sign = state.dir === "asc" ? 1 : -1;
  for (const group of groups) {
    const keyed = group.rows.map((row) => [key(row), row]);
    keyed.sort(([a, one], [b, other]) => (a === null) - (b === null) || (a === null || a === b ? one.number - other.number : a < b ? -sign : sign));
    group.order = keyed.map(([, row]) => row);
    for (const head of group.section.querySelectorAll("thead th")) {
      if (head.querySelector("button")?.dataset.sort === state.sort) head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
  }
}

// ---- filter
function filter() {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const group of groups) {
    let some = 0;
    for (const row of group.rows) {
      const visible = (!state.group || state.group === group.id) && (!state.status || row.status === state.status) && words.every((word) => row.text.includes(word));
      if (visible !== row.visible) { row.visible = visible; if (row.point) row.point.style.display = visible ? "" : "none"; }
      some += visible;
    }
    const gone = some === 0;
    if (group.section.hidden !== gone) group.section.hidden = gone;
    count += some;
    show(group);
    label(group);
  }
  fold();
  $("count").textContent = count === everything.length ? `${count} ${count === 1 ? "entry" : "entries"}` : `${count} of ${everything.length} entries`;
}

// ---- published results are folded away until a filter finds some of them
function fold() {
  if (!published) return;
  const now = Boolean(state.q.trim() || state.status || state.group), any = groups.some((group) => published.contains(group.section) && !group.section.hidden);
  published.hidden = !any;
  if (now) published.open = any;
  else if (filtered) published.open = unfolded;
  filtered = now;
}

// ---- the rows that are in the page: the first of those that pass
function show(group) {
  const passed = group.order.filter((row) => row.visible), shown = passed.slice(0, group.most);
  for (const row of shown) if (!row.filled) { fill(row.shown, row.now); row.rank.textContent = row.place; row.filled = true; }
  if (shown.length !== group.body.rows.length || shown.some((row, place) => row.row !== group.body.rows[place])) group.body.replaceChildren(...shown.map((row) => row.row));
  group.more.hidden = shown.length === passed.length;
  group.more.textContent = `Show all ${passed.length}`;
}

// ---- plot: a point an entry, drawn at the figure's own width so that its text stays readable on a phone
function svg(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}
function axis(low, high) {
  const rough = Math.max(high - low, 1e-9) / 4, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((each) => each * unit >= rough * (1 - 1e-9)) * unit;
  const start = Math.floor(low / step + 1e-9) * step, n = Math.ceil((high - start) / step - 1e-9);
  return Array.from({ length: n + 1 }, (_, i) => Number((start + i * step).toPrecision(12)));
}
function powers(low, high) {
  const found = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) found.push(10 ** e);
  return found;
}
function plot(group) {
  const cost = state.x === "cost" && group.choice !== null;
  for (const row of group.rows) row.point = null;
  group.spots = [];
  const points = group.rows.map((row) => [cost ? row.cost : row.now[2][0], row.now[0][0], row]).filter(([x, y]) => x !== null && y !== null);
  group.figure.hidden = points.length === 0;
  if (points.length === 0) return;
  if (group.choice) group.choice.value = state.x;
  group.section.querySelector(".against").textContent = cost ? "cost in $" : "%Correct";
  const human = group.human[state.time]?.[0];
  const many = points.length > 40;
  const ys = points.flatMap(([, y, row]) => (many ? [y] : [y, row.now[0][3] ?? y, row.now[0][4] ?? y])).concat(human ? [human[0]] : []);
  const yt = axis(Math.min(1, ...ys), Math.max(1.5, ...ys));
  const costs = points.map(([x]) => x), least = Math.min(...costs), most = Math.max(...costs);
  const log = cost && least > 0 && most / least > 20;
  const xt = !cost ? [0, 25, 50, 75, 100] : log ? powers(least, most) : axis(0, most || 1);
  const width = Math.max(group.figure.clientWidth - 28, 220), height = 250, left = 38, right = width - 12, top = 10, bottom = height - 36;
  const on = (value) => (log ? Math.log10(value) : value);
  const px = (x) => left + 6 + ((on(x) - on(xt[0])) / (on(xt.at(-1)) - on(xt[0]) || 1)) * (right - left - 12);
  const py = (y) => bottom - ((y - yt[0]) / (yt.at(-1) - yt[0])) * (bottom - top);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "group", "aria-label": `Speedup against ${cost ? "cost" : "%Correct"} of ${points.length} ${points.length === 1 ? "entry" : "entries"}; the table holds the same numbers` });
  for (const y of yt) root.append(svg("line", { x1: left, x2: right, y1: py(y), y2: py(y), stroke: "var(--line)" }), svg("text", { x: left - 6, y: py(y) + 4, "text-anchor": "end" }, `${y}×`));
  for (const x of xt) root.append(svg("text", { x: px(x), y: bottom + 16, "text-anchor": "middle" }, cost ? `$${x}` : String(x)));
  root.append(svg("text", { x: (left + right) / 2, y: height - 4, "text-anchor": "middle" }, cost ? "cost of the answers" : "%Correct"));
  if (human) {
    root.append(svg("line", { x1: left, x2: right, y1: py(human[0]), y2: py(human[0]), stroke: "var(--human)", "stroke-dasharray": "4 4" }), svg("text", { x: left + 4, y: py(human[0]) + 14 }, `human rewrites ${human[1]}`));
    group.spots.push([left + 4, py(human[0]) + 4, 128, 13], [left, py(human[0]) - 1, right - left, 2]);
  }
  for (const [x, y, row] of points) {
    // Out of the tab order: the table has the same links.
    row.point = svg("a", { href: row.page, tabindex: -1 });
    if (!many && row.now[0][3] !== null) row.point.append(svg("line", { x1: px(x), x2: px(x), y1: py(row.now[0][3]), y2: py(row.now[0][4]), stroke: "var(--accent)", "stroke-width": 2, opacity: 0.35 }));
    row.dot = svg("circle", { class: row.status === "verified" ? "point verified" : "point", cx: px(x), cy: py(y), r: many ? 3 : 5 });
    row.dot.append(svg("title", {}, `${row.name}: ${row.now[0][1]}, ${row.now[2][1]} correct`));
    row.point.append(row.dot);
    row.at = [px(x), py(y)];
    if (!row.visible) row.point.style.display = "none";
    root.append(row.point);
  }
  group.labels = svg("g", {});
  group.frame = [left, right, top, bottom];
  root.append(group.labels);
  group.plot.replaceChildren(root);
}
function label(group) {
  if (group.figure.hidden || !group.labels) return;
  const shown = group.rows.filter((row) => row.point && row.visible);
  group.labels.replaceChildren();
  if (shown.length > 12) return;
  const [left, right, top, bottom] = group.frame;
  const taken = [...group.spots, ...shown.map((row) => [row.at[0] - 6, row.at[1] - 6, 12, 12])];
  const free = ([x, y, w, h]) => x >= left && x + w <= right + 10 && y >= top - 12 && y + h <= bottom + 2 && !taken.some(([a, b, c, d]) => x < a + c && a < x + w && y < b + d && b < y + h);
  for (const row of shown) {
    const name = row.name.split("/").at(-1), text = name.length > 22 ? name.slice(0, 21) + "…" : name, w = text.length * 6.3, [x, y] = row.at;
    const place = [[x + 9, y - 7], [x - 9 - w, y - 7], [x - w / 2, y - 21], [x - w / 2, y + 8], [x - w, y - 21], [x, y - 21], [x - w, y + 8], [x, y + 8]].map(([a, b]) => [a, b, w, 14]).find(free);
    if (!place) continue;
    taken.push(place);
    group.labels.append(svg("text", { class: "label", x: place[0], y: place[1] + 11, "pointer-events": "none" }, text));
  }
}

// ---- the state in the URL
const allowed = { k: data.ks.map(String), method: ["best", "first"], time: ["process", "after_main"], dir: ["asc", "desc"], x: ["correct", "cost"],
  group: data.groups.map((group) => group.id), sort: ["0", "1", "2", "name", "samples", "cost", "status", "date"] };
function read() {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(first)) {
    const value = asked.get(name);
    state[name] = value !== null && (!allowed[name] || allowed[name].includes(value)) ? value : first[name];
  }
  for (const name of ["q", "status", "group"]) if ($(name)) $(name).value = state[name];
  if ($("status").value !== state.status) { state.status = ""; $("status").value = ""; }
  for (const input of document.querySelectorAll(".switch input")) input.checked = state[input.name] === input.value;
}
let waiting = null;
function write() {
  const changed = Object.keys(first).filter((name) => state[name] !== first[name]);
  const hash = new URLSearchParams(changed.map((name) => [name, state[name]])).toString();
  clearTimeout(waiting); // browsers refuse a new URL at every keystroke
  waiting = setTimeout(() => history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search), 150);
}
function all() { numbers(); sort(); for (const group of groups) { group.section.hidden = false; plot(group); } filter(); }

$("q").addEventListener("input", () => { state.q = $("q").value; filter(); write(); });
for (const name of ["status", "group"]) $(name)?.addEventListener("change", () => { state[name] = $(name).value; filter(); write(); });
for (const input of document.querySelectorAll(".switch input")) input.addEventListener("change", () => { state[input.name] = input.value; all(); write(); });
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("reset", (event) => { event.preventDefault(); history.replaceState(null, "", location.pathname + location.search); read(); all(); });
$("skip").addEventListener("click", (event) => { event.preventDefault(); $("tables").focus(); });
for (const group of groups) {
  group.choice?.addEventListener("change", () => { state.x = group.choice.value; for (const each of groups) plot(each); filter(); write(); });
  for (const button of group.section.querySelectorAll("thead button")) button.addEventListener("click", () => {
    const column = button.dataset.sort, text = ["name", "status"].includes(column);
    state.dir = state.sort === column ? (state.dir === "asc" ? "desc" : "asc") : text ? "asc" : "desc";
    state.sort = column;
    sort();
    groups.forEach(show);
    write();
  });
  group.more.addEventListener("click", () => { group.most = Infinity; const next = group.body.rows.length; show(group); group.body.rows[next].querySelector("a").focus(); });
  const mark = (event, lit) => { const row = group.rows.find((each) => each.row === event.target.closest?.("tr")); if (row?.point) row.dot.classList.toggle("on", lit); };
  group.body.addEventListener("mouseover", (event) => mark(event, true));
  group.body.addEventListener("mouseout", (event) => mark(event, false));
}
// A folded figure has no width to be drawn at.
published?.addEventListener("toggle", () => { for (const group of groups) { plot(group); label(group); } });
addEventListener("hashchange", () => { read(); all(); });
let wide = innerWidth;
addEventListener("resize", () => { if (innerWidth !== wide) { wide = innerWidth; all(); } });
read();
all();
document.body.dataset.ready = "";
