// Windows of one run and size as columns of figures, ascending by start. Pure.

/** @typedef {{start: number[], wall: number[], status: string[], rows: number[], revision: number[],
 *   share_drifted: (number|null)[], dataset_drift: (boolean|null)[], columns_drifted: (number|null)[],
 *   prediction_drift: (number|null)[], mae: (number|null)[], label_coverage: (number|null)[], estimated_mae: (number|null)[], late: number[],
 *   severity: Float32Array[]}} Windows   severity: one array per column, NaN where not computed */

/** Windows as the server sends them. @param {Record<string, any>} sent @param {number} columns @returns {Windows} */
export function unpack(sent, columns) {
  const n = sent.start.length;
  const all = floats(sent.severity);
  if (all.length !== n * columns) throw new Error(`${all.length} severities for ${columns} columns of ${n} windows`);
  const severity = Array.from({ length: columns }, (_, c) => all.subarray(c * n, (c + 1) * n));
  return /** @type {Windows} */ ({ ...sent, severity });
}

/** Little-endian float32, base64. @param {string} text */
export function floats(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length); // by a loop: of a year, `Uint8Array.from` takes ten times as long
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Float32Array(bytes.buffer, 0, bytes.length >> 2);
}

/** `held` with those of `news` in their places: a window that is there already is replaced.
 * @param {Windows} held @param {Windows} news @returns {Windows} */
export function merge(held, news) {
  if (!news.start.length) return held;
  const from = held.start.findIndex((start) => start >= news.start[0]);
  const kept = from < 0 ? held.start.length : from;
  const order = interleave(held.start, news.start, kept);
  const pick = (a, b) => order.map(([side, i]) => (side ? b[i] : a[i]));
  const merged = {};
  for (const name of Object.keys(held)) {
    if (name === "severity") continue;
    merged[name] = held[name].slice(0, kept).concat(pick(held[name], news[name]));
  }
  merged.severity = held.severity.map((row, c) => {
    const joined = new Float32Array(kept + order.length);
    joined.set(row.subarray(0, kept));
    joined.set(pick(row, news.severity[c]), kept);
    return joined;
  });
  return /** @type {Windows} */ (merged);
}

/** Where each comes from, ascending by start, from index `kept` of a on: [0, i] of a, [1, j] of b; b wins. */
function interleave(a, b, kept) {
  const order = [];
  let [i, j] = [kept, 0];
  while (i < a.length || j < b.length) {
    if (j >= b.length || (i < a.length && a[i] < b[j])) order.push([0, i++]);
    else {
      if (i < a.length && a[i] === b[j]) i++;
      order.push([1, j++]);
    }
  }
  return order;
}

/** From where to where each window is drawn: its own span of event time, or, on the wall clock, from its closing to
 * the next one's (for as long as it was the newest), a pause apart.
 * @param {Windows} windows @param {number} size ms @param {"event"|"wall"} axis
 * @returns {{from: Float64Array, to: Float64Array}} */
export function spans(windows, size, axis) {
  const n = windows.start.length;
  const from = Float64Array.from(axis === "wall" ? windows.wall : windows.start);
  if (axis === "event") return { from, to: from.map((start) => start + size) };
  for (let i = 1; i < n; i++) from[i] = Math.max(from[i], from[i - 1]);
  const steps = Array.from(from.subarray(1), (at, i) => at - from[i]).filter((step) => step > 0).sort((a, b) => a - b);
  const usual = steps.length ? steps[steps.length >> 1] : 1000;
  const to = from.map((at, i) => (i + 1 < n ? Math.min(from[i + 1], at + 20 * usual) : at + usual));
  return { from, to };
}

/** What the charts show when nothing else is wished: all windows, and of a run in progress some of what is to come,
 * by doublings, so that the picture holds still while it fills.
 * @param {{from: Float64Array, to: Float64Array}} spans @param {[number, number]|null} period
 * @returns {[number, number]|null} */
export function extent({ from, to }, period) {
  if (!from.length) return period;
  const [start, end] = [from[0], to[to.length - 1]];
  if (!period || end >= period[1]) return [start, end];
  let room = period[1] - start;
  while (room / 2 > end - start && room > 2 * (to[0] - from[0]) * 12) room /= 2;
  return [start, Math.max(end, start + room)];
}

/** Index of the window that covers a moment, -1 where none does. @param {{from: Float64Array, to: Float64Array}} spans @param {number} at */
export function covering({ from, to }, at) {
  const i = lastAtOrBefore(from, at);
  return i >= 0 && at < to[i] ? i : -1;
}

