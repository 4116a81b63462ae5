// The page of the board: shows the states that the server sends, and sends what the person does.
const $ = id => document.getElementById(id);
const element = selector => document.querySelector(selector);
const elements = selector => [...document.querySelectorAll(selector)];
const on = (id, kind, act) => $(id).addEventListener(kind, act);
const isSame = (before, after) => JSON.stringify(before) === JSON.stringify(after);
const VALUES = [9, 5, 3, 3, 1];  // of the pieces in PIECES, in pawns
const PIECES = { white: "QRBNP", black: "qrbnp" };
const LEAST_REVIEWED = 5;  // plies of a game from which one learns anything, unless it is mate
const START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1";

let state = null;      // the latest state
let received = 0;      // when it came, in milliseconds
let browsed = null;    // the node that is looked at in a game, null for the latest
let wanted = null;     // the node that is looked at in analysis until the server has answered
const tree = new Map();  // the nodes of the game and its variations, by number, each with its number and its parent's
const known = new Map();  // the latest lines of analysis of each position of this game, by FEN
let hint = null;       // the latest hint
let marks = {};        // what a review says of moves, by their numbers
let summaries = null;  // what it says of each side
let turning = "";      // what it says turned the game
let premoves = [];     // [from, to] of each move to play in turn as soon as it is legal
let resting = "";      // the position of which Aino has shown lines for some seconds, and looks no more
let waitingDialog = null;  // the dialog whose request the server has not answered yet
let turned = false;    // whether the board was turned round by hand
let socket = null;
let wantedFen = new URLSearchParams(location.hash.slice(1)).get("play");  // to play on from a review's position
history.replaceState(null, "", location.pathname);
let afterOpening = null;  // what is to be done with the next game that is opened
let arriving = true;   // whether the next state is the first one of a connection
const choices = { board: "brown", pieces: "classic", coordinates: "on", sound: "on", people: "off", rating: "1400" };  // what the page looks and sounds like
// What the browser keeps of them, in cookies: its storage is another one on each port, and Aino takes any free port.
for (const name in choices) choices[name] = document.cookie.match(`aino-${name}=(\\w+)`)?.[1] ?? choices[name];

// Sends a request, and returns whether there is a connection.
function send(request, fields = {}) {
  const isOpen = socket?.readyState === WebSocket.OPEN;
  if (isOpen) socket.send(JSON.stringify({ do: request, ...fields }));
  else answers.say({ text: t("Aino cannot be reached. Try again in a moment."), kind: "error" });
  return isOpen;
}

function setLook(name, value) {
  choices[name] = value;
  document.cookie = `aino-${name}=${value}; path=/; max-age=31536000; samesite=lax`;
  document.documentElement.dataset[name] = value;
  if (name === "pieces") drawPieces(value);
}

// Replaces the shapes to which all boards refer: the classic ones, symbols of the system's font, or letters on discs.
function drawPieces(kind) {
  for (const piece of elements(".shapes g[id]")) {
    piece.classic ??= [...piece.childNodes];
    const [side, name] = piece.id.split("-"), number = Object.values(NAMES).indexOf(name);
    const symbol = "♟♞♝♜♛♚"[number] + "\ufe0e", letter = "PNBRQK"[number];
    const drawn = { symbols: [shape("text", { class: `symbol ${side}`, x: 22.5, y: 36 }, symbol)], letters: [
      shape("circle", { class: `disc ${side}`, cx: 22.5, cy: 22.5, r: 17 }),
      shape("text", { class: `letter ${side}`, x: 22.5, y: 30 }, letter)] };
    piece.replaceChildren(...drawn[kind] ?? piece.classic);
  }
}

// Says something where it is heard: what is behind an open dialog is not.
function say(text, kind = "note") {
  const said = text.replace(/^[a-z]+(?=[ :])/, word => word[0].toUpperCase() + word.slice(1));
  $("status").textContent = said;
  $("status").classList.toggle("error", kind === "error");
  const dialog = elements("dialog[open]").at(-1), shown = kind === "error" && dialog?.querySelector("[role=status]:not(.hidden)");
  if (dialog) (shown || dialog.querySelector(".hidden[role=status]")).textContent = said;
}

const live = new LiveBoard($("board"), uci => { premoves = []; return send("move", { uci }); },
  squares => { premoves = squares ? [...premoves, squares] : []; if (state) show(); }, say,
  shape => shape ? send("draw", { node: here(), source: shape[0], target: shape[1], colour: shape[2] }) : send("wipe", { node: here() }));
const moveList = new MoveList($("moves"), () => { showMoves([]); show(); }), lineList = new MoveList($("line-list"), show);

// ---- what is shown ----

