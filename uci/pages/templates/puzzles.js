// Puzzles on a board of their own. The server knows the solution, judges each move, and tells what answers a wrong one.
const puzzleBoard = new LiveBoard($("puzzle-board"), uci => send("puzzles_move", { uci }), () => {}, text => { $("puzzle-says").textContent = text; });
let puzzle = null;  // what the server told last of the one that is shown

const THEMES = {  // as Lichess calls them
  opening: t("opening"), middlegame: t("middlegame"), endgame: t("endgame"), mate: t("mate"), mateIn1: t("mate in {moves}", { moves: 1 }),
  mateIn2: t("mate in {moves}", { moves: 2 }), mateIn3: t("mate in {moves}", { moves: 3 }), backRankMate: t("back-rank mate"),
  smotheredMate: t("smothered mate"), fork: t("fork"), pin: t("pin"), skewer: t("skewer"), discoveredAttack: t("discovered attack"),
  doubleCheck: t("double check"), hangingPiece: t("hanging piece"), trappedPiece: t("trapped piece"), sacrifice: t("sacrifice"),
  attraction: t("attraction"), deflection: t("deflection"), interference: t("interference"), intermezzo: t("intermezzo"),
  clearance: t("clearance"), quietMove: t("quiet move"), defensiveMove: t("defence"), zugzwang: t("zugzwang"), promotion: t("promotion"),
  pawnEndgame: t("pawn endgame"), rookEndgame: t("rook endgame"), kingsideAttack: t("attack on the king's side"),
};
// What mistakes are counted by: the same words, and two for all others.
const MOTIFS = { ...THEMES, material: t("other loss of material"), position: t("positional") };
$("puzzle-theme").append(...Object.entries(THEMES).map(([value, name]) => new Option(name, value)));

function nextPuzzle() {
  const [least, most] = $("puzzle-rating").value.split("-").map(Number);
  if (!puzzle) $("puzzle-says").textContent = t("Looking for a puzzle.");  // which takes seconds the first time
  send("puzzles_next", { source: $("puzzle-source").value, theme: $("puzzle-theme").value, least, most });
}

function showPuzzle(message) {
  const { fen, legal = [], marked = [], says, standing, over, flipped, failed, origin = "", game = "", begin, before, themes = [] } = message;
  const isNew = begin !== puzzle?.begin;
  puzzle = message;
  const named = themes.map(theme => THEMES[theme]).filter(Boolean).join(", "), isAddress = /^https?:\/\//.test(game);
  $("puzzle-says").textContent = says;
  $("puzzle-says").className = message.mark ? `${message.mark}-move` : "";
  $("puzzle-standing").textContent = standing;
  element("#puzzle-origin bdi").textContent = named ? `${origin} ${t("Themes: {names}.", { names: named })}` : origin;
  $("puzzle-game").hidden = !game || isAddress;
  $("puzzle-link").hidden = !isAddress;
  if (isAddress) $("puzzle-link").href = $("puzzle-link").textContent = game;
  $("puzzle-again").hidden = true;
  element("#puzzles [data-puzzle=answer]").disabled = over;
  $("puzzle-analyse").disabled = !over || !fen;
  if (failed) send("puzzles_refute");
  if (fen) puzzleBoard.flip(flipped);
  if (isNew && before) puzzleBoard.show({ placement: before }, []);  // from which the opponent's move slides
  puzzleBoard.show({ placement: fen ? fen.split(" ")[0] : "8/8/8/8/8/8/8/8", marked }, legal);
  if (fen && over) element("#puzzles [data-puzzle=next]").focus({ preventScroll: true });
}

// Tells how many puzzles each theme has among those that are wanted.
function countThemes({ counts }) {
  for (const option of $("puzzle-theme").options) {
    if (!option.value) continue;
    const count = counts[option.value] ?? 0;
    option.textContent = `${THEMES[option.value]} (${count})`;
    option.disabled = !count;
  }
}

// Shows the position after a wrong try and its answer, until one goes on.
function showRefutation({ fen, says, ...tried }) {
  if (puzzle?.fen !== fen || !puzzle.failed) return;
  $("puzzle-says").textContent = puzzle.says = says;
  $("puzzle-says").className = "wrong-move";
  puzzleBoard.showTry(tried);
  $("puzzle-again").hidden = false;
}

// Before a move is tried, what was shown of the one before it goes.
function tryAgain() {
  if ($("puzzle-again").hidden) return;
  showPuzzle({ ...puzzle, failed: false });
  if (document.activeElement === document.body) $("puzzle-board").focus({ preventScroll: true });
}
puzzleBoard.beforeTry(tryAgain);
on("puzzle-again", "click", () => { tryAgain(); $("puzzle-board").focus({ preventScroll: true }); });

on("puzzle-analyse", "click", () => {
  send("position", { fen: puzzle.begin });
  $("puzzles").close();
});
on("puzzle-game", "click", () => {
  const [, turn, , , , number] = puzzle.begin.split(" ");
  send("games_open", { key: puzzle.game, ply: 2 * (Number(number) - 1) + (turn === "b" ? 1 : 0) });
  $("puzzles").close();
});
on("puzzle-choice", "change", nextPuzzle);

deeds.puzzle = name => name === "next" ? nextPuzzle() : send("puzzles_answer");
