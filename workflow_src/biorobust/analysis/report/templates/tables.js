"use strict";
// Tables sort by a click on a head: up, down, as printed.
for (const table of document.querySelectorAll(".table:not(.facts) table.sortable")) {
  const body = table.tBodies[0];
  const printed = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  if (printed.length < 2) continue;

  const keyOf = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return null;
    const number = cell.dataset.sort;
    if (number === undefined) return cell.textContent.trim() || null;
    return number === "inf" ? Infinity : Number(number);
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a === b ? 0 : a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a < b ? -1 : a > b ? 1 : 0;
  };
  const sort = (column, direction) => {
    const rows = printed.slice();
    if (direction !== "none") {
      const sign = direction === "ascending" ? 1 : -1;
      rows.sort((first, second) => {
        const a = keyOf(first, column), b = keyOf(second, column);
        // What has no value stands last, whichever way the rest is sorted.
        if (a === null || b === null) return (a === null) - (b === null);
        return sign * compare(a, b);
      });
    }
    body.append(...rows);
  };
  const next = { none: "ascending", ascending: "descending", descending: "none" };
  heads.forEach((head, column) => {
    if (!head.textContent) return;
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by this column";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const direction = next[head.getAttribute("aria-sort")];
      for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", direction);
      sort(column, direction);
    });
  });
}

// One field for all tables of a box.
for (const box of document.querySelectorAll(".table:not(.facts)")) {
  const rows = Array.from(box.querySelectorAll("tbody tr"));
  if (rows.length < 6) continue;
  const bar = document.createElement("div"), label = document.createElement("label");
  const input = document.createElement("input"), told = document.createElement("span");
  bar.className = "filter";
  input.type = "search";
  told.setAttribute("role", "status");
  label.append("Filter rows ", input);
  bar.append(label, told);
  box.querySelector(".scroll").before(bar);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      // A table's first head names what all its rows are of.
      const of = row.closest("table").tHead.rows[0].cells[0].textContent;
      const text = `${of} ${row.textContent}`.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    for (const part of box.querySelectorAll(".scroll")) {
      part.hidden = !part.querySelector("tbody tr:not([hidden])");
    }
    told.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  });
}
