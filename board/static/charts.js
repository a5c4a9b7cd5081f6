// Share of drifted columns, error and label coverage over time, under the heat map and on its time axis.

import { token } from "./dom.js";
import { axis, CONFIG, layout, plotly } from "./plots.js";
import { steps } from "./series.js";
import { ticks } from "./ticks.js";

const DOMAINS = [[0.7, 1], [0.34, 0.64], [0, 0.28]];

/** @param {HTMLElement} holder
 * @param {{look: (i: number|null) => void, zoom: (range: [number, number]|null) => void, open: (i: number) => void}} does */
export function charts(holder, does) {
  let drawn = null;
  let wished = null;
  let listening = false;

  /** @param {import("./heatmap.js").Model} model Draws it, or the newest that was wished meanwhile. */
  function draw(model) {
    wished = model;
    drawn ??= paint().finally(() => (drawn = null));
    return drawn;
  }

  async function paint() {
    const Plotly = await plotly();
    while (wished) {
      const model = wished;
      wished = null;
      const width = holder.clientWidth;
      const inner = Math.max(1, width - parseFloat(token("--left")) - parseFloat(token("--right")));
      await Plotly.react(holder, traces(model, inner), figure(model, width), CONFIG);
      if (!listening) listen();
    }
  }

  function listen() {
    listening = true;
    holder.on("plotly_hover", ({ points }) => does.look(points[0].customdata));
    holder.on("plotly_unhover", () => does.look(null));
    holder.on("plotly_click", ({ points }) => does.open(points[0].customdata));
    holder.on("plotly_doubleclick", () => does.zoom(null));
    holder.on("plotly_relayout", (change) => {
      const [from, to] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (Number.isFinite(from) && Number.isFinite(to)) does.zoom([from, to]);
    });
  }

  return { draw };
}

/** @param {number} width pixels of the lines */
function traces({ windows, spans, range }, width) {
  const look = { type: "scatter", mode: "lines", xaxis: "x", hoverinfo: "none" };
  const line = (values, colour, more) => ({ ...steps(spans, values, range, width), ...look, line: { width: 1.5, color: token(colour) }, ...more });
  const area = steps(spans, windows.share_drifted.map((share) => share ?? 0), range, width);
  return [
    { ...area, ...look, hoverinfo: "skip", yaxis: "y", line: { width: 0 }, fill: "tozeroy", fillcolor: token("--drift-soft") },
    line(windows.share_drifted, "--drift", { yaxis: "y" }),
    line(windows.mae, "--line-mae", { yaxis: "y2" }),
    line(windows.label_coverage, "--line-labels", { yaxis: "y3" }),
  ];
}

function figure(model, width) {
  const marks = ticks(model.range, Math.max(2, Math.floor((width - 260) / 74)), model.offset);
  const wide = token("--left");
  const y = (i, more) => axis({ domain: DOMAINS[i], side: "right", nticks: 4, anchor: "x", ...more });
  return layout({
    margin: { l: parseFloat(wide), r: parseFloat(token("--right")), t: 6, b: 22 },
    height: parseFloat(token("--charts")),
    hovermode: "x",
    hoverdistance: -1,
    dragmode: "zoom",
    uirevision: "kept",
    xaxis: axis({
      range: [...model.range], fixedrange: false, anchor: "y3", showgrid: true,
      tickmode: "array", tickvals: marks.map((mark) => mark.at), ticktext: marks.map((mark) => mark.text), ticks: "outside", ticklen: 4,
      tickcolor: token("--edge"), showspikes: true, spikemode: "across", spikethickness: 1, spikedash: "solid", spikecolor: token("--dim"), spikesnap: "hovered data",
    }),
    yaxis: y(0, { range: [0, shareTop(model.windows.share_drifted)], tickformat: ".0%" }),
    yaxis2: y(1, { range: [0, 1.06 * (greatest(model.windows.mae) || 1)] }),
    yaxis3: y(2, { range: [0, 1.04], tickvals: [0, 0.5, 1], tickformat: ".0%" }),
    shapes: [...model.injected.map(band), ...model.alarms.map(flag)],
  });
}

/** Room above the highest share, in steps, so that the axis holds still. */
function shareTop(shares) {
  const most = greatest(shares);
  return most <= 0.24 ? 0.25 : most <= 0.48 ? 0.5 : 1.04;
}

const greatest = (values) => values.reduce((top, value) => Math.max(top, value ?? 0), 0);

function band({ from, to }) {
  return { type: "rect", xref: "x", yref: "paper", x0: from, x1: to, y0: 0, y1: 1, layer: "below", line: { width: 0 }, fillcolor: token("--injected") };
}

function flag({ from }) {
  return { type: "line", xref: "x", yref: "paper", x0: from, x1: from, y0: 0, y1: 1, layer: "below", line: { width: 1, dash: "dot", color: token("--drift") } };
}
