// Boards that change: pieces, marked squares, arrows, from either side. Squares count from a1 = 0 to h8 = 63.
"use strict";
const NAMES = { p: "pawn", n: "knight", b: "bishop", r: "rook", q: "queen", k: "king" };
const SQUARE = 45;
const SIDE = 8 * SQUARE;
const SLIDE_MS = 160;

function shape(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  made.textContent = text;
  return made;
}

// An element with properties and children.
function make(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// A button that sends no form.
const makeButton = (text, onclick, properties = {}) => make("button", { type: "button", onclick, ...properties }, text);

// A small picture of a piece.
function pictureOf(letter, viewBox = `0 0 ${SQUARE} ${SQUARE}`) {
  const picture = shape("svg", { viewBox });
  picture.append(shape("use", { href: `#${pieceName(letter)}` }));
  return picture;
}

const isWhite = letter => letter < "a";
const pieceName = letter => `${isWhite(letter) ? "white" : "black"}-${NAMES[letter.toLowerCase()]}`;

// A sentence in the page's language, which its CATALOGUE has, with values for its {names}.
const t = (text, values = {}) => (CATALOGUE[text] ?? text).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
// The same for one thing or many: the catalogue has the forms, which the page's `pluralForm` chooses from.
const several = (one, many, count, values = {}) => {
  const form = CATALOGUE[one]?.[pluralForm(count)] ?? (count === 1 ? one : many);
  return t(form, { count: counted(count), ...values });
};
const counted = number => Number(number).toLocaleString(document.documentElement.lang);
const pieceWords = letter => t(pieceName(letter).replace("-", " "));
const squareName = square => "abcdefgh"[square % 8] + (1 + Math.floor(square / 8));

// Square -> letter of the piece on it, from the first field of a FEN.
function piecesOf(placement) {
  const pieces = new Map();
  placement.split("/").forEach((rank, row) => {
    let file = 0;
    for (const letter of rank) {
      if (letter >= "1" && letter <= "8") { file += Number(letter); continue; }
      pieces.set((7 - row) * 8 + file, letter);
      file += 1;
    }
  });
  return pieces;
}

// The first field of a FEN, from a map of squares to letters.
function placementOf(pieces) {
  const rows = [];
  for (let rank = 7; rank >= 0; rank--) {
    let row = "", empty = 0;
    for (let file = 0; file < 8; file++) {
      const letter = pieces.get(rank * 8 + file);
      if (!letter) { empty += 1; continue; }
      row += (empty || "") + letter;
      empty = 0;
    }
    rows.push(row + (empty || ""));
  }
  return rows.join("/");
}

// Whether a key has a meaning of its own where the focus is, or belongs to the browser.
function isKeyTaken({ target, ctrlKey, altKey, metaKey }) {
  if (ctrlKey || altKey || metaKey || target.closest("textarea, select, .scroll")) return true;
  return target.matches("input:not([type=checkbox], [type=file])");
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // a page from a file or another machine, or a browser that asks too much
    const field = make("textarea", { value: text }), before = document.activeElement;
    (document.querySelector("dialog[open]") ?? document.body).append(field);  // nothing behind a dialog can be selected
    field.select();
    document.execCommand("copy");
    field.remove();
    before.focus({ preventScroll: true });
  }
}

// Lets `go` follow a pointer over a curve, which is clicked or dragged along: it gets 0 at the left end, 1 at the right one.
function followPointer(curve, go) {
  const follow = event => {
    const box = curve.getBoundingClientRect();
    go((event.clientX - box.left) / box.width);
  };
  curve.addEventListener("click", follow);
  curve.addEventListener("pointermove", event => { if (event.buttons & 1) follow(event); });
}

// Says on a button for a moment that something was done.
function sayOn(button, text) {
  button.dataset.text ??= button.textContent;
  button.textContent = text;
  setTimeout(() => { button.textContent = button.dataset.text; }, 1200);
}

