// One's own games: a list that grows as it is scrolled, what can be done with a game, import, and progress over time.
const MEAN_OF = 10;  // games over which the charts take means
const games = {
  rows: [], total: 0, chosen: null, isAsked: false, reviewing: "", problem: "",

  open() {
    send("games_refresh");
    this.search();
  },

  wanted: () => ({ text: $("games-text").value, result: $("games-result").value, side: $("games-side").value }),

  search() {
    this.isAsked = true;
    send("games_find", { ...this.wanted(), offset: 0 });
  },

  found({ games, total, offset }) {
    if (offset === 0) {
      this.rows = [];
      $("games-list").replaceChildren();
    }
    if (offset !== this.rows.length) return;
    this.isAsked = false;
    this.total = total;
    this.rows.push(...games);
    $("games-list").append(...games.map(game => this.row(game)));
    this.choose(this.rows.find(game => game.key === this.chosen?.key) ?? null);
    $("games-status").textContent = this.problem || `${total.toLocaleString("en")} game${total === 1 ? "" : "s"}`;
  },

  row(game) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "game-row";
    button.dataset.key = game.key;
    const accuracies = [game.accuracy_white, game.accuracy_black].filter(value => value !== null);
    const moves = `${Math.ceil(game.plies / 2)} moves`;
    button.append(words("date", game.date.replaceAll(".", "-")), words("players", `${game.white} – ${game.black}`),
      words("outcome", game.result), words("accuracy", accuracies.map(value => `${Math.round(value)}%`).join(" – ")),
      words("named", game.opening), words("ending", game.ending ? `${game.ending}, ${moves}` : moves));
    const winner = { "1-0": "white", "0-1": "black" }[game.result];
    if (game.mine) button.classList.add(!winner ? "even" : winner === game.mine ? "won" : "lost");
    button.addEventListener("click", () => this.choose(game));
    return button;
  },

  choose(game) {
    this.chosen = game;
    for (const row of $("games-list").children) row.setAttribute("aria-pressed", String(row.dataset.key === game?.key));
    $("games-actions").querySelectorAll("button").forEach(button => { button.disabled = !game; });
    $("games-page").hidden = !game || game.accuracy_white === null && game.accuracy_black === null;
    if (game) $("games-page").href = `review?game=${game.key}`;
    $("games-sure").hidden = true;
  },

  // Asks for more of the list before its end is seen.
  more() {
    const list = $("games-list");
    if (this.isAsked || this.rows.length >= this.total || list.scrollTop + 4 * list.clientHeight < list.scrollHeight) return;
    this.isAsked = true;
    send("games_find", { ...this.wanted(), offset: this.rows.length });
  },

  reading({ games }) { $("games-status").textContent = `Reading: ${games.toLocaleString("en")} games`; },

  read({ imported, names, problems }) {
    this.problem = problems.join(" ");
    if (imported) {
      $("games-names").hidden = !names.length;
      $("games-names").replaceChildren(words("", "Which name is yours?"), ...names.map(name => moveButton(name, () => {
        $("games-names").hidden = true;
        send("games_name", { name });
      })));
    }
    this.search();
  },

  work({ running, share, left, problem }) {
    $("games-work").hidden = !left;
    $("games-work").querySelector("progress").value = share;
    $("games-work").querySelector("span").textContent = `${left.toLocaleString("en")} to review`;
    if (problem) this.problem = problem;
    if (this.reviewing && running !== this.reviewing && $("games").open) send("games_refresh");
    this.reviewing = running;
  },

  async take(file) {
    if (!file) return;
    $("games-status").textContent = `Importing ${file.name}`;
    const place = `import?name=${encodeURIComponent(file.name)}`;
    const answer = await fetch(place, { method: "POST", body: file }).catch(() => null);
    if (!answer?.ok) $("games-status").textContent = `${file.name} cannot be imported.`;
  },

  showProgress({ points }) {
    const known = points.filter(point => point.accuracy !== null);
    const phases = ["opening", "middlegame", "endgame"].map((name, phase) => [name, known.map(point => point.mistakes[phase])]);
    $("games-chart").replaceChildren(...known.length ? [
      drawMeans("Your accuracy, 0 to 100%", [["accuracy", known.map(point => point.accuracy)]], 100),
      drawMeans("Your mistakes a game", phases, Math.max(1, ...phases.flatMap(([, values]) => values))),
    ] : [words("", "Review some of your games first.")]);
    $("games-chart").hidden = false;
  },
};

// A chart of [name, values] rows, each value the mean of some games, with the latest ones in the caption.
function drawMeans(title, rows, most) {
  const mean = (values, at) => {
    const last = values.slice(Math.max(0, at + 1 - MEAN_OF), at + 1);
    return last.reduce((sum, value) => sum + value, 0) / last.length;
  };
  const picture = shape("svg", { viewBox: "0 0 600 120", preserveAspectRatio: "none", role: "img", "aria-label": title });
  const caption = document.createElement("figcaption"), box = document.createElement("figure");
  caption.append(`${title}, means of ${MEAN_OF} games: `);
  rows.forEach(([name, values], index) => {
    if (values.length === 1) values = [values[0], values[0]];  // a line, not a point
    const place = at => `${600 * at / Math.max(1, values.length - 1)},${118 - 116 * mean(values, at) / most}`;
    picture.append(shape("polyline", { class: `series s${index}`, points: values.map((_, at) => place(at)).join(" ") }));
    caption.append(words(`key-${index}`, `${name} ${mean(values, values.length - 1).toFixed(1)}`), " ");
  });
  box.append(picture, caption);
  return box;
}

const gameDeeds = {
  open: key => { send("games_open", { key }); $("games").close(); },
  continue: key => { send("games_continue", { key }); $("games").close(); },
  review: key => send("games_review", { key }),
  delete: () => {
    const question = `Delete ${games.chosen.white} – ${games.chosen.black} for good, with its review?`;
    $("games-sure").querySelector("span").textContent = question;
    $("games-sure").hidden = false;
    $("games-sure").querySelector("button").focus();
  },
  keep: () => { $("games-sure").hidden = true; },
  sure: key => send("games_delete", { key }),
};
const gamesDeeds = {
  stop: () => send("games_stop"),
  all: () => send("games_review", { key: "" }),
  progress: () => { if ($("games-chart").hidden) send("games_progress"); else $("games-chart").hidden = true; },
};
$("games").addEventListener("click", event => {
  const button = event.target.closest("button");
  if (button?.dataset.game && games.chosen) gameDeeds[button.dataset.game](games.chosen.key);
  if (button?.dataset.games) gamesDeeds[button.dataset.games]();
});
$("games").addEventListener("keydown", event => { if (event.key === "Enter" && event.target.matches("input")) event.preventDefault(); });
$("games-list").addEventListener("scroll", () => games.more(), { passive: true });
for (const id of ["games-text", "games-result", "games-side"]) $(id).addEventListener("input", () => games.search());
$("games-file").addEventListener("change", event => { games.take(event.target.files[0]); event.target.value = ""; });