// Takes up what the server tells of the tree's nodes, and returns the game's own.
function grow({ isNew, nodes, last }) {
  if (isNew) tree.clear();
  for (const number in nodes) {
    const id = Number(number), node = nodes[id], before = tree.get(id);
    if (before && !isSame(before.next, node.next)) forgetShown([...before.next, ...node.next], rows, variations);
    tree.set(id, { ...node, id, parent: before?.parent });
  }
  for (const number in nodes) for (const child of nodes[number].next) tree.get(child).parent = Number(number);
  return pathTo(last);
}

// The nodes from the start to one of them.
function pathTo(id) {
  const path = [];
  for (let node = tree.get(id); node; node = tree.get(node.parent)) path.push(node);
  return path.reverse();
}

const here = () => state.analysing ? wanted ?? state.here : browsed ?? state.last;
const shownStep = () => tree.get(here()) ?? tree.get(state.here);
const isLatest = () => state.analysing || browsed === null;
const linesHere = () => state?.analysing && $("lines-on").checked && known.get(shownStep().fen);
const rivalOf = side => side === "white" ? "black" : "white";
const bottomSide = () => turned ? rivalOf(state.mine ?? "white") : state.mine ?? "white";
// Moves in a row, each with its number where White plays it or it is the first one.
const movesText = moves => moves.map(({ number, san }, index) => index && number.endsWith("...") ? san : `${number} ${san}`).join(" ");

function show() {
  if (!state) return;
  showBoard();
  showStrips(shownStep());
  showMoves();
  showLines();
  showNotes(shownStep());
  curve.show();
  showControls();
  explorer.ask();
  people.ask();
}

// Where one writes about a move and marks it.
function showNotes(step) {
  $("promote").disabled = $("delete").disabled = $("glyph").disabled = step.parent === undefined;
  $("glyph").value = step.glyphs.find(glyph => glyph <= 6) ?? 0;
  if (document.activeElement !== $("comment")) $("comment").value = step.note;
}

function showBoard() {
  const step = shownStep();
  if (state.lesson) { showLesson(state.lesson, step); return; }
  const arrows = [], mark = marks[step.id], lines = linesHere();
  if (mark?.better) arrows.push([...mark.better, "better"]);
  if (mark?.answer) arrows.push([...mark.answer, "threat"]);
  if (lines && !arrows.length) lines.lines.slice(0, 3).forEach((line, index) =>
    line.squares.length && arrows.unshift([...line.squares, index ? "other" : "better"]));
  if (hint && hint.fen === step.fen && !state.analysing) arrows.push([...hint.squares, "better"]);
  arrows.push(...premoves.map(squares => [...squares, "premove"]));
  live.flip(bottomSide() === "black");
  const mayPremove = state.thinking && browsed === null ? state.human : null;
  const pieces = piecesOf(step.fen.split(" ")[0]);  // of the player's hopes, where premoves wait
  for (const [from, to] of premoves) {
    pieces.set(to, pieces.get(from));
    pieces.delete(from);
  }
  const glyph = mark && [step.marked[1], GLYPHS[mark.nag], KINDS[mark.nag]];
  live.show({ placement: placementOf(pieces), marked: step.marked, check: step.check, drawn: step.drawn, arrows, glyph },
    isLatest() && (!state.analysing || here() === state.here) ? state.legal : [], mayPremove);
}

// A mistake that one tries to do better. What was tried is shown until one tries again.
let retried = "";
const tried = ({ node, squares }) => `${node} ${squares}`;
const isTried = ({ lesson }) => lesson?.squares.length > 0 && retried !== tried(lesson);

function showLesson(lesson, { fen, marked, check }) {
  if (isTried(state)) live.showTry(lesson);
  else live.show({ placement: fen.split(" ")[0], marked, check }, lesson.over ? [] : state.legal);
}

// Before another move is tried, what was shown of the one before goes.
function tryAnother() {
  if (!isTried(state ?? {}) || state.lesson.over || state.lesson.looking) return;
  retried = tried(state.lesson);
  showBoard();
}
live.beforeTry(tryAnother);

function sayLesson({ asks, says, looking, over }) {
  say(asks);
  const text = looking ? t("Aino looks at it.") : says, kind = looking ? "" : over ? "right-move" : "wrong-move";
  tell(text, `told ${kind}`);
}

function showStrips(step) {
  $("about").textContent = $("about").title = state.about.join(" · ");
  for (const [place, side] of [["above", rivalOf(bottomSide())], ["below", bottomSide()]]) {
    $(place).dataset.side = side;
    element(`#${place} .who`).textContent = t(state.names[side]);
    element(`#${place} .rating`).textContent = state.ratings[side];
    element(`#${place} .material`).replaceChildren(...materialOf(step, PIECES[side], PIECES[rivalOf(side)]));
    $(place).classList.toggle("to-move", state.isGame && !state.end && state.turn === side);
    const seconds = state.clock ? null : clockAt(step, side), clock = element(`#${place} .clock`);
    clock.hidden = Boolean(state.lesson) || !state.clock && seconds === null;
    if (seconds !== null) clock.textContent = clockText(seconds);
  }
  showClocks();
}

