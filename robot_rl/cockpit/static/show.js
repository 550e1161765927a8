// What comes from the cockpit, on the page.

const $ = (id) => document.getElementById(id);
const NEAR = 0.9;      // of the way from the middle to a limit
const QUIET_S = 1.5;   // no news for longer is told
const pictures = new Map();
let shownCameras = "";

// Cameras

export function showCameraFrame(data, acknowledge) {
  const length = new DataView(data).getUint16(0, true);
  const camera = new TextDecoder().decode(new Uint8Array(data, 2, length));
  const done = () => acknowledge(camera);
  const picture = pictures.get(camera);
  if (picture) picture.show(new Blob([new Uint8Array(data, 2 + length)], {type: "image/jpeg"}), done);
  else done();
}

class Picture {  // decodes one frame at a time, and of those that come meanwhile only the newest
  constructor(image) {
    this.image = image;
    this.isBusy = false;
    this.next = null;
  }

  show(blob, done) {
    if (this.isBusy) {
      this.next?.done();
      this.next = {blob, done};
      return;
    }
    this.isBusy = true;
    const url = URL.createObjectURL(blob);
    const ended = () => {
      URL.revokeObjectURL(url);
      this.isBusy = false;
      done();
      const {next} = this;
      this.next = null;
      if (next) this.show(next.blob, next.done);
    };
    this.image.onload = () => {
      this.image.dataset.frames = Number(this.image.dataset.frames || 0) + 1;
      ended();
    };
    this.image.onerror = ended;
    this.image.src = url;
  }
}

function showCameras(layout) {
  if (JSON.stringify(layout) === shownCameras) return;
  shownCameras = JSON.stringify(layout);
  pictures.clear();
  const figures = Object.entries(layout).map(([camera, [, height, width]]) => {
    const figure = document.createElement("figure");
    figure.style.aspectRatio = `${width} / ${height}`;
    const image = Object.assign(document.createElement("img"), {alt: `camera ${camera}`, width, height});
    image.dataset.camera = camera;
    figure.append(image, Object.assign(document.createElement("figcaption"), {textContent: camera}));
    pictures.set(camera, new Picture(image));
    return figure;
  });
  if (figures.length) $("cameras").replaceChildren(...figures);
}

// Everything else

export function showView(view) {
  const {state} = view;
  document.body.classList.toggle("is-driver", view.driver === view.viewer);
  $("text").textContent = view.text;
  if (state.cameras) showCameras(state.cameras);
  showPhase(view, state);
  showHand(view, state);
  showSeat(view, state);
  showEpisode(view, state);
  showGauges(state.gauges || []);
}

function showPhase(view, state) {
  const isStopping = view.num_stops > (state.num_stops_read ?? 0);
  const isStopped = state.is_stopped;
  const words = {reset: "resetting", running: "running", paused: "paused: the robot holds", over: "episode over"};
  const phase = !state.phase ? "waiting for the robot"
    : isStopping ? "stop sent…"
    : isStopped ? "stopped: the robot holds"
    : state.fault ? `fault: ${state.fault}`
    : words[state.phase];
  $("phase").textContent = phase;
  $("phase").dataset.tone = isStopping || isStopped || state.fault ? "bad" : state.phase === "running" ? "good" : "";
  $("stop").classList.toggle("latched", isStopping || isStopped);
  const isQuiet = view.age_s !== null && view.age_s > QUIET_S;
  $("age").textContent = isQuiet ? `last news ${Math.round(view.age_s)} s ago` : "";
}

function showHand(view, state) {
  $("hand").hidden = !state.phase || state.phase === "reset";
  $("hand").textContent = state.is_intervention ? "human acts" : "policy acts";
  $("hand").dataset.tone = state.is_intervention ? "human" : "";
}

