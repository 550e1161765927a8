// Hands: keys, gamepad, sticks and buttons of the page become motion and events.

import {Stick} from "./stick.js";

const BEAT_MS = 50;   // the cockpit lets go of a page that it has not heard of for 400 ms
const GAMEPAD_MS = 16;
const DEAD_BAND = 0.12;
const SLOW = 0.25;
const KEYS = {
  KeyW: ["x", 1], KeyS: ["x", -1], KeyA: ["y", 1], KeyD: ["y", -1],
  KeyR: ["z", 1], KeyF: ["z", -1], ArrowUp: ["z", 1], ArrowDown: ["z", -1],
  KeyQ: ["yaw", 1], KeyE: ["yaw", -1], ArrowLeft: ["yaw", 1], ArrowRight: ["yaw", -1],
  KeyI: ["pitch", 1], KeyK: ["pitch", -1], KeyJ: ["roll", -1], KeyL: ["roll", 1],
};
const TAPS = {Enter: "success", NumpadEnter: "success", Backspace: "failure", Delete: "discard", KeyP: "pause", Escape: "stop"};
const GRIPS = {KeyO: 1, KeyC: -1};
const PAD_TAPS = {1: "stop", 2: "failure", 3: "success", 9: "pause"};
const $ = (id) => document.getElementById(id);

export class Hands {
  constructor(send) {
    this.send = send;
    this.keys = new Set();
    this.padButtons = new Set();
    this.grip = null;
    this.isDriver = false;
    this.wants = false;      // whether this page asks to drive
    this.axes = [];          // names of the action's dimensions
    this.sliders = {};
    this.sent = "";
    this.left = new Stick($("pad-left"), () => this.move());
    this.right = new Stick($("pad-right"), () => this.move());
    this.listen();
    setInterval(() => this.isDriver && this.beat(), BEAT_MS);
    setInterval(() => this.pollGamepads(), GAMEPAD_MS);
  }

  listen() {
    window.addEventListener("keydown", (event) => this.key(event, true));
    window.addEventListener("keyup", (event) => this.key(event, false));
    window.addEventListener("blur", () => this.dropKeys());
    document.addEventListener("visibilitychange", () => document.hidden && this.letGo());
    window.addEventListener("pagehide", () => this.letGo());
    for (const button of document.querySelectorAll("[data-tap]")) {
      const down = button.dataset.tap === "stop" ? "pointerdown" : "click";  // stop does not wait for the finger to leave
      button.addEventListener(down, () => this.tap(button.dataset.tap, button));
    }
    for (const button of document.querySelectorAll("[data-grip]")) {
      button.addEventListener("pointerdown", () => this.setGrip(Number(button.dataset.grip)));
      for (const end of ["pointerup", "pointercancel", "pointerleave"]) button.addEventListener(end, () => this.setGrip(null));
    }
    document.addEventListener("click", (event) => event.detail && event.target.closest("button, summary")?.blur());  // keys stay the robot's
    $("take").addEventListener("click", () => this.toggle());
    $("hand-over").addEventListener("click", () => this.send({type: "hand_over"}));
    $("speed").addEventListener("input", () => ($("speed-value").textContent = `${$("speed").value}%`));
  }

  // Taking over and letting go

  toggle() {
    if (this.wants || this.isDriver) this.letGo();
    else this.takeOver();
  }

  takeOver() {
    this.wants = this.send({type: "take"});
  }

  letGo() {
    this.wants = this.isDriver = false;
    this.send({type: "release"});
    this.rest();
  }

  lost() {
    this.wants = this.isDriver = false;
    this.rest();
  }

  view(view) {
    const wasDriver = this.isDriver;
    this.isDriver = view.driver === view.viewer;
    if (this.isDriver && !wasDriver) this.beat();
    this.wants = this.isDriver || view.asking === view.viewer;
    this.axes = view.state.axes || [];
    this.makeSliders(this.axes);
  }

  rest() {  // nothing is held any more
    this.dropKeys();
    this.left.rest();
    this.right.rest();
    this.setGrip(null);
    this.sent = "";
  }

  // Keys

