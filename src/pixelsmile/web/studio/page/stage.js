// The picture: opened, its faces chosen, what becomes of it shown beside what it was; strength and history.
const root = element.querySelector(".ps-root");
hub.server = server;

const remark = make("p", { class: "ps-remark", role: "status", "aria-live": "polite" });
const say = ({ text, error }) => { remark.textContent = text; remark.classList.toggle("ps-error", Boolean(error)); };
hub.on("remark", say);

// Opening.
const file = make("input", { type: "file", accept: "image/*", class: "ps-file", id: "ps-file", onchange: () => openFile(file.files[0]) });
const seed = make("input", { type: "number", min: 0, max: 999999, value: 7, id: "ps-seed" });
const domain = make("select", { id: "ps-domain" }, make("option", { value: "human" }, "human"), make("option", { value: "anime" }, "anime"));
const draw = make("button", { type: "button", class: "ps-button", onclick: async () => {
  say({ text: "drawing somebody" });
  show(await hub.call("draw", { visit: hub.state.visit, seed: Number(seed.value), domain: domain.value }));
} }, "Draw somebody");
const opener = make("div", { class: "ps-open" },
  make("label", { class: "ps-button ps-primary", for: "ps-file" }, "Choose a portrait"), file,
  make("span", { class: "ps-hint" }, "or drop or paste one anywhere on this page; or"),
  draw, make("label", { for: "ps-seed" }, "seed"), seed, make("label", { for: "ps-domain" }, "as"), domain);

async function openFile(chosen) {
  if (!chosen) return;
  say({ text: `opening ${chosen.name || "the picture"}` });
  try {
    const { path } = await upload(chosen);
    show(await hub.call("open", { visit: hub.state.visit, path, name: chosen.name || "pasted.png" }));
  } catch (error) {
    say({ text: `the picture could not be sent: ${error.message}`, error: true });
  }
  file.value = "";
}
const show = (answer) => answer && hub.begin(answer);
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  if (event.target.closest?.(".ps-own-drop")) return;
  event.preventDefault();
  openFile(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  const pasted = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
  if (pasted) openFile(pasted);
});

// The picture with what was changed over it, cut at the divider.
const base = make("img", { class: "ps-base", alt: "" });
const by = make("span", { class: "ps-by", hidden: true }); // what made it; on the picture, so that it is seen wherever that is
const after = make("div", { class: "ps-after" }, by);
const sayBy = (text) => { by.textContent = text; by.hidden = !text; };
const PREVIEWED = { geometric: "preview: geometric model", embedded: "preview: embedded model", drawn: "preview: drawn anew" };
const faces = make("div", { class: "ps-faces", role: "group", "aria-label": "Faces" });
const line = make("div", { class: "ps-line", "aria-hidden": "true" });
const canvas = make("div", { class: "ps-canvas", hidden: true }, base, after, faces, line);
const empty = make("div", { class: "ps-empty", "aria-hidden": "true" }, "no picture yet");
const divide = () => {
  const at = Number(divider.value);
  after.style.clipPath = `inset(0 0 0 ${at}%)`;
  line.style.left = `${at}%`;
  line.hidden = at === 0;
  divider.setAttribute("aria-valuetext", at === 0 ? "all of it after" : at === 100 ? "all of it before" : `before up to ${at} percent`);
};
const divider = make("input", { type: "range", min: 0, max: 100, value: 0, id: "ps-divider", oninput: divide });
const overlays = {};

hub.on("picture", (picture) => {
  trigger("opened"); // what was rendered of the last picture goes
  canvas.hidden = false;
  empty.hidden = true;
  base.src = picture.picture;
  base.alt = `${picture.name}, as it came`;
  canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
  canvas.style.setProperty("--aspect", picture.width / picture.height);
  after.replaceChildren(by);
  sayBy("");
  for (const face of Object.keys(overlays)) { delete overlays[face]; delete made[face]; }
  command.textContent = "";
  say({ text: picture.remark });
  drawFaces();
});

function drawFaces() {
  const { picture } = hub.state;
  const place = ([x0, y0, x1, y1]) => `left:${(100 * x0) / picture.width}%;top:${(100 * y0) / picture.height}%;width:${(100 * (x1 - x0)) / picture.width}%;height:${(100 * (y1 - y0)) / picture.height}%`;
  const several = picture.faces.length > 1;
  const byHand = Object.keys(hub.state.mixes).filter((face) => face.includes(","));
  const marked = picture.faces.map((face) => ({ face: several ? String(face.number) : "", box: face.box, label: `Face ${face.number} of ${picture.faces.length}` }));
  for (const face of new Set([...byHand, ...(hub.state.face.includes(",") ? [hub.state.face] : [])])) {
    const [x, y, width, height] = face.split(",").map(Number);
    marked.push({ face, box: [x, y, x + width, y + height], label: "Face marked by hand" });
  }
  faces.replaceChildren(...marked.map(({ face, box, label }) => make("button", {
    type: "button", class: "ps-face", style: place(box), "data-face": face, "aria-label": label, title: label,
    "aria-pressed": String(hub.state.face === face), onclick: () => choose(face),
  })));
}
const choose = (face) => hub.change((state) => { state.face = face; });

