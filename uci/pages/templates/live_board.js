// A board on which pieces are moved: drag, two clicks, or keys. Needs board.js.
const DRAG_FROM = 4;  // pixels; a shorter way is a click
// Of arrows and circles: with no key held, with Shift or Ctrl, with Alt or Meta, and with both, as on Lichess.
const COLOURS = ["green", "red", "blue", "yellow"];

// The moves, in UCI notation, of [from, to, uci] lists that go from one square to another: some where a pawn promotes.
const movesBetween = (legal, source, target) => legal.filter(([from, to]) => from === source && to === target).map(([, , uci]) => uci);

class LiveBoard {
  // `onMove(uci)` is told the choice, and returns false where nobody heard it. `onPremove([from, to])` is told a move
  // made while the opponent thinks, or null where it is taken back. `onDraw([from, to, colour])` keeps what is drawn and
  // gives it back in `show`; it is told null where all of it goes. Without it, drawings go with the position.
  constructor(host, onMove, onPremove, announce, onDraw = null) {
    this.host = host;
    this.choice = host.querySelector(".promotion");
    this.view = new BoardView(host.querySelector("svg"));
    this.onMove = onMove;
    this.onPremove = onPremove;
    this.announce = announce;
    this.onDraw = onDraw ?? (shape => this.drawHere(shape));
    this.base = { placement: "8/8/8/8/8/8/8/8" };
    this.legal = [];
    this.premoves = null;  // "white" or "black" while that side may make a move in advance
    this.selected = this.cursor = this.drag = this.drawing = null;
    this.drawn = [];  // [from, to, colour]; a circle goes to its own square
    const acts = { pointerdown: "press", pointermove: "pull", pointerup: "release", pointercancel: "letGo", keydown: "key" };
    for (const kind in acts) host.addEventListener(kind, event => this[acts[kind]](event));
    host.addEventListener("contextmenu", event => event.preventDefault());
    // A finger makes no click on a square: it would fall on the choice of a promotion that has opened under the finger.
    for (const kind of ["mousedown", "touchend"])
      host.addEventListener(kind, event => { if (!event.target.closest(".promotion")) event.preventDefault(); });
    host.addEventListener("blur", () => { this.cursor = null; this.draw(); });
  }

  // `legal` has [from, to, uci] of each move.
  show(base, legal, premoves = null) {
    const changed = base.placement !== this.base.placement;
    this.base = base;
    this.legal = legal;
    this.premoves = premoves;
    if (base.drawn) this.drawn = base.drawn;
    else if (changed) this.drawn = [];
    if (changed && this.drag === null || !this.canTake(this.selected)) this.selected = null;
    if (changed) this.closePromotion();
    this.draw();
  }

  // Lets `act` be done before another move is tried.
  beforeTry(act) {
    for (const kind of ["pointerdown", "keydown"])
      this.host.addEventListener(kind, event => { if (event.key !== "Tab") act(); }, { capture: true });
  }

  // Shows a try and what answers it, each an arrow, in the position after them: nothing can be moved there.
  showTry({ after, squares, check }) {
    const kinds = ["premove", "threat"], arrows = squares.map((pair, at) => [...pair, kinds[at]]);
    this.show({ placement: after.split(" ")[0], marked: squares.at(-1), check, arrows }, []);
  }

  draw() {
    const targets = this.legal.filter(([source]) => source === this.selected).map(([, target]) => target);
    this.view.show({ ...this.base, arrows: [...this.drawn, ...this.base.arrows ?? []], selected: this.selected, targets: [...new Set(targets)], cursor: this.cursor });
  }

  flip(flipped) {
    if (this.view.flipped === flipped) return;
    this.view.flip(flipped);
    if (!this.choice.hidden) this.askPromotion(...this.promoting);
    this.draw();
  }

  canTake(square) {
    if (this.legal.some(([source]) => source === square)) return true;
    const letter = piecesOf(this.base.placement).get(square);
    return Boolean(this.premoves && letter && isWhite(letter) === (this.premoves === "white"));
  }

  get hasPremove() { return (this.base.arrows ?? []).some(([, , kind]) => kind === "premove"); }

  // Takes back a premove and the choice of a piece; where there is neither, what was drawn.
  escape() {
    const isChosen = (this.selected ?? this.cursor ?? this.drag) !== null;
    if (isChosen || this.hasPremove || !this.choice.hidden) this.cancel();
    else if (this.drawn.length) this.onDraw(null);
  }

  // Takes back a premove and the choice of a piece. What was drawn stays: it may be kept in a game.
  cancel() {
    this.selected = this.cursor = this.drag = null;
    this.closePromotion();
    this.onPremove(null);
    this.draw();
  }

  press(event) {
    if (event.target.closest(".promotion") || this.isOther(event)) return;
    this.closePromotion();
    if (event.button === 2) {
      this.drawing = this.view.squareAt(event);
      this.colour = COLOURS[Number(event.shiftKey || event.ctrlKey) + 2 * Number(event.altKey || event.metaKey)];
      this.host.setPointerCapture(event.pointerId);
    }
    if (event.button !== 0) return;
    if (this.host.closest("dialog")) this.host.focus({ preventScroll: true });  // its keys, not those of what is behind
    else document.activeElement?.blur();  // so that the keys go through the game after a click
    this.cursor = null;
    const square = this.view.squareAt(event);
    if (square === null) return;
    if (this.selected !== null && this.selected !== square && this.moveTo(square)) return;
    if (!this.canTake(square)) { this.cancel(); return; }
    this.wasSelected = this.selected === square;
    this.selected = square;
    this.draw();
    this.drag = { square, x: event.clientX, y: event.clientY, far: false, pointer: event.pointerId };
    this.host.setPointerCapture(event.pointerId);
  }

