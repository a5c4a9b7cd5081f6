// The severity of every column over time, drawn on a canvas: a year of twenty columns is 175,000 cells.

import { token } from "./dom.js";
import { worstPerPixel } from "./series.js";
import { DRIFT, position, ramp, STEPS } from "./severity.js";
import { AXIS, timeline } from "./timeline.js";

/** @typedef {{i: number, c: number}} Cell   window and column; c is -1 for all columns */

const STRIP = 24; // above the cells: what was injected, what was raised

/** @param {HTMLElement} holder with two canvases */
export function heatmap(holder) {
  const time = timeline(holder, STRIP);
  const { x, seen, model } = time;
  let scale = ramp(stops());
  const scratch = document.createElement("canvas");

  /** @param {import("./timeline.js").Model} next */
  function draw(next) {
    const sheet = time.begin(next);
    time.shade(sheet.pen);
    paint(sheet);
    open(sheet);
    time.axis(sheet.pen);
    flags(sheet);
  }

  const cells = () => time.size()[1] - STRIP - AXIS;
  const row = () => cells() / Math.max(1, model().columns.length);

  /** Cells: one pixel row per column, stretched to its height with a gap. */
  function paint({ pen, colours, width, ratio }) {
    const { windows, columns, spans, range } = model();
    if (!columns.length) return;
    const pixels = Math.max(1, Math.round(width * ratio));
    const image = new ImageData(pixels, columns.length);
    const line = new Float32Array(pixels);
    windows.severity.forEach((values, c) => {
      worstPerPixel(values, spans, range, pixels, line);
      for (let p = 0; p < pixels; p++) {
        if (Number.isNaN(line[p])) continue;
        const [r, g, b] = scale[Math.round(position(line[p]) * (STEPS - 1))];
        image.data.set([r, g, b, 255], (c * pixels + p) * 4);
      }
    });
    [scratch.width, scratch.height] = [pixels, columns.length];
    scratch.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    const gap = row() > 8 ? 2 : 1;
    for (let c = 0; c < columns.length; c++) {
      pen.drawImage(scratch, 0, c, pixels, 1, 0, STRIP + c * row() + gap / 2, width, row() - gap);
    }
    separate(pen, colours);
  }

  /** Where there is room: lines between windows, and marks in drifted cells, for whom the colour does
   * not tell: a triangle where it begins, a dot where it goes on. */
  function separate(pen, colours) {
    const { windows, spans } = model();
    const { from, to } = spans;
    const [first, last] = seen();
    if (first > last || (x(to[last]) - x(from[first])) / (last - first + 1) < 5) return;
    pen.fillStyle = colours.ground;
    for (let i = first; i <= last; i++) pen.fillRect(Math.round(x(to[i])) - 1, STRIP, 1, cells());
    pen.fillStyle = colours.mark;
    windows.severity.forEach((values, c) => {
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
  function open({ pen, colours }) {
    const { windows } = model();
    const last = windows.start.length - 1;
    if (last < 0 || windows.status[last] !== "open") return;
    const [left, right] = time.edges(last);
    pen.fillStyle = colours.veil;
    pen.fillRect(left, STRIP, Math.max(1, right - left), cells());
  }

  /** What was injected in words, and a flag where an alarm was raised. */
  function flags({ pen, colours, width }) {
    const { injected, alarms, range } = model();
    pen.textBaseline = "middle";
    for (const { from, to, label } of injected) {
      const [left, right] = [Math.max(0, x(from)), Math.min(width, x(to))];
      if (right - left < 24) continue;
      pen.fillStyle = colours.injectedText;
      pen.fillText(fitted(pen, `injected: ${label}`, right - left - 18), left + 6, 8);
    }
    pen.fillStyle = colours.drift;
    for (const { from, to } of alarms) {
      const [left, right] = [x(from), x(Math.min(to, range[1]))];
      if (left < 0 && right < 0) continue;
      pen.fillRect(Math.max(0, left), STRIP - 4, Math.max(2, right - Math.max(0, left)), 2);
      if (left >= 0 && left <= width) triangle(pen, left, STRIP - 8, 4.5, 7);
    }
  }

  /** Outline a window and the cell in it, and a stretch that is being chosen. Nothing without arguments.
   * @param {Cell|null} [cell] @param {[number, number]|null} [stretch] pixels */
  function point(cell, stretch) {
    const pen = time.point(cell?.i, stretch);
    if (!cell || cell.c < 0 || !time.known(cell.i)) return;
    const [left, right] = time.edges(cell.i);
    pen.lineWidth = 2;
    const wide = Math.max(6, right - left);
    pen.strokeRect((left + right - wide) / 2 - 1, STRIP + cell.c * row(), wide + 1, row());
  }

  /** @param {number} px @param {number} py @returns {Cell|null} what is there */
  function at(px, py) {
    if (!model() || py < STRIP || py > STRIP + cells()) return null;
    const i = time.covering(px);
    return i < 0 ? null : { i, c: Math.min(model().columns.length - 1, Math.floor((py - STRIP) / row())) };
  }

  return {
    draw, point, at, model,
    moment: time.moment,
    resized: time.resized,
    place: (i) => (time.edges(i)[0] + time.edges(i)[1]) / 2,
    restyle() {
      time.restyle();
      scale = ramp(stops());
    },
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
