// One's own games: a list of which only what is seen is drawn, what can be done with a game, and import.
const PAGE = 50;       // games that the server tells at a time
const MOST = 200_000;  // games in the list: no browser draws higher boxes
const SPARE = 10;      // rows drawn above and below those that are seen
const playersOf = game => [game.white, game.black].filter(Boolean).map(name => name === "You" ? t(name) : name);
const dayOf = game => game.date.replaceAll(".", "-");
const movesOf = game => several("{count} move", "{count} moves", Math.ceil(game.plies / 2));
// A game in a line of words, with more of them.
const gameWords = (game, ...more) => [playersOf(game).join(" – "), dayOf(game), ...more].filter(Boolean).join(" · ");
const copiesOf = game => several("{count} copy", "{count} copies", game.copies);
// What the list is filtered by.
const FILTERS = ["text", "result", "side"];
const games = {
  rows: [], total: 0, asked: new Set(), drawn: new Map(), reviewing: "", problem: "",

  open() {
    $("games-sure").hidden = true;
    this.showChoice();
    send("games_refresh");
    this.search();
  },

  chosen: new Map(),  // games by their keys
  order: "", line: "", file: "",  // what the list is sorted by; moves to a position, and a file, of the explorer
  unfolded: "",  // what equal games share that are listed one by one

  wanted() {
    const filters = Object.fromEntries(FILTERS.map(name => [name, $(`games-${name}`).value]));
    return { ...filters, file: this.file, line: this.line, order: this.order, unfolded: this.unfolded };
  },

  filter({ text = "", result = "", side = "", line = "", file = "" }) {
    Object.assign(this, { line, file });
    for (const [name, value] of Object.entries({ text, result, side })) $(`games-${name}`).value = value;
    this.choose(null);
  },

  // Shows the games that reached a position, of those that the explorer counts.
  openLine(line, name, side, file) {
    this.filter({ line, side, file });
    element("#games-line span").textContent = file ? t("After {moves}, in {file}", { moves: name, file }) : t("After {moves}", { moves: name });
    $("games-list").scrollTop = 0;
    openDialog("games");
  },

  // Several games are chosen with Ctrl, which gives one back, too, or from the first one with Shift.
  mark(game, at, isRange) {
    const [first] = this.chosen.keys(), from = this.rows.findIndex(row => row?.key === first);
    if (isRange && from >= 0) {
      for (const row of this.rows.slice(Math.min(from, at), Math.max(from, at) + 1)) if (row) this.chosen.set(row.key, row);
    } else if (isRange || !this.chosen.delete(game.key)) this.chosen.set(game.key, game);
    this.showChoice();
  },

  // Lists the games that a row of the progress counts.
  showOf({ by, name }) {
    this.filter({ [{ opening: "text", side: "side" }[by]]: name });
    $("games-list").scrollIntoView({ block: "nearest" });
    this.search();
  },

  sort(column) {
    const ways = [column, `-${column}`], isDown = ["date", "accuracy", "plies"].includes(column);  // the first time
    const [first, second] = isDown ? ways.reverse() : ways;
    this.order = this.order === first ? second : first;
    $("games-list").scrollTop = 0;
    this.search();
  },

  // Asks anew for what is seen. The rest is asked for when it is scrolled to.
  search() {
    this.asked.clear();
    $("games-line").hidden = !this.line;
    for (const button of elements("#games-heads [data-sort]")) {
      const column = button.dataset.sort, ways = { [column]: [t("ascending"), "▲"], [`-${column}`]: [t("descending"), "▼"] };
      const [title, sign] = ways[this.order || "-date"] ?? ["", ""];
      button.ariaPressed = sign !== "";
      button.title = title;
      button.dataset.way = sign;
    }
    this.draw();
  },

  get rowHeight() { return $("games-rows").offsetHeight / Math.max(1, this.total) || 1; },

  // The first row to draw, and the one behind the last.
  seen() {
    const list = $("games-list"), height = this.rowHeight;
    const first = Math.floor(list.scrollTop / height), last = Math.ceil((list.scrollTop + list.clientHeight) / height);
    return [Math.max(0, Math.min(first, this.total - 1) - SPARE), Math.min(this.total, last + SPARE)];
  },

  draw() {
    const [first, last] = this.seen(), place = $("games-rows");
    for (let offset = first - first % PAGE; offset < Math.max(last, 1); offset += PAGE) {
      if (this.asked.has(offset)) continue;
      this.asked.add(offset);
      send("games_find", { ...this.wanted(), offset });
    }
    for (const [at, { game, row }] of this.drawn) {  // what stays is not touched: it may be pressed, or have the focus
      if (this.rows[at] === game && (at >= first && at < last || row === document.activeElement)) continue;
      row.remove();
      this.drawn.delete(at);
    }
    let next = place.firstChild;
    for (let at = first; at < last; at++) {
      while (next && Number(next.dataset.at) < at) next = next.nextSibling;
      if (!this.rows[at] || this.drawn.has(at)) continue;
      const game = this.rows[at], row = this.row(game, at);
      this.drawn.set(at, { game, row });
      place.insertBefore(row, next);
    }
  },

  found({ games, total, offset, ...of }) {
    if (Object.entries(this.wanted()).some(([name, value]) => of[name] !== value)) return;  // meanwhile more was typed
    if (Math.min(total, MOST) !== this.total) this.rows = [];
    this.total = Math.min(total, MOST);
    $("games-rows").style.setProperty("--total", this.total);
    games.forEach((game, index) => {
      if (!isSame(this.rows[offset + index], game)) this.rows[offset + index] = game;
      if (this.chosen.has(game.key)) this.chosen.set(game.key, game);
    });
    this.showChoice();
    this.draw();
    if (!document.body.classList.contains("dropping")) $("games-status").textContent = this.problem || this.told(total);
  },

  // How many games are in the list, and how many are still to come.
  told(total) {
    const count = several("{count} game", "{count} games", total);
    return this.left ? t("{games}, and about {left} still to come", { games: count, left: counted(this.left) }) : count;
  },

  row(game, at) {
    const players = words("players");  // whose names may be written from right to left
    players.append(...playersOf(game).flatMap((name, index) => [index ? words("dash", " – ") : "", make("bdi", {}, name)]));
    const button = makeButton("", event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) this.mark(game, at, event.shiftKey);
      else this.choose(game);
    }, { className: "game-row small", ariaPressed: this.chosen.has(game.key), ondblclick: () => gameDeeds.open(game.key) });
    Object.assign(button.dataset, { key: game.key, at });
    button.style.setProperty("--at", at);
    const accuracies = [game.accuracy_white, game.accuracy_black].filter(value => value !== null);
    button.append(words("date", dayOf(game)), players,
      words("outcome", game.result), words("accuracy", accuracies.map(value => `${Math.round(value)}%`).join(" – ")),
      words("named", game.opening), words("ending", [game.ending && t(game.ending), movesOf(game), game.copies > 1 && copiesOf(game)].filter(Boolean).join(", ")));
    const winner = { "1-0": "white", "0-1": "black" }[game.result];
    if (game.mine) button.classList.add(!winner ? "even" : winner === game.mine ? "won" : "lost");
    return button;
  },

  // Chooses one game, or none.
  choose(game) {
    this.chosen = new Map(game ? [[game.key, game]] : []);
    this.showChoice();
  },

  // A question whether to delete games goes where others are chosen.
  showChoice() {
    const count = this.chosen.size, [game] = count === 1 ? this.chosen.values() : [];
    if (this.doomed.join() !== [...this.chosen.keys()].join()) $("games-sure").hidden = true;
    for (const row of $("games-rows").children) row.ariaPressed = this.chosen.has(row.dataset.key);
    for (const button of elements("#games-actions button")) {
      button.disabled = ["open", "continue"].includes(button.dataset.game) ? !game : !count;
    }
    const copies = element("#games-actions [data-game=copies]");
    copies.hidden = !game || game.copies === 1;
    if (game) copies.textContent = this.unfolded === game.equality ? t("As one") : copiesOf(game);
    const facts = game ? [playersOf(game).join(" – "), dayOf(game), game.opening, game.file]
      : count ? [several("{count} game", "{count} games", count)] : [];
    $("games-whole").replaceChildren(...facts.filter(Boolean).flatMap((text, index) =>
      [index ? " · " : "", make("bdi", {}, text)]));
    $("games-page").hidden = !game || game.accuracy_white === null && game.accuracy_black === null;
    if (game) $("games-page").href = `review?game=${game.key}`;
  },

  doomed: [],  // the games that the question whether to delete some is about, by their keys
  left: 0,  // games that are still to be read, about
  grown: 0,  // games that were read when the list was asked for

  // The list is asked for again when many more were read, and at the end.
  reading({ games, left }) {
    this.left = left;
    if (this.grown && games < 1.5 * this.grown) $("games-status").textContent = this.told(this.total);
    else { this.grown = games; this.search(); }
  },

  read({ problems }) {
    this.left = this.grown = 0;
    this.problem = problems.join(" ");
    this.search();
  },

  // Asks which of the likely names are one's own; own ones can be dropped. The question stays until it is answered.
  askNames({ own, likely }) {
    const answer = (name, mine) => { $("games-names").hidden = true; send("games_name", { name, mine }); };
    const button = (name, mine) => makeButton(name, () => answer(name, !mine), { ariaPressed: mine });
    const other = make("input", {
      maxLength: 100, placeholder: t("another name"), ariaLabel: t("another name"),
      value: element("#games-names input")?.value ?? "",  // what is being typed
      onchange() { if (this.value.trim()) answer(this.value, true); },
      onkeydown({ key }) { if (key === "Enter") this.blur(); },  // which is the change
    });
    $("games-names").replaceChildren(words("", t("Which name is yours?")), ...likely.map(name => button(name, false)),
      ...own.map(name => button(name, true)), other, makeButton(t("None of these"), () => answer("", false)));
    $("games-names").hidden = false;
  },

  work({ running, share, left, problem }) {
    $("games-work").hidden = !left;
    element("#games-work progress").value = share;
    element("#games-work span").textContent = several("{count} game to review", "{count} games to review", left);
    if (problem) this.problem = problem;
    if (this.reviewing && running !== this.reviewing && $("games").open) send("games_refresh");
    this.reviewing = running;
  },

  async take(file) {
    if (!file) return;
    $("games-status").textContent = t("Importing {file}", { file: file.name });
    const place = `import?name=${encodeURIComponent(file.name)}`;
    const answer = await fetch(place, { method: "POST", body: file }).catch(() => null);
    if (answer?.ok) return;
    const why = answer?.status === 507 ? await answer.text() : "";  // the disk is full, or nothing can be written there
    $("games-status").textContent = `${t("{file} cannot be imported.", { file: file.name })} ${why}`;
  },

  // Goes to another row by keys, and chooses it, with Shift all up to there.
  step(at, isRange) {
    const list = $("games-list"), height = this.rowHeight;
    if (!this.rows[at]) return;
    list.scrollTop = Math.max(Math.min(list.scrollTop, at * height), (at + 1) * height - list.clientHeight);
    this.draw();
    if (isRange) this.mark(this.rows[at], at, true);
    else this.choose(this.rows[at]);
    this.drawn.get(at)?.row.focus({ preventScroll: true });
  },

  key(event) {
    const way = { ArrowUp: -1, ArrowDown: 1 }[event.key], { key, at = way > 0 ? -1 : 0 } = document.activeElement.dataset;
    if (way) this.step(Number(at) + way, event.shiftKey);
    else if (event.key === "Delete" && this.chosen.size) gameDeeds.delete();
    else if (event.key === "Enter" && this.chosen.has(key)) gameDeeds.open(key);
    else return;
    event.preventDefault();
  },
};

