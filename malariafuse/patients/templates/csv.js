// Corrections as CSV, and back. No function here knows the page.

const COLUMNS = ["patient", "photo", "x", "y", "width", "height", "probability", "counted", "review"];

function quoted(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) || text.trim() !== text ? `"${text.replaceAll('"', '""')}"` : text;
}

function toCsv(patient, cells, marks) {
  const rows = cells.map((cell) => [
    patient, cell.photo, cell.x, cell.y, cell.width, cell.height,
    cell.probability, cell.counted ? "True" : "False", marks.get(cell.row) ?? UNSEEN,
  ]);
  return [COLUMNS, ...rows].map((row) => row.map(quoted).join(",") + "\r\n").join("");
}

// Rows of a CSV file, each an object from columns to text.
function fromCsv(text) {
  const rows = [[]];
  const fields = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|\r|$)/y;
  const body = text.replace(/^\uFEFF/, "");
  while (fields.lastIndex < body.length) {
    const found = fields.exec(body);
    if (found === null) {
      throw new Error("it is no CSV file");
    }
    rows.at(-1).push(found[1] === undefined ? found[2] : found[1].replaceAll('""', '"'));
    if (found[3] === ",") {
      if (fields.lastIndex === body.length) rows.at(-1).push("");
    } else if (found[3] !== "") {
      rows.push([]);
    }
  }
  const [names, ...values] = rows.filter((row) => row.length > 0 && row.join("") !== "");
  const missing = COLUMNS.filter((column) => !(names ?? []).includes(column));
  if (missing.length > 0) {
    throw new Error(`it has no column ${missing.join(", ")}`);
  }
  return values.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? ""])));
}

function placeOf(cell) {
  return [cell.photo, cell.x, cell.y, cell.width, cell.height].map(String).join("\n");
}

// The marks in the rows of a CSV file that are of these cells, and how many are not.
function marksOf(rows, patient, cells) {
  const byPlace = new Map(cells.map((cell) => [placeOf(cell), cell.row]));
  const marks = new Map();
  let strangers = 0;
  for (const row of rows) {
    const found = byPlace.get(placeOf(row));
    if (row.patient !== patient || found === undefined || !MARKS.includes(row.review)) {
      strangers += 1;
    } else {
      marks.set(found, row.review);
    }
  }
  return { marks, strangers };
}
