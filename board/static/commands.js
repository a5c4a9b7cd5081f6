// Commands to copy.

import { el, setText } from "./dom.js";

/** A word as a shell takes it. Pure. @param {string} word */
export const quoted = (word) => (/^[\w.:/@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** A command with a button that copies it. @param {string} text */
export function command(text) {
  const code = el("code", { text });
  const said = el("span", { class: "sr", role: "status" });
  const button = el("button", { class: "small", type: "button", text: "Copy", "aria-label": `Copy: ${text}` });
  button.addEventListener("click", () => copy(code, button, said));
  return el("p", { class: "command" }, code, button, said);
}

/** @param {HTMLElement} code @param {HTMLElement} button @param {HTMLElement} said for whom the button does not tell */
export async function copy(code, button, said) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    setText(said, "copied");
    setText(button, "Copied");
    setTimeout(() => setText(button, "Copy"), 1_500);
  } catch {
    getSelection().selectAllChildren(code); // the clipboard needs https or localhost: then the keys do
    setText(said, "selected, copy it with the keyboard");
  }
}