function showSeat(view, state) {
  const isMine = view.driver === view.viewer;
  const isAsking = view.asking === view.viewer;
  const isFree = view.driver === null;
  $("driving").hidden = state.is_driven_here === false;
  $("undriven").hidden = state.is_driven_here !== false;
  for (const button of document.querySelectorAll(".events [data-tap]")) {
    button.disabled = state.is_driven_here === false || !(isFree || isMine);
  }
  $("take").dataset.seat = isMine ? "mine" : isAsking ? "asking" : isFree ? "free" : "taken";
  $("take").firstElementChild.textContent = isMine ? "Release" : isAsking ? "Asked: cancel" : isFree ? "Take over" : "Ask to drive";
  $("seat").textContent = isMine ? "you drive" : isFree ? others(view) : `viewer ${view.driver} drives`;
  $("ask").hidden = !(isMine && view.asking !== null);
  $("ask").firstElementChild.textContent = `Viewer ${view.asking} asks to drive`;
  const axes = (state.axes || []).map((axis) => axis.split("/").pop());
  const has = (...names) => !axes.length || names.some((name) => axes.includes(name));
  $("pad-left").hidden = !has("x", "y");
  $("pad-right").hidden = !has("z", "yaw");
  $("grips").hidden = axes.length > 0 && !(state.axes || []).some((axis) => axis.includes("gripper"));
}

function others(view) {
  const count = view.num_viewers - 1;
  return count > 0 ? `nobody drives · ${count} more ${count > 1 ? "viewers" : "viewer"}` : "nobody drives";
}

function showEpisode(view, state) {
  if (!state.phase) return;
  $("episode").textContent = `${state.task} · episode ${state.episode} · step ${state.step}`;
  $("time").textContent = `${state.elapsed_s.toFixed(1)} s of ${state.max_s.toFixed(0)} s`;
  $("elapsed").style.width = `${100 * Math.min(1, state.max_steps ? state.step / state.max_steps : 0)}%`;
  const isOver = state.phase === "over";
  const outcome = state.discard ? "discarded" : state.success ? "success" : isOver ? (state.fault ? "fault" : "no success") : "";
  $("outcome").hidden = !outcome;
  $("outcome").textContent = outcome;
  $("outcome").dataset.tone = state.success && !state.discard ? "good" : "bad";
  $("q").textContent = number(view.values["critic/q"]);
  $("probability").textContent = number(view.values["reward/probability"]);
  $("reward").textContent = number(state.reward);
}

function number(value) {
  return value === null || value === undefined ? "–" : Number(value).toFixed(2);
}

// Gauges

function showGauges(gauges) {
  const box = $("gauges");
  if (!gauges.length) return;
  const names = gauges.map((gauge) => gauge.name).join();
  if (box.dataset.names !== names) {
    box.dataset.names = names;
    box.replaceChildren(...gauges.map(makeGauge));
  }
  gauges.forEach((gauge, index) => setGauge(box.children[index], gauge));
}

function makeGauge({name, low, high}) {
  const row = document.createElement("div");
  row.className = low === null || high === null ? "gauge plain" : "gauge";
  row.innerHTML = "<span></span><div class='bar'><i></i></div><output></output>";
  row.firstElementChild.textContent = name;
  row.title = row.className === "gauge" ? `${low} … ${high}` : "no limit known";
  return row;
}

function setGauge(row, {value, low, high, unit}) {
  row.lastElementChild.textContent = value === null ? "–" : `${value.toFixed(2)} ${unit}`;
  if (low === null || high === null || value === null) return;
  const part = Math.min(1, Math.max(0, (value - low) / (high - low)));
  const isOneSided = low === 0;
  const toLimit = isOneSided ? part : Math.abs(2 * part - 1);
  const mark = row.querySelector("i");
  mark.style.left = isOneSided ? "0" : `${100 * part}%`;
  mark.style.width = isOneSided ? `${100 * part}%` : "";
  row.classList.toggle("one-sided", isOneSided);
  row.classList.toggle("near", toLimit > NEAR && unit !== "open");
}
