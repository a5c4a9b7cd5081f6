// Reference against current: small beside each column, large where one is looked at.

import { el, svg, token } from "./dom.js";
import { figure, percent } from "./format.js";
import { axis, CONFIG, layout, plotly } from "./plots.js";
import { named } from "./story.js";

const [WIDTH, HEIGHT] = [220, 44];

/** Both sides as bars or steps, without axes. @param {any} shape of /api/distributions @returns {Element} */
export function small(shape) {
  const marks = shape.kind === "number" ? steps(shape) : pairs(shape);
  return svg("svg", { class: "small-plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...marks);
}

function steps(shape) {
  const top = Math.max(1e-9, ...shape.reference, ...shape.current);
  const path = (shares) => {
    const wide = WIDTH / shares.length;
    const points = shares.map((share, i) => `V${(HEIGHT - 1 - (share / top) * (HEIGHT - 4)).toFixed(1)}H${((i + 1) * wide).toFixed(1)}`);
    return `M0 ${HEIGHT - 1}${points.join("")}V${HEIGHT - 1}`;
  };
  return [svg("path", { class: "reference", d: `${path(shape.reference)}Z` }), svg("path", { class: "current", d: path(shape.current) })];
}

function pairs(shape) {
  const { labels, reference, current } = sides(shape);
  const top = Math.max(1e-9, ...reference, ...current);
  const wide = WIDTH / Math.max(4, labels.length);
  const bar = (shares, name, from) =>
    shares.map((share, i) => {
      const tall = (share / top) * (HEIGHT - 4);
      return svg("rect", { class: name, x: (i + from) * wide, y: HEIGHT - 1 - tall, width: wide * 0.4, height: tall });
    });
  return [...bar(reference, "reference", 0.08), ...bar(current, "current", 0.5)];
}

/** Labels with what is beyond them and what is new. */
function sides(shape) {
  const labels = [...shape.labels];
  const [reference, current] = [[...shape.reference], [...shape.current]];
  for (const { label, share } of shape.new ?? []) {
    if (labels.includes(label)) continue;
    labels.push(label);
    reference.push(0);
    current.push(share);
  }
  const other = shape.other ?? {};
  if (other.reference > 0 || other.current > 0) {
    labels.push("others");
    reference.push(other.reference ?? 0);
    current.push(other.current ?? 0);
  }
  return { labels, reference, current };
}

/** The same with axes. @param {HTMLElement} holder @param {any} shape */
export async function large(holder, shape) {
  const Plotly = await plotly();
  const [traces, more] = shape.kind === "number" ? histogram(shape) : categories(shape);
  return Plotly.react(holder, traces, layout({ height: 260, margin: { l: 48, r: 12, t: 8, b: 34 }, bargap: 0, ...more }), CONFIG);
}

function histogram({ edges, reference, current }) {
  const x = edges.slice(0, -1);
  const text = x.map((from, i) => `${figure(from)} – ${figure(edges[i + 1])}`);
  const hover = (name) => `<b>%{text}</b><br>${name} %{y:.1%}<extra></extra>`;
  const last = (shares) => [...shares, shares.at(-1)];
  return [
    [
      { type: "bar", x, width: x.map((from, i) => edges[i + 1] - from), offset: 0, y: reference, text, textposition: "none", hovertemplate: hover("reference"), marker: { color: token("--reference-fill"), line: { width: 0 } } },
      { type: "scatter", mode: "lines", x: edges, y: last(current), text: [...text, ""], hovertemplate: hover("this window"), line: { shape: "hv", width: 2, color: token("--current") } },
    ],
    { xaxis: axis({ showgrid: false }), yaxis: axis({ tickformat: ".0%", rangemode: "tozero" }), hovermode: "x", barmode: "overlay" },
  ];
}

function categories(shape) {
  const { labels, reference, current } = sides(shape);
  // Labels are data, and plotly's texts know some markup: places are numbers, and the labels have theirs taken out.
  const x = labels.map((_, i) => i);
  const plain = labels.map((label) => named(shape, String(label)).replaceAll("<", "‹").replaceAll(">", "›").replaceAll("&", "＆").slice(0, 24));
  const bars = (name, y, colour, offset) => ({ type: "bar", x, y, width: 0.4, offset, text: plain, textposition: "none", hovertemplate: `<b>%{text}</b><br>${name} %{y:.1%}<extra></extra>`, marker: { color: token(colour) } });
  return [
    [bars("reference", reference, "--reference-fill", -0.42), bars("this window", current, "--current", 0.02)],
    { xaxis: axis({ showgrid: false, tickmode: "array", tickvals: x, ticktext: plain }), yaxis: axis({ tickformat: ".0%", rangemode: "tozero" }) },
  ];
}

/** What the plot shows, as text for who does not see it. @param {string} name @param {any} shape */
export function describeShape(name, shape) {
  if (shape.kind === "number") return `${name}, reference against this window, ${shape.edges.length - 1} bins from ${figure(shape.edges[0])} to ${figure(shape.edges.at(-1))}`;
  const { labels, reference, current } = sides(shape);
  return `${name}, reference against this window: ${labels.slice(0, 6).map((label, i) => `${named(shape, label)} ${percent(reference[i])} against ${percent(current[i])}`).join(", ")}`;
}

/** Which is which. */
export function legend() {
  return el("p", { class: "sides" }, el("span", { class: "reference", text: "reference" }), el("span", { class: "current", text: "this window" }));
}
