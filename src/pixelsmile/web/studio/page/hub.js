// What the two halves of the page share: the state, its history, and the way to the server.
// `facts` is put before this text: expressions, units, prototypes, limits.
const hub = (window.pixelsmileHub ??= (() => {
  const listeners = {};
  const state = { visit: "", picture: null, face: "", mixes: {}, strength: 1, neutralise: 1, view: "all" };
  const past = [], future = [];
  const copy = (value) => JSON.parse(JSON.stringify(value));
  const kept = () => copy({ face: state.face, mixes: state.mixes, strength: state.strength, neutralise: state.neutralise });
  let settled = kept(), last = { by: null, at: 0 };
  // Whose sliders are shown, and a face that was looked at and left as it is, make no step of the history.
  const changed = (mixes) => Object.entries(mixes).filter(([, mix]) => hub.isSet(mix)).sort();
  const asks = ({ mixes, strength, neutralise }) => JSON.stringify([changed(mixes), strength, neutralise]);
  const hub = {
    state, past, future, timings: [],
    on: (name, act) => (listeners[name] ??= []).push(act),
    emit: (name, detail) => (listeners[name] ?? []).forEach((act) => act(detail)),
    mix: () => (state.mixes[state.face] ??= { weights: {}, units: {}, neutral: false }),
    isSet: (mix) => mix.neutral || [mix.weights, mix.units].some((map) => Object.values(map).some(Boolean)),
    // Of the faces that were looked at alone nothing is said.
    said: () => Object.fromEntries(Object.entries(state.mixes).filter(([face, mix]) => face === state.face || hub.isSet(mix))),
    asked: () => ({ visit: state.visit, face: state.face, mixes: hub.said(), strength: state.strength, neutralise: state.neutralise }),
    // act changes the state. commit: it is a step of the history (the end of a drag, not its middle); what one
    // control says in quick succession, as keys do, is one step.
    change(act, commit = true, by = null) {
      if (act) act(state, hub.mix());
      if (commit) {
        const goesOn = by && by === last.by && performance.now() - last.at < 1500;
        if (asks(kept()) !== asks(settled) && !goesOn) {
          past.push(settled);
          if (past.length > facts.maxHistory) past.shift();
          future.length = 0;
        }
        last = { by, at: performance.now() };
        settled = kept();
      }
      hub.emit("change", commit);
    },
    go(from, to) {
      if (!from.length) return;
      to.push(settled);
      settled = from.pop();
      Object.assign(state, copy(settled));
      hub.emit("change", true);
    },
    undo: () => hub.go(past, future),
    redo: () => hub.go(future, past),
    jump(index) { // to an entry of the past
      while (past.length > index) { future.push(settled); settled = past.pop(); }
      Object.assign(state, copy(settled));
      hub.emit("change", true);
    },
    begin(picture) {
      Object.assign(state, { picture, face: picture.faces.length > 1 ? "1" : "", mixes: {}, strength: 1, neutralise: 1 });
      past.length = future.length = 0;
      settled = kept();
      hub.emit("picture", picture);
      hub.emit("change", true);
    },
    asks,
    // What a step of the history asks for, of all faces; nothing where it leaves them as they are.
    stepTitle({ mixes, strength }) {
      const parts = changed(mixes).map(([face, mix]) => `${/^\d+$/.test(face) ? `${face}: ` : ""}${hub.title(mix)}`);
      return parts.length ? `${parts.join("; ")}${strength === 1 ? "" : ` × ${+(+strength).toFixed(2)}`}` : "";
    },
    title(mix) {
      const parts = Object.entries(mix.weights).filter(([, x]) => x).map(([name, x]) => `${name} ${+x.toFixed(2)}`);
      const units = Object.values(mix.units).filter(Boolean).length;
      if (units) parts.push(`${units} unit${units > 1 ? "s" : ""}`);
      return parts.join(" + ") || (mix.neutral ? "neutral" : "as it is");
    },
    // The server's answer; a remark and null where it refuses.
    async call(name, data) {
      let answer = null;
      try { answer = await hub.server[name](data); } catch { /* the connection is gone */ }
      if (!answer || answer.error) {
        hub.emit("remark", { text: answer?.error ?? "the studio does not answer: is it still running?", error: true });
        return null;
      }
      return answer;
    },
  };
  return hub;
})());
const make = (tag, attributes = {}, ...inside) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...inside);
  return node;
};
const words = (name) => name.replaceAll("_", " ");
