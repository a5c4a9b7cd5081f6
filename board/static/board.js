// The board: one run at one window size, live.

import { get } from "./api.js";
import * as addressed from "./address.js";
import { ofLine } from "./alarm-words.js";
import { charts } from "./charts.js";
import { address, byId, el, mark, setText, setMarkedText, svg } from "./dom.js";
import { DASHES, evidence, evidenceAt } from "./evidence.js";
import { curves, most } from "./evidence-series.js";
import { duration, errorText, errorTimes, figure, moment, percent, plural, span, times, withUnit } from "./format.js";
import { heatmap, stops } from "./heatmap.js";
import { listen } from "./live.js";
import { explainScarcity, showStatus, stages, updateAge } from "./now.js";
import { keyboard, pointer } from "./pointing.js";
import { extent, merge, spans, unpack, within, zoomed } from "./series.js";
import { band, ramp, SHAPE, STEPS, WORD } from "./severity.js";
import { findRuns, line, links, nothing, notice, runs } from "./shell.js";
import { table } from "./table.js";

let shown = addressed.read();
/** What /api/board said, kept up to date by the events. @type {any} */
let data = null;
let stream = null;
let turn = 0; // of loading: what an earlier one brings is dropped
let skew = 0; // the server's clock minus ours
let places = null; // spans of the windows on the shown axis
let drawing = 0;
let evident = null; // the evidence curve on an axis, as of a moment
let asking = false; // for it
let rereading = 0; // the timer of it
let missing = false; // board or database, and a notice says so

const heat = byId("heat");
const map = heatmap(heat);
const figures = charts(byId("charts"));
const curve = evidence(byId("evidence"));
const rows = table(byId("windows"), byId("more"));
const does = { highlight, announce, open, zoom: setRange };
pointer(heat, map, does);
pointer(byId("evidence"), curve, does);
pointer(byId("charts"), figures, does);
keyboard(heat, map, does);

/** Load what the address names, and follow it. */
async function load() {
  const mine = ++turn;
  stream?.close();
  line("connecting");
  try {
    const answer = await get("/api/board", { run: shown.run, size: shown.size, segment: shown.segment });
    if (mine !== turn) return;
    accept(answer);
    follow(mine);
  } catch (error) {
    if (mine === turn) refused(error, mine);
  }
  runs(data?.run ?? shown.run).catch(() => {});
}

function accept(answer) {
  skew = answer.now - Date.now();
  data = { ...answer, ms: duration(answer.size), windows: unpack(answer.windows, answer.columns.length) };
  mark("parsed");
  byId("empty").hidden = true;
  byId("content").hidden = false;
  byId("content").classList.remove("loading");
  byId("content").classList.toggle("unlabelled", !data.labelled);
  document.title = `${data.run} · Driftline`;
  names();
  choices();
  setText(byId("mae-name"), data.unit ? `Error (MAE, ${data.unit})` : "Error (MAE)");
  setText(byId("mae-head"), data.unit ? `MAE, ${data.unit}` : "MAE");
  byId("mae-head").title = byId("mae-name").title = data.reference_mae ? `and how many times the reference’s ${withUnit(data.reference_mae, data.unit)} that is` : "";
  setText(byId("source"), [data.stream, data.source, data.scenario && `scenario ${data.scenario}`].filter(Boolean).join(" · "));
  everySecond();
  draw();
  readEvidence();
}

const EVIDENCE_APART_MS = 2_000;

/** Read the evidence curve where what is shown is of another run, axis or fold; one question at a time. */
async function readEvidence() {
  const { run, status: { watch } } = data;
  const print = watch && [run, shown.axis, watch.folded_at].join();
  if (!watch || (evident && evident.run !== run)) evident = null;
  byId("evidence-chart").hidden = !evident;
  if (!watch || asking || evident?.print === print) return;
  asking = true;
  try {
    const sent = await get("/api/evidence", { run, axis: shown.axis });
    const found = curves(sent, shown.axis);
    evident = { run, print, curves: found, most: most(found, sent.seasons, sent.recovered) };
    byId("evidence-chart").hidden = false;
    sizes();
    draw();
  } catch {
    // the next status asks again
  }
  setTimeout(() => {
    asking = false;
    if (data) readEvidence();
  }, EVIDENCE_APART_MS);
}

