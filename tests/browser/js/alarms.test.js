import assert from "node:assert/strict";
import { test } from "node:test";
import { days, headline, promiseAndRecord, record, sentences, setBy, told } from "../static/alarm-words.js";
import { beforeAndSince } from "../static/before-since.js";
import { quoted } from "../static/commands.js";
import { curves, most, visible } from "../static/evidence-series.js";

const [HOUR, DAY] = [3_600_000, 86_400_000];
const at = (text) => Date.parse(`${text}Z`);
const none = { alarms: 0, false: 0, known: 0, real: 0 };
const drift = (more = {}) => ({
  id: "change:r:events:1h:2022-02-15T04:00:00", state: "firing", kind: "drift", harm: "both", what: "Distance 1.61 × the usual",
  told: ["Distance 1.61 × the usual, since Tue 15 Feb 2022 00:00", "The model's error rose with it: 3 → 5.7 min", "Evidence 3.1 × the line; at most 0.9 false alarms a month promised"], causes: ["trip_distance"], columns: ["trip_distance", "error"], ack: null,
  size: "1h", window: at("2022-02-15T04:00"), first_evidence: at("2022-02-15T00:00"), pending_at: at("2022-02-15T04:00"), fired_at: at("2022-02-15T11:00"), recovered_at: null, ...more,
});
const watch = (more = {}) => ({ promise: 0.87, refused: null, about: "", record: none, level: 0.126, signal: "fare", alarms: [], error: null, silence: null, done: false, from: at("2022-02-01T00:00"), to: at("2022-02-16T00:00"), ...more });
const head = (found, status = {}) => headline({ status: { watch: found, finished: false, ...status }, unit: "min" });

test("a run that nobody watches has no headline of alarms", () => {
  assert.equal(head(null), null);
  assert.equal(head(watch({ to: null, from: null })), null);
});

test("the promise and its record are one line", () => {
  const told = (more, promise = 0.87) => promiseAndRecord(watch({ promise, to: at("2022-03-29T00:00"), record: { ...none, ...more } }));
  assert.equal(told({ alarms: 1, real: 1 }), "at most 0.9 false alarms a month on average; so far 8 weeks, 1 alarm, judged real");
  assert.equal(told({}), "at most 0.9 false alarms a month on average; so far 8 weeks, no alarm");
  assert.equal(told({ alarms: 1 }), "at most 0.9 false alarms a month on average; so far 8 weeks, 1 alarm, not judged yet");
  assert.equal(told({ alarms: 2, false: 2 }, 1), "at most 1 false alarm a month on average; so far 8 weeks, 2 alarms, all judged false");
  assert.equal(told({ alarms: 4, false: 1, real: 2 }, null), "no promise yet; so far 8 weeks, 4 alarms, judged: 1 false, 2 real; 1 not yet");
  assert.equal(record(watch({ from: 0, to: 9 * DAY })), "so far 9 days, no alarm");
  assert.equal(record(watch({ from: 0, to: 28 * DAY - 2 * HOUR })), "so far 4 weeks, no alarm", "the last hours have no window yet");
  assert.equal(record(watch({ from: 0, to: HOUR })), "so far less than a day, no alarm");
});

test("the headline follows the life of an alarm", () => {
  const calm = head(watch());
  assert.deepEqual([calm.state, calm.band, calm.word, calm.why], ["calm", "calm", "Calm", "evidence 0.12× the line, most from fare"]);
  const pending = head(watch({ level: 0.6, alarms: [drift({ state: "pending", fired_at: null })] }));
  assert.deepEqual([pending.band, pending.word], ["near", "Watching"]);
  assert.match(pending.why, /^Perhaps: Distance 1\.61 × the usual, since Tue 15 Feb 2022 00:00; evidence 0\.60× the line\. An alarm fires at 1\.$/);
  const firing = head(watch({ alarms: [drift()] }));
  assert.deepEqual([firing.state, firing.band, firing.word, firing.why], ["firing", "drift", "Drift since 15 Feb", "Distance 1.61 × the usual, since Tue 15 Feb 2022 00:00. The model's error rose with it: 3 → 5.7 min. Fires since Tue 15 Feb 11:00."]);
  const silence = { until: at("2022-02-17T00:00"), author: "ana", reason: "known" };
  assert.match(head(watch({ alarms: [drift()], silence })).why, /Silenced until .* by ana: known\.$/);
  const over = drift({ state: "recovered", recovered_at: at("2022-02-15T20:00") });
  const recovered = head(watch({ alarms: [over] }));
  assert.deepEqual([recovered.band, recovered.word], ["calm", "Recovered"]);
  assert.match(recovered.why, /^Distance 1\.61 × the usual, .* 5\.7 min\. Calm since\.$/);
  assert.equal(head(watch({ alarms: [over], to: at("2022-02-28T00:00") })).word, "Calm");
});

