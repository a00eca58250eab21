// Tables whose rows are kept: a button under the mouse stays the same button while its row changes.

import { say } from "./words.js";

// A column: {name, text(row), kind(row)?, title(row)?, left?, minor?}, or {buttons(row)}.
export class Table {
  constructor(id, columns, key) {
    this.element = document.getElementById(id);
    this.count = document.getElementById(`${id}-count`);
    this.columns = columns;
    this.key = key;
    this.rows = new Map(); // key -> its <tr>
    this.body = document.createElement("tbody");
    this.head = document.createElement("tr");
    const head = document.createElement("thead");
    head.append(this.head);
    this.element.append(head, this.body);
  }

  words() {
    this.head.replaceChildren(
      ...this.columns.map((column) => {
        const cell = document.createElement("th");
        cell.textContent = column.name ? say(column.name) : "";
        cell.className = place(column);
        return cell;
      }),
    );
    if (this.shown) this.show(this.shown);
  }

  show(rows) {
    this.shown = rows;
    if (this.count) this.count.textContent = rows.length ? rows.length : "";
    const there = new Set();
    rows.forEach((row, index) => {
      const key = this.key(row);
      there.add(key);
      let line = this.rows.get(key);
      if (!line) {
        line = document.createElement("tr");
        line.append(...this.columns.map((column) => cell(column)));
        this.rows.set(key, line);
      }
      this.columns.forEach((column, i) => fill(line.cells[i], column, row));
      if (this.body.rows[index] !== line) this.body.insertBefore(line, this.body.rows[index] ?? null);
    });
    for (const [key, line] of this.rows) {
      if (there.has(key)) continue;
      line.remove();
      this.rows.delete(key);
    }
    this.element.classList.toggle("empty", rows.length === 0);
    this.element.dataset.none = say("none");
  }
}

// `minor` columns give way on a phone.
const place = ({ left, minor }) => [left && "left", minor && "minor"].filter(Boolean).join(" ");

function cell(column) {
  const made = document.createElement("td");
  made.className = place(column);
  return made;
}

function fill(cell, column, row) {
  if (column.buttons) {
    const wanted = column.buttons(row);
    const key = wanted.map((button) => `${button.ask} ${button.word}`).join();
    if (cell.dataset.key !== key + say("cancel")) {
      cell.dataset.key = key + say("cancel");
      cell.replaceChildren(...wanted.map(made));
    }
    return;
  }
  const text = column.text(row);
  if (cell.textContent !== text) cell.textContent = text;
  const kind = `${place(column)} ${column.kind ? column.kind(row) : ""}`.trim();
  if (cell.className !== kind) cell.className = kind;
  if (column.title) cell.title = column.title(row);
}

function made({ ask, argument, word }) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "operate small";
  button.dataset.ask = ask;
  button.dataset.argument = argument;
  button.textContent = say(word);
  return button;
}