/** Index of the last value ≤ at, -1 where none is. @param {ArrayLike<number>} ascending @param {number} at */
export function lastAtOrBefore(ascending, at) {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The worst of each pixel, so that no drift is lost where windows are thinner than pixels; NaN where none is.
 * @param {Float32Array} values @param {{from: Float64Array, to: Float64Array}} spans
 * @param {[number, number]} range @param {number} width pixels @param {Float32Array} out shape (width,) */
export function worstPerPixel(values, { from, to }, range, width, out) {
  out.fill(NaN);
  const scale = width / (range[1] - range[0]);
  const first = Math.max(0, lastAtOrBefore(to, range[0]));
  for (let i = first; i < values.length && from[i] < range[1]; i++) {
    const value = values[i];
    if (Number.isNaN(value)) continue;
    const left = Math.max(0, Math.round((from[i] - range[0]) * scale));
    const right = Math.min(width, Math.max(left + 1, Math.round((to[i] - range[0]) * scale)));
    for (let x = left; x < right; x++) if (!(out[x] >= value)) out[x] = value;
  }
  return out;
}

/** A line of steps within the range: a window's value holds for all of it, and where there is none, there is no line.
 * Where windows are thinner than pixels, of each pixel the least and the greatest are kept, so that no peak is lost;
 * nothing is left out otherwise.
 * @param {{from: Float64Array, to: Float64Array}} spans @param {(number|null)[]} values
 * @param {[number, number]} range @param {number} width pixels
 * @returns {{x: number[], y: (number|null)[]}} */
export function steps(spans, values, range, width) {
  const first = Math.max(0, lastAtOrBefore(spans.from, range[0]));
  const end = lastAtOrBefore(spans.from, range[1]) + 1;
  return end - first <= width ? each(spans, values, first, end) : extremes(spans, values, first, end, (range[1] - range[0]) / width);
}

function line() {
  const [x, y] = [[], []];
  return { x, y, put: (at, value) => void (x.push(at), y.push(value)) };
}

function each({ from, to }, values, first, end) {
  const { put, ...found } = line();
  for (let i = first; i < end; i++) {
    put(from[i], values[i]);
    put(to[i], values[i]);
    if (from[i + 1] > to[i]) put(to[i], null);
  }
  return found;
}

/** @param {number} pixel ms */
function extremes({ from, to }, values, first, end, pixel) {
  const { put, ...found } = line();
  for (let i = first, next = first; i < end; i = next) {
    let [least, most] = [-1, -1];
    for (; next < end && from[next] < from[i] + pixel; next++) {
      if (values[next] === null) continue;
      if (least < 0 || values[next] < values[least]) least = next;
      if (most < 0 || values[next] > values[most]) most = next;
    }
    if (least < 0) put(from[i], null);
    else for (const kept of least === most ? [least] : [Math.min(least, most), Math.max(least, most)]) put(from[kept], values[kept]);
    if (from[next] - to[next - 1] > pixel) put(to[next - 1], null);
  }
  return found;
}

/** The worst column of a window: its index and severity, null where none was computed. @param {Windows} windows @param {number} i */
export function worst(windows, i) {
  let found = null;
  windows.severity.forEach((row, column) => {
    if (row[i] >= (found?.severity ?? -Infinity)) found = { column, severity: row[i] };
  });
  return found;
}

/** Indices of the windows that lie at least partly within the range: from the first to before the last.
 * @param {{from: Float64Array, to: Float64Array}} spans @param {[number, number]} range @returns {[number, number]} */
export function within({ from, to }, range) {
  const first = lastAtOrBefore(to, range[0]) + 1;
  const end = lastAtOrBefore(from, range[1]) + 1;
  return [first, Math.max(first, end > first && from[end - 1] === range[1] ? end - 1 : end)];
}

/** The verdict on the windows from `first` to before `end`. @param {Windows} windows @param {string[]} columns
 * @param {number} size ms @param {[number, number]} indices
 * @returns {{verdict: string, tested: number, drifted: number, worst: {column: string, severity: number, start: number, end: number}|null}} */
export function zoomed(windows, columns, size, [first, end]) {
  const found = { verdict: "insufficient", tested: 0, drifted: 0, worst: null };
  let whole = false;
  for (let i = first; i < end; i++) {
    const most = windows.status[i] === "open" ? null : worst(windows, i);
    if (!most) continue;
    found.tested++;
    found.drifted += windows.columns_drifted[i] > 0 ? 1 : 0;
    whole ||= Boolean(windows.dataset_drift[i]);
    if (most.severity >= (found.worst?.severity ?? -Infinity)) {
      found.worst = { column: columns[most.column], severity: most.severity, start: windows.start[i], end: windows.start[i] + size };
    }
  }
  if (found.tested) found.verdict = whole ? "dataset" : found.drifted ? "drift" : "ok";
  else if (first === end) found.verdict = "waiting";
  return found;
}
