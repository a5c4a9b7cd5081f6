// One alarm: what it is of, what speaks for it, and what to do.

import { episode, estimate, told, ofLine, rate, setBy, stateOf } from "./alarm-words.js";
import { get } from "./api.js";
import { beforeAndSince, threeSides } from "./before-since.js";
import { command } from "./commands.js";
import { address, byId, el, setText, svg, token } from "./dom.js";
import { count, duration, figure, moment, span, times } from "./format.js";
import { meter } from "./meter.js";
import { axis, CONFIG, layout, plotly } from "./plots.js";
import { band, FULL, position } from "./severity.js";
import { nothing, notice } from "./shell.js";
import { ticks } from "./ticks.js";

const query = new URLSearchParams(location.search);
const asked = { run: query.get("run"), id: query.get("id") };
const AGAIN_MS = 5_000;
const DAY = 86_400_000;
const COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];
const DASHES = ["", "6 3", "2 2", "8 3 2 3", "10 4", "4 2 1 2"];
const LEVELS = [0, 0.5, 1, 2, 4, 8];
const KINDS = { column: "column", prediction: "prediction", label: "label", error: "error of the prediction", quality: "quality", volume: "rows", coverage: "labels that came" };
const FEW = 12; // windows that are shown first
let data = null;
let unfolded = false;

async function load() {
  try {
    const answer = await get("/api/alarm", asked);
    notice();
    show(answer);
  } catch (error) {
    if (data && error.status !== 404) notice(`${error.message}: ${error.remedy}`);
    else refuse(error);
    if (error.status === 404 || error.status === 400) return;
  }
  if (!data || ["pending", "firing"].includes(data.alarm.state)) setTimeout(load, AGAIN_MS);
}

function refuse(error) {
  byId("content").hidden = true;
  nothing(byId("empty"), error.message, error.remedy, el("p", {}, el("a", { href: address("/alarms", { run: asked.run }), text: "All alarms of the run" })));
}

function show(answer) {
  if (JSON.stringify(answer) === JSON.stringify(data)) return;
  data = answer;
  byId("content").hidden = false;
  byId("empty").hidden = true;
  head();
  for (const id of ["evidence-panel", "windows-panel"]) byId(id).hidden = data.alarm.state === null;
  byId("promise-panel").hidden = data.alarm.track !== "change";
  byId("next").replaceChildren(...data.next.map(todo));
  if (data.alarm.state === null) return;
  if (data.errors) showErrors();
  else {
    signals();
    windows();
    chart();
  }
  promised();
  shapes();
}

/** Something to do: a command, and the page of the board that shows the same. */
function todo({ why, command: text, page }) {
  const words = `${why[0].toUpperCase()}${why.slice(1)}`;
  return el("li", {}, page ? el("a", { href: page, text: words }) : el("span", { text: words }), command(text));
}

function head() {
  const { alarm, run } = data;
  const [state, shape, word] = stateOf(alarm.state);
  const name = alarm.state === null ? alarm.kind : episode(alarm);
  document.title = `${name} · Driftline`;
  byId("top").dataset.band = state;
  setText(byId("where"), `run ${run} · ${alarm.id}`);
  byId("title").replaceChildren(el("span", { class: "shape", "aria-hidden": "true", text: `${shape} ` }), `${name}, ${word}`);
  const [first, ...more] = alarm.told;
  setText(byId("story"), first);
  byId("told").replaceChildren(...more.map((text) => el("li", { text })));
  byId("all").setAttribute("href", address("/alarms", { run }));
  byId("up").setAttribute("href", address("/", { run }));
  byId("facts").replaceChildren(...facts().filter(([, value]) => value).map(([term, value]) => el("div", {}, el("dt", { text: term }), el("dd", {}, value))));
}

function facts() {
  const { alarm, silence } = data;
  if (alarm.state === null) return [["When", when(alarm.fired_at)]];
  const start = alarm.window;
  const raised = Number.isFinite(start) && alarm.size ? el("a", { href: address("/window", { run: data.run, size: alarm.size, start }), text: span(start, start + duration(alarm.size)) }) : null;
  return [
    ["Evidence begins (an estimate)", when(alarm.first_evidence)],
    ["Suspected", when(alarm.pending_at)],
    ["Fired", when(alarm.fired_at)],
    ["Recovered", when(alarm.recovered_at)],
    ["Withdrawn, wall clock", alarm.withdrawn_at ? moment(alarm.withdrawn_at, { local: true }) : ""],
    ["Most evidence", Number.isFinite(alarm.value) ? `${ofLine(alarm.value)}` : ""],
    [`Raised by a window of ${alarm.size}`, raised],
    ["Judged", alarm.ack ? `${alarm.ack.verdict}, by ${alarm.ack.author}${alarm.ack.note ? `: ${alarm.ack.note}` : ""}` : alarm.state === "pending" ? "" : "not yet"],
    ["Told, wall clock", notified(data.notified)],
    ["Error by inputs alone", estimate(alarm)],
    ["Silenced", silence ? `until ${moment(silence.until, { local: true })}, by ${silence.author}: ${silence.reason}` : ""],
  ];
}