/** How the sizes are drawn. */
function sizes() {
  const names = [...new Set(evident.curves.map(({ size }) => size))];
  const sample = (dash, strong) => svg("svg", { class: strong ? "sample strong" : "sample", viewBox: "0 0 18 8", width: 18, height: 8, "aria-hidden": "true" }, svg("line", { x1: 0, x2: 18, y1: 4, y2: 4, "stroke-dasharray": dash.join(" ") || null }));
  byId("evidence-sizes").replaceChildren(el("span", {}, sample([], true), "most"), ...names.map((name, i) => el("span", {}, sample(DASHES[i % DASHES.length], false), name)));
}

/** Nothing to show: explain why, and wait for what would change it. */
function refused(error, mine) {
  const away = error.status === 0 || error.status === 503;
  const begun = () => mine === turn && load(); // a status: a run was there by the time that we listened
  line(away ? "lost" : "waiting");
  if (data && away) notice(`${error.message}: ${error.remedy}`);
  else {
    byId("content").hidden = true;
    nothing(byId("empty"), error.message, error.remedy);
    if (shown.run && !away) runs(null, "").then((found) => mine === turn && nothing(byId("empty"), error.message, error.remedy, links(found, "/"))).catch(() => {});
  }
  if (away || shown.run || shown.size) setTimeout(() => mine === turn && load(), 2_000);
  else stream = listen({}, { on: { run: begun, status: begun }, open() {}, lost: () => line("lost"), back: load });
}

function follow(mine) {
  const current = (handle) => (said) => mine === turn && handle(said);
  stream = listen(
    { run: data.run, size: data.size },
    {
      on: { windows: current(newer), status: current(status), run: current(newRun), sizes: current(newSize), away: current(away) },
      open: current(() => {
        line(data.status.finished ? "ended" : "live");
        if (!shown.run) newest(mine);
      }),
      lost: current(() => away({ error: "The board does not answer any more", do: "this page goes on by itself when it is back (`driftline board`)" })),
      back: current(load),
    },
  );
}

/** A run that began while we were not listening yet, nobody tells. */
async function newest(mine) {
  const [first] = await runs(data.run, "").catch(() => []);
  if (mine === turn && first) newRun(first);
}

function newer(said) {
  if (data.segment) return reread(); // these are of the whole stream
  if (said.columns.join() !== data.columns.join()) return load();
  const end = newestEnd();
  data.windows = merge(data.windows, unpack(said.windows, said.columns.length));
  for (const name of ["injected", "alarms"]) if (said[name]) data[name] = said[name];
  shiftWith(end);
  draw();
}

const SEGMENT_APART_MS = 1_000;

/** Read the windows of a segment again, at most so often. */
function reread() {
  if (rereading) return;
  const mine = turn;
  rereading = setTimeout(async () => {
    rereading = 0;
    if (mine !== turn) return;
    try {
      const end = newestEnd();
      const answer = await get("/api/board", { run: data.run, size: data.size, segment: data.segment });
      if (mine !== turn) return;
      accept(answer);
      shiftWith(end);
    } catch {
      // the next window asks again
    }
  }, SEGMENT_APART_MS);
}

/** What is said of the whole stream is left out where a segment is shown. */
function status(said) {
  skew = said.now - Date.now();
  const { verdict, newest: window, scarce } = data.status;
  data.status = data.segment ? { ...said, verdict, newest: window, scarce, filling: null } : said;
  judge();
  readEvidence();
  line(said.finished ? "ended" : "live");
  if (missing) notice();
  missing = false;
  everySecond();
}

/** A size that was not there: show it where nothing is shown yet, else offer it. */
function newSize({ size }) {
  if (data.segment) return;
  if (!data.windows.start.length && !shown.size) return load();
  if (data.sizes.includes(size)) return;
  data.sizes.push(size);
  data.sizes.sort((a, b) => duration(a) - duration(b));
  choices();
}

function away({ error, do: remedy }) {
  line("lost");
  notice(`${error}: ${remedy}`);
  missing = true;
}

function newRun({ run }) {
  if (run === data.run) return;
  if (!shown.run) {
    shown.range = null; // its time is another
    addressed.write(shown, { replace: true });
    return load();
  }
  notice(`A newer run has started: ${run}`, { label: "Show it", act: () => go({ run, size: null, segment: null, range: null }) });
  runs(data.run).catch(() => {});
}

/** Show something else, in a new entry of the history. @param {Partial<addressed.Shown>} change */
function go(change) {
  shown = { ...shown, ...change };
  addressed.write(shown);
  notice();
  load();
}