// Pictures of what a side has taken more of than the other, and by how many pawns it is ahead.
function materialOf({ fen }, own, rival) {
  const letters = [...fen.split(" ")[0]], count = wanted => letters.filter(letter => letter === wanted).length;
  let ahead = 0, taken = "";
  VALUES.forEach((value, kind) => {
    const more = count(own[kind]) - count(rival[kind]);
    ahead += more * value;
    taken += rival[kind].repeat(Math.max(0, more));
  });
  return [...[...taken].map(letter => pictureOf(letter, "4 4 37 37")), ahead > 0 ? ` +${ahead}` : ""];
}

function clockText(seconds) {
  if (seconds < 10) return Math.max(0, seconds).toFixed(1);
  const whole = Math.ceil(seconds), rest = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

// The seconds that a side had left after its latest move, as the file of a game tells; null where it does not.
function clockAt(step, side) {
  for (let node = step; node; node = tree.get(node.parent))
    if (node.clock !== null && (node.fen.split(" ")[1] === "b") === (side === "white")) return node.clock;
  return null;
}

function showClocks() {
  if (!state?.clock) return;
  for (const place of ["above", "below"]) {
    const side = $(place).dataset.side, clock = element(`#${place} .clock`);
    const runs = state.clock.running === side;
    const left = state.clock[side] - (runs ? (performance.now() - received) / 1000 : 0);
    clock.textContent = clockText(left);
    clock.classList.toggle("runs", runs);
    clock.classList.toggle("short", left < 20);
  }
}

// What the clocks show stays while nothing is heard of the game, which waits.
function stopClocks() {
  if (!state?.clock?.running) return;
  state.clock[state.clock.running] -= (performance.now() - received) / 1000;
  state.clock.running = null;
  showClocks();
}

const KINDS = { 1: "only-move", 2: "mistake", 3: "brilliant-move", 4: "blunder", 5: "only-move", 6: "inaccuracy" };
const glyphsOf = ({ id, glyphs }) => marks[id] && !glyphs.some(glyph => glyph <= 6) ? [marks[id].nag, ...glyphs] : glyphs;
const named = step => step.san + glyphsOf(step).map(glyph => GLYPHS[glyph] ?? `$${glyph}`).join("");

const words = (kind, text = "") => make("span", { className: kind }, text);

// What is shown of the tree, kept because a large one takes a while: the button of each node; the elements of each move
// of the main line; and each variation, by its first node.
const buttons = new Map(), rows = new Map(), variations = new Map();
const forgetShown = (ids, ...maps) => ids.forEach(id => maps.forEach(map => map.delete(id)));

function stepButton(step) {
  const known = buttons.get(step.id);
  if (known?.step === step) return known;
  const className = glyphsOf(step).map(glyph => KINDS[glyph] ?? "").join(" ").trim();
  const button = makeButton(named(step), () => look(step.id), { step, className });
  button.dataset.node = step.id;
  buttons.set(step.id, button);
  return button;
}

// Gives an element other children; those that stay are not touched.
function patch(host, children) {
  const wanted = new Set(children);
  for (const child of [...host.childNodes]) if (!wanted.has(child)) child.remove();
  let at = host.firstChild;
  for (const child of children) {
    if (child === at) at = at.nextSibling;
    else host.insertBefore(child, at);
  }
}

function variation(first) {
  if (!variations.has(first)) {
    variations.set(first, make("span", { className: "variation", role: "group", ariaLabel: t("Variation") }));
    fillVariation(first);
  }
  return variations.get(first);
}

// What is written about a move, and what else could be played in its place.
const besides = ({ note }, others) => [...note ? [words("note", note)] : [], ...others.map(variation)];

function fillVariation(first) {
  const made = [];
  let isFresh = true;  // the next move needs its number
  for (let step = tree.get(first); step; step = tree.get(step.next[0])) {
    const others = step.id === first ? [] : tree.get(step.parent).next.slice(1);
    if (isFresh || !step.number.endsWith("...")) made.push(words("no", step.number));
    made.push(stepButton(step), ...besides(step, others));
    isFresh = Boolean(step.note || others.length);
  }
  patch(variations.get(first), made);
}

// Makes anew what is shown of some nodes: variations, and rows of the main line.
function refreshMoves(steps) {
  const main = new Set(state.steps.map(step => step.id)), stale = new Set();
  for (let step of steps) {
    forgetShown([step.id, ...step.next], rows);
    if (main.has(step.id)) continue;
    while (step.parent !== undefined && !main.has(step.parent) && tree.get(step.parent).next[0] === step.id) step = tree.get(step.parent);
    stale.add(step.id);
  }
  for (const first of stale) if (variations.has(first)) fillVariation(first);
}

// The main line: a move of each side in a row, below it what is written about it and what else could be played.
function mainMoves() {
  let isBroken = true;  // the next move needs its number
  const made = state.steps.slice(1).flatMap(step => {
    const known = rows.get(step.id);
    if (known?.isBroken === isBroken) { isBroken = known.breaks; return known.made; }
    const isBlack = step.number.endsWith("..."), under = besides(step, tree.get(step.parent).next.filter(id => id !== step.id));
    const row = [...!isBlack || isBroken ? [words("no", step.number.replace("...", "."))] : [],
      ...isBlack && isBroken ? [words("gap", "…")] : [], stepButton(step), ...!isBlack && under.length ? [words("gap", "…")] : [], ...under];
    rows.set(step.id, { isBroken, breaks: under.length > 0, made: row });
    isBroken = under.length > 0;
    return row;
  });
  if (state.end) made.push(words("result", `${state.end.result} · ${t(state.end.reason)}`));
  return [...besides(state.steps[0], []), ...made, ...tree.get(state.last).next.map(variation)];
}

let latestShown = null;
let waitingMoves = [];  // numbers of nodes to be shown once no move is pressed any more: it would change

// `numbers` of nodes that were added or changed; without any, another one is looked at.
function showMoves(numbers) {
  if (numbers) waitingMoves.push(...numbers);
  if (numbers && !moveList.held) {
    const focused = document.activeElement.dataset.node;
    refreshMoves(waitingMoves.map(number => tree.get(Number(number))).filter(Boolean));
    waitingMoves = [];
    patch($("moves").firstChild, mainMoves());
    if (focused && document.activeElement === document.body) buttons.get(Number(focused))?.focus({ preventScroll: true });
    latestShown = null;
  }
  if (latestShown === here()) return;
  latestShown = here();
  for (const button of elements("#moves [aria-current]")) button.ariaCurrent = null;
  if (buttons.has(here())) buttons.get(here()).ariaCurrent = "true";
  showHere();
}

// Lets the list show the move that is looked at in its middle, again when it has another height, such as when lines appear
// above it. Moves that one is to find do not show.
function showHere() {
  const box = $("moves"), button = buttons.get(here()), isHidden = state.lesson?.over === false;
  let isComing = isHidden && !here();
  for (const part of box.firstChild.children) {
    part.classList.toggle("coming", isComing);
    isComing ||= isHidden && part === button;
  }
  if (button?.isConnected) box.scrollTop = button.offsetTop - box.offsetTop - box.clientHeight / 2;
  else if (!here()) box.scrollTop = 0;
}

new ResizeObserver(() => { if (latestShown !== null) showHere(); }).observe($("moves"));

function showLines() {
  $("lines").hidden = $("bar-place").hidden = !state.analysing;
  $("board").closest(".board-row").classList.toggle("with-bar", state.analysing);
  if (!state.analysing) return;
  const lines = linesHere(), isOn = $("lines-on").checked;
  const best = lines && (lines.over ?? lines.lines[0]);
  $("wdl").hidden = !isOn;
  $("deeper").hidden = !isOn || resting !== shownStep().fen;
  $("work").textContent = isOn ? workText(lines) : "";
  for (const place of ["bar-place", "wdl"]) $(place).style.visibility = best ? "visible" : "hidden";
  if (best) {
    showBar(element("#bar-place .bar"), best.expected, best.score, live.view.flipped);
    chances($("wdl"), best.wdl);
  }
  if (lines) lineList.fill(lines.lines.map((line, rank) => lineItem(line, lines.fen, rank)));
  else if (!isOn) lineList.fill([]);
}

function workText(lines) {
  if (!lines) return t("thinking");
  if (lines.over) return t(lines.over.text);
  return t("depth {depth} · {nodes} nodes · {nps}/s", { depth: lines.depth, nodes: short(lines.nodes), nps: short(lines.nps) });
}

const short = count => count >= 1e6 ? `${(count / 1e6).toFixed(1)}M` : count >= 1e3 ? `${Math.round(count / 1e3)}k` : String(count);

// Fills a bar with White's wins, draws and Black's wins, each in per mille, and returns it.
function chances(bar, wdl) {
  const percent = wdl.map(share => Math.round(share / 10));
  bar.replaceChildren(...["white", "draw", "black"].map((name, index) => {
    const part = words(name, wdl[index] >= 90 ? `${percent[index]}%` : "");
    part.style.width = `${wdl[index] / 10}%`;
    return part;
  }).filter((_, index) => wdl[index] > 0));
  bar.title = bar.ariaLabel = t("White wins {0}%, draw {1}%, Black wins {2}%", percent);
  return bar;
}

// Plays moves in a position, if it still is the one that is looked at.
const explore = (fen, moves) => { if (fen === shownStep().fen) send("explore", { moves: moves.map(({ uci }) => uci) }); };

// A line of a position; until there are lines of another position it stays, and then its moves cannot be played.
function lineItem(line, fen, rank) {
  const item = make("li"), shown = words("moves-of");
  if (line.score) shown.append(words("score", line.score));
  line.moves.forEach((move, index) => {
    const button = makeButton(move.san, () => explore(fen, line.moves.slice(0, index + 1)));
    const pair = words("move");  // a number stays with its move
    if (index === 0 || !move.number.endsWith("...")) pair.append(words("no", move.number));
    pair.append(button);
    shown.append(pair, " ");
  });
  shown.title = movesText(line.moves);
  item.append(shown, wholeButton(item, rank));
  return item;
}

// Which lines are shown in all their rows, by their place among the others.
const wholeLines = new Set();
function wholeButton(item, rank) {
  const show = () => { button.ariaExpanded = item.classList.toggle("whole", wholeLines.has(rank)); };
  const title = t("Show the whole line"), button = makeButton("⌄", () => {
    if (!wholeLines.delete(rank)) wholeLines.add(rank);
    show();
  }, { title, ariaLabel: title });
  show();
  return button;
}

// Asks once for what a list shows beside the position that is looked at. Where the list is off, it is empty.
function askBeside(aside, isOn, choice, ask) {
  const wanted = isOn ? `${shownStep().fen} ${choice}` : "";
  if (isOn && wanted !== aside.asked) ask();
  if (!isOn) aside.list.fill([]);
  aside.asked = wanted;
}

// What players of a rating would play, beside the engine's lines. The switch and the rating are remembered.
const people = {
  asked: "", list: new MoveList($("people-list")),

  ask() {
    const isOn = choices.people === "on" && state.analysing && !state.lesson;
    askBeside(this, isOn, choices.rating, () => send("people", { rating: Number(choices.rating) }));
  },

  show({ fen, rating, moves }) {
    if (`${fen} ${rating}` !== this.asked) return;
    this.list.fill(moves.map(({ uci, san, share }) => {
      const button = makeButton(san, () => explore(fen, [{ uci }]));
      const row = make("li", {}, button, words("percent", `${Math.round(100 * share)}%`));
      row.style.setProperty("--share", share);
      return row;
    }));
  },
};
$("people-on").checked = choices.people === "on";
$("people-rating").value = choices.rating;
for (const id of ["people-on", "people-rating"]) on(id, "change", () => {
  setLook("people", $("people-on").checked ? "on" : "off");
  setLook("rating", $("people-rating").value);
  people.ask();
});

function showControls() {
  const playing = state.isGame && !state.end && !state.analysing;
  const path = pathTo(here());
  $("actions").hidden = !playing || !state.human;
  for (const button of elements("#actions :is([data-do=hint], [data-do=offer_draw])")) button.disabled = state.thinking;
  element("#actions [data-do=take_back]").disabled = state.steps.length === 1;
  showOver();
  $("level-row").hidden = !playing;
  setChoice($("level"), state.level);
  $("analysis").hidden = $("edit").hidden = !state.analysing;
  showNames();
  $("drop").hidden = !state.isGame;
  const { lesson } = state, isLearning = lesson?.over === false;
  document.body.classList.toggle("learning", isLearning);
  $("try-here").hidden = Boolean(lesson) || !Object.keys(marks).length;
  $("try-here").disabled = !marks[here()]?.better;
  $("next-mistake").hidden = !Object.values(marks).some(mark => mark.better);
  $("answer").hidden = !isLearning;
  $("leave").hidden = !lesson;
  $("review-too").disabled = !$("review").hidden || !mayReview();
  $("analyse-button").textContent = state.analysing && state.isGame ? t("Game") : t("Analyse");
  $("analyse-button").disabled = state.analysing && !state.isGame;
  $("typed").hidden = state.isGame && !state.analysing && Boolean(state.end || !state.human);
  $("opening").textContent = path.findLast(step => step.opening)?.opening ?? "";
  for (const button of elements("#steps :is([data-go=first], [data-go=back])")) button.disabled = path.length === 1;
  for (const button of elements("#steps :is([data-go=on], [data-go=last])")) button.disabled = nextOf(here()) === here();
}

// What is told of a game that is over, above its moves.
function showOver() {
  const { end } = state;
  $("over").hidden = !state.isGame || state.analysing || !end;
  if ($("over").hidden) return;
  element("#over .result").textContent = `${end.result} · ${t(end.reason)}`;
  const rows = summaries ? ["white", "black"].map(side => make("tr", {}, make("td", {}, t(state.names[side])), make("td", {}, summaries[side]))) : [];
  element("#over tbody").replaceChildren(...rows);
  $("turning").textContent = turning;
  $("review-button").hidden = Boolean(summaries) || !mayReview();
}

// Two moves teach nothing, unless they end in mate.
function mayReview() {
  const isLong = state.steps.length > LEAST_REVIEWED || state.steps.at(-1).san.endsWith("#");
  return isLong && !(state.isGame && !state.end);
}

function showReview({ running, ready, done, total, marks: newMarks, curve: points, sides, turning: point }) {
  if (sides !== undefined) { summaries = sides; turning = point; }
  if (newMarks && !isSame(newMarks, marks)) {
    forgetShown(Object.keys({ ...marks, ...newMarks }).map(Number), buttons, rows);
    marks = newMarks;
    showMoves([]);
    show();
    if (state.analysing && !state.lesson && marks[here()]) sayPlace();  // after a reload, too
  }
  if (points) { curve.fill(points, marks); curve.show(); }
  const wasRunning = !$("review").hidden;
  $("review").hidden = !running;
  $("review-link").hidden = running || !(ready || state.back);
  $("review-page").hidden = !ready;
  $("review-too").hidden = ready;
  showControls();
  $("back-to-review").hidden = ready || !state.back;
  $("review-button").disabled = running;
  $("review-progress").value = total ? done / total : 0;
  $("review-text").textContent = done < total ? t("{done} of {total} moves", { done: Math.ceil(done / 2), total: Math.ceil(total / 2) }) : t("Looking closer");
  if (wasRunning && ready) { say(t("The review is ready.")); tell(turning); }
}

// Sets a choice that may lack the value yet.
function setChoice(select, value) {
  select.value = value;
  if (select.value !== value) select.append(new Option(value, value, true, true));
}

// ---- what happens ----

function stateText() {
  if (state.analysing) return state.isGame && !state.end ? t("Analysis: the game waits.") : t("Analysis: move both sides' pieces.");
  if (state.end) return `${state.end.result}: ${t(state.end.reason)}. ${state.saved}`;
  if (state.loading) return t("Aino is getting ready. The very first start compiles. The clocks wait.");
  if (state.isGame && !state.human) return t("Aino plays itself.");
  return state.thinking ? t("Aino is thinking.") : t("Your move.");
}

// Where one is, as it is read out: the move that led there.
function placeText() {
  const step = shownStep();
  if (!step.san) return t("Start position");
  const isMain = state.steps.includes(step), move = `${step.number} ${named(step)}`;
  return isMain ? move : t("Variation: {move}", { move });
}

// The words about a move are heard with it; they can be read elsewhere.
function sayPlace(more = "") {
  say(placeText() + more);
  const { id, note } = shownStep();
  tell(note, "hidden");
  tell(id === 0 ? turning : marks[id]?.says);
}

// Adds a sentence to what was said.
function tell(text, kind = "told") { if (text) $("status").append(words(kind, ` ${text}`)); }

const answers = {
  state(message) {
    const before = state, wasHere = before && here();
    state = message;
    state.steps = grow(message);
    if (wanted === message.here || !state.analysing || !tree.has(wanted)) wanted = null;
    const isNew = arriving, isOtherStart = before?.steps[0].fen !== state.steps[0].fen;
    waitingDialog = null;
    arriving = false;
    received = performance.now();
    $("curtain").hidden = true;
    showBehind(true);
    if (isOtherStart || before.steps.length !== state.steps.length) browsed = null;
    if (before && before.mine !== state.mine) turned = false;
    const latest = state.steps.at(-1);
    const moved = before && state.steps.at(-2)?.fen === before.steps.at(-1).fen;
    if (moved) playSound(latest.san);
    if (isNew || isOtherStart) { hint = null; known.clear(); }
    $("lines-on").checked = state.shows.on;
    setChoice($("line-count"), String(state.shows.count));
    showReview(state.review);
    if (isNew) { sendWritten(); explorer.asked = people.asked = ""; if ($("games").open) games.open(); }  // what was asked may be lost
    const isOther = !isSame(before?.lesson, state.lesson);
    if (state.lesson) {
      if (isOther) sayLesson(state.lesson);
    } else if (isNew || message.isNew || moved && !state.analysing || stateKey(before) !== stateKey(state)) {
      const last = moved && !state.thinking && !state.analysing ? `${latest.number} ${latest.san}. ` : "";
      say(last + stateText());
    } else if (here() !== wasHere || isOther) sayPlace();
    if (isOther) latestShown = null;
    if (message.isNew) { rows.clear(); variations.clear(); marks = {}; summaries = null; turning = ""; curve.fill([], marks); $("chapters").hidden = true; }
    const numbers = Object.keys(message.nodes);
    if (numbers.length || !isSame(before?.end, state.end)) showMoves(numbers);
    if (!state.thinking || state.analysing) playPremove(moved);
    show();
    if (wantedFen) playFrom(wantedFen);
    else if (!before && state.asks) openDialog("welcome");
    wantedFen = null;
    if (message.isNew && afterOpening) { afterOpening(); afterOpening = null; }
  },
  lines(message) {
    known.set(message.fen, message);
    resting = "";
    if (!state) return;
    showBoard();
    showLines();  // the rest stays: the moves would lose where the person has scrolled to
  },
  rested({ fen }) { resting = fen; showLines(); },
  hint(message) {
    hint = message;
    say(t("Aino would play {move}.", { move: `${message.san}${message.line.length ? ` (${message.line[0].score})` : ""}` }));
    show();
  },
  say(message) {
    if (message.kind === "error") wanted = null;
    say(message.text, message.kind);
    dialogSays(message);
  },
  games: showGames, chapters: message => chapters.showStudy(message), people: message => people.show(message),
  games_read(message) { games.read(message); explorer.ask(true); }, explored: message => explorer.show(message),
  games_reading: message => games.reading(message), games_names: message => games.askNames(message),
  games_found: message => games.found(message), games_work: message => games.work(message),
  welcome: message => welcome.show(message),
  exported: ({ name }) => make("a", { href: "export", download: name }).click(),
  puzzle: message => $("puzzles").open && showPuzzle(message), refuted: showRefutation, themes: countThemes,
  games_progress: message => progress.show(message), games_mistakes: message => progress.showMistakes(message),
  review: showReview,
  busy() {
    arriving = true;
    if (wantedFen) { send("take_over"); return; }
    drawCurtain(t("The board is open in another tab. One person plays at a time."), true);
  },
};

const stateKey = of => JSON.stringify([of.analysing, of.thinking, of.loading, of.end, of.isGame, of.saved, of.analysing || of.steps.length]);

// Plays the next one once the opponent has moved. Where a move was taken back, there is none to answer.
function playPremove(moved) {
  const [wanted, ...others] = premoves;
  premoves = [];
  if (!wanted || state.analysing || !moved) return;
  const moves = movesBetween(state.legal, ...wanted);
  if (!moves.length) return;
  premoves = others;
  send("move", { uci: moves.find(uci => uci.endsWith("q")) ?? moves[0] });
}

function playSound(san) {
  if (choices.sound === "off") return;
  try {
    playSound.context ??= new AudioContext();
    const { context } = playSound, at = context.currentTime;
    const tone = context.createOscillator(), volume = context.createGain();
    tone.type = "triangle";
    tone.frequency.setValueAtTime(san.includes("x") ? 190 : 260, at);
    tone.frequency.exponentialRampToValueAtTime(70, at + 0.07);
    volume.gain.setValueAtTime(san.includes("x") ? 0.5 : 0.3, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.1);
    tone.connect(volume).connect(context.destination);
    tone.start(at);
    tone.stop(at + 0.12);
  } catch { choices.sound = "off"; }
}

// The move after a node: in a game nothing follows the latest one.
const nextOf = id => id === state.last && !state.analysing ? id : tree.get(id).next[0] ?? id;

function look(id) {
  if (id === here() || !tree.has(id)) return;
  if (state.analysing) send("look", { node: wanted = id });
  else browsed = id === state.last ? null : id;
  sayPlace(browsed === null && !state.analysing ? `. ${stateText()}` : "");
  show();
}

const goes = {
  first: () => look(0),
  back: () => look(shownStep().parent ?? 0),
  on: () => look(nextOf(here())),
  last: () => {
    let id = here();
    while (nextOf(id) !== id) id = nextOf(id);
    look(id);
  },
  flip: () => { turned = !turned; show(); },
};

// Goes round the moves that can be played instead of the one that led here.
function lookBeside(way) {
  const rivals = tree.get(shownStep().parent)?.next ?? [], at = rivals.indexOf(here());
  if (rivals.length > 1) look(rivals[(at + way + rivals.length) % rivals.length]);
}

const tells = {
  next_mistake: () => send("learn", { here: false }),
  try_here: () => send("learn", { here: true }),
  analyse: () => send("analyse", { on: !state.analysing }),
  promote: () => send("promote", { node: here() }),
  delete: () => send("delete", { node: here() }),
};

// Title and names of an analysis, which My games lists; "?" and the usual title stand for none.
function showNames() {
  $("names").hidden = state.title === null;
  if ($("names").contains(document.activeElement) || state.title === null) return;
  const names = { title: state.title === "Analysis" ? "" : state.title, ...state.names };
  for (const field of $("names").children)
    field.value = ["?", "White", "Black"].includes(names[field.name]) ? "" : names[field.name];
}
on("names", "change", () => send("name", Object.fromEntries([...$("names").children].map(({ name, value }) => [name, value]))));

on("glyph", "change", () => send("mark", { node: here(), glyph: Number($("glyph").value) }));

// Words on a move are kept until the server has them, of which one that is not at the board takes none.
let written = null;
const gameShown = () => JSON.stringify([state.names, state.steps.map(step => step.fen)]);
function sendWritten() {
  if (!written || !$("curtain").hidden) return;
  const { game, ...fields } = written;
  written = null;
  if (game === gameShown()) send("comment", fields);
}
on("comment", "input", () => { written = { game: gameShown(), node: here(), text: $("comment").value }; });
on("comment", "change", sendWritten);
addEventListener("pagehide", () => $("comment").blur());
on("comment", "keydown", event => { if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); $("comment").blur(); } });

