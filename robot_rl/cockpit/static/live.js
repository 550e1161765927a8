// The live line to the cockpit: shows what comes, sends what hands do.

import {Hands} from "./drive.js";
import {showCameraFrame, showView} from "./show.js";

const RETRY_MS = 500;
const PING_MS = 1000;
const $ = (id) => document.getElementById(id);

class Line {
  constructor() {
    this.socket = null;
    this.stopWaits = false;
    this.hands = new Hands((message) => this.send(message));
    setInterval(() => this.send({type: "ping", sent: performance.now()}), PING_MS);
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/live${location.search}`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.opened();
    this.socket.onclose = () => this.lost();
    this.socket.onmessage = (event) => this.take(event.data);
  }

  opened() {
    this.linked(true);
    if (this.stopWaits) this.stopWaits = !this.send({type: "tap", event: "stop"});
  }

  send(message) {
    if (this.socket.readyState !== WebSocket.OPEN) {
      this.stopWaits ||= message.event === "stop";  // the one thing that is still meant when the line is back
      return false;
    }
    this.socket.send(JSON.stringify(message));
    return true;
  }

  take(data) {
    if (data instanceof ArrayBuffer) {
      showCameraFrame(data, (camera) => this.send({type: "ack", camera}));
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "view") {
      showView(message);
      this.hands.view(message);
    } else if (message.type === "pong") {
      $("link").lastElementChild.textContent = `${Math.round(performance.now() - message.sent)} ms`;
    } else if (message.type === "notice") {
      toast(message.text);
    }
  }

  linked(isLinked) {
    $("link").dataset.link = isLinked ? "on" : "off";
    $("banner").hidden = isLinked;
    if (!isLinked) {
      $("link").lastElementChild.textContent = "lost";
      $("banner").textContent = "No connection. Control from this page is released. STOP will reach the robot only once the line is back; trying again…";
    }
  }

  async lost() {
    this.linked(false);
    this.hands.lost();
    setTimeout(() => this.connect(), RETRY_MS);
    const answer = await fetch(`/${location.search}`, {method: "HEAD", cache: "no-store"}).catch(() => null);
    if (answer && answer.status === 403) location.reload();  // says why
  }
}

function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => ($("toast").hidden = true), 3000);
}

function begin() {  // once NiceGUI has laid the page out
  const parts = ["top", "cameras", "driving", "gauges", "toast"];
  if (parts.every((id) => $(id))) window.cockpit = new Line();
  else setTimeout(begin, 20);
}

begin();