// What was played in the position that is looked at, in one's own games and in all that were imported.
const explorer = {
  asked: "", list: new MoveList($("explorer-list")),

  // The side and the file that are chosen: `white`, `black`, `file:NAME`, or nothing.
  get of() {
    const [, file = ""] = $("explorer-side").value.split(/^file:/);
    return { side: file ? "" : $("explorer-side").value, file };
  },

  ask(again = false) {
    $("explorer").hidden = !state?.analysing;
    if (again) this.asked = "";
    const isOn = $("explorer-on").checked && !$("explorer").hidden;
    askBeside(this, isOn, $("explorer-side").value, () => send("explore_games", this.of));
  },

  // Offers files, too, of which one may be a collection of masters' games.
  offer(files) {
    const list = $("explorer-side"), options = elements("#explorer-side [value^='file:']");
    if (isSame(options.map(({ text }) => text), files)) return;
    const { value } = list;
    options.forEach(option => option.remove());
    list.append(...files.map(file => new Option(file, `file:${file}`)));
    list.value = value;
    if (!list.value) list.value = "";
  },

  show({ fen, moves, line, files }) {
    this.offer(files);
    if (fen !== shownStep().fen || !this.asked) return;
    const { side, file } = this.of, [, turn, , , , number] = fen.split(" "), path = pathTo(here()).slice(1);
    const rows = moves.map(({ uci, san, counts }) => {
      const total = counts.reduce((sum, count) => sum + count, 0);
      const name = movesText([...path, { san, number: `${number}${turn === "w" ? "." : "..."}` }]);
      const list = makeButton(counted(total), () => games.openLine(`${line} ${uci}`.trim(), name, side, file), {
        className: "count", ariaLabel: several("{count} game with {move}", "{count} games with {move}", total, { move: san }) });
      const bar = chances(make("div", { className: "wdl", role: "img" }), counts.slice(0, 3).map(count => 1000 * count / Math.max(1, total - counts[3])));
      return make("li", {}, makeButton(san, () => explore(fen, [{ uci }])), list, bar);
    });
    this.list.fill(rows.length ? rows : [words("muted", t("No game goes on from here within its first 30 moves."))]);
  },
};
on("explorer-on", "change", () => { if ($("explorer-on").checked) send("games_refresh"); explorer.ask(); });
on("explorer-side", "change", () => explorer.ask());

