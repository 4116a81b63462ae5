// Goes through the moves of each game: buttons, arrow keys, clicks on moves, on marked points and in the curve.
"use strict";
const NAMES = { p: "pawn", n: "knight", b: "bishop", r: "rook", q: "queen", k: "king" };
const SQUARE = 45;
const WIDTH = 600;

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  return made;
}

function pieces(placement) {
  const made = [];
  placement.split("/").forEach((rank, row) => {
    let column = 0;
    for (const letter of rank) {
      if (letter >= "1" && letter <= "8") { column += Number(letter); continue; }
      const side = letter === letter.toUpperCase() ? "white" : "black";
      made.push(shape("use", { href: `#${side}-${NAMES[letter.toLowerCase()]}`, x: SQUARE * column, y: SQUARE * row }));
      column += 1;
    }
  });
  return made;
}

function mark(square) {
  const place = { x: (square % 8) * SQUARE, y: (7 - Math.floor(square / 8)) * SQUARE };
  return shape("rect", { class: "marked", width: SQUARE, height: SQUARE, ...place });
}

function setUp(game) {
  const steps = JSON.parse(game.querySelector(".steps").textContent);
  const board = game.querySelector(".replay svg");
  const list = game.querySelector(".moves");
  const links = list.querySelectorAll("a");
  const cursor = game.querySelector(".cursor");
  const last = steps.length - 1;
  let ply = last;

  function scroll() {
    list.scrollTop = ply ? links[ply - 1].offsetTop - list.offsetTop - list.clientHeight / 2 : 0;
  }

  function show(wanted) {
    ply = Math.max(0, Math.min(last, wanted));
    const step = steps[ply];
    board.querySelectorAll(".marked").forEach(square => square.remove());
    const group = board.querySelector(".pieces");
    group.before(...step.marked.map(mark));
    group.replaceChildren(...pieces(step.pieces));
    board.setAttribute("aria-label", step.text);
    game.querySelector(".says").textContent = step.text;
    links.forEach(link => link.removeAttribute("aria-current"));
    if (ply > 0) links[ply - 1].setAttribute("aria-current", "true");
    cursor.setAttribute("x1", WIDTH * ply / Math.max(1, last));
    cursor.setAttribute("x2", WIDTH * ply / Math.max(1, last));
    scroll();
  }

  const goes = { first: () => 0, back: () => ply - 1, on: () => ply + 1, last: () => last };
  const keys = { ArrowLeft: "back", ArrowRight: "on", Home: "first", End: "last" };
  game.querySelectorAll("[data-go]").forEach(button =>
    button.addEventListener("click", () => show(goes[button.dataset.go]())));
  game.querySelector(".replay").addEventListener("keydown", event => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    show(goes[keys[event.key]]());
  });
  links.forEach(link => link.addEventListener("click", event => {
    event.preventDefault();
    show(Number(link.dataset.ply));
  }));
  game.querySelectorAll(".dot").forEach(dot => dot.addEventListener("click", () => show(Number(dot.dataset.ply))));
  game.querySelector(".expected").addEventListener("click", event => {
    const box = event.currentTarget.getBoundingClientRect();
    show(Math.round((event.clientX - box.left) / box.width * last));
  });
  scroll();
}

document.querySelectorAll(".game").forEach(setUp);