class BoardView {
  // Takes over an SVG that `board_svg` drew, or an empty one.
  constructor(svg) {
    this.svg = svg;
    this.flipped = false;
    this.state = { placement: "8/8/8/8/8/8/8/8" };
    svg.setAttribute("viewBox", `0 0 ${SIDE} ${SIDE}`);
    let dark = "";
    for (let square = 0; square < 64; square++) {
      if ((square + (square >> 3)) % 2 === 0) dark += `M${square % 8 * SQUARE} ${(7 - (square >> 3)) * SQUARE}h45v45h-45z`;
    }
    const layers = ["under", "coordinates", "pieces", "over"].map(name => [name, shape("g", { class: name })]);
    this.layers = Object.fromEntries(layers);
    svg.replaceChildren(
      shape("rect", { class: "light", width: SIDE, height: SIDE }), shape("path", { class: "dark", d: dark }),
      ...layers.map(([, layer]) => layer));
    this.drawCoordinates();
  }

  // A square as it is seen from White's side: the same half a turn further where the board is flipped.
  turned(square) { return this.flipped ? 63 - square : square; }

  // [x, y] of a square's upper left corner.
  corner(square) {
    const seen = this.turned(square);
    return [seen % 8 * SQUARE, (7 - (seen >> 3)) * SQUARE];
  }

