// Goes through the moves of each game: buttons, arrow keys, clicks on moves and in the chart.
"use strict";
const NAMES = { p: "pawn", n: "knight", b: "bishop", r: "rook", q: "queen", k: "king" };
const SVG = "http://www.w3.org/2000/svg";
const SQUARE = 45;

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
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
      const href = "#" + side + "-" + NAMES[letter.toLowerCase()];
      made.push(element("use", { href: href, x: column * SQUARE, y: row * SQUARE }));
      column += 1;
    }
  });
  return made;
}

function setUp(game) {
  const steps = JSON.parse(game.querySelector(".steps").textContent);
  const board = game.querySelector(".replay svg");
  const links = game.querySelectorAll(".moves a");
  const cursor = game.querySelector(".cursor");
  let ply = steps.length - 1;

  function show(wanted) {
    ply = Math.max(0, Math.min(steps.length - 1, wanted));
    const step = steps[ply];
    board.querySelectorAll(".marked").forEach(mark => mark.remove());
    const group = board.querySelector(".pieces");
    for (const square of step.marked) {
      const place = { x: (square % 8) * SQUARE, y: (7 - Math.floor(square / 8)) * SQUARE };
      board.insertBefore(element("rect", { class: "marked", width: SQUARE, height: SQUARE, ...place }), group);
    }
    group.replaceChildren(...pieces(step.pieces));
    board.setAttribute("aria-label", step.text);
    game.querySelector(".says").textContent = step.text;
    links.forEach(link => link.removeAttribute("aria-current"));
    if (ply > 0) links[ply - 1].setAttribute("aria-current", "true");
    const x = 600 * ply / Math.max(1, steps.length - 1);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
  }

  const goes = { first: () => 0, back: () => ply - 1, on: () => ply + 1, last: () => steps.length - 1 };
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
  game.querySelector(".chart svg").addEventListener("click", event => {
    const box = event.currentTarget.getBoundingClientRect();
    show(Math.round((event.clientX - box.left) / box.width * (steps.length - 1)));
  });
}

document.querySelectorAll(".game").forEach(setUp);