test("evidence that has not reached the line never reads as if it had", () => {
  assert.match(head(watch({ level: 0.9999 })).why, /^evidence 0.99× the line/);
});

test("what cannot be promised says why, unless an alarm is on", () => {
  const refused = "1 calm week: three more for one a month.";
  const found = head(watch({ promise: null, refused }));
  assert.deepEqual([found.band, found.word, found.why], ["none", "No promise yet", refused]);
  assert.equal(head(watch({ promise: null, refused, alarms: [drift()] })).word, "Drift since 15 Feb");
});

test("a run that is over tells its story, not its newest window", () => {
  const ended = (more) => head(watch({ done: true, to: at("2022-03-01T00:00"), ...more }), { finished: true });
  const first = drift({ state: "recovered", recovered_at: at("2022-02-23T00:00") });
  const story = ended({ alarms: [first], record: { ...none, alarms: 1 } });
  assert.deepEqual([story.band, story.word, story.why], ["calm", "Drift 15–22 Feb", `${sentences(first)} Calm since.`]);
  const last = drift({ what: "Fare changed", harm: "harmless", first_evidence: at("2022-02-27T00:00") });
  const two = ended({ alarms: [last, first], record: { ...none, alarms: 2 } });
  assert.deepEqual([two.band, two.word, two.why], ["drift", "2 alarms", "drift 15–22 Feb: Distance 1.61 × the usual; drift since 27 Feb: Fare changed; not over when the run ended"]);
  assert.deepEqual(ended({}), { state: "story", band: "calm", word: "Calm throughout", why: "1–28 Feb, no alarm" });
  assert.equal(ended({ promise: null, refused: "One calm week." }).why, "1–28 Feb, no alarm; one calm week.");
  assert.equal(head(watch({ done: false, alarms: [first], to: at("2022-02-24T00:00") }), { finished: true }).word, "Recovered"); // not all of it was folded yet
});

test("what an alarm says ends before its evidence, unless that is all", () => {
  assert.equal(sentences({ told: ["a", "b", "evidence"] }), "a. b.");
  assert.equal(sentences({ told: ["a"] }), "a.");
});

test("days and what set the line", () => {
  assert.equal(days(at("2022-02-15T05:00"), at("2022-02-15T09:00")), "15 Feb");
  assert.equal(days(at("2022-02-27T00:00"), at("2022-03-03T00:00")), "27 Feb – 2 Mar");
  assert.equal(setBy({ signal: "volume", size: "1d", season: at("2022-01-24T00:00") }), "volume at 1d, in the week of Mon 24 Jan 2022");
  assert.equal(setBy(null), "");
});

test("a command is quoted where a shell needs it", () => {
  assert.equal(quoted("it's $HOME"), "'it'\\''s $HOME'");
});

const sent = (wall) => ({
  curves: [
    { role: "events", size: "1h", start: 0, at: [0, 1, 2, 4], value: [0.1, 0.2, 1.5, 0.3], signal: [0, 1, 1, -1], signals: ["a", "b"], wall },
    { role: "events", size: "6h", start: 0, at: [0], value: [0.9], signal: [0], signals: ["c"], wall: wall && [500] },
  ],
});

test("evidence is shown at the end of its window, or when that was closed", () => {
  const [hourly] = curves(sent(null), "event");
  assert.deepEqual([...hourly.x], [1, 2, 3, 5].map((n) => n * HOUR));
  assert.deepEqual([hourly.signal(0), hourly.signal(2), hourly.signal(3)], ["a", "b", null]);
  const [closed] = curves(sent([null, 100, null, 400]), "wall");
  assert.deepEqual([[...closed.x], closed.value, closed.signal(0)], [[100, 100, 400], [0.2, 1.5, 0.3], "b"]);
  assert.deepEqual([...curves(sent([null, null, null, null]), "wall")[0].x], []);
});

