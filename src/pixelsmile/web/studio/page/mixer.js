// What the face shows: twelve sliders, a wheel to blend on, action units, a reference to copy, presets.
const root = element.querySelector(".ps-root");
const round = (x) => Math.round(x * 100) / 100;

// A slider with its name and its number. read gives its value; write(value, mix) sets it.
function slider(id, label, { min, max, read, write }) {
  const out = make("output", { for: id }, "0");
  const input = make("input", { type: "range", id, min, max, step: 0.05, value: 0,
    oninput: () => hub.change((_, mix) => write(Number(input.value), mix), false), onchange: () => hub.change(null, true, id) });
  hub.on("change", () => {
    const value = round(read(hub.mix()));
    if (document.activeElement !== input || Number(input.value) !== value) input.value = value;
    out.textContent = value.toFixed(2);
    row.classList.toggle("ps-moved", value !== 0);
  });
  const row = make("div", { class: "ps-slider" }, make("label", { for: id }, label), input, out);
  return row;
}

const expressions = make("fieldset", { class: "ps-group" }, make("legend", {}, "Expressions"),
  ...facts.expressions.map((name) => slider(`ps-${name}`, name, {
    min: 0, max: facts.maxStrength,
    read: (mix) => mix.weights[name] ?? 0,
    write: (value, mix) => { mix.weights[name] = value; mix.neutral = false; },
  })));

// The wheel: the way from the middle is how much, the direction which two neighbours share it.
const SIZE = 320, MIDDLE = SIZE / 2, REACH = 95;
const svg = (tag, attributes, ...inside) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...inside);
  return node;
};
const angleOf = (index) => (2 * Math.PI * index) / facts.wheel.length;
const spot = (angle, radius) => [MIDDLE + radius * Math.sin(angle), MIDDLE - radius * Math.cos(angle)];
const puck = svg("circle", { class: "ps-puck", r: 11, cx: MIDDLE, cy: MIDDLE, tabindex: 0, role: "slider", "aria-label": "Blend: left and right turn, up and down change how much", "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": 0, "aria-valuetext": "neutral" });
const wheel = svg("svg", { class: "ps-wheel", viewBox: `0 0 ${SIZE} ${SIZE}` },
  svg("circle", { class: "ps-rim", cx: MIDDLE, cy: MIDDLE, r: REACH }), svg("circle", { class: "ps-rim", cx: MIDDLE, cy: MIDDLE, r: REACH / 2 }),
  ...facts.wheel.map((name, index) => {
    const [x, y] = spot(angleOf(index), REACH + 14), side = Math.sin(angleOf(index));
    return svg("text", { x, y, "text-anchor": side > 0.2 ? "start" : side < -0.2 ? "end" : "middle", "dominant-baseline": "middle", "aria-hidden": "true" }, name);
  }), puck);
let turn = 0, far = 0;
function blend(angle, radius, commit) {
  turn = (angle + 2 * Math.PI) % (2 * Math.PI);
  far = Math.min(1, Math.max(0, radius));
  const place = (turn / (2 * Math.PI)) * facts.wheel.length, first = Math.floor(place) % facts.wheel.length;
  const share = place - Math.floor(place), second = (first + 1) % facts.wheel.length;
  const weights = {};
  for (const [index, part] of [[first, 1 - share], [second, share]]) if (round(far * part) >= 0.03) weights[facts.wheel[index]] = round(far * part);
  hub.change((_, mix) => { mix.weights = weights; mix.neutral = !Object.keys(weights).length; }, commit, "wheel");
}
const pointed = (event, commit) => {
  const area = wheel.getBoundingClientRect(), scale = SIZE / area.width;
  const x = (event.clientX - area.left) * scale - MIDDLE, y = (event.clientY - area.top) * scale - MIDDLE;
  blend(Math.atan2(x, -y), Math.hypot(x, y) / REACH, commit);
};
wheel.addEventListener("pointerdown", (event) => { event.preventDefault(); puck.focus(); wheel.setPointerCapture(event.pointerId); pointed(event, false); });
wheel.addEventListener("pointermove", (event) => { if (wheel.hasPointerCapture(event.pointerId)) pointed(event, false); });
wheel.addEventListener("pointerup", () => hub.change());
puck.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: [-Math.PI / 36, 0], ArrowRight: [Math.PI / 36, 0], ArrowUp: [0, 0.05], ArrowDown: [0, -0.05], Home: [0, -1], End: [0, 1] }[event.key];
  if (!by) return;
  event.preventDefault();
  blend(turn + by[0], far + by[1], true);
});
hub.on("change", () => {
  const { weights } = hub.mix();
  let x = 0, y = 0;
  facts.wheel.forEach((name, index) => { const w = weights[name] ?? 0; x += w * Math.sin(angleOf(index)); y -= w * Math.cos(angleOf(index)); });
  const length = Math.hypot(x, y), shown = Math.min(1, Object.values(weights).reduce((sum, w) => sum + w, 0));
  if (document.activeElement !== puck) { turn = length ? Math.atan2(x, -y) : turn; far = length ? shown : 0; }
  const [cx, cy] = spot(turn, far * REACH);
  puck.setAttribute("cx", cx);
  puck.setAttribute("cy", cy);
  puck.setAttribute("aria-valuenow", round(far));
  puck.setAttribute("aria-valuetext", hub.title(hub.mix()));
});