// A face that no detector sees: drag a box, or type one.
let from = null;
const box = make("div", { class: "ps-box", hidden: true, "aria-hidden": "true" });
canvas.append(box);
const at = (event) => {
  const area = canvas.getBoundingClientRect(), { width, height } = hub.state.picture;
  return [((event.clientX - area.left) / area.width) * width, ((event.clientY - area.top) / area.height) * height];
};
const byHand = make("button", { type: "button", class: "ps-button", "aria-pressed": "false", onclick: () => {
  const on = byHand.getAttribute("aria-pressed") !== "true";
  byHand.setAttribute("aria-pressed", String(on));
  canvas.classList.toggle("ps-marking", on);
  if (on) say({ text: "drag a box around the face" });
} }, "Mark a face by hand");
canvas.addEventListener("pointerdown", (event) => {
  if (!canvas.classList.contains("ps-marking")) return;
  event.preventDefault();
  from = at(event);
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
  if (!from) return;
  const to = at(event), { width, height } = hub.state.picture;
  box.hidden = false;
  box.style.cssText = `left:${(100 * Math.min(from[0], to[0])) / width}%;top:${(100 * Math.min(from[1], to[1])) / height}%;width:${(100 * Math.abs(to[0] - from[0])) / width}%;height:${(100 * Math.abs(to[1] - from[1])) / height}%`;
});
canvas.addEventListener("pointerup", (event) => {
  if (!from) return;
  const to = at(event), ends = [0, 1].map((axis) => [Math.min(from[axis], to[axis]), Math.max(from[axis], to[axis])].map(Math.round));
  from = null;
  box.hidden = true;
  byHand.click();
  if (ends.every(([low, high]) => high - low > 4)) choose(`${ends[0][0]},${ends[1][0]},${ends[0][1] - ends[0][0]},${ends[1][1] - ends[1][0]}`);
});
const which = make("input", { type: "text", id: "ps-which", placeholder: "x,y,width,height", size: 14, onchange: () => which.value && hub.state.picture && choose(which.value.trim()) });
const all = make("button", { type: "button", class: "ps-button", onclick: () => hub.state.picture && choose("all") }, "All faces");
const facing = make("details", { class: "ps-details" }, make("summary", {}, "Another face"), make("div", { class: "ps-row" }, all, byHand, make("label", { for: "ps-which" }, "or its box"), which));

// The preview: one on its way at a time; what changed meanwhile is asked for next.
let busy = false, again = false, moved = 0;
hub.isQuiet = () => !busy; // nothing is on its way
const made = {}; // of which wish the preview of a face is
const wishOf = (face) => JSON.stringify([hub.state.mixes[face], hub.state.strength, hub.state.neutralise]);
const otherFaces = () => Object.keys(hub.state.mixes).filter((face) => face !== hub.state.face && hub.isSet(hub.state.mixes[face]) && made[face] !== wishOf(face));
async function refresh() {
  moved ||= performance.now();
  if (busy) { again = true; return; }
  busy = true;
  do {
    again = false;
    for (const face of [hub.state.face, ...otherFaces()]) { // the strength and the history move them all
      await look(face);
      if (again) break;
    }
  } while (again);
  busy = false;
}
async function look(face) {
  const began = moved, picture = hub.state.picture, wish = wishOf(face);
  moved = 0;
  const answer = await hub.call("preview", { ...hub.asked(), face });
  if (!answer || hub.state.picture !== picture) return;
  await lay(face, answer);
  made[face] = wish;
  command.textContent = answer.command;
  copyIt.hidden = !answer.command;
  if (answer.picture && began) hub.timings.push(performance.now() - began);
  if (face === hub.state.face) hub.emit("previewed", { picture: answer.picture });
}
async function lay(face, { picture, box, by: model }) {
  document.querySelectorAll(".ps-full").forEach((full) => full.remove());
  if (!picture) {
    overlays[face]?.remove();
    delete overlays[face];
    if (!Object.keys(overlays).length) sayBy("");
    return;
  }
  sayBy(PREVIEWED[model]);
  if (!overlays[face]) {
    overlays[face] = make("img", { class: "ps-overlay", alt: `Preview: ${face ? `face ${face}, ` : ""}edited` });
    after.append(overlays[face]);
  }
  const image = overlays[face];
  image.src = picture;
  await image.decode().catch(() => {});
  image.style.cssText = `left:${box[0]}%;top:${box[1]}%;width:${box[2]}%;height:${box[3]}%`;
  image.alt = `Preview: ${hub.title(hub.state.mixes[face] ?? hub.mix())} at strength ${hub.state.strength}`;
}
hub.on("change", () => {
  props.value = hub.asked();
  if (!hub.state.picture) return;
  drawFaces();
  for (const face of Object.keys(overlays)) {
    if (face !== hub.state.face && !hub.isSet(hub.state.mixes[face] ?? { weights: {}, units: {} })) {
      overlays[face].remove();
      delete overlays[face];
      delete made[face];
    }
  }
  refresh();
});

