import assert from "node:assert/strict";
import { test } from "node:test";
import { covering, extent, merge, spans, steps, unpack, worst, worstPerPixel, within, zoomed } from "../static/series.js";

/** Windows at these starts, two columns; severity of the first is `base` + index, of the second half of it. */
function windows(start, base = 0, more = {}) {
  const first = start.map((_, i) => base + i);
  const bytes = Buffer.from(new Float32Array([...first, ...first.map((value) => value / 2)]).buffer);
  return unpack({ start, wall: start.map((at) => at + 500), rows: start.map(() => 1), status: start.map(() => "final"), ...more, severity: bytes.toString("base64") }, 2);
}

test("severities come as one row per column", () => {
  assert.deepEqual(windows([0, 10, 20], 1).severity.map((row) => [...row]), [[1, 2, 3], [0.5, 1, 1.5]]);
  assert.throws(() => unpack({ start: [1], severity: "" }, 2), /0 severities for 2 columns of 1 windows/);
});

test("news take the place of what they replace, wherever it stands", () => {
  const merged = merge(windows([0, 10, 20, 40]), windows([10, 30, 50], 7));
  assert.deepEqual(merged.start, [0, 10, 20, 30, 40, 50]);
  assert.deepEqual([...merged.severity[0]], [0, 7, 2, 8, 3, 9]);
  assert.equal(merged.rows.length, 6);
});

test("merging is the same in one piece and in many", () => {
  const starts = Array.from({ length: 40 }, (_, i) => i * 10);
  const whole = windows(starts, 3);
  let held = windows([]);
  for (const i of [3, 1, 2, 0, ...starts.keys(), 39, 5]) held = merge(held, windows([starts[i]], 3 + i));
  assert.deepEqual(held.start, whole.start);
  assert.deepEqual(held.severity, whole.severity);
});

test("on the wall clock a window lasts until the next one closes, and never backwards", () => {
  const { from, to } = spans(windows([0, 10, 20], 0, { wall: [100, 90, 130] }), 10, "wall");
  assert.deepEqual([[...from], [...to]], [[100, 100, 130], [100, 130, 160]]);
});

test("a pause does not stretch the window before it over all of it", () => {
  const { to } = spans(windows([0, 10, 20, 30], 0, { wall: [0, 1, 2, 1_000_000] }), 10, "wall");
  assert.equal(to[2], 22);
});

test("a run in progress shows some of what is to come, a finished one all that was", () => {
  const all = spans(windows(Array.from({ length: 100 }, (_, i) => i * 10)), 10, "event");
  assert.deepEqual(extent(all, [0, 1000]), [0, 1000]);
  assert.deepEqual(extent(all, [0, 3000]), [0, 1500]);
  assert.deepEqual(extent({ from: new Float64Array(), to: new Float64Array() }, null), null);
});

test("a moment belongs to the window that covers it", () => {
  const all = spans(windows([0, 10, 30]), 10, "event");
  assert.deepEqual([-1, 0, 9, 10, 20, 29, 30, 40].map((at) => covering(all, at)), [-1, 0, 0, 1, -1, -1, 2, -1]);
});

test("no drift is lost where a pixel holds many windows", () => {
  const values = new Float32Array(1000).fill(0.1);
  values[537] = 4;
  const all = { from: Float64Array.from(values, (_, i) => i), to: Float64Array.from(values, (_, i) => i + 1) };
  const line = worstPerPixel(values, all, [0, 1000], 50, new Float32Array(50));
  assert.deepEqual([...line].flatMap((value, x) => (value > 1 ? [x] : [])), [27]);
  assert.ok(line.every((value) => !Number.isNaN(value)));
});

test("what was not computed stays empty", () => {
  const all = { from: Float64Array.of(0, 1), to: Float64Array.of(1, 2) };
  const line = worstPerPixel(Float32Array.of(NaN, 0.5), all, [0, 2], 4, new Float32Array(4));
  assert.deepEqual([...line], [NaN, NaN, 0.5, 0.5]);
});

test("the worst column of a window is the one furthest beyond its threshold", () => {
  assert.deepEqual(worst(windows([0, 10], 4), 1), { column: 0, severity: 5 });
});

const hours = (n) => ({ from: Float64Array.from({ length: n }, (_, i) => i), to: Float64Array.from({ length: n }, (_, i) => i + 1) });

test("where there is room, every window is a step of its own", () => {
  const line = steps(hours(3), [1, null, 3], [0, 3], 100);
  assert.deepEqual(line, { x: [0, 1, 1, 2, 2, 3], y: [1, 1, null, null, 3, 3] });
});

test("a year in a thousand pixels is at most two points a pixel, and no peak is lost", () => {
  const values = Array.from({ length: 8_760 }, (_, i) => 1 + (i % 7) / 100);
  [values[100], values[5_001], values[8_759]] = [9, -9, 7];
  const { x, y } = steps(hours(8_760), values, [0, 8_760], 1_000);
  assert.ok(x.length <= 2_002 && x.length > 1_900, String(x.length));
  assert.deepEqual([9, -9, 7].map((peak) => x[y.indexOf(peak)]), [100, 5_001, 8_759]);
  assert.ok(x.every((at, i) => y[i] === values[at] && (i === 0 || at > x[i - 1])));
});

test("zoomed in, windows are exact again, and only those in sight are drawn", () => {
  const values = Array.from({ length: 8_760 }, (_, i) => i);
  const { x } = steps(hours(8_760), values, [4_000, 4_100], 1_000);
  assert.deepEqual([...new Set(x)], Array.from({ length: 102 }, (_, i) => 4_000 + i));
});

test("a line is broken where windows have no value and where there are none", () => {
  const all = hours(6_000);
  for (let i = 3_000; i < 6_000; i++) [all.from[i], all.to[i]] = [i + 5_000, i + 5_001];
  const values = Array.from(all.from, (_, i) => (i >= 1_000 && i < 2_000 ? null : 1));
  const { x, y } = steps(all, values, [0, 11_000], 100);
  const broken = x.filter((_, i) => y[i] === null);
  assert.ok(broken.some((at) => at >= 1_000 && at < 2_000));
  assert.ok(broken.includes(3_000));
  assert.ok(!broken.some((at) => at < 900 || at > 3_000));
});

test("a zoomed verdict is of the windows shown, and of no others", () => {
  const windows = {
    start: [0, 10, 20, 30], status: ["final", "final", "final", "open"], columns_drifted: [0, 2, 0, 1], dataset_drift: [false, false, false, true],
    severity: [Float32Array.of(0.5, 3, 0.25, 9), Float32Array.of(0.25, 1, NaN, 9)],
  };
  const places = spans(windows, 10, "event");
  const verdict = (range) => zoomed(windows, ["a", "b"], 10, within(places, range));
  assert.deepEqual(within(places, [0, 40]), [0, 4]);
  assert.deepEqual(within(places, [10, 20]), [1, 2]);
  assert.deepEqual(within(places, [15, 25]), [1, 3]);
  assert.deepEqual(within(places, [50, 60]), [4, 4]);
  assert.deepEqual(verdict([0, 30]), { verdict: "drift", tested: 3, drifted: 1, worst: { column: "a", severity: 3, start: 10, end: 20 } });
  assert.equal(verdict([20, 30]).verdict, "ok");
  assert.equal(verdict([30, 40]).verdict, "insufficient");
  assert.equal(verdict([50, 60]).verdict, "waiting");
  windows.dataset_drift[1] = true;
  assert.equal(verdict([0, 20]).verdict, "dataset");
});
