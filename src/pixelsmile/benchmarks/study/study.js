"use strict";
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const main = document.getElementById("main");
  const words = {
    continuity: {
      ask: (expression) => ["Which sweep grows most evenly into ", el("em", {}, expression), "?"],
      how: "Look from left to right. The expression should grow step by step: no jumps, no steps where nothing happens, no turning back.",
    },
    identity: {
      ask: () => ["In which sweep does the person stay ", el("em", {}, "the same"), "?"],
      how: "Compare with the original at the left. Only the expression may change: face, hair, skin, clothes and background should stay.",
    },
  };
  const numSweeps = study.tasks[0].sweeps.length;
  const questions = study.tasks.flatMap((task) => study.questions.map((question) => ({ task, question })));
  let session = null; // {rater, at, answers: {"task question": {code: rank}}}

  // ---- elements ----------------------------------------------------------------------------------------------
  function el(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value === true) element.setAttribute(key, "");
      else if (value !== false && value !== null) element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }
  const button = (text, onclick, attributes = {}) => el("button", { type: "button", onclick, ...attributes }, text);
  function say(text) { document.getElementById("said").textContent = text; }
  function show(...children) {
    main.replaceChildren(...children);
    window.scrollTo(0, 0);
    const done = session ? questions.filter(isAnswered).length : 0;
    Object.assign(document.getElementById("progress"), { value: done, max: questions.length });
  }
  function place(text) { document.getElementById("place").textContent = text; }

  // ---- order: the same for a rater whenever the page is opened ----------------------------------------------
  function shuffled(items, seed) {
    let state = 2166136261;
    for (const letter of seed) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
    const random = () => { // mulberry32
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    const order = [...items];
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
  function orderedQuestions() {
    const seed = `${study.study} ${session.rater}`;
    return shuffled(study.tasks, seed).flatMap((task) => study.questions.map((question) => ({ task, question })));
  }
  const orderedSweeps = (task) => shuffled(task.sweeps, `${study.study} ${session.rater} ${task.task}`);

  // ---- memory ------------------------------------------------------------------------------------------------
  const prefix = `pixelsmile study ${study.study} `;
  function remember() {
    try { localStorage.setItem(prefix + session.rater, JSON.stringify(session)); return true; }
    catch { return false; }
  }
  function recall(rater) {
    try { return JSON.parse(localStorage.getItem(prefix + rater)); } catch { return null; }
  }
  function raters() {
    try { return Object.keys(localStorage).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)).sort(); }
    catch { return []; }
  }
  const answerKey = ({ task, question }) => `${task.task} ${question}`;
  const ranksOf = (item) => session.answers[answerKey(item)] ?? {};
  const isAnswered = (item) => Object.keys(ranksOf(item)).length === numSweeps;

  // ---- the first screen --------------------------------------------------------------------------------------
  function start() {
    session = null;
    place(`${study.tasks.length} tasks, two questions each`);
    const name = el("input", { type: "text", id: "rater", required: true, maxlength: 40, autocomplete: "off",
      pattern: "[A-Za-z0-9][A-Za-z0-9 ._\\-]*", title: "letters, digits, spaces, dots and dashes" });
    const begin = (event) => { event.preventDefault(); open(name.value.trim()); };
    const before = raters().map((rater) => el("li", {}, button(`Go on as ${rater}`, () => open(rater))));
    show(el("div", { class: "narrow" },
      el("h1", {}, "Which sweep is better?"),
      el("p", {}, `Each task shows one portrait and ${numSweeps} sweeps: rows of edits in which an expression grows from weak to strong. You rank the rows, 1 for the best, each row a different rank. Nobody is told which program made which row, and the order changes from task to task.`),
      el("dl", {},
        el("dt", {}, "Continuity"), el("dd", {}, words.continuity.how),
        el("dt", {}, "Identity"), el("dd", {}, words.identity.how)),
      el("p", {}, "Press a picture to see it large. There is no time limit. Your answers stay in this browser; nothing is sent. At the end you download them as a file, and hand that in."),
      before.length ? el("ul", { class: "open" }, ...before) : null,
      el("form", { onsubmit: begin },
        el("label", { class: "field", for: "rater" }, "Your name or a pseudonym"), name,
        el("div", { class: "actions" }, el("button", { type: "submit", class: "main" }, "Begin"))),
    ));
    name.focus();
  }
  function open(rater) {
    session = recall(rater) ?? { rater, at: 0, answers: {} };
    if (questions.every(isAnswered)) finish();
    else ask(session.at);
  }

  // ---- a question --------------------------------------------------------------------------------------------
  function ask(at) {
    session.at = at;
    const kept = remember();
    const items = orderedQuestions();
    const item = items[at];
    const sweeps = orderedSweeps(item.task);
    const { ask: title, how } = words[item.question];
    const task = Math.floor(at / study.questions.length) + 1;
    place(`Task ${task} of ${study.tasks.length} · ${item.question}, question ${(at % study.questions.length) + 1} of ${study.questions.length}`);
    const rows = sweeps.map((sweep, row) => sweepRow(item, sweeps, row));
    const form = el("form", { onsubmit: (event) => { event.preventDefault(); submit(item, sweeps, at); } },
      el("h1", { tabindex: -1, id: "question" }, ...title(item.task.expression)),
      el("p", { class: "lead" }, how),
      kept ? null : el("p", { class: "warning" }, "This browser keeps nothing for this page: download your answers before you close it."),
      ...rows,
      el("div", { class: "actions bar" },
        button("Back", () => ask(at - 1), { disabled: at === 0 }),
        el("button", { type: "submit", class: "main" }, "Next"),
        button("Skip for now", () => forward(at), { id: "skip" }),
        button("Pause", finish),
        el("p", { class: "hint" }, el("kbd", {}, `1–${numSweeps}`), " ranks the row you are in, then the next; ", el("kbd", {}, "Enter"), " goes on")),
    );
    form.addEventListener("keydown", (event) => digit(event, item, sweeps));
    form.addEventListener("change", (event) => rank(item, sweeps, event.target.name, Number(event.target.value)));
    show(form);
    paint(item, sweeps);
    document.getElementById("question").focus({ preventScroll: true });
  }
  function sweepRow(item, sweeps, row) {
    const { code, pictures } = sweeps[row];
    const letter = String.fromCharCode(65 + row);
    const frames = [item.task.source, ...pictures];
    const images = frames.map((uri, step) => el("button",
      { type: "button", class: step ? null : "source", onclick: () => view(letter, frames, step), "aria-label": `${step ? `Sweep ${letter}, step ${step} of ${pictures.length}` : "The original"}, show large` },
      el("img", { src: uri, alt: "" })));
    const pills = sweeps.map((_, index) => el("label", {},
      el("input", { type: "radio", name: code, value: index + 1, "aria-label": `rank ${index + 1}` }),
      el("span", { class: "pill", "aria-hidden": "true" }, String(index + 1))));
    return el("section", { class: "sweep", "data-code": code },
      el("h2", { "aria-label": `Sweep ${letter}` }, letter),
      el("div", { class: "strip" },
        ...images,
        el("div", { class: "below" },
          el("span", { "aria-hidden": "true" }, "original"),
          el("div", { class: "ranks", role: "radiogroup", "aria-label": `Sweep ${letter}: rank for ${item.question}` },
            el("span", { class: "end" }, "best"), ...pills, el("span", { class: "end" }, "worst")),
          el("span", { "aria-hidden": "true" }, `weak → strong: ${item.task.expression}`))));
  }
  function digit(event, item, sweeps) {
    const value = Number(event.key);
    if (!(value >= 1 && value <= numSweeps) || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = event.target.closest("section") ?? rowToRank(item, sweeps);
    if (!row) return;
    event.preventDefault();
    rank(item, sweeps, row.dataset.code, value);
    const left = rowToRank(item, sweeps);
    (left ? left.querySelector("input") : main.querySelector("button.main")).focus();
  }
  function rowToRank(item, sweeps) {
    const open = sweeps.find(({ code }) => !(code in ranksOf(item)));
    return open ? main.querySelector(`section[data-code="${open.code}"]`) : null;
  }
  function rank(item, sweeps, code, value) {
    const ranks = { ...ranksOf(item) };
    const holder = Object.keys(ranks).find((other) => ranks[other] === value);
    if (holder && holder !== code) { // no ties: the two rows swap
      if (code in ranks) ranks[holder] = ranks[code]; else delete ranks[holder];
    }
    ranks[code] = value;
    const open = sweeps.filter((sweep) => !(sweep.code in ranks));
    if (open.length === 1 && !holder) { // the last rank is settled
      ranks[open[0].code] = sweeps.map((_, index) => index + 1).find((free) => !Object.values(ranks).includes(free));
    }
    session.answers[answerKey(item)] = ranks;
    remember();
    paint(item, sweeps);
    say(sweeps.map((sweep, row) => `${String.fromCharCode(65 + row)} ${ranks[sweep.code] ?? "not ranked"}`).join(", "));
  }
  function paint(item, sweeps) {
    const ranks = ranksOf(item);
    for (const { code } of sweeps) {
      const row = main.querySelector(`section[data-code="${code}"]`);
      row.classList.toggle("ranked", code in ranks);
      for (const input of row.querySelectorAll("input")) input.checked = ranks[code] === Number(input.value);
    }
    document.getElementById("skip").hidden = isAnswered(item);
    document.getElementById("progress").value = questions.filter(isAnswered).length;
  }
  function submit(item, sweeps, at) {
    if (isAnswered(item)) { forward(at); return; }
    const row = rowToRank(item, sweeps);
    row.querySelector("input").focus();
    say(`${row.querySelector("h2").getAttribute("aria-label")} is not ranked yet`);
  }
  function forward(at) {
    if (at + 1 < questions.length) ask(at + 1); else finish();
  }

  // ---- one sweep, large --------------------------------------------------------------------------------------
  const viewer = document.getElementById("viewer");
  const viewed = { letter: "", frames: [], at: 0 };
  function view(letter, frames, at) {
    Object.assign(viewed, { letter, frames, at });
    drawViewed();
    viewer.showModal();
  }
  function drawViewed() {
    const { letter, frames, at } = viewed;
    const title = at ? `Sweep ${letter}: step ${at} of ${frames.length - 1}` : `Sweep ${letter}: the original`;
    document.getElementById("viewer-title").textContent = title;
    Object.assign(document.getElementById("viewer-picture"), { src: frames[at], alt: title });
    document.getElementById("viewer-steps").replaceChildren(...frames.map((_, step) => el("i", { class: step === at ? "here" : null })));
    document.getElementById("viewer-back").disabled = at === 0;
    document.getElementById("viewer-on").disabled = at === frames.length - 1;
  }
  function flip(by) {
    viewed.at = Math.min(Math.max(viewed.at + by, 0), viewed.frames.length - 1);
    drawViewed();
  }
  document.getElementById("viewer-back").addEventListener("click", () => flip(-1));
  document.getElementById("viewer-on").addEventListener("click", () => flip(1));
  document.getElementById("viewer-close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") flip(-1);
    if (event.key === "ArrowRight") flip(1);
  });

  // ---- the last screen ---------------------------------------------------------------------------------------
  function csv() {
    const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
    const lines = [["study", "rater", "task", "question", "code", "rank"]];
    for (const item of questions) {
      for (const [code, rank] of Object.entries(ranksOf(item))) {
        lines.push([study.study, session.rater, item.task.task, item.question, code, rank]);
      }
    }
    return lines.map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
  }
  function download() {
    const url = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    const name = `study-${study.study}-${session.rater.replaceAll(" ", "_")}.csv`;
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    say(`${name} downloaded`);
  }
  function finish() {
    const items = orderedQuestions();
    const open = items.map((item, at) => ({ item, at })).filter(({ item }) => !isAnswered(item));
    const done = items.length - open.length;
    place(session.rater);
    show(el("div", { class: "narrow" },
      el("h1", { tabindex: -1, id: "question" }, open.length ? "Not all is ranked yet" : "Thank you"),
      el("p", {}, `${done} of ${items.length} questions are answered. ${open.length ? "Go on, or download what there is; answers that are left open count as missing." : "Download your answers, and send the file to who gave you this page."}`),
      el("div", { class: "actions" },
        button("Download the answers (CSV)", download, { class: open.length ? null : "main" }),
        open.length ? button("Go on", () => ask(open[0].at), { class: "main" }) : button("Look again", () => ask(0)),
        button("Another rater", start)),
      open.length ? el("ul", { class: "open" }, ...open.map(({ item, at }) => el("li", {}, button(`Task ${Math.floor(at / study.questions.length) + 1}: ${item.question}`, () => ask(at))))) : null,
    ));
    document.getElementById("question").focus();
  }

  document.documentElement.style.setProperty("--steps", String(study.tasks[0].sweeps[0].pictures.length));
  document.documentElement.style.setProperty("--sweeps", String(numSweeps));
  start();
})();
