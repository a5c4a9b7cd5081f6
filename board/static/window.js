// One window: what moved, and how.

import { get } from "./api.js";
import { copy } from "./commands.js";
import { describeShape, large, legend, small } from "./distribution.js";
import { address, byId, el, setText } from "./dom.js";
import { count, errorText, figure, iso, milliseconds, percent, span, times, withUnit } from "./format.js";
import { meter } from "./meter.js";
import { band, SHAPE, WORD } from "./severity.js";
import { nothing, notice } from "./shell.js";
import { moved, story, isNotable } from "./story.js";

const query = new URLSearchParams(location.search);
const asked = { run: query.get("run"), size: query.get("size"), start: query.get("start") };
const METHODS = { wasserstein: "Wasserstein", jensenshannon: "Jensen–Shannon", psi: "PSI", ks: "Kolmogorov–Smirnov" };
const REFRESH_MS = 5_000;
const WEEK = 7 * 86_400_000;
let distributions = null;
let opened = new Set();
const details = new Map(); // name of a column to the redrawing of its large plot

async function load() {
  let window;
  try {
    window = await get("/api/window", asked);
  } catch (error) {
    byId("content").hidden = true;
    nothing(byId("empty"), error.message, error.remedy, el("p", {}, el("a", { href: address("/", { run: asked.run }), text: "To the board" })));
    if (error.status === 0 || error.status === 503) setTimeout(load, 2_000);
    return;
  }
  byId("empty").hidden = true;
  byId("content").hidden = false;
  head(window);
  list(window);
  compare(window);
  // Whoever came here from the newest window sees it close.
  if (window.events?.status === "open" || window.next === null) setTimeout(() => again(window), REFRESH_MS);
}

async function again(before) {
  try {
    const window = await get("/api/window", asked);
    const moved = window.events?.status !== before.events?.status || window.events?.rows !== before.events?.rows;
    navigation(window);
    if (moved) {
      distributions = null;
      head(window);
      list(window);
      compare(window);
    }
    if (window.events?.status === "open" || window.next === null) setTimeout(() => again(window), REFRESH_MS);
  } catch {
    setTimeout(() => again(before), REFRESH_MS);
  }
}

function navigation({ run, size, previous, next, start, end }) {
  for (const [id, at] of [["previous", previous], ["next", next]]) {
    const link = byId(id);
    if (at === null) link.removeAttribute("href");
    else link.setAttribute("href", address("/window", { run, size, start: at }));
    link.setAttribute("aria-disabled", String(at === null));
  }
  const width = (end - start) * 24;
  byId("up").setAttribute("href", address("/", { run, size, from: start - width, to: end + width }));
}

function head(window) {
  const { run, size, start, end, events } = window;
  navigation(window);
  const name = span(start, end, { year: true });
  document.title = `${name} · Driftline`;
  setText(byId("where"), `${run} · ${size} window, event time as the records have it (UTC)${window.injected.length ? ` · injected: ${window.injected.join(", ")}` : ""}`);
  setText(byId("title"), name);
  const worst = window.columns.find((column) => Number.isFinite(column.severity));
  byId("top").dataset.band = events?.status === "insufficient" ? "none" : band(worst?.severity);
  setText(byId("story"), story(window, distributions));
  facts(window);
  byId("report").setAttribute("href", address("/report", { run, size, start }));
  byId("compare").setAttribute("href", address("/compare", { a: `${run}@${iso(start - WEEK)}+${size}`, b: `${run}@${iso(start)}+${size}`, run }));
  const line = byId("recompute");
  line.hidden = false;
  setText(line.querySelector("code"), `driftline recompute --run ${run} --size ${size} --window ${iso(start)}`);
}

function facts({ events, labels, columns, reference_mae }) {
  const unit = columns.find(({ kind }) => kind === "prediction")?.unit;
  const both = (name) => events[name] + (labels?.[name] ?? 0);
  const rows = events && [
    ["Rows", count(events.rows)],
    ["State", events.revision > 0 ? `${events.status}, revision ${events.revision}` : events.status],
    ["Drifted", `${count(events.columns_drifted)} of ${count(events.columns_tested)} columns`],
    ["Dataset drift", events.dataset_drift === null ? "–" : events.dataset_drift ? "yes" : "no"],
    ["Missing values", percent(events.share_missing)],
    ["Dead letters", `${count(both("dead_letters"))}, ${count(both("late"))} of them late`],
    ["MAE", labels?.remark ? `none: ${labels.remark}` : errorText(labels?.mae, reference_mae, unit)],
    ["MAE, estimated", events.unestimated ? `none: ${events.unestimated}` : withUnit(events.estimated_mae, unit)],
    ["Bias", withUnit(labels?.bias, unit)],
    ["R²", figure(labels?.r2)],
    ["Labels", percent(labels?.label_coverage)],
    ["Close to result", milliseconds(events.latency_ms)],
    ["Computed in", milliseconds(events.compute_ms)],
  ];
  byId("facts").replaceChildren(...(rows ?? []).filter(([, value]) => value !== "–").map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value }))));
}

function list({ columns }) {
  details.clear();
  byId("columns").replaceChildren(...columns.map(item));
}

