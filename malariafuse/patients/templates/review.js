// The page: marks of a reviewer, what follows from them, and where they are kept.

const data = JSON.parse(document.getElementById("data").textContent);
const marks = new Map();
const cards = new Map(
  [...document.querySelectorAll(".cell-card")].map((card) => [Number(card.dataset.row), card]),
);
const rows = [...cards.keys()];

// Browsers may forbid storage to files: marks are then kept until the page is closed.
function stored() {
  try {
    return JSON.parse(localStorage.getItem(data.key) ?? "[]");
  } catch {
    return [];
  }
}

function store() {
  try {
    localStorage.setItem(data.key, JSON.stringify([...marks]));
  } catch {
    // See above.
  }
}

function say(text) {
  document.getElementById("message").textContent = text;
}

function showCount() {
  const texts = describe(tally(data.cells, marks), data);
  for (const [name, text] of Object.entries(texts)) {
    for (const element of document.querySelectorAll(`[data-live=${name}]`)) {
      element.textContent = text;
    }
  }
}

function showMark(row) {
  const mark = marks.get(row) ?? UNSEEN;
  const card = cards.get(row);
  card.dataset.mark = mark;
  card.querySelector(`input[value="${mark}"]`).checked = true;
  card.querySelector(".state").textContent = mark;
  for (const path of document.querySelectorAll(`.view path[data-row="${row}"]`)) {
    path.classList.toggle("marked-yes", mark === "parasite");
    path.classList.toggle("marked-no", mark === "no parasite");
  }
}

function setMarks(pairs) {
  for (const [row, mark] of pairs) {
    if (!cards.has(row) || !MARKS.includes(mark)) continue;
    if (mark === UNSEEN) marks.delete(row);
    else marks.set(row, mark);
    showMark(row);
  }
  store();
  showCount();
}

function focusCard(row) {
  cards.get(row)?.querySelector("input:checked").focus();
}

function neighbor(row, by) {
  return rows[rows.indexOf(row) + by];
}

function onCardKey(event, row) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const mark = { 1: MARKS[0], 2: MARKS[1], 0: MARKS[2] }[event.key];
  const by = mark || event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (by === 0) return;
  event.preventDefault();
  if (mark) setMarks([[row, mark]]);
  focusCard(neighbor(row, by) ?? row);
}

function saveCsv() {
  // The mark at the beginning tells Excel that the text is UTF-8.
  const blob = new Blob(["\uFEFF", toCsv(data.patient, data.cells, marks)], { type: "text/csv" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${(data.patient || "patient").replace(/[^\p{L}\p{N}._-]+/gu, "_")}_review.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(`${data.cells.length} cells were saved.`);
}

async function loadCsv(file) {
  try {
    const found = marksOf(fromCsv(await file.text()), data.patient, data.cells);
    setMarks(found.marks);
    say(`${found.marks.size} cells were loaded` +
      (found.strangers ? `; ${found.strangers} rows are not of these cells.` : "."));
  } catch (error) {
    say(`${file.name} was not loaded: ${error.message}.`);
  }
}

function start() {
  document.documentElement.classList.add("scripted");
  const viewers = [...document.querySelectorAll(".photo")].map((figure) =>
    makeViewer(figure, cards, focusCard));
  for (const [row, card] of cards) {
    const { place } = data.cells.find((cell) => cell.row === row);
    card.addEventListener("change", (event) => setMarks([[row, event.target.value]]));
    card.addEventListener("keydown", (event) => onCardKey(event, row));
    card.querySelector(".crop").addEventListener("click", (event) => {
      event.preventDefault();
      viewers[place].showCell(row);
      viewers[place].svg.focus({ preventScroll: true });
      viewers[place].svg.scrollIntoView({ block: "center" });
    });
  }
  document.getElementById("print").addEventListener("click", () => window.print());
  if (rows.length > 0) {
    document.getElementById("save").addEventListener("click", saveCsv);
    const load = document.getElementById("load");
    load.addEventListener("change", async () => {
      if (load.files.length > 0) await loadCsv(load.files[0]);
      load.value = "";
    });
    document.getElementById("reset").addEventListener("click", () => {
      if (window.confirm("Clear all marks of this report?")) {
        setMarks(rows.map((row) => [row, UNSEEN]));
      }
    });
    document.getElementById("crop-outlines").addEventListener("change", (event) => {
      document.querySelector(".gallery").classList.toggle("outlined", event.target.checked);
    });
  }
  setMarks(stored());
}

start();
