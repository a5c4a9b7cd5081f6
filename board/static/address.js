// What the page shows, as its address says it. Pure, but for `read` and `write`.

/** @typedef {{run: string|null, size: string|null, segment: string|null, axis: "event"|"wall", range: [number, number]|null}} Shown */

/** @param {string} query @returns {Shown} */
export function parse(query) {
  const given = new URLSearchParams(query);
  const [from, to] = [number(given.get("from")), number(given.get("to"))];
  return {
    run: given.get("run") || null,
    size: given.get("size") || null,
    segment: given.get("segment") || null,
    axis: given.get("axis") === "wall" ? "wall" : "event",
    range: from !== null && to !== null && to > from ? [from, to] : null,
  };
}

/** @param {Shown} shown */
export function text(shown) {
  const query = new URLSearchParams();
  if (shown.run) query.set("run", shown.run);
  if (shown.size) query.set("size", shown.size);
  if (shown.segment) query.set("segment", shown.segment);
  if (shown.axis === "wall") query.set("axis", "wall");
  if (shown.range) {
    query.set("from", String(Math.round(shown.range[0])));
    query.set("to", String(Math.round(shown.range[1])));
  }
  return query.size ? `?${query}` : "";
}

export const read = () => parse(location.search);

/** @param {Shown} shown @param {{replace?: boolean}} [how] */
export function write(shown, how = {}) {
  const next = text(shown);
  if (next === location.search) return;
  history[how.replace ? "replaceState" : "pushState"](null, "", next || location.pathname);
}

function number(value) {
  return value !== null && /^-?\d{1,15}$/.test(value) ? Number(value) : null;
}
