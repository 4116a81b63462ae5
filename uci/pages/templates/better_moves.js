// Lets the reader look for a better move at each turning point before the answer shows. Needs replay.js, live_board.js.
class BetterMoves {
  constructor(replay) {
    const { game } = replay, before = game.querySelector(".replay");
    this.replay = replay;
    const asked = ({ answer, mover }) => answer && (game.dataset.reader ?? mover) === mover;
    this.plies = [...replay.steps.keys()].filter(ply => asked(replay.steps[ply]));
    this.nextButton = game.querySelector("[data-try='']");
    this.nextButton.hidden = !this.plies.length;
    this.controls = game.querySelector(".better-moves");
    this.host = before.cloneNode(true);
    this.host.className = "live";
    this.host.append(Object.assign(document.createElement("div"), { className: "promotion", hidden: true }));
    this.host.setAttribute("aria-label", "Board; arrow keys choose a square, Enter moves");
    this.host.hidden = true;
    before.after(this.host);
    this.live = new LiveBoard(this.host, uci => this.judge(uci), () => {}, text => this.say(text));
    game.addEventListener("shown", () => this.end());
    game.querySelectorAll("[data-try]").forEach(button => button.addEventListener("click", event => {
      event.stopPropagation();
      const next = this.plies.find(ply => ply > (this.ply ?? 0)) ?? this.plies[0];  // after the last, the first again
      this.begin(Number(button.dataset.try) || next);
      game.querySelector(".columns").scrollIntoView({ block: "start" });
    }));
    this.controls.querySelector("[data-answer]").addEventListener("click", () => this.answer("The answer:"));
    this.controls.querySelector("[data-leave]").addEventListener("click", () => replay.go(this.ply));
  }

  get step() { return this.replay.steps[this.ply]; }

  begin(ply) {
    this.ply = ply;
    for (const view of [this.replay.view, this.live.view]) view.flip(this.step.mover === "Black");
    this.replay.go(ply - 1);
    this.open(true);
    this.ask(`${this.step.mover} played ${this.step.san}. Find a better move.`);
    this.nextButton.textContent = this.plies.length > 1 ? "Next mistake" : "Try again";
    this.host.focus({ preventScroll: true });
  }

  open(open) {
    this.controls.hidden = this.host.hidden = !open;
    this.host.previousElementSibling.hidden = open;
  }

  ask(text) {
    const { pieces, marked, check } = this.replay.steps[this.ply - 1];
    this.live.show({ placement: pieces, marked, check }, this.step.legal);
    this.say(text);
  }

  judge(uci) {
    const { answer, good, played, mover, san } = this.step;
    if (uci === answer) this.answer("Yes!");
    else if (good.includes(uci)) this.answer("Also good, it loses little.", "Aino's choice");
    else this.ask(uci === played ? `${san} is what ${mover} played. Find a better move.`
      : "Aino prefers another move. Try again.");
  }

  answer(text, what = "better") {
    this.replay.go(this.ply, 1, "Better");
    this.replay.game.querySelector(".says").prepend(`${text} ${this.step.lines.Better[0].text} is ${what}. `);
    this.nextButton.focus({ preventScroll: true });
  }

  say(text) { this.replay.game.querySelector(".says").textContent = text; }

  end() { if (!this.host.hidden) this.open(false); }
}

for (const replay of replays) if (replay.game.querySelector(".better-moves")) new BetterMoves(replay);
