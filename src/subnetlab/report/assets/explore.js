// Reads the settings, follows one stream of rounds at a time, and hands what arrives to the figures once per frame.
"use strict";

const stops = JSON.parse(document.getElementById("stops").textContent);
const form = document.getElementById("settings");
const statusLine = document.getElementById("status");
const stopButton = document.getElementById("stop");
const keepButton = document.getElementById("keep");
const TABLE_ROWS = 10;
const MOST_COLUMNS = 100; // of the pictures of layers

const fresh = () => ({ initial: null, rounds: [], errors: [], expected: [], layers: [], start: null });
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
  const chosen = settings();
  for (const [name, value] of Object.entries(chosen)) {
    if (form.elements[name].type === "range") subnetlab.say(form.elements[name], String(value));
  }
  form.elements.n_subnetworks.disabled = chosen.masks === "all";
  form.elements.selection_prob.disabled = chosen.masks !== "bernoulli";
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

const about = ({ engine, step_size: eta }) => `engine ${engine}, step size ${eta.toPrecision(3)}`;
const handlers = {
  start(event) {
    run.start = event;
    run.initial = event.full_error;
  },
  prediction(event) {
    run.expected = event.full_error.map((error, round) => ({ round, error: subnetlab.positive(error) })).filter((row) => row.error);
  },
  round({ round: k, errors, layers }) {
    run.rounds.push(k);
    run.errors.push(errors);
    run.layers.push(layers);
    say(`round ${k + 1} of ${run.start.rounds}: ${run.start.measure} ${errors.at(-1).toPrecision(4)} (${about(run.start)})`);
  },
  end({ seconds }) {
    const last = run.errors.at(-1).at(-1);
    finish(`${run.rounds.length} rounds in ${seconds.toFixed(2)} s: ${run.start.measure} ${last.toPrecision(4)} (${about(run.start)})`);
  },
  diverged: (event) => finish(event.message, true),
  refused: (event) => finish(event.message, true),
};

function handle(event) {
  handlers[event.event](event);
  dirty = true;
}

async function draw(drawings) {
  if (!run.start) return;
  const { initial, rounds, errors, expected, start: { rounds: total, local_steps: steps } } = run;
  const rows = rounds.slice(-TABLE_ROWS).reverse().map((k) => tableRow(k, errors[k], steps));
  document.getElementById("rows").replaceChildren(...rows);
  await drawings.inside({ total, initial, rounds, errors, expected, kept });
  for (const [name, views] of Object.entries(drawings)) {
    if (name !== "inside") await subnetlab.fill(views.layers.signal("last", total), { layers: cellsOf(name) });
  }
}

function cellsOf(name) {
  const width = Math.ceil(run.layers.length / MOST_COLUMNS);
  return run.layers.flatMap((layers, k) =>
    k % width ? [] : Object.entries(layers[name]).map(([group, value]) => ({ group, value, start: k, end: k + width })));
}

function tableRow(k, errors, steps) {
  const line = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = k;
  const cells = [errors[0], errors[steps] ?? errors[steps - 1], errors[steps + 1]].map((error) => {
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
  dirty = true;
}

form.addEventListener("input", () => {
  showValues();
  clearTimeout(pause);
  pause = setTimeout(train, 150);
});
form.addEventListener("submit", (event) => event.preventDefault());
stopButton.addEventListener("click", () => finish(`stopped after ${run.rounds.length} rounds`));
keepButton.addEventListener("click", keep);
addEventListener("pagehide", () => source?.close());

readAddress();
showValues();
subnetlab.drawings.then((drawings) => {
  train();
  const frame = async () => {
    if (dirty) {
      dirty = false;
      await draw(drawings);
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
});
