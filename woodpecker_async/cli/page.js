"use strict";
// The page works without this: it only sorts and filters the table.
(() => {
  const table = document.getElementById("keys");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  const count = document.getElementById("count");
  const input = document.getElementById("filter");
  const order = new Intl.Collator(document.documentElement.lang, { numeric: true, sensitivity: "base" });
  const text = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  // Ignore case and accents.
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const texts = new Map(rows.map((row) => [row, plain(row.textContent)]));

  const show = () => {
    const words = plain(input.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => texts.get(row).includes(word));
      shown += row.hidden ? 0 : 1;
    }
    document.getElementById("controls").classList.toggle("on", words.length > 0);
    count.textContent = `${shown} of ${rows.length} rows`;
  };

  const sort = (column) => {
    const down = heads[column].getAttribute("aria-sort") === "ascending";
    heads.forEach((head, index) => {
      head.setAttribute("aria-sort", index !== column ? "none" : down ? "descending" : "ascending");
    });
    // Empty cells come last in either direction.
    const compare = (one, other) => {
      const [a, b] = [text(one, column), text(other, column)];
      if (a === "" || b === "") return (a === "") - (b === "");
      return down ? order.compare(b, a) : order.compare(a, b);
    };
    rows.sort(compare);
    body.append(...rows);
  };

  heads.forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(index));
    head.append(button);
  });
  sort(0);
  input.addEventListener("input", show);
  document.getElementById("controls").hidden = false;
  show();
})();
