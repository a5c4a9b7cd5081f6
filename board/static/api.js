// What the server answers, or an error that says what to do.

import { address } from "./dom.js";

export class Refused extends Error {
  /** @param {number} status 0 where the server did not answer @param {string} what @param {string} remedy */
  constructor(status, what, remedy) {
    super(what);
    this.status = status;
    this.remedy = remedy;
  }
}

/** @param {string} path @param {Record<string, any>} [parameters] @returns {Promise<any>} Rejects with Refused. */
export async function get(path, parameters = {}) {
  let response;
  try {
    response = await fetch(address(path, parameters), { headers: { Accept: "application/json" } });
  } catch {
    throw new Refused(0, "the board does not answer", "is `driftline board` still running?");
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  throw new Refused(
    response.status,
    body?.error ?? `the board answered ${response.status}`,
    body?.do ?? "its log may say why",
  );
}
