// SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
// SPDX-License-Identifier: GPL-3.0-or-later
(() => {
  "use strict";

  const PAUSE = 120; // milliseconds after a key until the rows are filtered
  const AT_ONCE = 40; // rows that are shown or hidden before the browser may do something else
  const collator = new Intl.Collator("en", {numeric: true, sensitivity: "base"});
  const filters = new Map(); // by table body, what shows all of its rows

  function keyOf(row, column, isNumber) {
    const cell = row.cells[column];
    return isNumber ? Number(cell.dataset.key) : cell.textContent.trim();
  }

  function sort(body, column, isNumber, descending) {
    const sign = descending ? -1 : 1;
    const compare = isNumber ? (a, b) => a - b : (a, b) => (a === b ? 0 : collator.compare(a, b));
    const keyed = Array.from(body.rows, (row) => ({row, key: keyOf(row, column, isNumber)}));
    keyed.sort((one, other) => sign * compare(one.key, other.key));
    body.replaceChildren(); // in the order in which they are: out of it, to take one away costs as much as there are
    const fragment = document.createDocumentFragment();
    fragment.append(...keyed.map(({row}) => row));
    body.append(fragment);
  }

  function addSorting(table, say) {
    const headings = Array.from(table.tHead.rows[0].cells);
    headings.forEach((heading, column) => {
      if (!heading.dataset.sort) {
        return;
      }
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const descending = heading.getAttribute("aria-sort") === "ascending";
        headings.filter((one) => one.dataset.sort).forEach((one) => one.setAttribute("aria-sort", "none"));
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sort(table.tBodies[0], column, heading.dataset.sort === "number", descending);
        say(`Sorted by ${button.textContent}, ${descending ? "descending" : "ascending"}.`);
      });
    });
  }

  function addFilter(section, table, say) {
    const input = section.querySelector("input");
    const body = table.tBodies[0];
    let texts = null; // each row with its text, read once
    let waiting = 0; // what comes next: the filter after a pause, or more rows

    function read() {
      texts = texts || Array.from(body.rows, (row) => ({row, text: row.textContent.toLowerCase()}));
    }

    function change(rows, most, then) {
      for (const row of rows.splice(0, most)) {
        row.hidden = !row.hidden;
      }
      if (rows.length) {
        waiting = setTimeout(change, 0, rows, most, then);
      } else {
        then();
      }
    }

    function apply(most) {
      read();
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const hidden = texts.filter(({text}) => !words.every((word) => text.includes(word)));
      const hide = new Set(hidden.map(({row}) => row));
      const rows = Array.from(body.rows).filter((row) => row.hidden !== hide.has(row));
      const shown = texts.length - hide.size;
      change(rows, most, () => say(`${shown} of ${texts.length} ${input.dataset.noun} shown`));
    }

    input.addEventListener("focus", read, {once: true});
    input.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(apply, PAUSE, AT_ONCE);
    });
    filters.set(body, () => {
      clearTimeout(waiting);
      input.value = "";
      apply(Infinity);
    });
  }

  // The browser itself scrolls to the target of a link, and focuses it.
  function reveal(hash) {
    const row = document.getElementById(hash.slice(1));
    if (row && row.hidden) {
      filters.get(row.parentNode)();
    }
  }

  for (const section of document.querySelectorAll(".listing")) {
    const table = section.querySelector("table");
    const status = section.querySelector(".status");
    const say = (words) => {
      status.textContent = words;
    };
    addSorting(table, say);
    if (section.querySelector("input")) {
      addFilter(section, table, say);
    }
    section.querySelector(".controls").hidden = false;
  }

  let closed = []; // what was folded before the page was printed
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link) {
      reveal(link.hash);
    }
  });
  addEventListener("beforeprint", () => {
    closed = Array.from(document.querySelectorAll("details:not([open])"));
    closed.forEach((one) => one.setAttribute("open", ""));
  });
  addEventListener("afterprint", () => {
    closed.forEach((one) => one.removeAttribute("open"));
  });
})();
