// The dialogs: new game, playing from a position, setting one up, loading and saving.
// What is said while a dialog is open is heard in it only.
for (const dialog of elements("dialog")) dialog.append(make("p", { className: "hidden", role: "status" }));

// Enter in a field presses the first button that submits, which is to be the one that does something.
for (const button of elements("dialog [value=cancel]")) {
  button.type = "button";
  button.addEventListener("click", () => button.closest("dialog").close("cancel"));
}

function openDialog(id) {
  const dialog = $(id);
  dialog.querySelectorAll(".error").forEach(place => { place.textContent = ""; });
  dialog.returnValue = "cancel";
  opening[id]?.();
  dialog.ariaLabel = dialog.querySelector("h2").textContent;
  dialog.showModal();
}

// Errors that the server tells while a dialog waits for its answer are shown in it, with what was entered.
function dialogSays(message) {
  if (!waitingDialog || message.kind !== "error") return;
  waitingDialog.querySelector(".error").textContent = message.text;
  if (!waitingDialog.open) waitingDialog.showModal();
}

deeds.open = openDialog;

function gameChoices({ side, level, clock, own }) {
  const minutes = clock.value === "own" ? own.value || "10" : clock.value;
  return { side: side.value, level: level.value, clock: minutes };
}

// Shows a field where a choice needs it. What is hidden is not checked: browsers refuse a form for it without a word.
function need(label, isNeeded) { label.hidden = label.querySelector("input").disabled = !isNeeded; }

for (const id of ["new-game", "from-here"]) {
  const form = $(id).querySelector("form");
  form.clock.addEventListener("change", () => need(form.querySelector(".own-clock"), form.clock.value === "own"));
  form.start?.addEventListener("change", () => {
    need(form.querySelector(".own-start"), form.start.value === "number");
    need(form.querySelector(".own-fen"), form.start.value === "fen");
  });
}

// Starts a dialog's choices with the side of the game that is on, and the level and clock that were chosen last.
function choose(id) {
  const form = $(id).querySelector("form"), { level, clock } = state.choice;
  if (state.human) form.side.value = state.human;
  setChoice(form.level, level);
  form.clock.value = clock;
  const isListed = form.clock.value === clock;
  if (!isListed) form.clock.value = "own";
  form.own.value = isListed ? "" : clock;
  need(form.querySelector(".own-clock"), !isListed);
}

let positionToPlay = null;  // a FEN from the set-up dialog, or of a review

function playFrom(fen) {
  openDialog("from-here");
  positionToPlay = fen;
}

const closing = {
  "new-game"(dialog, form) {
    const start = form.start.value, chess960 = { number: form.number.value || "518", fen: "" }[start] ?? start;
    waitingDialog = dialog;
    send("new", { ...gameChoices(form), fen: start === "fen" ? form.fen.value : "", chess960 });
  },
  "from-here"(dialog, form) {
    if (!positionToPlay) { send("play_from_here", gameChoices(form)); return; }
    waitingDialog = $("setup");
    send("new", { ...gameChoices(form), fen: positionToPlay, chess960: "" });
  },
  sure: () => send("resign"),
  load(dialog) {
    waitingDialog = dialog;
    const text = $("load-text").value;
    if (isTooLong(text)) { dialogSays({ kind: "error", text: tooLong() }); return; }
    send("load", { text, game: $("load-games").hidden ? 1 : element("#load-games select").selectedIndex + 1 });
  },
  setup(dialog) {
    positionToPlay = $("setup-fen").value;
    if (dialog.returnValue === "play") { playFrom(positionToPlay); return; }
    waitingDialog = dialog;
    send("position", { fen: positionToPlay });
  },
};
for (const id in closing) on(id, "close", ({ target }) => {
  if (!["cancel", ""].includes(target.returnValue)) closing[id](target, target.querySelector("form"));
});

// ---- loading ----

const isTooLong = text => text.length > Number($("load-text").dataset.longest);
const tooLong = () => t("The PGN is longer than {count} characters.", { count: counted($("load-text").dataset.longest) });

on("load-text", "input", () => { $("load-games").hidden = true; });