function deleteQuestion([game, ...others]) {
  const folder = "earlier", name = playersOf(game).join(" – ");
  if (others.length) return t("Delete {count} games, with their reviews? Their text stays in the folder {folder}.", { count: counted(1 + others.length), folder });
  if (game.copies === 1) return t("Delete {game}, with its review? Its text stays in the folder {folder}.", { game: name, folder });
  return t("Delete {game} from {file}? {count} games are equal; the others and the review stay. Its text stays in the folder {folder}.",
    { game: name, file: game.file, count: game.copies, folder });
}

const gameDeeds = {
  open: key => { send("games_open", { key, ply: games.line ? games.line.split(" ").length : 0 }); $("games").close(); },
  continue: key => { send("games_continue", { key }); $("games").close(); },
  review: () => { for (const key of games.chosen.keys()) send("games_review", { key }); },
  delete: () => {
    games.doomed = [...games.chosen.keys()];
    element("#games-sure span").textContent = deleteQuestion([...games.chosen.values()]);
    $("games-sure").hidden = false;
    element("#games-sure button").focus();
  },
  copies: key => {
    const { equality } = games.chosen.get(key);
    games.unfolded = games.unfolded === equality ? "" : equality;
    games.search();
  },
  keep: () => { $("games-sure").hidden = true; },
  sure: () => { games.choose(null); send("games_delete", { keys: games.doomed }); },
};
const gamesDeeds = {
  whole: () => { games.filter({ ...games.wanted(), line: "", file: "" }); games.search(); },
  stop: () => send("games_stop"),
  pgn: () => send("games_export", { ...games.wanted(), keys: [...games.chosen.keys()] }),  // without a choice, all that are listed
  names: () => send("games_names"),
  all: () => send("games_review", { key: "" }),
  progress: () => openDialog("progress"),
};
deeds.game = name => gameDeeds[name]([...games.chosen.keys()][0]);
deeds.games = name => gamesDeeds[name]();
deeds.sort = column => games.sort(column);
on("games", "keydown", event => { if (event.key === "Enter" && event.target.matches("input")) event.preventDefault(); });
on("games-list", "keydown", event => games.key(event));
on("games-list", "scroll", () => games.draw());
new ResizeObserver(() => { if ($("games").open) games.draw(); }).observe($("games-list"));
for (const name of FILTERS) on(`games-${name}`, "input", () => {
  games.choose(null);
  $("games-list").scrollTop = 0;
  games.search();
});
on("games-file", "change", event => { games.take(event.target.files[0]); event.target.value = ""; });