/** Who was told of it, a line for each. */
function notified(rows) {
  if (!rows.length) return "nobody: driftline notify tells people";
  return el("ul", { class: "told-whom" }, ...told(rows).map((text) => el("li", { text })));
}

const when = (at) => (Number.isFinite(at) ? moment(at, { year: true }) : "");

const named = ({ name, segment }) => (!segment ? name : segment === name ? `shares of ${name}` : `${name} of ${segment}`);

/** Members, the worst first. */
function signals() {
  const { members } = data.alarm;
  const items = members.map((member, i) => {
    const place = i % COLOURS.length;
    const sample = svg("svg", { class: `key k${place}`, viewBox: "0 0 26 8", width: 26, height: 8, "aria-hidden": "true" }, svg("line", { x1: 0, x2: 26, y1: 4, y2: 4, "stroke-dasharray": DASHES[place] || null }));
    const kind = [KINDS[member.kind] ?? member.kind, `at ${member.size}`, `since ${moment(member.since)}`, member.consequence ? "a consequence" : ""].filter(Boolean).join(" · ");
    return el("li", {}, i < data.curves.length && data.alarm.track !== "segments" ? sample : el("span"), el("span", { class: "name", text: named(member) }), el("span", { class: "much", text: times(member.value) }), el("span", { class: "sub", text: kind }));
  });
  byId("signals").replaceChildren(...(items.length ? items : [el("li", {}, el("span"), el("span", { class: "dim", text: "It names no signal." }))]));
}

/** Of track harm: nothing of it is evidence that begins anew each week. */
function showErrors() {
  const { line } = data.errors;
  setText(byId("evidence-title"), "The model's error of the last day");
  setText(byId("evidence-note"), `as a multiple of what is usual in these hours${line ? `; an alarm fires at ${figure(line)} ×` : ""}`);
  byId("windows-panel").hidden = true;
  byId("signals").hidden = true;
  errorChart();
}

async function errorChart() {
  const holder = byId("chart");
  const { at, times: value, line } = data.errors;
  holder.hidden = !at.length;
  if (!at.length) return;
  let Plotly;
  try {
    Plotly = await plotly();
  } catch (error) {
    return notice(error.message);
  }
  const range = [at[0], at.at(-1)];
  const marks = ticks(range, Math.max(2, Math.floor(holder.clientWidth / 90)));
  const across = (y, color, dash) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color, width: 1.2, dash } });
  await Plotly.react(holder, [{
    type: "scatter", mode: "lines", x: at, y: value, hoverinfo: "text", hovertext: at.map((end, k) => `${moment(end)}: ${figure(value[k])} × the usual`),
    line: { color: token("--series-1"), width: 2, shape: "hv" },
  }], layout({
    height: 260, margin: { l: 34, r: 8, t: 6, b: 24 }, dragmode: false, hovermode: "closest",
    shapes: [across(1, token("--calm"), "dot"), ...(line ? [across(line, token("--drift"), "dash")] : [])],
    xaxis: axis({ range, showgrid: false, tickmode: "array", tickvals: marks.map((mark) => mark.at), ticktext: marks.map((mark) => mark.text) }),
    yaxis: axis({ range: [0, 1.08 * Math.max(...value, line ?? 1)] }),
  }), CONFIG);
  holder.dataset.drawn = "true";
}

let shapesOf = null;

/** What its members looked like before and since: read once, and again when it names others or is over. */
async function shapes() {
  const { alarm, run } = data;
  const wanted = `${alarm.id} ${alarm.recovered_at} ${alarm.members.length}`;
  if (shapesOf === wanted) return;
  shapesOf = wanted;
  try {
    const { columns: found } = await get("/api/alarm-distributions", { run, id: alarm.id });
    byId("shapes-panel").hidden = !found.length;
    byId("shapes").replaceChildren(...found.map((column) => el("li", { "data-column": column.name },
      el("p", {}, el("b", { text: column.name }), el("span", { class: "dim", text: ` ${column.unit ?? ""}` })),
      el("div", { role: "img", "aria-label": `${column.name}: ${beforeAndSince(column)}` }, threeSides(column)),
      ends(column),
      el("p", { class: "how", text: beforeAndSince(column) }))));
  } catch (error) {
    notice(`${error.message}: ${error.remedy}`);
    shapesOf = null;
  }
}

