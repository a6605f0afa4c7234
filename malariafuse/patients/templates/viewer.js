// Photographs that can be zoomed and moved. A view is [x, y, width, height] in pixels of
// the photograph; `whole` is the view of all of it.

const CLOSEST = 40;

function within(view, whole) {
  const [, , width, height] = view;
  const x = Math.min(Math.max(view[0], 0), whole[2] - width);
  const y = Math.min(Math.max(view[1], 0), whole[3] - height);
  return [x, y, width, height];
}

// The view that is `factor` times as close, in which the point `at` stays where it is.
function zoomed(view, factor, at, whole) {
  const width = Math.min(Math.max(view[2] / factor, whole[2] / CLOSEST), whole[2]);
  const ratio = width / view[2];
  const x = at[0] - (at[0] - view[0]) * ratio;
  const y = at[1] - (at[1] - view[1]) * ratio;
  return within([x, y, width, whole[3] * (width / whole[2])], whole);
}

function moved(view, x, y, whole) {
  return within([view[0] + x, view[1] + y, view[2], view[3]], whole);
}

function middleOf(view) {
  return [view[0] + view[2] / 2, view[1] + view[3] / 2];
}

function distance(one, other) {
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}

// Connects a figure of the page. `reviewable` holds the rows of the cells that can be
// reviewed; `review` is called with one of them.
function makeViewer(figure, reviewable, review) {
  const svg = figure.querySelector(".view");
  const about = figure.querySelector(".about span");
  const toReview = figure.querySelector("[data-do=review]");
  const paths = [...svg.querySelectorAll("path")];
  const whole = svg.getAttribute("viewBox").split(" ").map(Number);
  const ranked = paths.filter((path) => !path.classList.contains("flagged"))
    .sort((a, b) => Number(b.dataset.rank) - Number(a.dataset.rank));
  const pointers = new Map();
  let view = whole;
  let here = null;
  let dragged = false;

  const show = (next) => {
    view = next;
    svg.setAttribute("viewBox", view.join(" "));
    svg.classList.toggle("zoomed", view[2] < whole[2]);
  };
  const pointAt = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(svg.getScreenCTM().inverse());
    return [point.x, point.y];
  };
  const tell = (path) => {
    about.textContent = path ? path.querySelector("title").textContent : "";
  };
  const mark = (path) => {
    here = path;
    svg.querySelectorAll(".ring").forEach((ring) => ring.remove());
    const box = path.getBBox();
    for (let i = 0; i < 2; i += 1) {
      const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      ring.setAttribute("class", "ring");
      ring.setAttribute("cx", box.x + box.width / 2);
      ring.setAttribute("cy", box.y + box.height / 2);
      ring.setAttribute("r", 0.75 * Math.max(box.width, box.height));
      svg.append(ring);
    }
    tell(path);
    toReview.hidden = !reviewable.has(Number(path.dataset.row));
    return box;
  };
  const showCell = (row) => {
    const path = paths.find((each) => Number(each.dataset.row) === row);
    if (!path) return;
    const box = mark(path);
    const at = [box.x + box.width / 2, box.y + box.height / 2];
    const width = Math.min(whole[2], 8 * Math.max(box.width, box.height));
    const height = whole[3] * (width / whole[2]);
    show(within([at[0] - width / 2, at[1] - height / 2, width, height], whole));
  };
  const step = (by) => {
    if (ranked.length === 0) return;
    const place = ranked.indexOf(here);
    const next = place < 0 ? 0 : (place + by + ranked.length) % ranked.length;
    showCell(Number(ranked[next].dataset.row));
  };
  const outlines = figure.querySelector("[data-do=outlines]");
  const showOutlines = (on) => {
    outlines.checked = on;
    svg.classList.toggle("bare", !on);
  };
  const acts = {
    in: () => show(zoomed(view, 1.5, middleOf(view), whole)),
    out: () => show(zoomed(view, 1 / 1.5, middleOf(view), whole)),
    whole: () => show(whole),
    review: () => here && !toReview.hidden && review(Number(here.dataset.row)),
  };
  const keys = {
    "+": acts.in, "=": acts.in, "-": acts.out, 0: acts.whole,
    ArrowLeft: () => show(moved(view, -view[2] / 8, 0, whole)),
    ArrowRight: () => show(moved(view, view[2] / 8, 0, whole)),
    ArrowUp: () => show(moved(view, 0, -view[3] / 8, whole)),
    ArrowDown: () => show(moved(view, 0, view[3] / 8, whole)),
    n: () => step(1), p: () => step(-1),
    o: () => showOutlines(!outlines.checked),
    Enter: acts.review,
  };

  for (const button of figure.querySelectorAll("button[data-do]")) {
    button.addEventListener("click", acts[button.dataset.do]);
  }
  outlines.addEventListener("change", () => showOutlines(outlines.checked));
  svg.addEventListener("keydown", (event) => {
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    // The arrows scroll the page while there is nothing to move.
    const idle = event.key.startsWith("Arrow") && view[2] >= whole[2];
    if (!act || idle || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  svg.addEventListener("wheel", (event) => {
    // Without focus the wheel scrolls the page; pinching a touchpad comes as Ctrl.
    if (!event.ctrlKey && document.activeElement !== svg) return;
    event.preventDefault();
    show(zoomed(view, Math.exp(-event.deltaY / 400), pointAt(event), whole));
  }, { passive: false });
  svg.addEventListener("pointerover", (event) => tell(event.target.closest("path") ?? here));
  svg.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, pointAt(event));
    dragged = false;
  });
  svg.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = pointAt(event);
    const pixels = distance(before, now) * (svg.clientWidth / view[2]);
    if (!dragged && pixels < 4) return;
    if (!dragged) svg.setPointerCapture(event.pointerId);
    dragged = true;
    const others = [...pointers].filter(([id]) => id !== event.pointerId);
    if (others.length === 1) {
      const still = others[0][1];
      const factor = distance(still, now) / Math.max(distance(still, before), 1);
      show(zoomed(view, factor, still, whole));
    } else if (others.length === 0) {
      show(moved(view, before[0] - now[0], before[1] - now[1], whole));
    }
    pointers.set(event.pointerId, pointAt(event));
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
    svg.addEventListener(name, (event) => pointers.delete(event.pointerId));
  }
  svg.addEventListener("click", (event) => {
    const path = event.target.closest("path");
    if (path && !dragged) mark(path);
  });
  window.addEventListener("beforeprint", () => show(whole));
  return { svg, showCell };
}
