// Reads the controls, follows one stream of rounds at a time, and hands what arrives to the charts once per frame.
"use strict";

const { charts, stops, inside, inTheDark } = JSON.parse(document.getElementById("page-data").textContent);
const form = document.getElementById("controls");
const statusLine = document.getElementById("status");
const stopButton = document.getElementById("stop");
const keepButton = document.getElementById("keep");
const MOST_POINTS = 6000; // beyond, the picture shows the ends of local training only
const TABLE_ROWS = 10;
const ERRORS_ONLY = 1; // Vega warns of empty domains until the first round is there

const fresh = () => ({ points: [], rounds: [], start: null });
const views = {};
let run = fresh();
let kept = null;
let source = null;
let dirty = false;
let pause = 0;

function settings() {
  const chosen = {};
  for (const control of form.elements) {
    if (control.name) chosen[control.name] = stops[control.name][control.value];
  }
  return chosen;
}

function readAddress() {
  for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
    const control = form.elements[name];
    const at = stops[name] ? stops[name].findIndex((stop) => String(stop) === text) : -1;
    if (control && at >= 0) control.value = at;
  }
}

function showValues() {
  for (const [name, value] of Object.entries(settings())) {
    const shown = form.elements[name].closest("label").querySelector(".value");
    if (!shown) continue;
    shown.textContent = value;
    form.elements[name].setAttribute("aria-valuetext", value);
  }
  const law = settings().masks;
  form.elements.n_subnetworks.disabled = law === "all";
  form.elements.selection_prob.disabled = law !== "bernoulli";
}

function say(text, bad = false) {
  statusLine.textContent = text;
  statusLine.classList.toggle("bad", bad);
}

function train() {
  source?.close();
  const query = new URLSearchParams(settings());
  history.replaceState(null, "", `#${query}`);
  run = fresh();
  show("predicted", "after", []);
  say("starting …");
  stopButton.disabled = false;
  source = new EventSource(`live?${query}`);
  source.onmessage = (message) => handle(JSON.parse(message.data));
  source.onerror = () => finish("The explorer does not answer any more; start it again and reload this page.", true);
  dirty = true;
}

function finish(text, bad = false) {
  source?.close();
  source = null;
  stopButton.disabled = true;
  say(text, bad);
}

const handlers = {
  start(event) {
    run.start = event;
    for (const view of Object.values(views)) view.signal("last", event.rounds);
    run.points.push(point(inside.aggregation - 1, "aggregation", event.full_error, -1, 0));
    run.rounds.push({ round: 0, error: event.full_error, curve: "this run" });
  },
  prediction(event) {
    const rows = event.full_error.map((error, round) => ({ round, error, curve: "predicted mean" }));
    show("predicted", "after", rows.filter((row) => row.error !== null));
  },
  round(event) {
    const { round: k, local } = event;
    const tau = local.length;
    run.points.push(point(k, "sampling", event.sampled, k, 0));
    const whole = run.start.rounds * (tau + 2) <= MOST_POINTS;
    for (let t = whole ? 1 : tau; t <= tau; t += 1) {
      run.points.push(point(k + (inside.local_end * t) / tau, "local step", local[t - 1], k, t));
    }
    run.points.push(point(k + inside.aggregation, "aggregation", event.full_error, k, tau));
    run.rounds.push({ round: k + 1, error: event.full_error, curve: "this run", sampled: event.sampled, local: local[tau - 1] });
    say(`round ${k + 1} of ${run.start.rounds}: error ${event.full_error.toPrecision(4)} (${about(run.start)})`);
  },
  end(event) {
    const last = run.rounds.at(-1);
    finish(`${last.round} rounds in ${event.seconds.toFixed(2)} s: error ${last.error.toPrecision(4)} (${about(run.start)})`);
  },
  diverged: (event) => finish(event.message, true),
  refused: (event) => finish(event.message, true),
};

const about = (start) => `engine ${start.engine}, step size ${start.step_size.toPrecision(3)}`;
const point = (position, event, error, round, step) => ({ position, event, error, round, step });

function handle(event) {
  handlers[event.event](event);
  dirty = true;
}

// zeros have no place on a logarithmic axis
const drawable = (rows) => rows.filter((row) => row.error > 0);

function show(name, chart, rows) {
  const view = views[chart];
  if (view) view.data(name, rows).runAsync();
}

function frame() {
  if (dirty && views.inside && views.after) {
    dirty = false;
    show("points", "inside", drawable(run.points));
    show("rounds", "after", drawable(run.rounds));
    const rows = run.rounds.slice(1).slice(-TABLE_ROWS).reverse();
    document.getElementById("rows").replaceChildren(...rows.map(tableRow));
  }
  requestAnimationFrame(frame);
}

function tableRow(row) {
  const line = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = row.round - 1;
  const cells = [row.sampled, row.local, row.error].map((error) => {
    const cell = document.createElement("td");
    cell.textContent = error.toPrecision(6);
    return cell;
  });
  line.append(head, ...cells);
  return line;
}

function keep() {
  kept = kept ? null : run;
  keepButton.setAttribute("aria-pressed", String(Boolean(kept)));
  keepButton.textContent = kept ? "Drop the kept run" : "Keep this run in grey";
  show("kept", "inside", kept ? drawable(kept.points) : []);
  show("keptRounds", "after", kept ? drawable(kept.rounds).map((row) => ({ ...row, curve: "kept run" })) : []);
}

function inDark(spec) {
  let text = JSON.stringify(spec);
  for (const [light, dark] of Object.entries(inTheDark)) text = text.replaceAll(light, dark);
  return JSON.parse(text);
}

async function draw() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const ink = dark ? "#e8e8e4" : "#1b1b1b";
  const grid = dark ? "#33373a" : "#e6e6e1";
  const config = {
    background: null,
    font: "system-ui, sans-serif",
    view: { stroke: null },
    axis: { labelColor: ink, titleColor: ink, gridColor: grid, domainColor: grid, tickColor: grid, titleFontWeight: "normal" },
    legend: { labelColor: ink },
  };
  for (const [name, spec] of Object.entries(charts)) {
    const place = document.getElementById(name);
    const { view } = await vegaEmbed(place, { ...(dark ? inDark(spec) : spec), config }, { actions: false, renderer: "canvas", logLevel: ERRORS_ONLY });
    views[name] = view;
  }
}

form.addEventListener("input", () => {
  showValues();
  clearTimeout(pause);
  pause = setTimeout(train, 150);
});
form.addEventListener("submit", (event) => event.preventDefault());
stopButton.addEventListener("click", () => finish(`stopped after ${run.rounds.length - 1} rounds`));
keepButton.addEventListener("click", keep);
addEventListener("pagehide", () => source?.close());

readAddress();
showValues();
draw().then(() => {
  document.documentElement.dataset.drawn = "yes";
  train();
  requestAnimationFrame(frame);
});
