// Elements made of text and nodes: what comes from outside never becomes markup.

/** @param {string} tag @param {Record<string, any>} [attributes] `class`, `on…` (functions), `text`, and attributes;
 * false, null and undefined are left out @param {...(Node|string|null)} children */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same of SVG. @param {string} tag */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Set the text only where it differs: live regions speak of changes, and the eye is not drawn to what stays.
 * @param {Element} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Text with commands between backquotes, as nodes. @param {string} text @returns {(Node|string)[]} */
export const marked = (text) => text.split("`").map((part, i) => (i % 2 ? el("code", { text: part }) : part));

/** As `setText`, of such a text. @param {Element} node @param {string} text */
export function setMarkedText(node, text) {
  if (node.textContent !== text.replaceAll("`", "")) node.replaceChildren(...marked(text));
}

/** A colour or length of the style sheet. @param {string} name */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** An address of this site with what is set. @param {string} path @param {Record<string, any>} parameters */
export function address(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  return query.size ? `${path}?${query}` : path;
}

/** Note when something was there for the first time: benchmarks read it. @param {string} name */
export function mark(name) {
  if (!performance.getEntriesByName(name).length) performance.mark(name);
}
