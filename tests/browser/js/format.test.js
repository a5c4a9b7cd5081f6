import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, duration, elapsed, errorText, errorTimes, figure, iso, moment, percent, span, times } from "../static/format.js";

const FEB = Date.UTC(2022, 1, 14, 6);

test("little is not nothing, and almost all is not all", () => {
  assert.deepEqual([0, 0.0004, 0.042, 0.37, 0.9995, 1, null].map(percent), ["0%", "<0.1%", "4.2%", "37%", ">99.9%", "100%", "–"]);
});

test("figures have three digits that count", () => {
  assert.deepEqual([0, 0.01234, 4.05, 63.12, 1250.4, -2.5, NaN].map(figure), ["0", "0.0123", "4.05", "63.1", "1,250", "−2.5", "–"]);
});

test("severities are told as times the threshold", () => {
  assert.deepEqual([0.04, 0.29, 0.783, 0.7499, 0.75, 0.999, 1, 4.12, 41.2, 1234, NaN].map(times), ["0.04×", "0.29×", "0.78×", "0.74×", "0.75×", "0.99×", "1.0×", "4.1×", "41×", "1,234×", "–"]);
});

test("an error stands beside that of the reference, where both are known", () => {
  assert.deepEqual([[6.54, 3.27], [65.4, 3.27], [null, 3.27], [6.54, null], [6.54, 0]].map((pair) => errorTimes(...pair)), ["2.0×", "20×", "", "", ""]);
  assert.equal(errorText(6.54, 3.27, "min"), "6.54 min, 2.0× the reference’s 3.27");
  assert.equal(errorText(6.54, null, "min"), "6.54 min");
  assert.equal(errorText(null, 3.27, "min"), "–");
});

test("time that passed has two units at most", () => {
  assert.deepEqual([400, 12_300, 185_000, 7_800_000, 273_600_000, -5].map(elapsed), ["0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "3 d 4 h", "0.0 s"]);
});

test("a window is named by what its ends do not share", () => {
  assert.equal(span(FEB, FEB + 21_600_000), "Mon 14 Feb 06:00–12:00");
  assert.equal(span(FEB + 43_200_000, FEB + 64_800_000), "Mon 14 Feb 18:00–24:00");
  assert.equal(span(FEB - 21_600_000, FEB + 64_800_000, { year: true }), "Mon 14 Feb 2022");
  assert.equal(moment(FEB, { year: true, seconds: true }), "Mon 14 Feb 2022 06:00:00");
});

test("moments and durations are spelled as commands take them", () => {
  assert.equal(iso(FEB), "2022-02-14T06:00");
  assert.equal(iso(FEB + 5_000), "2022-02-14T06:00:05");
  assert.deepEqual(["6h", "1d", "5m", "1w", "90s", "", "six"].map(duration), [21_600_000, 86_400_000, 300_000, 604_800_000, 90_000, NaN, NaN]);
});

test("how long ago fits where there is little room", () => {
  assert.deepEqual([-5, 999, 9_900, 12_300, 2_898_000, 7_800_000, 273_600_000, NaN].map(ago), ["0 s ago", "0 s ago", "9 s ago", "12 s ago", "48 min ago", "2 h ago", "3 d ago", "–"]);
});
