// The error inside the rounds: all rounds in one line, and a window of them in detail, moved by two sliders or drawn on
// that line. Returns a function that takes other numbers, for runs that are still under way.
"use strict";

subnetlab.components.rounds = async (figure, { specs, ...data }) => {
  const { plot, control, say, legend, positive, fill } = subnetlab;
  const MOST_POINTS = 600; // in the window; of more, local training is drawn by its ends alone
  const MOST_SHADED = 12; // rounds whose phases are told apart
  const first = control(figure, "first"), shown = control(figure, "shown"), prediction = control(figure, "predicted");
  const detail = await plot(figure, "detail", specs.detail);
  const overview = await plot(figure, "overview", specs.overview);

  const after = data.overview < 0; // the network after the round, and not something inside it
  function whole(run) {
    const start = after && run.initial !== null ? [{ round: 0, error: positive(run.initial) }] : [];
    return start.concat(run.rounds.map((k, i) => ({ round: k + Number(after), error: positive(run.errors[i].at(data.overview)) })));
  }

  function rows(run, low, high, make) {
    if (run.rounds.length === 0) return [];
    const { local_end, aggregation } = data.inside, steps = run.errors[0].length - 2;
    const places = [0, ...Array.from({ length: steps }, (_, t) => (local_end * (t + 1)) / steps), aggregation];
    const events = ["sampling", ...Array(steps).fill("local step"), "aggregation"];
    const thin = (high - low) * places.length > MOST_POINTS;
    const found = low === 0 && run.initial !== null ? [make(aggregation - 1, run.initial, { round: 0, step: 0, event: "aggregation", stretch: 0 })] : [];
    let stretch = 0; // neighbours share a number: lines do not cross rounds that were left out
    run.rounds.forEach((k, i) => {
      if (i > 0 && k > run.rounds[i - 1] + 1) stretch += 1;
      if (k < low - 1 || k > high) return;
      run.errors[i].forEach((value, j) => {
        const told = { round: k, step: Math.min(j, steps), event: events[j], stretch, i, j };
        if (!thin || j === 0 || j >= steps) found.push(make(k + places[j], value, told));
      });
    });
    return found;
  }
  const known = ({ error }) => error !== null;
  const point = (position, value, told) => ({ ...told, position, error: positive(value) });

  let brushing = false, drawn = 0;
  async function draw() {
    drawn = data.rounds.length;
    const { inside, total } = data, count = Math.min(Number(shown.value) + 1, total);
    first.max = total - count;
    const low = Math.min(Number(first.value), total - count), high = low + count;
    say(first, String(low));
    say(shown, String(count));
    legend(figure);
    const phases = [];
    for (let k = low; k < high && count <= MOST_SHADED; k += 1) {
      phases.push({ start: k, end: k + inside.local_end, phase: "local" });
      phases.push({ start: k + inside.local_end, end: k + inside.aggregation, phase: "aggregation" });
      phases.push({ start: k + inside.aggregation, end: k + 1, phase: "sampling" });
    }
    const band = !data.low ? [] : rows({ ...data, initial: null, errors: data.low }, low, high,
      (position, value, { i, j, stretch }) => ({ position, low: positive(value), high: positive(data.high[i][j]), stretch }));
    const predicted = data.predicted && (!prediction || prediction.checked) ? rows({ ...data, ...data.predicted }, low, high, point) : [];
    detail.signal("first", low === 0 ? inside.aggregation - 1.1 : low - 0.05).signal("last", high);
    detail.signal("size", Math.max(6, Math.min(60, 900 / count)));
    await fill(detail, {
      phases, band, predicted,
      kept: data.kept ? rows(data.kept, low, high, point).filter(known) : [],
      line: rows(data, low, high, point).filter(known),
      points: rows(data, low, high, point),
    });
    const scale = overview.scale("x");
    brushing = true;
    overview.signal("brush_x", [scale(low), scale(high)]);
    await overview.runAsync();
    brushing = false;
  }

  overview.addSignalListener("brush", (_, selected) => {
    if (brushing || !selected.round) return;
    const [from, to] = selected.round, count = Math.max(1, Math.min(Math.round(to - from), data.total));
    shown.value = count - 1;
    first.max = data.total - count;
    first.value = Math.round(from);
    queue();
  });
  let waiting = false;
  const queue = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };
  for (const input of [first, shown, prediction]) if (input) input.addEventListener("input", queue);
  window.addEventListener("resize", queue); // the window is drawn in pixels

  async function update(numbers) {
    const same = numbers.errors === data.errors && numbers.kept === data.kept;
    Object.assign(data, numbers);
    shown.max = data.total - 1;
    overview.signal("last", data.total);
    await fill(overview, {
      overview: whole(data), expected: data.expected || [], kept: data.kept ? whole(data.kept) : [],
    });
    if (!same || drawn <= Number(first.value) + Number(shown.value) + 2) await draw(); // otherwise all of the window is there
  }
  await update({});
  return update;
};