// Action units show what the expressions move; a slider adds to that.
const moved = (name, mix) => Object.entries(mix.weights).reduce((sum, [expression, weight]) => sum + weight * (facts.prototypes[expression]?.[name] ?? 0), 0);
const units = facts.units.map(({ name, signed }) => slider(`ps-unit-${name}`, words(name), {
  min: signed ? -facts.maxIntensity : 0, max: facts.maxIntensity,
  read: (mix) => Math.min(facts.maxIntensity, Math.max(signed ? -facts.maxIntensity : 0, moved(name, mix) + (mix.units[name] ?? 0))),
  write: (value, mix) => { const extra = round(value - moved(name, mix)); mix.neutral = false; if (extra) mix.units[name] = extra; else delete mix.units[name]; },
}));

const neutraliseOut = make("output", { for: "ps-neutralise" }, "1.00");
const neutralise = make("input", { type: "range", id: "ps-neutralise", min: 0, max: 1, step: 0.05, value: 1,
  oninput: () => hub.change((state) => { state.neutralise = Number(neutralise.value); }, false), onchange: () => hub.change() });
hub.on("change", () => { neutralise.value = hub.state.neutralise; neutraliseOut.textContent = (+hub.state.neutralise).toFixed(2); });

// Somebody else's expression.
const reference = make("input", { type: "file", accept: "image/*", id: "ps-reference", class: "ps-own-drop" });
const copyFrom = async (asUnits) => {
  if (!reference.files[0]) return hub.emit("remark", { text: "choose the reference photograph first", error: true });
  hub.emit("remark", { text: "looking at the reference" });
  let path;
  try {
    ({ path } = await upload(reference.files[0]));
  } catch (error) {
    return hub.emit("remark", { text: `the reference could not be sent: ${error.message}`, error: true });
  }
  const copied = await hub.call("copy", { visit: hub.state.visit, path, units: asUnits });
  if (!copied) return;
  hub.change((state) => { state.mixes[state.face] = { weights: copied.weights, units: copied.units, neutral: false }; });
  hub.emit("remark", { text: copied.remark || "copied" });
};

// Presets: kept in this browser, and in files.
const STORE = "pixelsmile-presets";
const stored = () => { try { return JSON.parse(localStorage.getItem(STORE) ?? "{}"); } catch { return {}; } };
const presetName = make("input", { type: "text", id: "ps-preset-name", maxlength: 80, placeholder: "a name" });
const presets = make("div", { class: "ps-row" });
function drawPresets() {
  const all = { ...facts.presets, ...stored() };
  presets.replaceChildren(...Object.entries(all).map(([name, text]) => make("span", { class: "ps-preset" },
    make("button", { type: "button", class: "ps-button", onclick: () => load(text) }, name),
    ...(name in facts.presets ? [] : [make("button", { type: "button", class: "ps-button", "aria-label": `forget ${name}`, onclick: () => { const left = stored(); delete left[name]; localStorage.setItem(STORE, JSON.stringify(left)); drawPresets(); } }, "×")]))));
}
async function load(text) {
  const preset = await hub.call("preset", { text });
  if (!preset) return;
  hub.change((state) => {
    state.mixes[state.face] = { weights: preset.weights, units: preset.units, neutral: false };
    state.strength = preset.strength;
    state.neutralise = preset.neutralise;
  });
  hub.emit("remark", { text: preset.name ? `preset ${preset.name}` : "the preset is set" });
}
async function keep(inFile) {
  const name = presetName.value.trim() || hub.title(hub.mix());
  const kept = await hub.call("keep", { asked: hub.asked(), name });
  if (!kept) return;
  if (inFile) {
    const link = make("a", { href: URL.createObjectURL(new Blob([kept.text], { type: "application/json" })), download: `${name.replaceAll(/[^\w .+-]/g, "_")}.preset.json` });
    link.click();
    URL.revokeObjectURL(link.href);
  } else {
    localStorage.setItem(STORE, JSON.stringify({ ...stored(), [name]: kept.text }));
    drawPresets();
  }
  hub.emit("remark", { text: `kept as ${name}` });
}
const presetFile = make("input", { type: "file", accept: ".json,application/json", id: "ps-preset-file", class: "ps-own-drop", onchange: async () => { if (presetFile.files[0]) await load(await presetFile.files[0].text()); presetFile.value = ""; } });

const details = (title, ...inside) => make("details", { class: "ps-details" }, make("summary", {}, title), ...inside);
root.append(expressions,
  details("Blend wheel", wheel),
  details("Action units", make("p", { class: "ps-hint" }, "single muscles, on top of the expressions; the geometric model moves them"), make("div", { class: "ps-units" }, ...units)),
  details("The face to begin with", make("p", { class: "ps-hint" }, "how much of what the photograph shows goes first (geometric model; others always begin with a neutral face)"), make("div", { class: "ps-slider" }, make("label", { for: "ps-neutralise" }, "neutralise"), neutralise, neutraliseOut)),
  details("Copy from a reference", make("div", { class: "ps-row" }, make("label", { for: "ps-reference" }, "Reference photograph"), reference),
    make("div", { class: "ps-row" }, make("button", { type: "button", class: "ps-button", onclick: () => copyFrom(false) }, "Copy the expressions"), make("button", { type: "button", class: "ps-button", onclick: () => copyFrom(true) }, "Copy the action units"))),
  details("Presets", presets, make("div", { class: "ps-row" }, make("label", { for: "ps-preset-name" }, "Keep this as"), presetName,
    make("button", { type: "button", class: "ps-button", onclick: () => keep(false) }, "Keep"), make("button", { type: "button", class: "ps-button", onclick: () => keep(true) }, "Save to a file")),
    make("div", { class: "ps-row" }, make("label", { for: "ps-preset-file" }, "Load a file"), presetFile)));
drawPresets();