// What is drawn

function draw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(paint);
}

function paint() {
  places = spans(data.windows, data.ms, shown.axis);
  const model = { ...data, ...marked(), spans: places, range: range(), offset: offset() };
  byId("content").classList.toggle("bare", !data.windows.start.length);
  map.draw(model);
  figures.draw(model);
  if (evident) curve.draw({ ...model, curves: evident.curves, most: evident.most });
  rows.draw({ ...data, shown: shownWindows() });
  judge();
  latest();
  zoomState(model.range);
  Object.assign(heat.dataset, { windows: data.windows.start.length, from: model.range[0], to: model.range[1], drawn: "true" });
  requestAnimationFrame(() => setTimeout(() => mark("drawn"))); // when a frame with it has been handed over
}

/** First and end of the windows in the shown time. @returns {[number, number]} */
const shownWindows = () => (shown.range ? within(places, shown.range) : [0, data.windows.start.length]);

/** The verdict: now, or on the shown time. */
function judge() {
  const zoom = shown.range && places ? zoomed(data.windows, data.columns, data.ms, shownWindows()) : null;
  showStatus(data, zoom);
  const { scarce } = data.status;
  const blank = Boolean(scarce) && !scarce.enough;
  byId("sparse").hidden = !blank;
  setMarkedText(byId("sparse"), blank ? explainScarcity(scarce, data) : "");
}

const offset = () => (shown.axis === "wall" ? -new Date().getTimezoneOffset() * 60_000 : 0);

function range() {
  return shown.range ?? extent(places, shown.axis === "event" ? data.period : null) ?? [Date.now() - 1, Date.now()];
}

/** Injected drift and alarms on the shown axis; what has no end yet goes on. */
function marked() {
  const wall = shown.axis === "wall";
  const place = (each) => ({ from: wall ? each.wall_start : each.start, to: (wall ? each.wall_end : each.end) ?? Infinity, label: each.label });
  const known = (each) => Number.isFinite(each.from);
  const last = places.to[places.to.length - 1] ?? 0;
  const ended = (each) => ({ ...each, to: Number.isFinite(each.to) ? each.to : Math.max(last, each.from) });
  return { injected: data.injected.map(place).filter(known).map(ended), alarms: data.alarms.map(place).filter(known).map(ended) };
}

function names() {
  byId("map").style.setProperty("--rows", String(data.columns.length || 15));
  byId("names").replaceChildren(
    ...data.columns.map((name) =>
      el("li", { "data-column": name }, el("span", { class: "name", title: name, text: name }), el("span", { class: "value" }, el("span", { class: "shape", "aria-hidden": "true" }), el("span", { class: "times" }), el("span", { class: "sr" }))),
    ),
  );
}

/** The newest value of everything, beside its line. */
function latest() {
  const { windows, columns } = data;
  const tested = windows.share_drifted.findLastIndex((share, i) => share !== null && windows.status[i] !== "open");
  const now = tested < 0 ? windows.start.length - 1 : tested; // as the verdict
  [...byId("names").children].forEach((item, c) => {
    const severity = columns.length && now >= 0 ? windows.severity[c][now] : NaN;
    const state = band(severity);
    item.dataset.band = state;
    setText(item.querySelector(".shape"), SHAPE[state]);
    setText(item.querySelector(".times"), times(severity));
    setText(item.querySelector(".sr"), `, ${WORD[state]}`);
  });
  const last = (values) => values.findLast((value) => value !== null);
  setText(byId("share-now"), percent(windows.share_drifted[now]));
  setText(byId("mae-now"), [figure(last(windows.mae)), errorTimes(last(windows.mae), data.reference_mae)].filter(Boolean).join(" · "));
  setText(byId("coverage-now"), percent(last(windows.label_coverage)));
  latestEvidence();
  marks();
}

function latestEvidence() {
  const { watch } = data.status;
  if (!evident || !watch) return;
  setText(byId("evidence-now"), Number.isFinite(watch.level) ? ofLine(watch.level) : "–");
  const above = Math.max(0, ...evident.most.value);
  setText(byId("evidence-text"), `, over time; an alarm fires at 1. Now ${figure(watch.level)}, at most ${figure(above)}. The alarms are listed on a page of their own.`);
}

