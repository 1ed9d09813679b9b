// A grid of runs: a heatmap, and the curves of the cell chosen by the controls. Vega binds the heatmap's selection to the
// controls of its two axes, so that a click is a change of controls.
"use strict";

subnetlab.components.grid = async (figure, data) => {
  const { plot, control, say, legend, positive, short, fill } = subnetlab;
  const { axes, measures, repetitions } = data;
  const strides = axes.map((_, i) => axes.slice(i + 1).reduce((n, axis) => n * axis.values.length, 1));
  const sliders = axes.map((axis) => control(figure, `axis-${axis.name}`));
  const measureInput = control(figure, "measure"), seedInput = control(figure, "seed");
  const acrossInput = control(figure, "across"), upInput = control(figure, "up");
  const predictionBox = control(figure, "predicted"), boundBox = control(figure, "bound");
  const readout = figure.querySelector(".readout");
  let across = data.across, up = data.up, heatmap = null;
  const curve = data.specs.curve ? await plot(figure, "curve", data.specs.curve) : null;

  const at = () => sliders.map((input) => (input ? Number(input.value) : 0));
  const cellAt = (place) => place.reduce((sum, index, i) => sum + index * strides[i], 0);
  const seed = () => (seedInput ? Number(seedInput.value) - 1 : 0); // -1: the mean over repetitions
  const measure = () => measures[Number(measureInput.value)];
  const states = { d: "diverged", f: "failed", p: "not run", a: "absent" };

  // the error of a cell, or the reason why there is none
  function value(cell, name, which) {
    const n = repetitions.length;
    const state = Array.from(data.status.slice(cell * n, cell * n + n));
    const chosen = which < 0 ? state.filter((s) => s !== "a") : [state[which]];
    if (chosen.length === 0) return { why: states.a };
    const bad = chosen.find((s) => s !== "o");
    if (bad) return { why: states[bad] };
    const all = data.values[name].slice(cell * n, cell * n + n);
    const found = which < 0 ? all.filter((v, i) => state[i] !== "a") : [all[which]];
    if (found.some((v) => v === null)) return { why: "not recorded" };
    return { error: found.reduce((a, b) => a + b, 0) / found.length };
  }

  function limits(name) {
    const known = data.values[name].filter((v) => v > 0);
    const low = Math.min(...known), high = Math.max(...known);
    return known.length === 0 ? [1, 10] : low === high ? [low / 1.05, high * 1.05] : [low, high];
  }

  async function embedHeatmap() {
    if (!data.specs.heatmap) return;
    if (heatmap) heatmap.finalize(); // it was bound to other controls
    let spec = JSON.stringify(data.specs.heatmap);
    for (const [name, index] of [["at", across], ["up", up]]) {
      const axis = axes[index] || {}, place = sliders[index]?.value ?? "", control = `#${figure.id} [name="axis-${axis.name}"]`;
      for (const [word, text] of Object.entries({ title: axis.title || "", place, control })) {
        spec = spec.replaceAll(`{${name} ${word}}`, JSON.stringify(text).slice(1, -1));
      }
    }
    heatmap = await plot(figure, "heatmap", JSON.parse(spec));
  }

  async function drawHeatmap(place, name) {
    const columns = axes[across].values, rows = up === null ? [""] : axes[up].values;
    const [low, high] = limits(name);
    const cells = rows.flatMap((row, r) => columns.map((column, c) => {
      const here = [...place];
      here[across] = c;
      if (up !== null) here[up] = r;
      const { error, why } = value(cellAt(here), name, seed());
      const sign = why === "diverged" ? "×" : why === "failed" ? "!" : "–";
      return {
        column, row, at: String(c), up: String(r), value: error > 0 ? error : null,
        label: why ? sign : short(error, 3), brief: why ? sign : short(error, 2), shown: why || short(error, 4),
      };
    }));
    heatmap.signal("columns", columns).signal("rows", [...rows].reverse()).signal("low", low).signal("high", high).resize();
    await fill(heatmap, { cells });
  }

  // where the prediction grows without limit it leaves the picture, and does not flatten the rest of it
  const top = (lines) => 100 * Math.max(...lines.map(({ error }) => error || 0));
  const within = (points, lines) => (lines.length ? points.filter(({ error }) => error <= top(lines)) : points);

  async function drawCurve(cell, name) {
    const { rounds } = data;
    const line = (numbers, more) => (numbers || []).map((error, i) => ({ round: rounds[i], error: positive(error), ...more }));
    const lines = measures.flatMap((m) => line(data.curves[m.name]?.mean[cell], { measure: m.name }));
    const { low, high } = data.curves[name] || {};
    const band = low && low[cell] ? low[cell].map((v, i) => ({ round: rounds[i], low: positive(v), high: positive(high[cell][i]) })) : [];
    const predicted = predictionBox && predictionBox.checked ? within(line(data.predicted[name][cell]), lines) : [];
    const promise = data.bounds && data.bounds[cell];
    const bound = boundBox && boundBox.checked && promise
      ? rounds.map((k) => ({ round: k, error: positive(promise.start * promise.rate ** (k + 1) + promise.floor) })) : [];
    const { error } = value(cell, name, seed());
    const last = rounds[rounds.length - 1];
    await fill(curve.signal("measure", name), { lines, band, predicted, bound, final: error > 0 && lines.length ? [{ round: last, error }] : [] });
  }

  function describe(place, cell, name) {
    const words = axes.map((axis, i) => `${axis.short} = ${axis.values[place[i]]}`).join(", ");
    const { error, why } = value(cell, name, seed());
    const which = seed() < 0 ? `mean of ${repetitions.length} seeds` : `seed ${repetitions[Math.max(0, seed())]}`;
    readout.textContent = "";
    const strong = document.createElement("b");
    strong.textContent = words || "The one cell";
    const outcome = why ? `: ${why}.` : `: error ${measure().label} ${short(error, 4)} (${which}).`;
    const promise = data.bounds ? data.bounds[cell]?.says : null;
    const last = data.predicted?.[name][cell]?.slice(-1)[0], start = data.predicted?.[name][cell]?.[0];
    const grows = last === null || last > 100 * start ? " The prediction grows without limit: this step size is unstable in the lazy regime." : "";
    readout.append(strong, outcome, last === undefined ? "" : grows, promise ? ` ${promise}` : "");
  }

  async function draw() {
    sliders.forEach((input, i) => { if (input && input.type === "range") say(input, axes[i].values[Number(input.value)]); });
    const place = at(), cell = cellAt(place), { name } = measure();
    legend(figure);
    describe(place, cell, name);
    if (heatmap) await drawHeatmap(place, name);
    if (curve) await drawCurve(cell, name);
  }

  // where the settings of several axes depend on each other, the others follow the one that was changed
  const there = (cell) => data.status.slice(cell * repetitions.length, (cell + 1) * repetitions.length).replaceAll("a", "") !== "";
  function follow(changed) {
    const place = at();
    if (there(cellAt(place))) return;
    let nearest = null, least = Infinity;
    for (let cell = 0; cell * repetitions.length < data.status.length; cell += 1) {
      const other = axes.map((axis, i) => Math.floor(cell / strides[i]) % axis.values.length);
      const distance = other.reduce((sum, index, i) => sum + Math.abs(index - place[i]), 0);
      if (other[changed] === place[changed] && distance < least && there(cell)) [nearest, least] = [other, distance];
    }
    if (nearest) sliders.forEach((input, i) => { input.value = nearest[i]; input.dispatchEvent(new Event("input")); });
  }

  async function turn(event) {
    const [a, b] = [Number(acrossInput.value), Number(upInput.value)];
    if (a === b) { // the other one takes the place that this one left
      if (event.target === acrossInput) upInput.value = across; else acrossInput.value = up;
    }
    [across, up] = [Number(acrossInput.value), Number(upInput.value)];
    await embedHeatmap();
    await draw();
  }
  let waiting = null, axis = -1; // a click changes two controls, and is drawn once
  const move = (event) => {
    if (sliders.includes(event.target)) axis = sliders.indexOf(event.target);
    waiting ??= requestAnimationFrame(() => { waiting = null; if (axis >= 0) follow(axis); draw(); });
  };
  for (const input of figure.querySelectorAll(".controls input, .controls select")) {
    input.addEventListener("input", input === acrossInput || input === upInput ? turn : move);
  }
  await embedHeatmap();
  await draw();
};
