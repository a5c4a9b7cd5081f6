import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, text } from "../static/address.js";
import { band, position, ramp } from "../static/severity.js";
import { withUnit } from "../static/format.js";
import { explainScarcity, explainNoWindow, ofNoRun, sequence, troubles } from "../static/now.js";
import { moved, quantile, story, isNotable } from "../static/story.js";
import { levels, ticks } from "../static/ticks.js";

const DAY = 86_400_000;

test("an address says what is shown, and says it again", () => {
  for (const query of ["", "?run=a&size=6h", "?run=a&axis=wall", "?run=a%26b&size=1h&from=10&to=20"]) assert.equal(text(parse(query)), query);
});

test("what an address cannot mean is left out", () => {
  assert.deepEqual(parse("?axis=moon&from=20&to=10"), { run: null, size: null, segment: null, axis: "event", range: null });
  assert.equal(parse("?from=x&to=1").range, null);
});

test("what keeps a stage from its work is said while it reports it, and once", () => {
  const stage = (at, trouble) => ({ stage: "consumer", at, measures: trouble ? { lag: 3, trouble } : { lag: 3 } });
  const status = { now: 100_000, stages: [stage(99_000, "topic_deleted: a"), stage(98_000, "topic_deleted: a"), stage(1_000, "old"), stage(99_000, "")] };
  assert.equal(troubles(status), "consumer: topic_deleted: a");
  assert.equal(troubles({ now: 100_000, stages: [] }), "");
});

test("bands meet at their limits", () => {
  assert.deepEqual([0, 0.74, 0.75, 0.99, 1, 1e6, NaN, null].map(band), ["calm", "calm", "near", "near", "drift", "drift", "none", "none"]);
});

test("the scale rises and its middle is the threshold", () => {
  const places = [0, 0.5, 0.75, 1, 2, 8, 1e6].map(position);
  assert.deepEqual(places, [...places].sort((a, b) => a - b));
  assert.deepEqual([position(1), position(8), position(1e6)], [0.5, 1, 1]);
});

test("colours jump at an edge of the scale", () => {
  const colours = ramp([[0, "#000000"], [0.5, "#0000ff"], [0.5, "#ff0000"], [1, "#ffffff"]], 101);
  assert.deepEqual([colours[0], colours[49], colours[50], colours[100]], [[0, 0, 0], [0, 0, 250], [255, 0, 0], [255, 255, 255]]);
});

test("a quantile lies within its bin, or nowhere", () => {
  const column = { edges: [0, 10, 20], reference: [0.5, 0.5], current: [0.2, 0.2], below: { reference: 0, current: 0.6 } };
  assert.equal(quantile(column, "reference", 0.25), 5);
  assert.equal(quantile(column, "current", 0.5), null);
});

const column = (name, severity, more = {}) => ({ name, severity, status: "ok", missing: 0, ...more });
const told = (columns, more) => story({ events: { status: "final", rows: 9 }, columns }, more);

test("a story names the worst column, how it moved, and the others", () => {
  const shape = { kind: "number", edges: [0, 2, 4], reference: [1, 0], current: [0, 1], median: { reference: 1, current: 3.04 } };
  assert.equal(
    told([column("miles", 4.12), column("fare", 1.5), column("tip", 0.2)], { columns: { miles: shape } }),
    "miles moved: 4.1 times its threshold; median 1 → 3.04. So did fare (1.5×).",
  );
  assert.equal(told([column("zone", 2, { new_categories: 0.08 })]), "zone moved: 2.0 times its threshold; 8% never seen before. No other column did.");
  const strayed = (share, usual) => told([column("fare", 2, { out_of_range: share })], { columns: { fare: { usual } } });
  assert.equal(strayed(0.049, { out_of_range: 0.01 }), "fare moved: 2.0 times its threshold; 4.9% out of range. No other column did.");
  assert.equal(strayed(0.012, { out_of_range: 0.01 }), "fare moved: 2.0 times its threshold. No other column did.");
  assert.equal(strayed(0.049, undefined), "fare moved: 2.0 times its threshold. No other column did.");
});

test("a share stands out when it is beyond the reference's own, not when the reference has as many", () => {
  const shape = { usual: { missing: 0.105, out_of_range: 0.01, new_categories: 0 } };
  const stands = (name, share, known = shape) => isNotable({ [name]: share }, known, name);
  assert.deepEqual([stands("missing", 0.088), stands("missing", 0.105), stands("missing", 0.2)], [false, false, true]);
  assert.deepEqual([stands("out_of_range", 0.02), stands("out_of_range", 0.2)], [false, true]);
  assert.deepEqual([stands("missing", 0.9, null), stands("out_of_range", 0.9, {}), stands("new_categories", 0.02, null)], [false, false, true]);
});

test("categories have the names and numbers the units that people use", () => {
  const shape = { kind: "category", labels: ["132"], reference: [0.1], current: [0.3], names: { 132: "JFK Airport" } };
  assert.equal(moved(shape), "132 JFK Airport: 10% → 30%");
  assert.equal(moved({ kind: "number", median: { reference: 2, current: 3.2 } }, "mi"), "median 2 mi → 3.2 mi");
  assert.deepEqual([withUnit(-12.5, "$"), withUnit(12.5, "$"), withUnit(3, "min"), withUnit(null, "min"), withUnit(3)], ["−$12.5", "$12.5", "3 min", "–", "3"]);
});

