"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const by = (id) => document.getElementById(id);
  const memory = `pixelsmile rate ${data.set}`;
  const kept = recall(); // {rater, answers: {id: {scores: {expression: score or null}, unclear}}}
  const rater = by("rater");
  rater.value = kept.rater;
  const expressions = Object.fromEntries(data.expressions.map(({ name, key }) => [name, choice(by("expressions"), key, name, () => toggle(name))]));
  const strengths = data.strengths.map(({ words, score }, number) => choice(by("strengths"), String(number + 1), words, () => strong(score)));
  let at = firstOpen();
  let current = null; // the expression that a strength is for
  show();

  function recall() {
    try {
      const found = JSON.parse(localStorage.getItem(memory));
      if (found && found.answers) return found;
    } catch { /* a new page */ }
    return { rater: "", answers: {} };
  }
  function remember() {
    try { localStorage.setItem(memory, JSON.stringify(kept)); }
    catch { say("This browser keeps nothing for this page: save before you close it."); }
  }
  function choice(parent, key, words, act) {
    const button = document.createElement("button");
    const hint = document.createElement("kbd");
    hint.textContent = key.toUpperCase();
    button.type = "button";
    button.append(hint, ` ${words}`, document.createElement("output"));
    button.addEventListener("click", () => { act(); button.blur(); });
    parent.append(button);
    return button;
  }
  function answer() {
    return kept.answers[data.rows[at].id];
  }
  function answered(row) {
    const found = kept.answers[row.id];
    return Boolean(found) && (found.unclear || Object.values(found.scores).every((score) => score !== null));
  }
  function firstOpen() {
    return Math.max(data.rows.findIndex((row) => !answered(row)), 0);
  }
  function put(found) {
    if (found === undefined) delete kept.answers[data.rows[at].id];
    else kept.answers[data.rows[at].id] = found;
    remember();
    show();
  }
  function toggle(name) {
    say("");
    if (name === "neutral") { current = null; put({ scores: {}, unclear: false }); return; }
    const scores = { ...answer()?.scores };
    if (name in scores && (name === current || scores[name] === null)) {
      delete scores[name];
      current = Object.keys(scores).at(-1) ?? null;
    } else {
      if (!(name in scores)) scores[name] = null;
      current = name;
    }
    put(Object.keys(scores).length ? { scores, unclear: false } : undefined);
  }
  function strong(score) {
    if (current === null) { say("First the expression, then its strength."); return; }
    say("");
    put({ scores: { ...answer().scores, [current]: score }, unclear: false });
  }
  function go(to) {
    at = Math.min(Math.max(to, 0), data.rows.length - 1);
    current = Object.keys(answer()?.scores ?? {}).at(-1) ?? null;
    say("");
    show();
  }
  function next() {
    if (answer() && !answered(data.rows[at])) { say("How strongly? Press 1, 2, 3 or 4."); return; }
    const isLast = at === data.rows.length - 1;
    go(at + 1);
    const open = data.rows.filter((row) => !answered(row)).length;
    if (open === 0) say("All are answered: save your answers.");
    else if (isLast) say(`This was the last one, and ${open} have no answer: press . for the first.`);
  }
  function show() {
    const row = data.rows[at];
    const found = answer();
    by("picture").src = row.uri;
    by("picture").dataset.number = at + 1;
    for (const [name, button] of Object.entries(expressions)) {
      const score = found?.scores[name];
      const isChosen = name === "neutral" ? Boolean(found) && !found.unclear && Object.keys(found.scores).length === 0 : score !== undefined;
      button.setAttribute("aria-pressed", isChosen);
      button.classList.toggle("current", name === current);
      button.querySelector("output").textContent = score === undefined ? "" : score === null ? "?" : score.toFixed(2);
    }
    data.strengths.forEach(({ score }, number) => {
      strengths[number].setAttribute("aria-pressed", current !== null && found?.scores[current] === score);
      strengths[number].disabled = current === null;
    });
    by("how").textContent = current === null ? "How strongly?" : `How strongly ${current}?`;
    by("unclear").setAttribute("aria-pressed", Boolean(found?.unclear));
    const done = data.rows.filter(answered).length;
    by("count").textContent = `Picture ${at + 1} of ${data.rows.length}, ${done} answered`;
    by("progress").value = done / data.rows.length;
  }
  function say(words) {
    by("said").textContent = words;
  }
  function save() {
    const name = rater.value.trim();
    if (!name) { say("Please give your name first: answers are told apart by it."); rater.focus(); return; }
    const done = data.rows.filter(answered);
    if (!done.length) { say("Nothing is answered yet."); return; }
    const lines = done.map(({ id }) => JSON.stringify({ id, rater: name, scores: kept.answers[id].scores, unclear: kept.answers[id].unclear }));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "application/jsonl" }));
    link.download = `answers-${name.replace(/[^\p{L}\p{N}]+/gu, " ").trim().replaceAll(" ", "-") || "rater"}.jsonl`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    say(`${done.length} answers saved as ${link.download}.`);
  }
  rater.addEventListener("input", () => { kept.rater = rater.value; remember(); });
  rater.addEventListener("keydown", (event) => { if (event.key === "Enter") rater.blur(); });
  const actions = {
    back: () => go(at - 1),
    next,
    unclear: () => { current = null; say(""); put(answer()?.unclear ? undefined : { scores: {}, unclear: true }); },
    clear: () => { current = null; say(""); put(undefined); },
    open: () => go(firstOpen()),
    save,
  };
  for (const [id, act] of Object.entries(actions)) by(id).addEventListener("click", (event) => { act(); event.currentTarget.blur(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === rater) return;
    const keys = { ArrowLeft: "back", ArrowRight: "next", Enter: "next", " ": "next", "?": "unclear", Backspace: "clear", ".": "open" };
    const named = data.expressions.find(({ key }) => key === event.key.toLowerCase());
    const strength = data.strengths[Number(event.key) - 1];
    if (event.key in keys) actions[keys[event.key]]();
    else if (named) toggle(named.name);
    else if (strength && event.key.trim()) strong(strength.score);
    else return;
    event.preventDefault();
  });
})();
