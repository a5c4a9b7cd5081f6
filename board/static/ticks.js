// Where an axis of time is marked, and with what words. Pure.

const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000];
const STEPS = [1, 2, 5, 10, 15, 30].map((n) => n * SECOND)
  .concat([1, 2, 5, 10, 15, 30].map((n) => n * MINUTE), [1, 2, 3, 6, 12].map((n) => n * HOUR), [1, 2, 3].map((n) => n * DAY));
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** At most `most` moments in the range, each with its text.
 * @param {[number, number]} range ms @param {number} most @param {number} [offset] of the shown zone, ms
 * @returns {{at: number, text: string}[]} */
export function ticks(range, most, offset = 0) {
  const [from, to] = [range[0] + offset, range[1] + offset];
  const step = STEPS.find((each) => (to - from) / each <= most);
  const found = step ? regular(from, to, step) : calendar(from, to, most);
  return found.map((at, i) => ({ at: at - offset, text: label(at, step ?? Infinity, found[i - 1]) }));
}

function regular(from, to, step) {
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return found;
}

/** Days of the month (1, 8, 15, 22), months, or every so many of them. */
function calendar(from, to, most) {
  const months = (to - from) / (30.4 * DAY);
  const days = months * 4 <= most ? [1, 8, 15, 22] : months * 2 <= most ? [1, 15] : [1];
  const every = days.length > 1 ? 1 : [1, 2, 3, 6, 12, 24, 60, 120].find((n) => months / n <= most) ?? 1200;
  const start = new Date(from);
  const found = [];
  for (let month = Math.floor(start.getUTCMonth() / every) * every, at = 0; at <= to; month += every) {
    for (const day of days) {
      at = Date.UTC(start.getUTCFullYear(), month, day);
      if (at >= from && at <= to) found.push(at);
    }
  }
  return found;
}

function label(at, step, before) {
  const date = new Date(at);
  const two = (n) => String(n).padStart(2, "0");
  const midnight = at % DAY === 0;
  const last = before === undefined ? null : new Date(before);
  if (step < DAY && !(midnight && step >= MINUTE)) {
    const seconds = step < MINUTE ? `:${two(date.getUTCSeconds())}` : "";
    return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}${seconds}`;
  }
  const month = MONTHS[date.getUTCMonth()];
  if (date.getUTCMonth() === 0 && date.getUTCDate() === 1) return `${month} ${date.getUTCFullYear()}`;
  if (step === Infinity && date.getUTCDate() === 1) return month;
  return step === DAY && last?.getUTCMonth() === date.getUTCMonth() ? String(date.getUTCDate()) : `${date.getUTCDate()} ${month}`;
}

/** Round values from 0 up to `top`, evenly apart, at most `most` of them above 0. Pure.
 * @param {number} top > 0 @param {number} most @returns {number[]} */
export function levels(top, most) {
  const tens = 10 ** Math.floor(Math.log10(top / most));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * tens).find((each) => Math.floor(top / each) <= most);
  return Array.from({ length: Math.floor(top / step) + 1 }, (_, n) => Number((n * step).toPrecision(12)));
}