// What a button does: it has a kind of deed, `data-KIND`, and says there which one.
const deeds = {
  go: way => goes[way](),
  do: request => tells[request] ? tells[request]() : send(request),
  again: swap => send("again", { swap: swap === "true" }),
};
document.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (button && state) for (const kind in button.dataset) deeds[kind]?.(button.dataset[kind], button);
});

on("typed", "submit", event => {
  event.preventDefault();
  const field = $("typed-move");
  if (field.value.trim()) send("type", { text: field.value.trim() });
  field.value = "";
});

for (const id of ["lines-on", "line-count"]) on(id, "change", () => {
  send("lines", { on: $("lines-on").checked, count: Number($("line-count").value) });
  show();
});

on("level", "change", () => send("level", { level: $("level").value }));

on("take-over", "click", () => send("take_over"));

const keys = {
  ArrowLeft: goes.back, ArrowRight: goes.on, Home: goes.first, End: goes.last, f: goes.flip,
  "/": () => $("typed-move").focus(), h: () => send("hint"), u: () => send("take_back"), n: () => openDialog("new-game"),
  a: () => { if (state.isGame) tells.analyse(); }, l: () => { if (state.analysing) $("lines-on").click(); },
  s: () => { setLook("sound", choices.sound === "on" ? "off" : "on"); say(choices.sound === "on" ? t("Sound on.") : t("Sound off.")); },
  Escape: () => live.escape(),
  "?": () => openDialog("keys"),
};
// What lies over the board has the keys: a dialog, the curtain, or the choice of a promotion, with which one can look only.
const isCovered = key => elements("dialog[open]").length > 0 || !$("curtain").hidden
  || !live.choice.hidden && !["f", "Escape"].includes(key);
