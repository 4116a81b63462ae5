// Lets the reader look for a better move at each turning point before the answer shows. Needs replay.js, live_board.js.
class BetterMoves {
  constructor(replay) {
    const { game } = replay, before = game.querySelector(".replay");
    this.replay = replay;
    const asked = ({ answer, mover }) => answer && (game.dataset.reader ?? mover) === mover;
    // What one nearly finds comes first.
    this.plies = [...replay.steps.keys()].filter(ply => asked(replay.steps[ply]))
      .sort((one, other) => replay.steps[one].distance - replay.steps[other].distance);
    this.nextButton = game.querySelector("[data-try='']");
    this.nextButton.hidden = !this.plies.length;
    this.controls = game.querySelector(".better-moves");
    this.host = before.cloneNode(true);
    this.host.className = "live";
    this.host.append(make("div", { className: "promotion", hidden: true }));
    this.host.setAttribute("aria-label", t("Board. Arrow keys choose a square, Enter moves."));
    this.host.hidden = true;
    before.after(this.host);
    this.live = new LiveBoard(this.host, uci => this.judge(uci), () => {}, text => this.say(text));
    game.addEventListener("shown", () => this.end());
    game.querySelectorAll("[data-try]").forEach(button => button.addEventListener("click", event => {
      event.stopPropagation();
      const next = this.plies[(this.plies.indexOf(this.ply) + 1) % this.plies.length];  // after the last, the first again
      this.begin(Number(button.dataset.try) || next);
      game.querySelector(".columns").scrollIntoView({ block: "start" });
    }));
    this.controls.querySelector("[data-answer]").addEventListener("click", () => this.answer(t("The answer: {move} is better.")));
    this.controls.querySelector("[data-leave]").addEventListener("click", () => replay.go(this.ply));
  }

  get step() { return this.replay.steps[this.ply]; }

  begin(ply) {
    this.ply = ply;
    for (const view of [this.replay.view, this.live.view]) view.flip(this.step.is_black);
    this.replay.go(ply - 1);
    this.open(true);
    const { is_black, san } = this.step;
    const number = this.plies.indexOf(ply) + 1, count = this.plies.length;
    const place = number ? `${t("Mistake {number} of {count}.", { number, count })} ` : "";
    this.ask(place + t(is_black ? "Black played {move}. Find a better move." : "White played {move}. Find a better move.", { move: san }));
    this.nextButton.textContent = this.plies.length > 1 ? t("Next mistake") : t("Try again");
    this.host.focus({ preventScroll: true });
  }

  open(open) {
    this.controls.hidden = this.host.hidden = !open;
    this.host.previousElementSibling.hidden = open;
  }

  ask(text) {
    const { fen, marked, check } = this.replay.steps[this.ply - 1];
    this.live.show({ placement: fen.split(" ")[0], marked, check }, this.step.legal);
    this.say(text);
  }

  judge(uci) {
    const { answer, good, played, san } = this.step;
    if (uci === answer) this.answer(t("Yes! {move} is better."));
    else if (good.includes(uci)) this.answer(t("Also good, it loses little. {move} is Aino's choice."));
    else this.ask(uci === played ? t("{move} is what was played. Find a better move.", { move: san })
      : t("Aino prefers another move. Try again."));
  }

  answer(text) {
    this.replay.go(this.ply, 1, "Better");
    const said = text.replace("{move}", this.step.lines.Better[0].text);
    this.replay.game.querySelector(".says").prepend(`${said} `);
    this.replay.hear(said);
    this.nextButton.focus({ preventScroll: true });
  }

  say(text) {
    this.replay.game.querySelector(".says").textContent = text;
    this.replay.hear(text);
  }

  end() { if (!this.host.hidden) this.open(false); }
}

for (const replay of replays) if (replay.game.querySelector(".better-moves")) new BetterMoves(replay);