  key(event, isDown) {
    const {code, target} = event;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (target.closest?.("input:not([type=range]), select, textarea, .q-field, .q-menu")) return;
    if (["Enter", "Space"].includes(code) && target.matches?.("button:focus-visible, summary:focus-visible")) return;
    if (!(code in KEYS || code in TAPS || code in GRIPS || ["Space", "KeyT", "ShiftLeft", "ShiftRight"].includes(code))) return;
    event.preventDefault();
    if (event.repeat) return;
    if (isDown && code in TAPS) this.tap(TAPS[code], document.querySelector(`[data-tap=${TAPS[code]}]`));
    else if (isDown && code === "KeyT") this.toggle();
    else if (code === "Space") isDown ? this.takeOver() : this.letGo();
    else if (code in GRIPS) this.setGrip(isDown ? GRIPS[code] : null);
    else if (isDown) this.keys.add(code);
    else this.keys.delete(code);
    this.move();
  }

  dropKeys() {
    this.keys.clear();
    this.move();
  }

  // Gamepad

  pollGamepads() {
    const pad = [...(navigator.getGamepads?.() ?? [])].find((each) => each && each.connected);
    if (!pad && !this.pad) return;
    this.pad = pad ?? null;
    const held = new Set(pad ? pad.buttons.flatMap((button, index) => (button.pressed ? [index] : [])) : []);
    const pressed = [...held].filter((index) => !this.padButtons.has(index));
    const released = [...this.padButtons].filter((index) => !held.has(index));
    this.padButtons = held;
    for (const index of pressed) if (index in PAD_TAPS) this.tap(PAD_TAPS[index]);
    if (pressed.includes(0)) this.takeOver();
    if (released.includes(0)) this.letGo();
    if (pressed.includes(7)) this.setGrip(-1);
    if (pressed.includes(6)) this.setGrip(1);
    if (released.includes(6) || released.includes(7)) this.setGrip(null);
    this.move();
  }

  // Sliders for action dimensions that no stick has

  makeSliders(axes) {
    const known = ["x", "y", "z", "roll", "pitch", "yaw"];
    const names = axes.filter((axis) => !known.includes(axis.split("/").pop()) && !axis.includes("gripper"));
    if (names.join() === Object.keys(this.sliders).join()) return;
    this.sliders = {};
    $("sliders").replaceChildren(...names.map((name) => this.slider(name)));
  }

  slider(name) {
    const label = Object.assign(document.createElement("label"), {className: "row", textContent: name});
    const input = Object.assign(document.createElement("input"), {type: "range", min: -1, max: 1, step: 0.05, value: 0});
    this.sliders[name] = 0;
    const set = (value) => { input.value = value; this.sliders[name] = Number(value); this.move(); };
    input.addEventListener("input", () => set(input.value));
    for (const end of ["pointerup", "pointercancel", "change", "blur"]) input.addEventListener(end, () => set(0));
    label.append(input);
    return label;
  }

  // Motion

  setGrip(value) {
    this.grip = value;
    this.move();
  }

  has(axis) {  // whether the robot can move that way
    return !this.axes.length || this.axes.some((name) => name === axis || name.split("/").pop() === axis);
  }

  motion() {
    const sum = {};
    const add = (axis, value) => { if (value && this.has(axis)) sum[axis] = (sum[axis] || 0) + value; };
    for (const code of this.keys) if (code in KEYS) add(...KEYS[code]);
    add("x", this.left.up); add("y", -this.left.right);
    add("z", this.right.up); add("yaw", -this.right.right);
    if (this.pad) {
      const [leftX, leftY, rightX, rightY] = this.pad.axes.map(outsideDeadBand);
      add("x", -leftY); add("y", -leftX); add("z", -rightY); add("yaw", -rightX);
    }
    for (const [name, value] of Object.entries(this.sliders)) add(name, value);
    const isSlow = this.keys.has("ShiftLeft") || this.keys.has("ShiftRight");
    const scale = (Number($("speed").value) / 100) * (isSlow ? SLOW : 1);
    return Object.fromEntries(Object.entries(sum).map(([axis, value]) => [axis, scale * Math.max(-1, Math.min(1, value))]));
  }

  move() {  // at once, if it is news; `beat` repeats it
    if (this.isDriver && JSON.stringify([this.motion(), this.grip]) !== this.sent) this.beat();
  }

  beat() {
    const motion = this.motion();
    this.sent = JSON.stringify([motion, this.grip]);
    this.send({type: "drive", motion, gripper: this.grip});
  }

  tap(event, button) {
    if (this.send({type: "tap", event}) && button) {
      button.classList.add("tapped");
      setTimeout(() => button.classList.remove("tapped"), 250);
    }
    if (event === "stop") this.rest();
  }
}

function outsideDeadBand(value) {
  const size = Math.abs(value);
  return size < DEAD_BAND ? 0 : (Math.sign(value) * (size - DEAD_BAND)) / (1 - DEAD_BAND);
}