// What was rendered is shown whole.
const full = (picture, alt, model) => {
  sayBy(`rendered: ${model}`);
  document.querySelectorAll(".ps-full").forEach((one) => one.remove());
  after.append(make("img", { class: "ps-full", src: picture, alt }));
};
document.addEventListener("click", (event) => {
  const result = event.target.closest?.(".ps-result");
  if (!result) return;
  document.querySelectorAll(".ps-result").forEach((one) => one.setAttribute("aria-pressed", String(one === result)));
  full(result.querySelector("img").src, `Rendered: ${result.getAttribute("aria-label")}`, result.dataset.by);
});
hub.on("rendered", () => setTimeout(() => [...document.querySelectorAll(".ps-result")].at(-1)?.click(), 50));

// Strength and history.
const strengthOut = make("output", { for: "ps-strength" }, "1");
const strength = make("input", { type: "range", min: 0, max: facts.maxStrength, step: 0.05, value: 1, id: "ps-strength",
  oninput: () => hub.change((state) => { state.strength = Number(strength.value); }, false), onchange: () => hub.change() });
const undo = make("button", { type: "button", class: "ps-button", id: "ps-undo", onclick: hub.undo, title: "Ctrl+Z" }, "Undo");
const redo = make("button", { type: "button", class: "ps-button", id: "ps-redo", onclick: hub.redo, title: "Ctrl+Shift+Z" }, "Redo");
const reset = make("button", { type: "button", class: "ps-button", onclick: () => hub.change((state) => { state.mixes[state.face] = { weights: {}, units: {}, neutral: false }; }) }, "Reset");
const neutral = make("button", { type: "button", class: "ps-button", onclick: () => hub.change((state) => { state.mixes[state.face] = { weights: {}, units: {}, neutral: true }; }) }, "Neutral face");
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || event.target.matches?.("input[type=text], input[type=number], textarea")) return;
  event.preventDefault();
  (event.shiftKey ? hub.redo : hub.undo)();
});
const steps = make("ol", { class: "ps-history", "aria-label": "History" });
const looks = new Map(); // what a step looked like, by what it asked for
const entries = () => [...hub.past, { face: hub.state.face, mixes: hub.state.mixes, strength: hub.state.strength, neutralise: hub.state.neutralise }];
hub.on("previewed", ({ picture }) => { if (picture) looks.set(hub.asks(hub.state), picture); if (looks.size > 60) looks.delete(looks.keys().next().value); drawHistory(); });
hub.on("picture", () => looks.clear());
hub.on("change", (commit) => {
  strength.value = hub.state.strength;
  strengthOut.textContent = (+hub.state.strength).toFixed(2);
  strength.setAttribute("aria-valuetext", `${(+hub.state.strength).toFixed(2)}${hub.state.strength > 1 ? ", beyond the full expression" : ""}`);
  undo.disabled = !hub.past.length;
  redo.disabled = !hub.future.length;
  if (commit) drawHistory();
});
function drawHistory() {
  if (!hub.state.picture) return;
  const list = entries();
  steps.replaceChildren(...list.map((entry, index) => {
    const title = hub.stepTitle(entry), label = title || "as it is", look = looks.get(hub.asks(entry));
    const inside = !title ? make("img", { src: hub.state.picture.picture, alt: "" }) : look ? make("img", { src: look, alt: "" }) : make("span", { class: "ps-blank", "aria-hidden": "true" });
    return make("li", {}, make("button", { type: "button", class: "ps-step", "aria-current": index === list.length - 1 ? "step" : null, title: label, onclick: () => hub.jump(index) }, inside, make("span", {}, label)));
  }));
  steps.scrollLeft = steps.scrollWidth;
}

// The command that repeats it.
const command = make("code", { class: "ps-command", tabindex: 0, role: "region", "aria-label": "The command that makes this" });
const copyIt = make("button", { type: "button", class: "ps-button", hidden: true, onclick: async () => {
  try { await navigator.clipboard.writeText(command.textContent); say({ text: "copied" }); }
  catch { getSelection().selectAllChildren(command); say({ text: "selected: copy it with Ctrl+C" }); }
} }, "Copy");

root.append(opener, make("div", { class: "ps-frame" }, empty, canvas), remark,
  make("div", { class: "ps-scrub" },
    make("label", { for: "ps-strength" }, "Strength"), strength, strengthOut,
    make("label", { for: "ps-divider" }, "Compare"), divider, make("span")),
  make("div", { class: "ps-row" }, undo, redo, reset, neutral), steps, facing,
  make("div", { class: "ps-row ps-commandline" }, command, copyIt));
divide();
undo.disabled = redo.disabled = true;
watch("value", () => { if (props.value?.visit && !hub.state.visit) hub.state.visit = props.value.visit; });
if (props.value?.visit) hub.state.visit = props.value.visit;
