// The evaluation over a reviewed game, beside its moves: points, marked moves, and where one is. Keys step through the
// moves themselves, so that the curve is for the pointer and for the eye.
const curve = {
  points: [],  // the number of each move's node, and White's expected points after it

  // Shows what a review says; points of moves that were deleted since are left out when one goes there.
  fill(points, marks) {
    this.points = points;
    $("curve").hidden = points.length < 2;
    const places = points.map(([, expected], at) => `${this.x(at).toFixed(1)} ${(200 * (1 - expected)).toFixed(1)}`);
    element("#curve .area").setAttribute("d", places.length ? `M${places.join("L")}V200H0Z` : "");
    const dots = points.flatMap(([id, expected], at) => marks[id] ? [this.dot(at, expected, KINDS[marks[id].nag])] : []);
    $("curve").replaceChildren(element("#curve svg"), ...dots);
  },

  x(at) { return 600 * at / Math.max(1, this.points.length - 1); },

  dot(at, expected, kind) {
    const dot = words(`dot ${kind}`);
    dot.style.left = `${this.x(at) / 6}%`;
    dot.style.top = `${100 * (1 - expected)}%`;
    return dot;
  },

  // Moves the cursor to the position that is looked at, and hides it beside the game.
  show() {
    const at = this.points.findIndex(([id]) => id === here()), cursor = element("#curve .cursor");
    cursor.style.visibility = at < 0 ? "hidden" : "visible";
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, this.x(Math.max(0, at)));
  },

  follow(share) {
    const last = this.points.length - 1;
    look(this.points[Math.max(0, Math.min(last, Math.round(share * last)))][0]);
  },
};

followPointer($("curve"), share => curve.follow(share));
