// Counting of reviewed cells. No function here knows the page.

const UNSEEN = "not reviewed";
const MARKS = ["parasite", "no parasite", UNSEEN];

// Wilson's score interval of k successes in n trials; z is the quantile of the normal
// distribution that belongs to the confidence level:
// (k + z^2/2 -+ z sqrt(k (n - k) / n + z^2/4)) / (n + z^2)
function wilson(k, n, z) {
  const middle = k + (z * z) / 2;
  const reach = z * Math.sqrt((k * (n - k)) / n + (z * z) / 4);
  const low = k === 0 ? 0 : (middle - reach) / (n + z * z);
  const high = k === n ? 1 : (middle + reach) / (n + z * z);
  return [low, high];
}

// What the marks make of the cells: a counted cell counts until somebody rejects it.
function tally(cells, marks) {
  const sum = { positive: 0, reviewed: 0, shown: cells.length, counted: 0, countedReviewed: 0 };
  for (const cell of cells) {
    const mark = marks.get(cell.row) ?? UNSEEN;
    const seen = mark !== UNSEEN;
    sum.positive += mark === "parasite" || (!seen && cell.counted) ? 1 : 0;
    sum.reviewed += seen ? 1 : 0;
    sum.counted += cell.counted ? 1 : 0;
    sum.countedReviewed += seen && cell.counted ? 1 : 0;
  }
  return sum;
}

function percent(share) {
  return (100 * share).toFixed(share > 0 && share < 0.001 ? 3 : 2);
}

function density(number) {
  return Number(number.toPrecision(3)).toLocaleString("en-US");
}

// The texts of the count after review.
function describe(sum, { n_cells: nCells, z, level, density: perMicroliter }) {
  const progress = `${sum.reviewed} of ${sum.shown} cells reviewed` +
    (sum.counted === 0 ? "" : sum.countedReviewed === sum.counted
      ? `, all ${sum.counted} counted ones among them`
      : `, ${sum.countedReviewed} of ${sum.counted} counted ones`);
  if (nCells === 0) {
    return { percent: "–", count: "no red cell", interval: "", density: "", progress };
  }
  if (sum.reviewed === 0) {
    return { percent: "–", count: "", interval: "Not reviewed yet", density: "", progress };
  }
  const share = sum.positive / nCells;
  const [low, high] = wilson(sum.positive, nCells, z);
  const densities = [share, low, high].map((each) => density(each * perMicroliter));
  return {
    percent: `${percent(share)} %`,
    count: `${sum.positive} of ${nCells.toLocaleString("en-US")} red cells`,
    interval: `${level} interval ${percent(low)} to ${percent(high)} %`,
    density: `${densities[0]} parasites/µl (${densities[1]} to ${densities[2]})`,
    progress,
  };
}