// ---- what is dropped on the page: files are imported, or filled in where a game is being loaded; a FEN is set up ----

const isKnown = ({ name }) => $("games-file").accept.split(",").some(end => name.toLowerCase().endsWith(end));
const hasFiles = event => event.dataTransfer.types.includes("Files");

function showDrop(isOver) {
  if (document.body.classList.contains("dropping") === isOver) return;
  document.body.classList.toggle("dropping", isOver);
  sayEverywhere(isOver ? t("Drop the file here to import it into My games.") : stateText());
}

// On the page and in the dialog before it.
function sayEverywhere(text, kind = "note") {
  say(text, kind);
  const place = element("dialog[open] [role=status], dialog[open] [role=alert]");
  if (place) place.textContent = text;
}

function drop({ files }, text) {
  $("comment").blur();  // what is being written belongs to the game that was there
  if (!files.length) { if (/^\s*\S+(\/\S+){7}/.test(text)) send("position", { fen: text.trim() }); return; }
  if ($("load").open) { fillIn(files[0]); return; }
  const bad = [...files].find(file => !isKnown(file));
  if (bad) {
    const names = { file: bad.name };
    sayEverywhere(t("{file} cannot be imported: expected games (.pgn) or puzzles (.csv), packed or not.", names), "error");
    return;
  }
  elements("dialog[open]:not(#games)").forEach(dialog => dialog.close("cancel"));
  if (!$("games").open) openDialog("games");
  for (const file of files) games.take(file);
}

for (const kind of ["dragover", "drop"]) document.addEventListener(kind, event => {
  if (!state || (!hasFiles(event) && event.target.closest?.("input, textarea"))) return;
  event.preventDefault();
  showDrop(kind === "dragover" && hasFiles(event));
  if (kind === "drop") drop(event.dataTransfer, event.dataTransfer.getData("text/plain"));
});
document.addEventListener("dragleave", event => { if (!event.relatedTarget) showDrop(false); });