  // [x, y] of a pointer.
  pointAt(event) {
    const box = this.svg.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE];
  }

  // The square under a pointer, or null.
  squareAt(event) {
    const [column, row] = this.pointAt(event).map(place => Math.floor(place / SQUARE));
    if (column < 0 || column > 7 || row < 0 || row > 7) return null;
    return this.turned((7 - row) * 8 + column);
  }

  // Lets a piece follow a pointer.
  hold(piece, event) {
    const [x, y] = this.pointAt(event);
    piece.setAttribute("x", x - SQUARE / 2);
    piece.setAttribute("y", y - SQUARE / 2);
  }

  flip(flipped = !this.flipped) {
    this.flipped = flipped;
    this.drawCoordinates();
    this.show(this.state);
  }

  drawCoordinates() {
    const texts = [];
    for (let index = 0; index < 8; index++) {
      const place = this.flipped ? 7 - index : index;
      const [odd, even] = index % 2 ? ["on-light", "on-dark"] : ["on-dark", "on-light"];
      texts.push(shape("text", { class: odd, x: SQUARE * index + SQUARE - 3, y: SIDE - 3, "text-anchor": "end" },
        "abcdefgh"[place]));
      texts.push(shape("text", { class: even, x: 3, y: SQUARE * index + 12, "text-anchor": "start" }, String(8 - place)));
    }
    this.layers.coordinates.replaceChildren(...texts);
  }

  // `state` has the placement, and may have squares by class (marked, check, selected, targets, cursor), arrows
  // [from, to, class], where a circle goes to its own square, and glyph [square, text, class]. A single move since the
  // last state slides.
  show(state) {
    const before = piecesOf(this.state.placement), after = piecesOf(state.placement);
    const slides = this.state.placement !== state.placement ? this.slides(before, after) : new Map();
    this.state = state;
    const under = [];
    for (const square of state.marked ?? []) under.push(this.rect(square, "marked"));
    if (state.selected != null) under.push(this.rect(state.selected, "selected"));
    if (state.check != null) under.push(this.circle(state.check, "check", SQUARE / 2));
    this.layers.under.replaceChildren(...under);
    this.layers.pieces.replaceChildren(...[...after].map(([square, letter]) => this.piece(square, letter, slides)));
    const over = [];
    for (const square of state.targets ?? [])
      over.push(after.has(square) ? this.circle(square, "target ring", 19.5) : this.circle(square, "target", 6.5));
    for (const [from, to, kind] of state.arrows ?? [])
      over.push(from === to ? this.circle(from, `ring ${kind}`, 20) : this.arrow(from, to, kind));
    if (state.glyph) over.push(this.glyph(...state.glyph));
    if (state.cursor != null) over.push(this.rect(state.cursor, "cursor-square", 2));
    this.layers.over.replaceChildren(...over);
  }

  // Puts a piece on another square, until the next state. A dropped piece does not slide.
  put(source, target) {
    const pieces = piecesOf(this.state.placement);
    const letter = pieces.get(source);
    pieces.delete(source);
    pieces.set(target, letter);
    this.show({ ...this.state, placement: placementOf(pieces), selected: null, targets: [] });
  }

  rect(square, kind, inset = 0) {
    const [x, y] = this.corner(square);
    const side = SQUARE - 2 * inset;
    return shape("rect", { class: kind, x: x + inset, y: y + inset, width: side, height: side });
  }

  piece(square, letter, slides) {
    const [x, y] = this.corner(square);
    const made = shape("use", { href: `#${pieceName(letter)}`, x, y, "data-square": square });
    if (slides.has(square) && made.animate && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      const [fromX, fromY] = this.corner(slides.get(square));
      const there = `translate(${fromX - x}px, ${fromY - y}px)`;
      made.animate([{ transform: there }, { transform: "none" }], { duration: SLIDE_MS, easing: "ease-out" });
    }
    return made;
  }

  // Square that a piece came to -> square that it left, if one move (two for castling) made the difference.
  slides(before, after) {
    const left = [...before].filter(([square]) => !after.has(square));
    const came = [...after].filter(([square, letter]) => before.get(square) !== letter);
    const slides = new Map();
    if (came.length > 2) return slides;
    for (const [square, letter] of came) {
      const source = left.find(piece => piece[1] === letter)?.[0];
      if (source !== undefined && source !== this.dropped) slides.set(square, source);
    }
    this.dropped = null;
    return slides;
  }

  middle(square) { return this.corner(square).map(place => place + SQUARE / 2); }

  arrow(source, target, kind) {
    const [[x1, y1], [x2, y2]] = [source, target].map(square => this.middle(square));
    const length = Math.max(1, Math.hypot(x2 - x1, y2 - y1));
    const dx = (x2 - x1) / length, dy = (y2 - y1) / length;  // (dx, dy) points along the arrow, (-dy, dx) across it
    const point = (along, across) => `${x1 + along * dx - across * dy},${y1 + along * dy + across * dx}`;
    const neck = length - 18;
    const points = [point(0, 4), point(neck, 4), point(neck, 11), point(length, 0), point(neck, -11), point(neck, -4),
      point(0, -4)];
    return shape("polygon", { class: `arrow ${kind}`, points: points.join(" ") });
  }

  circle(square, kind, r) {
    const [cx, cy] = this.middle(square);
    return shape("circle", { class: kind, cx, cy, r });
  }

  glyph(square, text, kind) {
    const [x, y] = this.corner(square);
    const cx = Math.min(SIDE - 9, x + SQUARE - 3), cy = Math.max(9, y + 3);
    const made = shape("g", { class: `glyph ${kind}` });
    made.append(shape("circle", { cx, cy, r: 9 }), shape("text", { x: cx, y: cy + 4, "text-anchor": "middle" }, text));
    return made;
  }
}

// An evaluation bar beside a board: White's winning chances (0..1) as a white column.
function showBar(bar, expected, text, flipped) {
  bar.classList.toggle("flipped", flipped);
  bar.querySelector(".white").style.height = `${(100 * expected).toFixed(1)}%`;
  const words = bar.querySelector(".score");
  words.textContent = /^[+-]?\d/.test(text) ? Math.abs(Number(text)).toFixed(1) : text;
  words.classList.toggle("low", expected >= 0.5);
  bar.title = t("White's winning chances: {points}%, {score}. What White would score in 100 games of people that go on from here; a draw counts half.",
    { points: Math.round(100 * expected), score: text });
  bar.ariaLabel = bar.title;
}
