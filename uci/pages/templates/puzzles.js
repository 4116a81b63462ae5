// Puzzles on a board of their own. The server knows the solution and judges each move.
const puzzleBoard = new LiveBoard($("puzzle-board"), uci => send("puzzles_move", { uci }), () => {}, text => { $("puzzle-says").textContent = text; });

function showPuzzle({ fen, legal, marked, says, standing, over, flipped }) {
  $("puzzle-says").textContent = says;
  $("puzzle-standing").textContent = standing;
  $("puzzles").querySelector("[data-puzzle=answer]").disabled = over;
  $("puzzle-analyse").disabled = !over || !fen;
  $("puzzle-analyse").value = fen;
  if (!fen) return;
  if (puzzleBoard.view.flipped !== flipped) puzzleBoard.flip(flipped);
  puzzleBoard.show({ placement: fen.split(" ")[0], marked }, legal);
  if (over) $("puzzles").querySelector("[data-puzzle=next]").focus({ preventScroll: true });
}

$("puzzle-analyse").addEventListener("click", () => {
  send("position", { fen: $("puzzle-analyse").value });
  $("puzzles").close();
});

$("puzzles").addEventListener("click", event => {
  const button = event.target.closest("[data-puzzle]");
  if (button) send(`puzzles_${button.dataset.puzzle}`);
});
