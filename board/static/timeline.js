// A picture of windows over a stretch of time: a canvas for what was measured, and one above it for what is pointed at.

import { token } from "./dom.js";
import { lastAtOrBefore } from "./series.js";
import { ticks } from "./ticks.js";

/** @typedef {{windows: import("./series.js").Windows, columns: string[], range: [number, number], offset: number,
 *   spans: {from: Float64Array, to: Float64Array},
 *   injected: {from: number, to: number, label: string}[], alarms: {from: number, to: number, label: string}[]}} Model */

export const AXIS = 20; // pixels for the marks of time, at the bottom

const COLOURS = {
  ground: "--panel", mark: "--mark", veil: "--veil", injected: "--injected", injectedEdge: "--injected-edge", injectedText: "--injected-text",
  drift: "--drift", driftSoft: "--drift-soft", mae: "--line-mae", labels: "--line-labels", size: "--line-size", grid: "--grid", line: "--edge", dim: "--dim",
  text: "--text", stretch: "--stretch", font: "--sans",
};

/** @param {HTMLElement} holder with two canvases @param {number} top pixels above what a stretch or a window covers
 * @param {() => number} [beside] pixels to the right of the time */
export function timeline(holder, top, beside = () => 0) {
  const [base, over] = holder.querySelectorAll("canvas");
  let model = /** @type {Model|null} */ (null);
  let colours = palette();
  let [wide, width, height, ratio] = [0, 0, 0, 1]; // wide: with what is beside the time

  /** Clean sheets for a model. @param {Model} next */
  function begin(next) {
    model = next;
    [wide, height, ratio] = [holder.clientWidth, holder.clientHeight, devicePixelRatio || 1];
    width = Math.max(1, wide - beside());
    for (const canvas of [base, over]) {
      canvas.width = Math.round(wide * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = base.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = `11px ${colours.font}`;
    return { pen, colours, width, height, ratio };
  }

  const x = (at) => ((at - model.range[0]) / (model.range[1] - model.range[0])) * width;
  const moment = (px) => model.range[0] + (px / width) * (model.range[1] - model.range[0]);

  /** Index of the window at a pixel, -1 where none is; one that is thinner than a pixel reaches a bit further. */
  function covering(px) {
    const at = moment(px);
    const i = lastAtOrBefore(model.spans.from, at);
    return at <= Math.max(model.spans.to[i], model.spans.from[i] + moment(2) - moment(0)) ? i : -1;
  }

  /** What was injected. */
  function shade(pen) {
    for (const { from, to } of model.injected) {
      const [left, right] = [Math.max(0, x(from)), Math.min(width, x(to))];
      if (right <= 0 || left >= width) continue;
      pen.fillStyle = colours.injected;
      pen.fillRect(left, 0, Math.max(1, right - left), height - AXIS);
      pen.fillStyle = colours.injectedEdge;
      if (x(from) >= 0) pen.fillRect(left, 0, 1, height - AXIS);
      if (x(to) <= width) pen.fillRect(right - 1, 0, 1, height - AXIS);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} [grid] pixels that lines go up from the axis */
  function axis(pen, grid = 0) {
    pen.textBaseline = "alphabetic";
    for (const { at, text } of ticks(model.range, Math.max(2, Math.floor(width / 74)), model.offset)) {
      const left = Math.round(x(at));
      pen.fillStyle = colours.grid;
      pen.fillRect(left, height - AXIS - grid, 1, grid);
      pen.fillStyle = colours.line;
      pen.fillRect(left, height - AXIS, 1, 5);
      const half = pen.measureText(text).width / 2;
      pen.fillStyle = colours.dim;
      pen.fillText(text, Math.min(Math.max(left - half, 0), width - 2 * half), height - 4);
    }
  }

  /** Outline a window, and shade a stretch that is being chosen; nothing without arguments. @param {number|null} [i]
   * @param {[number, number]|null} [stretch] pixels @returns {CanvasRenderingContext2D} for more */
  function point(i, stretch) {
    const pen = over.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, over.width, over.height);
    pen.scale(ratio, ratio);
    if (!model) return pen;
    if (stretch) {
      pen.fillStyle = colours.stretch;
      pen.fillRect(Math.min(...stretch), top, Math.abs(stretch[1] - stretch[0]), height - top - AXIS);
    }
    if (!known(i)) return pen;
    const [left, right] = edges(i);
    pen.strokeStyle = colours.text;
    pen.lineWidth = 1;
    pen.globalAlpha = 0.55;
    pen.strokeRect(left - 0.5, top + 0.5, Math.max(2, right - left), height - top - AXIS - 1);
    pen.globalAlpha = 1;
    return pen;
  }

  const known = (i) => i >= 0 && i < model.spans.from.length; // null is not
  const edges = (i) => [x(model.spans.from[i]), x(model.spans.to[i])];

  /** First and last window in sight. */
  function seen() {
    return [Math.max(0, lastAtOrBefore(model.spans.from, model.range[0])), lastAtOrBefore(model.spans.from, model.range[1])];
  }

  return {
    begin, shade, axis, point, x, moment, covering, seen, known, edges,
    size: () => [width, height],
    model: () => model,
    resized: () => wide !== holder.clientWidth || height !== holder.clientHeight,
    restyle: () => (colours = palette()),
  };
}

/** A picture without rows, which is pointed at as whole windows. @param {ReturnType<timeline>} time @param {(model: any) => void} draw */
export function pictureOf(time, draw) {
  return {
    draw,
    point: (cell, stretch) => void time.point(cell?.i, stretch),
    /** @returns {import("./heatmap.js").Cell|null} */
    at(px) {
      const i = time.model() && px <= time.size()[0] ? time.covering(px) : -1;
      return i < 0 ? null : { i, c: -1 };
    },
    moment: time.moment,
    restyle: time.restyle,
  };
}

function palette() {
  return Object.fromEntries(Object.entries(COLOURS).map(([key, name]) => [key, token(name)]));
}
