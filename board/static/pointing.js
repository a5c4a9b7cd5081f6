// Look, choose a stretch of time, open a window: with mouse, finger and keys.

import { lastAtOrBefore } from "./series.js";

/** @typedef {import("./heatmap.js").Cell} Cell */

/** Mouse and finger on a picture of time.
 * @param {HTMLElement} holder
 * @param {{at: (x: number, y: number) => Cell|null, moment: (x: number) => number, point: (cell: Cell|null, stretch?: [number, number]) => void}} picture
 * @param {{highlight: (cell: Cell|null) => void, open: (i: number, elsewhere: boolean) => void, zoom: (range: [number, number]|null) => void}} does */
export function pointer(holder, picture, does) {
  const DRAG_PX = 5;
  let pressed = null;

  const local = (event) => {
    const box = holder.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  holder.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pressed = local(event)[0];
    holder.setPointerCapture(event.pointerId);
  });
  holder.addEventListener("pointermove", (event) => {
    const [x, y] = local(event);
    const drags = pressed !== null && Math.abs(x - pressed) > DRAG_PX;
    does.highlight(drags ? null : picture.at(x, y));
    if (drags) picture.point(null, [pressed, x]);
  });
  holder.addEventListener("pointerup", (event) => {
    if (pressed === null) return;
    const [x, y] = local(event);
    const began = pressed;
    pressed = null;
    if (Math.abs(x - began) > DRAG_PX) {
      const ends = [picture.moment(began), picture.moment(x)].sort((a, b) => a - b);
      does.zoom(/** @type {[number, number]} */ (ends));
      return;
    }
    const cell = picture.at(x, y);
    if (cell) does.open(cell.i, event.ctrlKey || event.metaKey);
  });
  holder.addEventListener("pointercancel", () => (pressed = null));
  holder.addEventListener("pointerleave", () => pressed === null && does.highlight(null));
  holder.addEventListener("dblclick", () => does.zoom(null));
}

/** Keys on the heat map.
 * @param {HTMLElement} holder @param {ReturnType<import("./heatmap.js").heatmap>} map
 * @param {{highlight: (cell: Cell|null) => void, announce: (cell: Cell) => void, open: (i: number, elsewhere: boolean) => void,
 *   zoom: (range: [number, number]|null) => void}} does */
export function keyboard(holder, map, does) {
  /** The start of the window and the column that the keys have come to; the start, since indices move. */
  let cursor = null;

  holder.addEventListener("blur", () => does.highlight(null));
  holder.addEventListener("focus", () => holder.matches(":focus-visible") && move(0, 0));
  holder.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const act = keys[event.key];
    if (!act || !map.model()?.windows.start.length) return;
    event.preventDefault();
    act(event.shiftKey ? 10 : 1);
  });

  const keys = {
    ArrowLeft: (n) => move(-n, 0),
    ArrowRight: (n) => move(n, 0),
    ArrowUp: () => move(0, -1),
    ArrowDown: () => move(0, 1),
    PageUp: () => move(-10, 0),
    PageDown: () => move(10, 0),
    Home: () => move(-Infinity, 0),
    End: () => move(Infinity, 0),
    Enter: () => current() && does.open(current().i, false),
    "+": () => scale(0.5),
    "=": () => scale(0.5),
    "-": () => scale(2),
    0: () => does.zoom(null),
  };

  /** The cell of the keys now, null before the first. */
  function current() {
    const starts = map.model()?.windows.start;
    if (!cursor || !starts?.length) return null;
    return { i: Math.max(0, lastAtOrBefore(starts, cursor.start)), c: cursor.c };
  }

  function move(dx, dy) {
    const { windows, columns } = map.model() ?? {};
    if (!windows?.start.length) return;
    const last = windows.start.length - 1;
    const { i, c } = current() ?? { i: last, c: 0 };
    const to = { i: Math.min(last, Math.max(0, i + dx)), c: Math.min(columns.length - 1, Math.max(0, c + dy)) };
    cursor = { start: windows.start[to.i], c: to.c };
    reveal(to.i);
    does.highlight(to);
    does.announce(to);
  }

  /** Bring a window that is out of sight into it. */
  function reveal(i) {
    const { range, spans } = map.model();
    const [from, to] = [spans.from[i], spans.to[i]];
    const by = from < range[0] ? from - range[0] : to > range[1] ? to - range[1] : 0;
    if (by) does.zoom([range[0] + by, range[1] + by]);
  }

  /** Zoom about the cursor. */
  function scale(factor) {
    const { range, spans } = map.model();
    const cell = current();
    const middle = cell ? (spans.from[cell.i] + spans.to[cell.i]) / 2 : (range[0] + range[1]) / 2;
    does.zoom([middle - (middle - range[0]) * factor, middle + (range[1] - middle) * factor]);
  }
}
