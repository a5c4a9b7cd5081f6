// The severity of every column over time, drawn on a canvas: a year of twenty columns is 175,000 cells.

import { token } from "./dom.js";
import { lastAtOrBefore, worstPerPixel } from "./series.js";
import { DRIFT, ramp, position, STEPS } from "./severity.js";
import { ticks } from "./ticks.js";

/** @typedef {{windows: import("./series.js").Windows, columns: string[], range: [number, number], offset: number,
 *   spans: {from: Float64Array, to: Float64Array},
 *   injected: {from: number, to: number, label: string}[], alarms: {from: number, to: number, label: string}[]}} Model
 * @typedef {{i: number, c: number}} Cell   window and column; c is -1 for all columns */

export const STRIP = 24; // above the cells: what was injected, what was raised
export const AXIS = 20; // below

/** @param {HTMLElement} holder @param {HTMLCanvasElement} cells @param {HTMLCanvasElement} over */
export function heatmap(holder, cells, over) {
  let colours = palette();
  /** @type {Model|null} */ let model = null;
  let [width, height] = [0, 0];
  const scratch = document.createElement("canvas");

  /** @param {Model} next */
  function draw(next) {
    model = next;
    const ratio = devicePixelRatio || 1;
    [width, height] = [holder.clientWidth, holder.clientHeight];
    for (const canvas of [cells, over]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = cells.getContext("2d");
    pen.scale(ratio, ratio);
    shade(pen);
    paint(pen, ratio);
    open(pen);
    axis(pen);
    flags(pen);
  }

  const row = () => (height - STRIP - AXIS) / Math.max(1, model.columns.length);
  const x = (at) => ((at - model.range[0]) / (model.range[1] - model.range[0])) * width;

  /** Cells: one pixel row per column, stretched to its height with a gap. */
  function paint(pen, ratio) {
    if (!model.columns.length) return;
    const pixels = Math.max(1, Math.round(width * ratio));
    const image = new ImageData(pixels, model.columns.length);
    const line = new Float32Array(pixels);
    model.windows.severity.forEach((values, c) => {
      worstPerPixel(values, model.spans, model.range, pixels, line);
      for (let p = 0; p < pixels; p++) {
        if (Number.isNaN(line[p])) continue;
        const [r, g, b] = colours.ramp[Math.round(position(line[p]) * (STEPS - 1))];
        image.data.set([r, g, b, 255], (c * pixels + p) * 4);
      }
    });
    [scratch.width, scratch.height] = [pixels, model.columns.length];
    scratch.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    const gap = row() > 8 ? 2 : 1;
    for (let c = 0; c < model.columns.length; c++) {
      pen.drawImage(scratch, 0, c, pixels, 1, 0, STRIP + c * row() + gap / 2, width, row() - gap);
    }
    separate(pen);
  }

  /** Where there is room: lines between windows, and marks in drifted cells, for whom the colour does
   * not tell: a triangle where it begins, a dot where it goes on. */
  function separate(pen) {
    const { from, to } = model.spans;
    const [first, last] = seen();
    if (first > last || (x(to[last]) - x(from[first])) / (last - first + 1) < 5) return;
    pen.fillStyle = colours.ground;
    for (let i = first; i <= last; i++) pen.fillRect(Math.round(x(to[i])) - 1, STRIP, 1, height - STRIP - AXIS);
    pen.fillStyle = colours.mark;
    model.windows.severity.forEach((values, c) => {
      for (let i = first; i <= last; i++) {
        if (!(values[i] >= DRIFT)) continue;
        const [middle, level] = [(x(from[i]) + x(to[i])) / 2 - 0.5, STRIP + (c + 0.5) * row()];
        const half = Math.min(3.4, (x(to[i]) - x(from[i])) / 2 - 1);
        if (values[i - 1] >= DRIFT) pen.fillRect(middle - 1, level - 1, 2, 2);
        else triangle(pen, middle, level + 2.6, half, -1.7 * half);
      }
    });
  }

  /** The window that is still open is not final: it is shown paler. */
  function open(pen) {
    const last = model.windows.start.length - 1;
    if (last < 0 || model.windows.status[last] !== "open") return;
    const [left, right] = [x(model.spans.from[last]), x(model.spans.to[last])];
    pen.fillStyle = colours.veil;
    pen.fillRect(left, STRIP, Math.max(1, right - left), height - STRIP - AXIS);
  }

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

  /** What was injected in words, and a flag where an alarm was raised. */
  function flags(pen) {
    pen.font = `11px ${colours.font}`;
    pen.textBaseline = "middle";
    for (const { from, to, label } of model.injected) {
      const [left, right] = [Math.max(0, x(from)), Math.min(width, x(to))];
      if (right - left < 24) continue;
      pen.fillStyle = colours.injectedText;
      pen.fillText(fitted(pen, `injected: ${label}`, right - left - 18), left + 6, 8);
    }
    for (const { from, to } of model.alarms) {
      const [left, right] = [x(from), x(Math.min(to, model.range[1]))];
      if (left < 0 && right < 0) continue;
      pen.fillStyle = colours.alarm;
      pen.fillRect(Math.max(0, left), STRIP - 4, Math.max(2, right - Math.max(0, left)), 2);
      if (left >= 0 && left <= width) triangle(pen, left, STRIP - 8, 4.5, 7);
    }
  }

  function axis(pen) {
    pen.font = `11px ${colours.font}`;
    pen.textBaseline = "alphabetic";
    for (const { at, text } of ticks(model.range, Math.max(2, Math.floor(width / 74)), model.offset)) {
      const left = Math.round(x(at));
      pen.fillStyle = colours.line;
      pen.fillRect(left, height - AXIS, 1, 5);
      const half = pen.measureText(text).width / 2;
      pen.fillStyle = colours.dim;
      pen.fillText(text, Math.min(Math.max(left - half, 0), width - 2 * half), height - 4);
    }
  }

  /** Outline the column of a window, and the cell in it; a stretch that is being chosen. Nothing without arguments.
   * @param {Cell|null} [cell] @param {[number, number]|null} [stretch] pixels */
  function point(cell, stretch) {
    const pen = over.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, over.width, over.height);
    if (!model) return;
    pen.scale(over.width / width, over.height / height);
    if (stretch) {
      pen.fillStyle = colours.stretch;
      pen.fillRect(Math.min(...stretch), STRIP, Math.abs(stretch[1] - stretch[0]), height - STRIP - AXIS);
    }
    if (!cell || cell.i < 0 || cell.i >= model.spans.from.length) return;
    const [left, right] = [x(model.spans.from[cell.i]), x(model.spans.to[cell.i])];
    pen.strokeStyle = colours.text;
    pen.lineWidth = 1;
    pen.globalAlpha = 0.55;
    pen.strokeRect(left - 0.5, STRIP + 0.5, Math.max(2, right - left), height - STRIP - AXIS - 1);
    if (cell.c < 0) return;
    pen.globalAlpha = 1;
    pen.lineWidth = 2;
    const wide = Math.max(6, right - left);
    pen.strokeRect((left + right - wide) / 2 - 1, STRIP + cell.c * row(), wide + 1, row());
  }

  /** @param {number} px @param {number} py @returns {Cell|null} what is there */
  function at(px, py) {
    if (!model || py < STRIP || py > height - AXIS) return null;
    const moment = model.range[0] + (px / width) * (model.range[1] - model.range[0]);
    const i = lastAtOrBefore(model.spans.from, moment);
    const reach = Math.max(model.spans.to[i], model.spans.from[i] + (2 / width) * (model.range[1] - model.range[0]));
    if (i < 0 || moment > reach) return null;
    return { i, c: Math.min(model.columns.length - 1, Math.floor((py - STRIP) / row())) };
  }

  /** First and last window in sight. */
  function seen() {
    const first = Math.max(0, lastAtOrBefore(model.spans.from, model.range[0]));
    return [first, lastAtOrBefore(model.spans.from, model.range[1])];
  }

  return {
    draw,
    point,
    at,
    moment: (px) => model.range[0] + (px / width) * (model.range[1] - model.range[0]),
    place: (i) => (x(model.spans.from[i]) + x(model.spans.to[i])) / 2,
    model: () => model,
    resized: () => width !== holder.clientWidth || height !== holder.clientHeight,
    restyle: () => (colours = palette()),
  };
}

function triangle(pen, middle, base, half, depth) {
  pen.beginPath();
  pen.moveTo(middle - half, base);
  pen.lineTo(middle + half, base);
  pen.lineTo(middle, base + depth);
  pen.fill();
}

function fitted(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let end = text.length;
  while (end > 0 && pen.measureText(`${text.slice(0, end)}…`).width > room) end--;
  return end > 3 ? `${text.slice(0, end)}…` : "";
}

/** Stops of the scale as the style sheet has them: `0 #eef3f7, 0.375 #a9c9e0, …`. */
export function stops() {
  return token("--ramp").split(",").map((stop) => {
    const [at, colour] = stop.trim().split(/\s+/);
    return /** @type {[number, string]} */ ([Number(at), colour]);
  });
}

function palette() {
  const names = { ground: "--panel", mark: "--mark", veil: "--veil", injected: "--injected", injectedEdge: "--injected-edge",
    injectedText: "--injected-text", alarm: "--drift", line: "--edge", dim: "--dim", text: "--text", stretch: "--stretch", font: "--sans" };
  const found = Object.fromEntries(Object.entries(names).map(([key, name]) => [key, token(name)]));
  return { ...found, ramp: ramp(stops()) };
}