// What a file says in UTF-16 with its mark, in UTF-8, or else in Windows-1252, as older programs write.
function textOf(bytes) {
  const mark = String(new Uint8Array(bytes.slice(0, 2))), encoding = { "255,254": "utf-16le", "254,255": "utf-16be" }[mark];
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

async function fillIn(file) {
  if (!file) return;
  const text = textOf(await file.arrayBuffer());
  if (isTooLong(text)) element("#load .error").textContent = tooLong();
  else {
    $("load-text").value = text;
    $("load-games").hidden = true;
  }
}
on("load-file", "change", event => fillIn(event.target.files[0]));

// The chapters of a study, or the games of a PGN: the list stands above the moves, and the next one is a click away.
const chapters = {
  open: () => {},

  show(names, at, open) {
    listNumbered(element("#chapters select"), names, at);
    this.open = open;
    element("#chapters button").disabled = at + 1 >= names.length;
    $("chapters").hidden = names.length < 2;
  },

  showStudy({ chapters: listed, key }) {
    const at = listed.findIndex(chapter => chapter.key === key);
    this.show(listed.map(({ name }) => name), at, index => send("games_open", { key: listed[index].key, ply: 0 }));
  },
};
on("chapters", "change", event => chapters.open(event.target.selectedIndex));
deeds.chapter = () => chapters.open(element("#chapters select").selectedIndex + 1);

// A list of names with their numbers, of which one is chosen.
function listNumbered(list, names, at) {
  list.replaceChildren(...names.map((name, index) => new Option(`${index + 1}. ${name}`, index, false, index === at)));
}

function showGames({ names, game }) {
  chapters.show(names, game - 1, index => send("load", { text: $("load-text").value, game: index + 1 }));
  listNumbered(element("#load-games select"), names, game - 1);
  $("load-games").hidden = false;
}

// ---- saving ----

deeds.copy = async (form, button) => {
  copyText(form === "fen" ? shownStep().fen : await (await fetch("game.pgn")).text());
  sayOn(button, t("Copied"));
  say(t("Copied"));
};

// ---- setting up a position ----

const setup = { pieces: new Map(), brush: "hand", drag: null, given: [] };
const setupView = new BoardView(element("#setup-board svg"));

function showSetup() {
  const shown = placementOf(setup.pieces), form = element("#setup form");
  setupView.show({ placement: shown });
  const castling = elements("#setup [name=castling]:checked").map(box => box.right).join("") || "-";
  // En passant and the clock belong to the position that came; the number of its move stays in any.
  const [placement, turn, , enPassant = "-", clock = "0", number = "1"] = setup.given;
  const isGiven = shown === placement && form.turn.value === turn;
  const rest = isGiven ? `${enPassant} ${Number(clock) || 0}` : "- 0";
  $("setup-fen").value = `${shown} ${form.turn.value} ${castling} ${rest} ${Number(number) || 1}`;
  for (const button of elements("#setup [data-brush]")) button.ariaPressed = button.dataset.brush === setup.brush;
}

// Which box a right belongs to: K, Q, k and q name it; the letter of a rook's file does by the side of the king.
function boxOf(right) {
  const file = "abcdefgh".indexOf(right.toLowerCase()), isWhite = right < "a";
  if (file < 0) return right;
  const king = [...setup.pieces].find(([, letter]) => letter === (isWhite ? "K" : "k"))?.[0] ?? 4;
  return (isWhite ? "QK" : "qk")[Number(file > king % 8)];
}

// Takes up a position as people paste it: behind a label, in quotes, or in the address of a page.
function setUpFrom(text) {
  const fen = text.replace(/%2f/gi, "/").replace(/%20|[+_"'()[\]{}]/g, " ");
  setup.given = (fen.match(/([1-8KQRBNPkqrbnp]+\/){7}[1-8KQRBNPkqrbnp]+(?=\s|$).*/)?.[0] ?? fen).trim().split(/\s+/);
  const [placement, turn = "w", castling = "-"] = setup.given;
  setup.pieces = piecesOf(placement);
  element("#setup [name=turn]").value = turn === "b" ? "b" : "w";
  for (const box of elements("#setup [name=castling]")) {
    const right = [...castling].find(letter => boxOf(letter) === box.value);
    box.right = right ?? box.value;
    box.checked = right !== undefined;
  }
}

for (const [place, letters] of [["brushes-black", "kqrbnp"], ["brushes-white", "KQRBNP"]]) {
  const brushes = [["hand", "✥", t("Move pieces")], ...[...letters].map(letter => [letter, pictureOf(letter), pieceWords(letter)]),
    ["empty", "✕", t("Remove pieces")]];
  $(place).append(...brushes.map(([brush, shown, ariaLabel]) => {
    const title = brush.length > 1 ? ariaLabel : "";
    const button = makeButton(shown, () => { setup.brush = brush; showSetup(); }, { ariaLabel, title });
    button.dataset.brush = brush;
    return button;
  }));
}

on("setup-board", "pointerdown", event => {
  const square = setupView.squareAt(event);
  if (square === null) return;
  event.preventDefault();
  const { brush, pieces } = setup;
  if (brush === "hand") {
    if (!pieces.has(square)) return;
    setup.drag = square;
    $("setup-board").setPointerCapture(event.pointerId);
    return;
  }
  if (brush === "empty" || pieces.get(square) === brush) pieces.delete(square);
  else pieces.set(square, brush);
  showSetup();
});
on("setup-board", "pointermove", event => {
  if (setup.drag === null) return;
  const piece = element(`#setup-board [data-square="${setup.drag}"]`);
  if (piece) setupView.hold(piece, event);
});
on("setup-board", "pointerup", event => {
  if (setup.drag === null) return;
  const square = setupView.squareAt(event), letter = setup.pieces.get(setup.drag);
  setup.pieces.delete(setup.drag);
  if (square !== null) setup.pieces.set(square, letter);
  setupView.dropped = setup.drag;
  setup.drag = null;
  showSetup();
});

// What is typed stays as it is.
function setUpTyped(fen) {
  setUpFrom(fen);
  showSetup();
  $("setup-fen").value = fen;
}
on("setup", "change", ({ target }) => { if (target.id === "setup-fen") setUpTyped(target.value); else showSetup(); });
deeds.setup = name => {
  setUpFrom(name === "start" ? START : "8/8/8/8/8/8/8/8 w - -");
  showSetup();
};

// What a first page offers. What is not there to be offered is hidden.
const welcome = {
  keys: {},

  show({ unfinished, unreviewed, puzzles }) {
    for (const [name, game] of [["continue", unfinished], ["review", unreviewed]]) {
      this.keys[name] = game?.key;
      element(`[data-welcome=${name}]`).hidden = !game;
      element(`[data-welcome=${name}] span`).textContent = game ? gameWords(game, movesOf(game)) : "";
    }
    element("[data-welcome=puzzles] span").textContent = puzzles;
  },

  open() {
    const { level, clock } = state.choice, name = [...$("level").options].find(({ value }) => value === level)?.text ?? level;
    element("[data-welcome=play] span").textContent = `${name} · ${clock || t("No clock")}`;
    send("welcome");
  },

  choose(name) {
    $("welcome").close("cancel");
    const { level, clock } = state.choice;
    const offers = {
      continue: () => send("games_continue", { key: this.keys.continue }),
      review: () => { afterOpening = () => send("review"); send("games_open", { key: this.keys.review, ply: 0 }); },
      puzzles: () => openDialog("puzzles"), games: () => openDialog("games"), other: () => openDialog("new-game"),
      play: () => send("new", { side: "random", level, clock, fen: "", chess960: "" }),
    };
    offers[name]();
  },
};
deeds.welcome = name => welcome.choose(name);

const opening = {
  welcome: () => welcome.open(),
  puzzles: () => nextPuzzle(),
  games: () => games.open(),
  progress: () => send("games_progress"),
  setup: () => setUpTyped(shownStep().fen),
  "new-game"() {
    choose("new-game");
    element("#new-game [name=fen]").value = shownStep().fen;
  },
  "from-here"() { positionToPlay = null; choose("from-here"); },
  look() {
    const form = element("#look form");
    for (const name of ["board", "pieces"]) form[name].value = choices[name];
    for (const name of ["coordinates", "sound"]) form[name].checked = choices[name] === "on";
  },
};
// The server makes the page anew in another language or with other letters, which it keeps until others are chosen.
const speak = language => location.replace(`?language=${language}`);

on("look", "change", ({ target: { name, type, checked, value } }) => {
  const chosen = type === "checkbox" ? (checked ? "on" : "off") : value;
  if (name === "language") speak(chosen);
  else if (name === "letters") location.replace(`?letters=${chosen}`);
  else setLook(name, chosen);
});

