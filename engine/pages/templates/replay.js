// Goes through the moves of each game: buttons, keys, clicks on moves, cards, marked points and the curve. A step may
// have other lines by name, whose moves can be played on the same board. Needs board.js.
const WIDTH = 600;
const KEYS = { ArrowLeft: "back", ArrowRight: "on", Home: "first", End: "last", f: "flip" };

class Replay {
  constructor(game) {
    this.game = game;
    this.steps = JSON.parse(game.querySelector(".steps").textContent);
    this.last = this.steps.length - 1;
    this.list = game.querySelector(".moves");
    this.links = [...this.list.querySelectorAll("a")];
    this.cursor = game.querySelector(".cursor");
    this.bar = game.querySelector(".bar");
    this.view = new BoardView(game.querySelector(".replay svg"));
    if ("flipped" in game.dataset) this.view.flip();
    this.ply = 0;
    this.inLine = 0;  // moves played of a line at this ply; 0 = in the game
    this.lineName = "";
    this.goes = {
      first: () => this.go(0),
      back: () => this.step(-1),
      on: () => this.step(1),
      last: () => this.go(this.last),
      flip: () => { this.view.flip(); this.show(); },
    };
    game.querySelectorAll("[data-go]").forEach(button =>
      button.addEventListener("click", () => this.goes[button.dataset.go]()));
    game.querySelectorAll("[data-copy]").forEach(button =>
      button.addEventListener("click", () => this.copy(button)));
    this.links.forEach(link => link.addEventListener("click", event => {
      event.preventDefault();
      this.go(Number(link.dataset.ply));
    }));
    game.querySelectorAll(".dot, .card").forEach(place => place.addEventListener("click", event => {
      event.preventDefault();
      this.go(Number(place.dataset.ply));
      if (place.matches(".card")) game.querySelector(".columns").scrollIntoView({ block: "start" });
    }));
    followPointer(game.querySelector(".expected"), share => this.go(Math.round(share * this.last)));
    this.show();
  }

  get shown() { return this.inLine ? this.line[this.inLine - 1] : this.steps[this.ply]; }

  get line() { return this.lineOf(this.lineName); }

  // A variation inside another one has its own moves only: it follows the other up to its fork.
  lineOf(name) {
    const { lines, forks } = this.steps[this.ply], own = lines?.[name] ?? [], fork = forks?.[name];
    return fork ? [...this.lineOf(fork[0]).slice(0, fork[1]), ...own] : own;
  }

  go(ply, inLine = 0, lineName = this.lineName) {
    this.ply = Math.max(0, Math.min(this.last, ply));
    this.lineName = lineName;
    this.inLine = Math.max(0, Math.min(this.line.length, inLine));
    Replay.active = this;
    this.show();
  }

  step(way) {
    if (this.inLine) this.go(this.ply, this.inLine + way);
    else this.go(this.ply + way);
  }

  show() {
    const step = this.steps[this.ply], shown = this.shown;
    const own = ["better", "threat"].flatMap(kind => (shown[kind] ?? []).map(squares => [...squares, kind]));
    const arrows = [...shown.drawn ?? [], ...own];  // the author's first
    const glyph = step.glyph && !this.inLine ? [step.marked[1], ...step.glyph] : null;
    this.view.show({ placement: shown.fen.split(" ")[0], marked: shown.marked, check: shown.check, arrows, glyph });
    this.view.svg.ariaLabel = shown.text;
    const note = [shown.glyphs, shown.note].filter(Boolean).join(" ");
    this.sayIt(step, note);
    this.hear([shown.text, note].filter(Boolean).join(". "));
    const isJudged = shown.score !== undefined;  // a variation of the author's is not
    this.bar.style.visibility = isJudged ? "" : "hidden";
    if (isJudged) showBar(this.bar, shown.expected, shown.score, this.view.flipped);
    for (const end of ["x1", "x2"]) this.cursor.setAttribute(end, WIDTH * this.ply / Math.max(1, this.last));
    const link = this.links[this.ply - 1];
    this.links.forEach(other => { other.ariaCurrent = other === link ? "true" : null; });
    this.list.scrollTop = link ? link.offsetTop - this.list.offsetTop - this.list.clientHeight / 2 : 0;
  }

  // Lets a screen reader say something: the move, and not each time all that can be read beside it.
  hear(text) { this.game.querySelector(".heard").textContent = text; }

  // The words about a step, glyphs and words of the author on the shown position, and the step's other lines as links.
  sayIt(step, note) {
    const says = this.game.querySelector(".says");
    says.textContent = step.text;
    if (note) says.append(make("q", { className: "note" }, note));
    for (const name in step.lines ?? {}) {
      const [kind, number] = name.split(" ");
      const label = number ? t("Variation {number}:", { number }) : t(`${kind}:`);
      says.append(make("br"), `${label} `);
      const before = step.forks?.[name]?.[1] ?? 0;
      step.lines[name].forEach((move, index) => {
        const link = make("a", { href: "#" }, move.text + (move.glyphs ?? ""));
        if (name === this.lineName && this.inLine === before + index + 1) link.ariaCurrent = "true";
        link.addEventListener("click", event => { event.preventDefault(); this.go(this.ply, before + index + 1, name); });
        says.append(link, " ");
      });
    }
  }

  copy(button) {
    copyText(button.dataset.copy === "fen" ? this.shown.fen : JSON.parse(this.game.querySelector(".pgn").textContent));
    sayOn(button, t("Copied"));
    this.hear(t("Copied"));
  }

  // How many pixels of the game's board and moves are on the screen.
  get visible() {
    const box = this.game.getBoundingClientRect();
    return Math.max(0, Math.min(box.bottom, innerHeight) - Math.max(box.top, 0));
  }
}

const replays = [...document.querySelectorAll(".game")].map(game => new Replay(game));

// Keys go to the game that was used last while it is on the screen, else to the one that fills most of it.
document.addEventListener("keydown", event => {
  if (!(event.key in KEYS) || isKeyTaken(event) || !replays.length) return;
  const active = Replay.active?.visible ? Replay.active
    : replays.reduce((best, other) => other.visible > best.visible ? other : best);
  event.preventDefault();
  active.goes[KEYS[event.key]]();
});
