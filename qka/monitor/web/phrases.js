// The engine's sentences, which are English wherever it writes them, in the reader's language.

import { isChinese } from "./words.js";

const PARTS = ["\n", "; "];
const told = new Map(); // English -> Chinese
let phrases = [];
let words = {};

// Until it is there, and in English, a sentence is shown as it came.
export async function learn() {
  const book = await (await fetch("phrases.json")).json();
  phrases = book.phrases.map(([pattern, chinese]) => [new RegExp(`^${pattern}$`, "s"), chinese]);
  words = book.words;
  told.clear();
}

export function retold(text) {
  if (!isChinese() || !text) return text;
  if (!told.has(text)) {
    if (told.size > 4096) told.clear();
    told.set(text, sentence(text));
  }
  return told.get(text);
}

// One of the engine's own words: a phase, an order's status, a rule's code.
export const spelt = (code) => (isChinese() ? word(code) : code.replaceAll("_", " "));

function sentence(text) {
  for (const [pattern, chinese] of phrases) {
    const match = pattern.exec(text);
    if (match) return chinese.replace(/\{(\w+)\}/g, (whole, name) => word(match.groups[name]));
  }
  for (const part of PARTS) {
    const at = text.lastIndexOf(part);
    if (at >= 0) return sentence(text.slice(0, at)) + (part === "; " ? "；" : part) + sentence(text.slice(at + part.length));
  }
  const at = text.indexOf(": ");  // a place, and what is wrong there
  const rest = text.slice(at + 2), said = at < 0 ? rest : sentence(rest);
  return said === rest ? text : `${sentence(text.slice(0, at))}：${said}`;
}

function word(text) {
  const said = sentence(text);
  if (said !== text) return said;
  if (text.includes(", ")) return text.split(", ").map(word).join("、");
  return words[text] ?? words[text.toLowerCase()] ?? words[text.replaceAll("_", " ")] ?? text;
}