/** The values at the ends of the axis. */
function ends({ kind, edges }) {
  if (kind !== "number") return "";
  return el("p", { class: "ends dim", "aria-hidden": "true" }, el("span", { text: figure(edges[0]) }), el("span", { text: figure(edges.at(-1)) }));
}

async function chart() {
  const holder = byId("chart");
  if (data.alarm.track === "segments") setText(byId("evidence-note"), "of the segment that has most, in units of the line: all segments have one");
  const known = data.curves.filter(({ value }) => value.some(Number.isFinite));
  holder.hidden = !known.length;
  if (!known.length) return;
  let Plotly;
  try {
    Plotly = await plotly();
  } catch (error) {
    return notice(error.message);
  }
  const range = shownRange(known);
  const marks = ticks(range, Math.max(2, Math.floor(holder.clientWidth / 90)));
  const traces = known.map(({ name, size, at, value }) => {
    const place = data.curves.findIndex((each) => each.name === name && each.size === size) % COLOURS.length;
    return {
      type: "scatter", mode: "lines", x: at, y: value.map((one) => (one === null ? null : position(Math.min(one, FULL)))), hoverinfo: "text",
      hovertext: at.map((end, k) => plain(`${moment(end)}: ${ofLine(value[k])}, ${name} at ${size}`)),
      line: { color: token(COLOURS[place]), width: 2, shape: "hv", dash: DASHES[place] ? DASHES[place].split(" ").map((n) => `${n}px`).join(",") : "solid" },
    };
  });
  const { alarm } = data;
  const upright = (x, color) => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color, width: 1, dash: "dot" } });
  const shapes = [
    { type: "line", xref: "paper", x0: 0, x1: 1, y0: position(1), y1: position(1), line: { color: token("--drift"), width: 1.2, dash: "dash" } },
    ...[alarm.fired_at, alarm.recovered_at].filter(Number.isFinite).map((at, i) => upright(at, token(i ? "--calm" : "--drift"))),
  ];
  await Plotly.react(holder, traces, layout({
    height: 260, margin: { l: 34, r: 8, t: 6, b: 24 }, dragmode: false, hovermode: "closest", shapes,
    xaxis: axis({ range, showgrid: false, tickmode: "array", tickvals: marks.map((mark) => mark.at), ticktext: marks.map((mark) => mark.text) }),
    yaxis: axis({ range: [0, 1.02], tickmode: "array", tickvals: LEVELS.map(position), ticktext: LEVELS.map((level) => `${level}${level === FULL ? "+" : ""}`) }),
  }), CONFIG);
  holder.dataset.drawn = "true";
}

/** A while before its evidence begins, until a while after it is over. */
function shownRange(known) {
  const { first_evidence: onset, recovered_at: over } = data.alarm;
  const ends = known.flatMap(({ at }) => [at[0], at.at(-1)]);
  const [first, last] = [Math.min(...ends), Math.max(...ends)];
  const until = Math.min(last, (over ?? last) + DAY);
  return [Math.max(first, onset - Math.max(DAY, 0.25 * (until - onset))), until];
}

/** plotly's texts know some markup. */
const plain = (text) => text.replaceAll("<", "‹").replaceAll(">", "›").replaceAll("&", "＆");

function windows() {
  const { alarm, windows: found, run } = data;
  byId("windows-panel").hidden = !found.length;
  setText(byId("windows-title"), `Windows of ${alarm.size}, from its onset on`);
  const ms = duration(alarm.size);
  byId("more").hidden = found.length <= FEW || unfolded;
  byId("windows").replaceChildren(...found.slice(0, unfolded ? found.length : FEW).map(({ start, rows, value, signal }) => el("tr", { "data-band": band(value) },
    el("th", { scope: "row" }, rows ? el("a", { href: address("/window", { run, size: alarm.size, start }), text: span(start, start + ms) }) : span(start, start + ms)),
    el("td", { class: "n", text: count(rows) }),
    el("td", {}, el("span", { class: "worst-line" }, meter(value), el("span", { class: "times", text: times(value) }))),
    el("td", { text: signal ?? "–" }),
  )));
}

function promised() {
  const { alarm, calibration } = data;
  const rated = alarm.promise === null ? "Nothing was promised when it was raised." : `At most ${rate(alarm.promise)} a month on average.`;
  setText(byId("promised"), [rated, calibration?.about].filter(Boolean).join(" "));
  setText(byId("set-by"), calibration?.set_by ? `The line was set by ${setBy(calibration.set_by)}.` : "");
}

byId("more").addEventListener("click", () => {
  unfolded = true;
  windows();
});
const redraw = () => data?.curves && (data.errors ? errorChart() : chart());
document.addEventListener("theme", redraw);
new ResizeObserver(redraw).observe(byId("content"));
load();
