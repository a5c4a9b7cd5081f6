// Dead letters: why, when, and what they looked like. All of it is somebody else's text.

import { byId, el, setText, token } from "./dom.js";
import { count, elapsed, moment, plural } from "./format.js";
import { axis, CONFIG, layout, plotly } from "./plots.js";
import { followRun, nothing } from "./shell.js";
import { ticks } from "./ticks.js";

const COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];
let data = null;

function show(answer) {
  const same = JSON.stringify(answer) === JSON.stringify(data);
  data = answer;
  byId("content").hidden = !answer.reasons.length;
  byId("empty").hidden = true;
  if (!answer.reasons.length) nothing(byId("empty"), "no dead letters", "Every record of this run is in a window.");
  else if (!same) {
    setText(byId("bucket"), `by the clock when they were met, ${elapsed(answer.bucket_ms)} a bar`);
    reasons();
    letters();
    chart();
  }
}

const name = ({ topic, reason, no_run }) => `${reason}, ${topic}${no_run ? ", of no run" : ""}`;

function reasons() {
  byId("reasons").replaceChildren(
    ...data.reasons.map((each, i) => el("li", {}, el("span", { class: `key k${i % COLOURS.length}` }), el("b", { text: count(each.total) }), el("span", { text: ` ${name(each)}` }))),
  );
}

async function chart() {
  const holder = byId("chart");
  const all = data.reasons.flatMap((each) => each.t);
  holder.hidden = !all.length;
  if (!all.length) return;
  const Plotly = await plotly();
  const range = [Math.min(...all), Math.max(...all) + data.bucket_ms];
  const marks = ticks(range, Math.max(2, Math.floor(holder.clientWidth / 90)), -new Date().getTimezoneOffset() * 60_000);
  const traces = data.reasons.map((each, i) => ({
    type: "bar", x: each.t.map((t) => t + data.bucket_ms / 2), y: each.n, width: data.bucket_ms * 0.86, hoverinfo: "text",
    hovertext: each.t.map((t, k) => plain(`${moment(t, { local: true, seconds: true })}: ${each.n[k]} ${name(each)}`)), textposition: "none", marker: { color: token(COLOURS[i % COLOURS.length]) },
  }));
  await Plotly.react(holder, traces, layout({
    height: 200, barmode: "stack", margin: { l: 40, r: 8, t: 6, b: 24 }, dragmode: false,
    xaxis: axis({ range, showgrid: false, tickmode: "array", tickvals: marks.map((mark) => mark.at), ticktext: marks.map((mark) => mark.text) }),
    yaxis: axis({ rangemode: "tozero", tickformat: ",d" }),
  }), CONFIG);
  holder.dataset.drawn = "true";
}

/** plotly's texts know some markup. */
const plain = (text) => text.replaceAll("<", "‹").replaceAll(">", "›").replaceAll("&", "＆");

function letters() {
  const holder = byId("letters");
  const open = new Set([...holder.querySelectorAll("details[open]")].map((each) => each.dataset.key));
  holder.replaceChildren(...data.newest.map((letter) => item(letter, open)));
}

function item(letter, open) {
  const key = `${letter.topic}/${letter.partition}/${letter.offset}`;
  return el("li", {},
    el("details", { "data-key": key, open: open.has(key) },
      el("summary", {}, el("span", { class: "reason", text: letter.reason }), el("span", { class: "mono", text: key }), el("span", { class: "detail", text: letter.detail ?? "" })),
      el("dl", {},
        ...pair("Event time", moment(letter.event_time, { year: true, seconds: true })),
        ...pair("Written", moment(letter.written_at, { local: true, year: true, seconds: true })),
        ...pair("Key", letter.key ?? "–"),
        ...pair("Why", letter.detail ?? "–"),
      ),
      el("pre", { tabindex: "0", "aria-label": "The record as it came", text: letter.raw ?? "" }),
      letter.truncated ? el("p", { class: "dim", text: `cut off after ${plural(letter.raw.length, "character")}` }) : null,
    ),
  );
}

const pair = (term, text) => [el("dt", { text: term }), el("dd", { text })];

document.addEventListener("theme", () => data?.reasons.length && chart());
new ResizeObserver(() => data?.reasons.length && chart()).observe(byId("content"));
followRun("/dead-letters", show);
