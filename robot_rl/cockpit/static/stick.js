// A stick on the screen: springs back when the finger leaves.

export class Stick {
  constructor(element, changed) {
    this.element = element;
    this.knob = element.querySelector("i");
    this.changed = changed;
    this.finger = null;
    this.right = this.up = 0;
    element.addEventListener("pointerdown", (event) => {
      if (this.finger !== null) return;
      this.finger = event.pointerId;
      element.setPointerCapture(event.pointerId);
      this.follow(event);
    });
    element.addEventListener("pointermove", (event) => event.pointerId === this.finger && this.follow(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      element.addEventListener(end, (event) => event.pointerId === this.finger && this.rest());
    }
  }

  follow(event) {
    event.preventDefault();
    const box = this.element.getBoundingClientRect();
    const right = (event.clientX - box.left) / box.width * 2 - 1;
    const up = 1 - (event.clientY - box.top) / box.height * 2;
    const size = Math.max(1, Math.hypot(right, up));
    this.set(right / size, up / size);
  }

  rest() {
    this.finger = null;
    this.set(0, 0);
  }

  set(right, up) {
    this.right = Math.abs(right) < 0.08 ? 0 : right;
    this.up = Math.abs(up) < 0.08 ? 0 : up;
    this.knob.style.transform = `translate(${this.right * 42}%, ${-this.up * 42}%)`;
    this.element.classList.toggle("held", this.finger !== null);
    this.changed();
  }
}
