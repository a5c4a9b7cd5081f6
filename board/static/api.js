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

/** What early.js has asked for already is taken, once. @param {string} whole @returns {Promise<Response>} */
function asked(whole) {
  const { early } = globalThis;
  if (early?.path !== whole) return fetch(whole, { headers: { Accept: "application/json" } });
  delete globalThis.early;
  return early.response;
}

/** @param {string} path @param {Record<string, any>} [parameters] @returns {Promise<any>} Rejects with Refused. */
export async function get(path, parameters = {}) {
  let response;
  try {
    response = await asked(address(path, parameters));
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