/** Injected drift and alarms in words, for whom the picture does not tell. */
function marks() {
  const texts = [
    ...data.injected.map((each) => ({ text: `Injected: ${each.label}, ${moment(each.start)} until ${moment(each.end)}` })),
    ...data.alarms.slice(-6).map((each) => ({ text: `Alarm since ${moment(each.start)}${each.end > each.start ? `, until ${moment(each.end)}` : ""}: ${each.label}`, id: each.id })),
  ];
  const holder = byId("marks");
  if ([...holder.children].map((item) => item.textContent).join("\n") === texts.map(({ text }) => text).join("\n")) return;
  holder.replaceChildren(...texts.map(({ text, id }) => el("li", { class: text.startsWith("I") ? "injected" : "alarm" }, id ? el("a", { href: address("/alarm", { run: data.run, id }), text }) : text)));
}

// Time that is shown

/** @param {[number, number]|null} next */
function setRange(next) {
  shown.range = next && limited(next);
  addressed.write(shown);
  draw();
}

/** Not thinner than a window, not wider than all there is. */
function limited([from, to]) {
  const all = extent(places, shown.axis === "event" ? data.period : null);
  const least = (places.to[0] - places.from[0]) * 2;
  const width = Math.max(to - from, least);
  if (width >= all[1] - all[0]) return null;
  const start = Math.min(Math.max((from + to - width) / 2, all[0]), Math.max(all[0], all[1] - width));
  return [Math.round(start), Math.round(start + width)];
}

const newestEnd = () => (places?.to.length ? places.to[places.to.length - 1] : null);

/** Who looks at the newest goes on doing so. @param {number|null} before */
function shiftWith(before) {
  const { range: kept } = shown;
  if (!kept || before === null || kept[1] < before) return;
  places = spans(data.windows, data.ms, shown.axis);
  const by = newestEnd() - Math.max(before, kept[1]);
  if (by <= 0) return;
  shown.range = [kept[0] + by, kept[1] + by];
  addressed.write(shown, { replace: true });
}

function zoomState([from, to]) {
  const local = shown.axis === "wall";
  const recent = newest48();
  const text = places.from.length ? `${moment(from, { local })} – ${moment(to, { local })}` : "";
  setText(byId("range-text"), shown.range && text ? `zoomed to ${text}` : text);
  byId("range-text").classList.toggle("zoomed", Boolean(shown.range));
  setText(byId("table-title"), shown.range ? "Windows of the shown time, newest first" : "Windows, newest first");
  setText(byId("zone"), local ? `Wall clock, ${Intl.DateTimeFormat().resolvedOptions().timeZone}` : "Event time, as the records have it (UTC)");
  byId("all").setAttribute("aria-pressed", String(!shown.range));
  byId("newest-48").setAttribute("aria-pressed", String(Boolean(shown.range && recent) && from === recent[0] && to === recent[1]));
}

/** @returns {[number, number]|null} */
function newest48() {
  const n = places.from.length;
  return n ? [places.from[Math.max(0, n - 48)], places.to[n - 1]] : null;
}

// What is pointed at

function describe({ i, c }) {
  const { windows, columns, ms } = data;
  const name = span(windows.start[i], windows.start[i] + ms, { year: true });
  const severity = c >= 0 ? windows.severity[c][i] : NaN;
  return { name, column: columns[c], severity, state: band(severity), rows: windows.rows[i], drifted: windows.columns_drifted[i], mae: windows.mae[i], coverage: windows.label_coverage[i] };
}

function announce(cell) {
  const { name, column, severity, state, rows: n } = describe(cell);
  const value = state === "none" ? "not computed" : `${times(severity).replace("×", "")} times its threshold, ${WORD[state]}`;
  const known = evidenceText(cell.i);
  setText(byId("cell"), `${column}, ${name}: ${value}. ${plural(n, "row")}.${known ? ` ${known}.` : ""}`);
}

/** The evidence after a window, empty where none is known. @param {number} i */
function evidenceText(i) {
  const found = evident && evidenceAt(evident.most, places.to[i]);
  if (!found) return "";
  const { size, signal } = evident.curves[found.curve];
  return `Evidence ${ofLine(found.value)}${found.value > 0 ? `, most from ${signal(found.i)} at ${size}` : ""}`;
}

/** Outline a window wherever it is shown, and show what it holds. @param {import("./heatmap.js").Cell|null} cell */
function highlight(cell) {
  map.point(cell);
  figures.point(cell);
  if (evident) curve.point(cell);
  tip(cell);
}

