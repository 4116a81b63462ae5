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

function moveButton(text, onClick, properties = {}) {
  const button = make("button", { type: "button", ...properties }, text);
  button.addEventListener("click", onClick);
  return button;
}

// A small picture of a piece.
function pictureOf(letter, viewBox = `0 0 ${SQUARE} ${SQUARE}`) {
  const picture = shape("svg", { viewBox });
  picture.append(shape("use", { href: `#${pieceName(letter)}` }));
  return picture;
}

function pieceName(letter) {
  return `${letter === letter.toUpperCase() ? "white" : "black"}-${NAMES[letter.toLowerCase()]}`;
}

// A sentence in the page's language, where the page has a CATALOGUE, with values for its {names}.
const t = (text, values = {}) => ((typeof CATALOGUE === "object" && CATALOGUE[text]) || text)
  .replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
// The same for one thing or many: the catalogue has the forms, which the page's `pluralForm` chooses from.
const several = (one, many, count, values = {}) => {
  const forms = typeof CATALOGUE === "object" && CATALOGUE[one];
  return t(forms ? forms[pluralForm(count)] : count === 1 ? one : many, { count: counted(count), ...values });
};
const counted = number => Number(number).toLocaleString(document.documentElement.lang);
const pieceWords = letter => t(pieceName(letter).replace("-", " "));
const squareName = square => "abcdefgh"[square % 8] + (1 + Math.floor(square / 8));

// Square -> letter of the piece on it, from the first field of a FEN.
function piecesOf(placement) {
  const found = new Map();
  placement.split("/").forEach((rank, row) => {
    let file = 0;
    for (const letter of rank) {
      if (letter >= "1" && letter <= "8") { file += Number(letter); continue; }
      found.set((7 - row) * 8 + file, letter);
      file += 1;
    }
  });
  return found;
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
function isKeyTaken({ target, key, ctrlKey, altKey, metaKey }) {
  if (ctrlKey || altKey || metaKey || target.closest("textarea, select, .scroll, [contenteditable]")) return true;
  const kind = target.closest("input")?.type;
  return kind === "radio" ? key.startsWith("Arrow") : kind !== undefined && !["checkbox", "file", "button", "submit"].includes(kind);
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
    this.state = { placement: "8/8/8/8/8/8/8/8", marked: [] };
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

  corner(square) {
    const file = square % 8, rank = square >> 3;
    return this.flipped ? [(7 - file) * SQUARE, rank * SQUARE] : [file * SQUARE, (7 - rank) * SQUARE];
  }

  // The square under a pointer, or null.
  squareAt(event) {
    const box = this.svg.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / box.width * 8);
    const row = Math.floor((event.clientY - box.top) / box.height * 8);
    if (column < 0 || column > 7 || row < 0 || row > 7) return null;
    return this.flipped ? row * 8 + 7 - column : (7 - row) * 8 + column;
  }

  // Lets a piece follow a pointer.
  hold(piece, event) {
    const box = this.svg.getBoundingClientRect();
    piece.setAttribute("x", (event.clientX - box.left) / box.width * SIDE - SQUARE / 2);
    piece.setAttribute("y", (event.clientY - box.top) / box.height * SIDE - SQUARE / 2);
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
    if (state.check != null) {
      const [x, y] = this.corner(state.check);
      under.push(shape("circle", { class: "check", cx: x + SQUARE / 2, cy: y + SQUARE / 2, r: SQUARE / 2 }));
    }
    this.layers.under.replaceChildren(...under);
    this.layers.pieces.replaceChildren(...[...after].map(([square, letter]) => this.piece(square, letter, slides)));
    const over = [];
    for (const square of state.targets ?? []) over.push(this.target(square, after.has(square)));
    for (const [from, to, kind] of state.arrows ?? []) over.push(from === to ? this.circle(from, kind) : this.arrow(from, to, kind));
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
    const left = [...before].filter(([square, letter]) => after.get(square) !== letter && !after.has(square));
    const came = [...after].filter(([square, letter]) => before.get(square) !== letter);
    const found = new Map();
    if (came.length > 2) return found;
    for (const [square, letter] of came) {
      const source = left.find(([, other]) => other === letter);
      if (source && source[0] !== this.dropped) found.set(square, source[0]);
    }
    this.dropped = null;
    return found;
  }

  target(square, isCapture) {
    const [x, y] = this.corner(square);
    const middle = { cx: x + SQUARE / 2, cy: y + SQUARE / 2 };
    return isCapture ? shape("circle", { class: "target ring", r: 19.5, ...middle })
      : shape("circle", { class: "target", r: 6.5, ...middle });
  }

  arrow(source, target, kind) {
    const [[x1, y1], [x2, y2]] = [source, target].map(square => this.corner(square).map(part => part + SQUARE / 2));
    const length = Math.max(1, Math.hypot(x2 - x1, y2 - y1));
    const dx = (x2 - x1) / length, dy = (y2 - y1) / length;  // (dx, dy) points along the arrow, (-dy, dx) across it
    const point = (along, across) => `${x1 + along * dx - across * dy},${y1 + along * dy + across * dx}`;
    const neck = length - 18;
    const points = [point(0, 4), point(neck, 4), point(neck, 11), point(length, 0), point(neck, -11), point(neck, -4),
      point(0, -4)];
    return shape("polygon", { class: `arrow ${kind}`, points: points.join(" ") });
  }

  circle(square, kind) {
    const [x, y] = this.corner(square);
    return shape("circle", { class: `ring ${kind}`, cx: x + SQUARE / 2, cy: y + SQUARE / 2, r: 20 });
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
  bar.setAttribute("aria-label", bar.title);
}
