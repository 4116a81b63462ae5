// What one's own reviewed games tell together, on a page of its own: accuracy and mistakes over time, and what they are
// counted by. A number leads to its games or to its mistakes.
const MEAN_OF = 10;  // games over which the charts take means

const progress = {
  show({ points, rows }) {
    const reviewed = points.filter(point => point.accuracy !== null), days = reviewed.map(dayOf);
    const phases = [t("opening"), t("middlegame"), t("endgame")].map((name, phase) => [name, reviewed.map(point => point.mistakes[phase])]);
    $("progress-body").replaceChildren(...reviewed.length ? [
      this.chart(t("Your accuracy"), [[t("accuracy"), reviewed.map(point => point.accuracy)]], days, 100, "%"),
      this.chart(t("Your mistakes a game"), phases, days, Math.max(2, ...phases.flatMap(([, values]) => means(values))), ""),
      this.table(rows),
    ] : [words("", t("Review some of your games first. Those of 15 moves and more are counted."))]);
  },

  // The means of [name, values] rows, each of the latest games up to there, over the days of the games.
  chart(title, rows, days, most, unit) {
    const top = Math.ceil(most / 2) * 2, width = Math.max(1, days.length - 1);
    const picture = shape("svg", { viewBox: "0 0 600 120", preserveAspectRatio: "none", role: "img", "aria-label": title });
    for (const height of [0, 60, 120]) picture.append(shape("path", { class: "grid", d: `M0 ${height}H600` }));
    const legend = rows.map(([name, values], index) => {
      const curve = means(values), drawn = curve.length === 1 ? [curve[0], curve[0]] : curve;  // a line, not a point
      const places = drawn.map((value, at) => `${600 * at / Math.max(1, drawn.length - 1)},${120 - 120 * value / top}`);
      picture.append(shape("polyline", { class: `series s${index}`, points: places.join(" ") }));
      return words(`key-${index}`, `${name} ${curve.at(-1).toFixed(1)}${unit}`);
    });
    const marks = [...new Set([0, Math.round(width / 2), days.length - 1])].map(at => words("", days[at]));
    const caption = several("{title}, mean of {count} game:", "{title}, means of {count} games:", Math.min(MEAN_OF, days.length), { title });
    return make("figure", { className: "means small" }, make("figcaption", {}, `${caption} `, ...legend.flatMap(key => [key, " "])),
      make("div", { className: "scale muted" }, ...[top, top / 2, 0].map(value => words("", `${value}${unit}`))), picture,
      make("div", { className: "days muted" }, ...marks));
  },

  // One grid for openings, colours and motifs.
  table(rows) {
    const table = make("table"), head = table.createTHead().insertRow();
    const names = ["", t("games"), t("points"), t("accuracy"), t("mistakes"), t("missed chances")];
    head.append(...names.map(name => make(name ? "th" : "td", name ? { scope: "col" } : {}, name)));
    const titles = { opening: t("Openings"), side: t("Colours"), motif: t("Motifs of your mistakes") };
    for (const by of Object.keys(titles)) {
      const group = rows.filter(row => row.by === by), body = table.createTBody();
      if (!group.length) continue;
      body.insertRow().append(make("th", { colSpan: names.length, scope: "rowgroup" }, titles[by]));
      for (const row of group) body.append(this.row(row));
    }
    return table;
  },

  row(row) {
    const line = make("tr"), percent = share => share === null || share === undefined ? "–" : `${Math.round(share)}%`;
    const name = row.by === "side" ? t(row.name === "white" ? "White" : "Black") : MOTIFS[row.name] ?? row.name;
    const mistakes = makeButton(counted(row.mistakes), () => send("games_mistakes", { by: row.by, name: row.name }),
      { ariaLabel: `${name}: ${several("{count} mistake", "{count} mistakes", row.mistakes)}` });
    const list = makeButton(counted(row.games), () => { $("progress").close(); games.showOf(row); },
      { ariaLabel: `${name}: ${several("{count} game", "{count} games", row.games)}` });
    const isMotif = row.by === "motif";
    const cells = [name, isMotif ? counted(row.games) : list, isMotif ? "–" : percent(100 * row.points), percent(row.accuracy), mistakes, counted(row.missed)];
    for (const cell of cells) line.insertCell().append(cell);
    return line;
  },

  // The mistakes behind a number: a click leads to the board before one.
  showMistakes({ positions, total }) {
    const list = make("ol", { className: "positions small" }, ...positions.map(({ key, ply, kind, ...game }) => {
      const move = t("move {number}", { number: Math.ceil(ply / 2) });
      return make("li", {}, makeButton(gameWords(game, move, MOTIFS[kind]), () => {
        afterOpening = () => send("learn", { here: true });
        send("games_open", { key, ply });
        elements("dialog[open]").forEach(dialog => dialog.close());
      }));
    }));
    const title = make("h3", {}, several("{count} mistake", "{count} mistakes", total));
    $("progress-body").replaceChildren(title, makeButton(t("Back to the progress"), () => send("games_progress")), list);
  },
};

// The mean at each place of the latest values up to there.
function means(values) {
  return values.map((_, at) => {
    const latest = values.slice(Math.max(0, at + 1 - MEAN_OF), at + 1);
    return latest.reduce((sum, value) => sum + value, 0) / latest.length;
  });
}