/** @param {import("./heatmap.js").Cell|null} cell */
function tip(cell) {
  const holder = byId("tip");
  holder.hidden = !cell;
  if (!cell) return;
  const said = describe(cell);
  const head = cell.c >= 0 ? el("p", { class: `lead ${said.state}` }, el("span", { class: "shape", text: SHAPE[said.state] }), ` ${said.column} `, el("b", { text: times(said.severity) })) : null;
  holder.replaceChildren(
    ...(head ? [head] : []),
    el("p", { text: said.name }),
    el("p", { class: "dim", text: `${plural(said.rows, "row")} · ${said.drifted === null ? "not tested" : `${plural(said.drifted, "column")} drifted`}${data.labelled ? ` · MAE ${errorText(said.mae, data.reference_mae, data.unit)} · labels ${percent(said.coverage)}` : ""}` }),
    ...(evidenceText(cell.i) ? [el("p", { class: "dim", text: evidenceText(cell.i) })] : []),
  );
  placed(holder, cell);
}

/** Beside the window, in sight, never under the pointer. */
function placed(holder, cell) {
  const [box, panel] = [heat.getBoundingClientRect(), holder.parentElement.getBoundingClientRect()];
  const middle = box.left - panel.left + map.place(cell.i);
  const left = middle + 16 + holder.offsetWidth > panel.width ? middle - 16 - holder.offsetWidth : middle + 16;
  const below = cell.c >= 0 ? box.top - panel.top + 30 + ((cell.c + 1) / data.columns.length) * (box.height - 44) : box.bottom - panel.top + 12;
  holder.style.transform = `translate(${Math.round(Math.max(4, Math.min(left, panel.width - holder.offsetWidth - 4)))}px, ${Math.round(below)}px)`;
}

function open(i, elsewhere) {
  const there = address("/window", { run: data.run, size: data.size, start: data.windows.start[Math.min(i, data.windows.start.length - 1)] });
  if (elsewhere) window.open(there, "_blank", "noopener");
  else location.href = there;
}

// What can be chosen

function choices() {
  const holder = byId("sizes");
  holder.replaceChildren(
    el("legend", { text: "Window" }),
    ...data.sizes.map((size) => el("label", {}, el("input", { type: "radio", name: "size", value: size, checked: size === data.size, onchange: () => go({ size, range: null }) }), el("span", { text: size }))),
  );
  byId("pick-segment").hidden = !data.segments.length;
  const select = /** @type {HTMLSelectElement} */ (byId("segment"));
  select.replaceChildren(el("option", { value: "", text: "whole stream" }), ...data.segments.map((name) => el("option", { value: name, text: name })));
  select.value = data.segment;
  select.onchange = () => go({ segment: select.value || null, size: null, range: null });
  for (const input of byId("axis").querySelectorAll("input")) input.checked = input.value === shown.axis;
}

function everySecond() {
  const now = Date.now() + skew;
  updateAge(data, now);
  setText(byId("stages"), data ? stages(data.status, now) || (data.status.finished ? "" : "no stage has reported lately") : "");
}

function scale() {
  const canvas = /** @type {HTMLCanvasElement} */ (byId("scale"));
  const image = new ImageData(STEPS, 1);
  ramp(stops()).forEach(([r, g, b], i) => image.data.set([r, g, b, 255], i * 4));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function redraw() {
  map.restyle();
  figures.restyle();
  curve.restyle();
  scale();
  if (data) draw();
}

findRuns(() => data?.run ?? shown.run);
byId("run").addEventListener("change", (event) => go({ run: event.target.value, size: null, segment: null, range: null }));
byId("axis").addEventListener("change", (event) => {
  shown = { ...shown, axis: event.target.value, range: null };
  addressed.write(shown);
  draw();
  if (data) readEvidence();
});
byId("all").addEventListener("click", () => setRange(null));
byId("newest-48").addEventListener("click", () => setRange(newest48()));
addEventListener("popstate", () => {
  const before = shown;
  shown = addressed.read();
  if (before.run !== shown.run || before.size !== shown.size) load();
  else {
    choices();
    draw();
    if (data) readEvidence();
  }
});
document.addEventListener("theme", redraw);
new ResizeObserver(() => data && map.resized() && draw()).observe(heat);
setInterval(everySecond, 1_000);
addEventListener("pageshow", (event) => event.persisted && load());
mark("script");
scale();
load();