test("the most of all sizes holds until the next window, a new week, or the end of an alarm", () => {
  const all = curves(sent(null), "event");
  const found = most(all, [0], []);
  assert.deepEqual(found.x, [1, 2, 3, 5, 6].map((n) => n * HOUR));
  assert.deepEqual(found.value, [0.1, 0.2, 1.5, 0.3, 0.9]);
  assert.deepEqual([found.by[4].curve, found.by[4].i], [1, 0]);
  assert.deepEqual(most(all, [0, 4 * HOUR], []).value, [0.1, 0.2, 1.5, 0.3]); // the six hours began in the week before
  const six = { ...all[1], x: Float64Array.of(HOUR), end: Float64Array.of(HOUR) };
  assert.deepEqual(most([all[0], six], [-6 * HOUR], []).value, [0.9, 0.9, 1.5, 0.9]);
  assert.deepEqual(most([all[0], six], [-6 * HOUR], [3 * HOUR]).value, [0.9, 0.9, 1.5, 0.3]);
});

test("of each pixel the most is kept, and what holds afterwards", () => {
  const x = Float64Array.from({ length: 1_000 }, (_, i) => i);
  const value = Array.from(x, (i) => (i === 501 ? 9 : 0.1));
  const found = visible(x, value, [0, 1_000], 100);
  assert.ok(found.length <= 200);
  assert.ok(found.some(([, one]) => one === 9));
  assert.deepEqual(visible(x, value, [10.5, 12], 100), [[10, 0.1], [11, 0.1], [12, 0.1]]);
  assert.deepEqual(visible([], [], [0, 1], 10), []);
});

test("what a column held is told by its median, or by the values that moved most, and by what is missing", () => {
  const missing = { reference: 0, before: 0, since: 0.004 };
  const number = { kind: "number", unit: "mi", median: { reference: 1.94, before: 1.95, since: 3.18 }, missing };
  assert.equal(beforeAndSince(number), "median usually 1.94, a week earlier 1.95, since 3.18 mi");
  const category = { kind: "category", labels: ["a", "b", "c", "others", "new"], reference: null, before: [0.5, 0.4, 0.1, 0, 0], since: [0.2, 0.4, 0.1, 0, 0.3], missing: { ...missing, since: 0.2 } };
  assert.equal(beforeAndSince(category), "a: 50% → 20%, new: 0% → 30%, missing 0% → 20%");
  assert.equal(beforeAndSince({ ...category, since: null, missing }), "nothing to compare it with");
});

test("a larger error is said with what it was, and is no part of the promise's record", () => {
  const larger = drift({ kind: "error", track: "harm", harm: "concept", what: "Larger errors", told: ["Larger errors, since Tue 15 Feb", "The excess is 2"] });
  const firing = head(watch({ alarms: [larger] }));
  assert.deepEqual([firing.band, firing.word, firing.why], ["drift", "Larger error since 15 Feb", "Larger errors, since Tue 15 Feb. Fires since Tue 15 Feb 11:00."]);
  const over = { ...larger, state: "recovered", recovered_at: at("2022-02-16T00:00") };
  const both = head(watch({ done: true, alarms: [over, { ...over, kind: "drift", what: "Fare changed" }], record: { ...none, alarms: 1 } }), { finished: true });
  assert.deepEqual([both.word, both.why], ["2 alarms", "drift 15 Feb: Fare changed; larger error 15 Feb: Larger errors; calm since"]);
});

test("who was told is said by target, and what waits says why", () => {
  const row = (more) => ({ target: "mail", state: "firing", outcome: "sent", sent_at: at("2022-02-15T12:00"), reminders: 0, error: "", ...more });
  const found = told([row({ reminders: 1 }), row({ state: "recovered", outcome: null, error: "refused" }), row({ target: "slack", outcome: "before" })]);
  assert.equal(found.length, 2);
  assert.match(found[0], /^mail: firing .*15 Feb.* \(1 reminder\), recovered waits \(refused\)$/);
  assert.equal(found[1], "slack: firing not told (it was over before the target was added)");
});