test("windows with too few rows say how many are needed and which size has them", () => {
  const scarce = { windows: 8_064, enough: 0, needed: 30, usual: 8, useful: "1h", there: false };
  const shown = { size: "5m", monitor: "driftline monitor" };
  assert.equal(explainScarcity(scarce, shown), "None of 8,064 windows of 5m had the 30 rows that a verdict needs (usual: 8). About 1h is the smallest useful size: `driftline monitor --sizes 1h`.");
  assert.match(explainScarcity({ ...scarce, there: true }, shown), /choose 1h above/);
  assert.match(explainScarcity({ ...scarce, useful: null }, shown), /\(usual: 8\)\.$/);
  assert.match(explainScarcity({ ...scarce, windows: 3 }, shown), /\(usual: 8\)\.$/); // too early for advice
});

test("a calm story says so, and what failed is not passed over", () => {
  assert.equal(told([column("miles", 0.4)]), "Nothing moved: miles came closest, at 0.40 times its threshold.");
  assert.match(told([column("miles", 0.4), { name: "tip", severity: null, status: "failed", reason: "all values are missing" }]), /tip could not be computed: all values are missing\.$/);
  assert.match(story({ events: { status: "insufficient", rows: 1 }, columns: [] }), /^Only 1 row: too few/);
});

test("an axis has no more marks than it has room for, in order and in range", () => {
  for (const width of [5_000, 3_600_000, DAY, 9 * DAY, 28 * DAY, 90 * DAY, 366 * DAY, 3_000 * DAY]) {
    const found = ticks([Date.UTC(2022, 1, 1), Date.UTC(2022, 1, 1) + width], 8);
    assert.ok(found.length >= 1 && found.length <= 9, `${width}: ${found.length}`);
    assert.deepEqual(found.map(({ at }) => at), found.map(({ at }) => at).sort((a, b) => a - b));
    assert.ok(found.every(({ at }) => at >= Date.UTC(2022, 1, 1) && at <= Date.UTC(2022, 1, 1) + width));
  }
  assert.deepEqual(ticks([Date.UTC(2022, 1, 27), Date.UTC(2022, 2, 3)], 8).map(({ text }) => text)[0], "27 Feb");
});

test("levels are round, and never more than there is room for", () => {
  assert.deepEqual(levels(0.25, 3), [0, 0.1, 0.2]);
  assert.deepEqual(levels(1.04, 3), [0, 0.5, 1]);
  assert.deepEqual(levels(3.3, 3), [0, 1, 2, 3]);
  assert.deepEqual(levels(0.0071, 3), [0, 0.002, 0.004, 0.006]);
  assert.deepEqual(levels(4_200, 3), [0, 2_000, 4_000]);
});

test("nobody is told to start what is starting, nor a monitor that would pass the run over", () => {
  const of = (more, stages = []) => explainNoWindow({ status: { now: 1e9, stages }, started_at: 0, attended: false, monitor: "driftline monitor", ...more });
  assert.equal(of({}), "No window yet, and no monitor reports: start `driftline monitor`.");
  assert.match(of({ started_at: 1e9 - 60_000 }), /a monitor that was just started takes a while/);
  assert.doesNotMatch(of({ attended: true }), /start `/);
  assert.equal(of({ monitor: "driftline monitor --model m/b" }), "No window yet, and no monitor reports: start `driftline monitor --model m/b`.");
  assert.match(of({ monitor: null }), /is not here/);
  assert.match(of({}, [{ stage: "monitor", at: 1e9 - 1_000 }]), /has passed its end\.$/);
  const skipped = { model: "b", status: { now: 1e9, stages: [{ stage: "monitor", at: 1e9 - 1_000, measures: { model: "a" } }] } };
  assert.match(of(skipped), /^No window: the monitor compares with another model .* Start `driftline monitor`\.$/);
  assert.match(of({ ...skipped, model: "a" }), /has passed its end\.$/);
  const filling = { status: { now: 1e9, stages: [{ stage: "monitor", at: 1e9 - 1_000 }], filling: { rows: 12, needed: 30 } } };
  assert.match(of(filling), /has passed its end\. It has 12 of the 30 rows from which on it is shown before\.$/);
  const read = { status: { now: 1e9, stages: [{ stage: "monitor", at: 1e9 - 1_000 }], lag: 0 } };
  assert.match(of(read), /If it has and none comes, another model .*: start `driftline monitor`\.$/);
  assert.match(of({ ...read, monitor: null }), /that model is not here\.$/);
});

test("nothing is said of repeats and gaps among records that carry no seq", () => {
  const of = (more) => sequence({ duplicates: 0, missing: 0, numbered: 0, unnumbered: 0, ...more });
  assert.equal(of({ numbered: 9 }), "none twice, none missing");
  assert.equal(of({ numbered: 9, duplicates: 2, missing: 1 }), "2 sent twice, 1 missing");
  assert.equal(of({ unnumbered: 9 }), "without seq: repeats and gaps are not known");
  assert.equal(of({ numbered: 9, unnumbered: 4 }), "none twice, none missing, of those with seq; 4 have none");
  assert.equal(of({}), "");
});

test("rejected records of no run are counted beside those of the run", () => {
  assert.deepEqual([0, 41, 1_001].map((n) => ofNoRun({ of_no_run: n })), ["", ", 41 of no run", ", over 1,000 of no run"]);
});