// A list from which something was chosen by hand gives the keys back; by keys one may go on choosing.
let isByHand = false;
document.addEventListener("pointerdown", () => { isByHand = true; }, { capture: true });
document.addEventListener("change", event => { if (isByHand && event.target.matches("#table select")) event.target.blur(); });

document.addEventListener("keydown", event => {
  isByHand = false;
  if (!state || !(event.key in keys) || isKeyTaken(event) || isCovered(event.key)) return;
  event.preventDefault();
  if (event.shiftKey && event.key.startsWith("Arrow")) lookBeside(event.key === "ArrowRight" ? 1 : -1);
  else if (!event.repeat || event.key.startsWith("Arrow")) keys[event.key]();
});

// ---- the connection ----

// Lets nobody come to what is behind the curtain, by keys or by ear.
function showBehind(isShown) { for (const part of elements(".skip, header, #table")) part.inert = !isShown; }

function drawCurtain(text, mayTakeOver) {
  $("take-over").hidden = !mayTakeOver;
  $("curtain").hidden = false;
  $("curtain-text").textContent = text;
  showBehind(false);
}

const page = Math.random().toString(36).slice(2);  // tells it from other tabs, also when it comes again

function connect() {
  socket = new WebSocket(`${location.href.replace(/^http/, "ws").replace(/[?#].*$/, "")}socket?page=${page}`);
  socket.addEventListener("message", event => {
    const message = JSON.parse(event.data);
    answers[message.do]?.(message);
  });
  socket.addEventListener("close", event => {
    arriving = true;
    stopClocks();
    if (event.code === 4000) { drawCurtain(t("The board is open in too many tabs."), false); return; }
    drawCurtain(t("Aino has ended or is not reachable. It keeps the game; trying again."), false);
    setTimeout(connectAgain, 1500);
  });
}

// Aino begun anew has another address, even where it listens at the same place: there this page finds nothing any more.
async function connectAgain() {
  const answer = await fetch(location.pathname).catch(() => null);
  if (answer?.status === 404) drawCurtain(t("Another board of Aino is here now. Its address is in the terminal in which Aino runs."), false);
  else connect();
}

for (const name in choices) setLook(name, choices[name]);
setInterval(showClocks, 100);
connect();