function item(column) {
  const state = column.status === "failed" ? "failed" : band(column.severity);
  const key = `${column.stream}-${column.name}`;
  const place = el("div", { class: "detail", id: `detail-${key}`, hidden: true });
  const toggle = el("button", { class: "name", type: "button", "aria-expanded": "false", "aria-controls": place.id, onclick: () => unfold(column, toggle, place) }, el("span", { class: "shape", "aria-hidden": "true", text: SHAPE[state] ?? "×" }), el("span", { class: "label", text: column.name }));
  const row = el(
    "li",
    { "data-column": column.name, "data-band": state },
    el("div", { class: "row" },
      el("div", { class: "who" }, toggle, el("p", { class: "dim kind", text: kind(column) })),
      el("div", { class: "plot", "data-plot": column.name }),
      score(column, state),
      el("dl", { class: "shares" }, ...shares(column)),
    ),
    place,
  );
  return row;
}

const kind = ({ kind, method, stream, unit }) => [stream === "labels" ? "label" : kind, unit, METHODS[method] ?? method].filter(Boolean).join(" · ");

function score(column, state) {
  if (state === "failed" || !Number.isFinite(column.severity)) {
    return el("div", { class: "score" }, el("p", { class: "reason", text: column.reason ?? (state === "failed" ? "could not be computed" : "not tested") }));
  }
  return el("div", { class: "score" },
    el("p", { class: "severity" }, meter(column.severity, 130), el("b", { text: times(column.severity) }), el("span", { class: "sr", text: `, ${WORD[state]}` })),
    el("p", { class: "dim", text: `score ${figure(column.score)} · threshold ${figure(column.threshold)}` }),
  );
}

const SHARES = { missing: "missing", new_categories: "new", out_of_range: "out of range" };

/** Shares of the rows, beside the reference's own where that is known; marked where it is exceeded. */
function shares(column, shape) {
  return Object.entries(SHARES)
    .filter(([name]) => column[name] !== null && column[name] !== undefined)
    .map(([name, text]) => {
      const usual = shape?.usual?.[name];
      const beside = Number.isFinite(usual) && name !== "new_categories" ? el("span", { class: "dim", text: ` (reference ${percent(usual)})` }) : null;
      return el("div", { class: isNotable(column, shape, name) ? "much" : "" }, el("dt", { text }), el("dd", {}, percent(column[name]), beside));
    });
}

async function compare(window) {
  try {
    distributions = await get("/api/distributions", asked);
  } catch (error) {
    setText(byId("compared"), `${error.message}: ${error.remedy}`);
    return;
  }
  setText(byId("story"), story(window, distributions));
  byId("sides").replaceChildren(legend());
  setText(byId("compared"), `${count(distributions.rows)} rows against ${count(distributions.reference_rows)} of the reference`);
  for (const row of byId("columns").children) {
    const column = window.columns.find(({ name }) => name === row.dataset.column);
    const shape = distributions.columns[column.name];
    if (!shape) continue;
    row.querySelector(".shares").replaceChildren(...shares(column, shape));
    row.querySelector("[data-plot]").replaceChildren(small(shape), el("p", { class: "dim how", text: moved(shape, column.unit) }));
    row.querySelector("[data-plot]").dataset.drawn = "true";
  }
  const first = [...byId("columns").children].filter((row) => (opened.size ? opened.has(row.dataset.column) : row.dataset.band === "drift"));
  for (const row of opened.size ? first : first.slice(0, 1)) row.querySelector("button.name").click();
}

async function unfold(column, toggle, place) {
  const open = toggle.getAttribute("aria-expanded") !== "true";
  toggle.setAttribute("aria-expanded", String(open));
  place.hidden = !open;
  opened[open ? "add" : "delete"](column.name);
  details.delete(column.name);
  if (!open) return;
  const shape = distributions?.columns?.[column.name];
  if (!shape) return place.replaceChildren(el("p", { class: "dim", text: "No distribution of this column." }));
  const plot = el("div", { class: "large", role: "img", "aria-label": describeShape(column.name, shape) });
  place.replaceChildren(plot, quantiles(column) ?? "");
  const draw = () => large(plot, shape).then(() => (plot.dataset.drawn = "true"), (error) => notice(error.message));
  details.set(column.name, draw);
  await draw();
}

function quantiles({ quantiles: found, unit }) {
  const known = Object.entries(found ?? {}).filter(([, value]) => Number.isFinite(value));
  if (!known.length) return null;
  return el("dl", { class: "quantiles" }, ...known.map(([name, value]) => el("div", {}, el("dt", { text: name === "p50" ? "median" : name }), el("dd", { text: withUnit(value, unit) }))));
}

byId("recompute").querySelector("button").addEventListener("click", () => {
  const [code, button, said] = ["code", "button", "[role=status]"].map((part) => byId("recompute").querySelector(part));
  copy(code, button, said);
});
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, .large")) return;
  const link = { ArrowLeft: "previous", ArrowRight: "next" }[event.key];
  if (link && byId(link).hasAttribute("href")) byId(link).click();
});
document.addEventListener("theme", () => details.forEach((draw) => draw()));
load();