  // Whether an event is of another finger than that which drags a piece.
  isOther(event) { return this.drag !== null && this.drag.pointer !== event.pointerId; }

  pull(event) {
    const drag = this.drag;
    if (!drag || this.isOther(event)) return;
    if (!drag.far && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < DRAG_FROM) return;
    drag.far = true;
    const piece = this.view.svg.querySelector(`[data-square="${drag.square}"]`);
    if (!piece) return;  // it was taken meanwhile
    this.view.hold(piece, event);
    if (piece.nextSibling) piece.parentNode.append(piece);  // above the others
  }

  // Ends an arrow or a circle. A circle where a premove waits takes that back.
  finishDrawing(to) {
    const from = this.drawing;
    this.drawing = null;
    if (from === null || to === null) return;
    if (from === to && this.hasPremove) this.cancel();
    else this.onDraw([from, to, this.colour]);
  }

  // Draws a shape until the position changes; the same one again takes it away, and null all of them.
  drawHere(shape) {
    const others = shape ? this.drawn.filter(([from, to]) => from !== shape[0] || to !== shape[1]) : [];
    const isNew = shape && !this.drawn.some(drawn => String(drawn) === String(shape));
    this.drawn = isNew ? [...others, shape] : others;
    this.draw();
  }

  release(event) {
    if (this.isOther(event)) return;
    const drag = this.drag;
    this.drag = null;
    if (event.button === 2) {  // the last of two buttons to be released, perhaps
      this.finishDrawing(this.view.squareAt(event));
      this.draw();
    }
    if (!drag || event.button !== 0) return;
    const square = this.view.squareAt(event);
    if (drag.far) {
      this.view.dropped = drag.square;  // the hand has moved it: it does not slide
      if (square === null || square === drag.square || !this.moveTo(square)) this.draw();
    } else if (this.wasSelected) {
      this.unselect();
    }
  }

  letGo() {
    this.drag = null;
    this.draw();
  }

  unselect() {
    this.selected = null;
    this.draw();
  }

  // Moves the selected piece if it can go there; returns whether it did.
  moveTo(target) {
    const source = this.selected;
    const moves = movesBetween(this.legal, source, target);
    if (!moves.length) {
      if (!this.premoves || !this.canTake(source) || this.legal.length) return false;
      this.unselect();
      this.onPremove([source, target]);
      return true;
    }
    this.selected = null;
    if (moves.length === 1) this.play(source, target, moves[0]);
    else this.askPromotion(source, target, moves);
    return true;
  }

  // Shows the piece on its square at once; the server's answer follows.
  play(source, target, uci) {
    const pieces = piecesOf(this.base.placement);
    const letter = pieces.get(source);
    const { legal } = this;
    this.legal = [];
    const taken = pieces.get(target);
    // Castling by taking the rook waits for the server.
    if (taken && isWhite(taken) === isWhite(letter)) this.draw();
    else this.view.put(source, target);
    if (this.onMove(uci) !== false) return;
    this.legal = legal;
    this.draw();
  }

  askPromotion(source, target, moves) {
    this.promoting = [source, target, moves];
    const box = this.choice;
    if (box.hidden) this.before = document.activeElement;
    const white = target >= 56;
    box.style.left = `${this.view.turned(target) % 8 * 12.5}%`;
    const atTop = white !== this.view.flipped;
    box.style.top = atTop ? "0" : "auto";
    box.style.bottom = atTop ? "auto" : "0";
    const order = atTop ? "qnrb" : "brnq";
    box.replaceChildren(...[...order].filter(letter => moves.some(uci => uci.endsWith(letter))).map(letter => {
      const button = makeButton(pictureOf(white ? letter.toUpperCase() : letter), () => {
        this.closePromotion();
        this.play(source, target, moves.find(uci => uci.endsWith(letter)));
      }, { ariaLabel: t(NAMES[letter]) });
      button.dataset.piece = letter;
      return button;
    }));
    box.hidden = false;
    box.querySelector("[data-piece=q]").focus();
    this.draw();
  }

  // The keys go back to what had them.
  closePromotion() {
    if (this.choice.contains(document.activeElement)) this.before.focus();
    this.choice.hidden = true;
  }

  key(event) {
    if (event.target.closest(".promotion")) {
      if (event.key === "Escape") { this.closePromotion(); this.draw(); }
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey) return;  // the browser's
    const turn = this.view.flipped ? -1 : 1;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (way) {
      const from = this.cursor ?? this.selected ?? (this.view.flipped ? 51 : 12);
      const file = from % 8 + turn * way[0], rank = (from >> 3) + turn * way[1];
      this.cursor = this.cursor === null ? from : Math.max(0, Math.min(7, rank)) * 8 + Math.max(0, Math.min(7, file));
      const letter = piecesOf(this.base.placement).get(this.cursor);
      this.announce(`${squareName(this.cursor)} ${letter ? pieceWords(letter) : t("empty")}`);
    } else if ((event.key === "Enter" || event.key === " ") && this.cursor !== null) {
      if (this.selected !== null && this.selected !== this.cursor && this.moveTo(this.cursor)) this.cursor = null;
      else this.selected = this.canTake(this.cursor) && this.selected !== this.cursor ? this.cursor : null;
    } else if (event.key === "Escape") {
      this.escape();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.draw();
  }
}
