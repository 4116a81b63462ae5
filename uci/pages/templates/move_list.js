// Lists of moves to click that are filled anew at any time, perhaps several times a second.
const RELEASE_MS = 300;  // on a touch screen the click may follow the finger's release a moment later

class MoveList {
  // `onRelease` is called when the list can be filled again after it was held.
  constructor(host, onRelease = () => {}) {
    this.host = host;
    this.onRelease = onRelease;
    this.held = false;
    host.addEventListener("pointerdown", event => {
      if (event.button !== 0 || !event.target.closest("button")) return;
      clearTimeout(this.timer);
      this.held = true;
    });
    document.addEventListener("click", () => this.release());
    for (const kind of ["pointerup", "pointercancel"]) document.addEventListener(kind, () => {
      if (this.held) this.timer = setTimeout(() => this.release(), RELEASE_MS);
    });
  }

  // Replaces what the list shows; the focus keeps its place. While a move is pressed nothing changes: a click needs the
  // same element at both ends, and is meant for what was there at its beginning.
  fill(items) {
    if (this.held) return;
    const buttons = () => [...this.host.querySelectorAll("button")];
    const place = buttons().indexOf(document.activeElement);
    this.host.replaceChildren(...items);
    buttons()[place]?.focus({ preventScroll: true });
  }

  release() {
    if (!this.held) return;
    clearTimeout(this.timer);
    this.held = false;
    this.onRelease();
  }
}
