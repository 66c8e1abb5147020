"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const grid = document.getElementById("grid");
  const memory = `pixelsmile review ${data.set}`;
  const words = { true: "keep", false: "drop" };
  const decisions = recall(); // {id: whether it is kept}
  const figures = data.rows.map(figure);
  grid.replaceChildren(...figures);
  figures.forEach((_, number) => paint(number));
  count();
  let at = 0; // the picture that keys are about, also while the button has the focus
  go(next(-1));

  function recall() {
    try { return JSON.parse(localStorage.getItem(memory)) ?? {}; } catch { return {}; }
  }
  function remember() {
    try { localStorage.setItem(memory, JSON.stringify(decisions)); }
    catch { document.getElementById("said").textContent = "This browser keeps nothing for this page: save before you close it."; }
  }
  function figure(row, number) {
    const element = document.createElement("figure");
    const image = document.createElement("img");
    const caption = document.createElement("figcaption");
    element.tabIndex = 0;
    element.title = `${row.key}\n${row.words}\n${row.id}`;
    image.src = row.uri;
    image.alt = row.key;
    caption.append(document.createElement("b"), row.words);
    element.append(image, caption);
    element.addEventListener("focus", () => { at = number; });
    element.addEventListener("click", () => { element.focus(); decide(number, decisions[row.id] === false); });
    return element;
  }
  function decide(number, keep) {
    const { id } = data.rows[number];
    if (keep === undefined) delete decisions[id];
    else decisions[id] = keep;
    remember();
    paint(number);
    count();
  }
  function paint(number) {
    const { id, pair } = data.rows[number];
    const keep = decisions[id];
    figures[number].className = [words[keep] ?? "", pair ? "pair" : ""].join(" ");
    figures[number].querySelector("b").textContent = words[keep] ?? "";
  }
  function count() {
    const made = data.rows.filter((row) => row.id in decisions);
    const dropped = made.filter((row) => !decisions[row.id]).length;
    document.getElementById("count").textContent = `${made.length} of ${data.rows.length} decided, ${dropped} dropped`;
  }
  function go(number) {
    const target = figures[Math.min(Math.max(number, 0), figures.length - 1)];
    target.focus();
    target.scrollIntoView({ block: "nearest" });
  }
  function next(from) {
    const open = data.rows.flatMap((row, number) => (row.id in decisions ? [] : [number]));
    return open.find((number) => number > from) ?? open[0] ?? from + 1; // those before it come last
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns };
    const key = event.key.toLowerCase();
    if (event.key in moves) go(moves[event.key]);
    else if (key === "k") { decide(at, true); go(at + 1); }
    else if (key === "d") { decide(at, false); go(at + 1); }
    else if (key === "u") decide(at, undefined);
    else if (key === "n") go(next(at));
    else if (key === "a") data.rows.forEach((row, number) => { if (!(row.id in decisions)) decide(number, true); });
    else return;
    event.preventDefault();
  });
  document.getElementById("save").addEventListener("click", () => {
    const lines = data.rows.filter((row) => row.id in decisions).map((row) => JSON.stringify({ id: row.id, keep: decisions[row.id] }));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "application/jsonl" }));
    link.download = "decisions.jsonl";
    link.click();
    URL.revokeObjectURL(link.href);
  });
})();
