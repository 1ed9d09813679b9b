// Draws the figures of a page and joins their controls to them. Each <figure> says which component draws it, and holds
// its charts' specifications and its numbers as JSON; charts take their data by name. Components add themselves.
const subnetlab = (() => {
  "use strict";
  const config = JSON.parse(document.getElementById("chart-config").textContent);
  const embedding = { mode: "vega-lite", renderer: "svg", actions: false, config, logLevel: 1 }; // errors alone: an empty layer is no news
  const components = { static: drawStatic };

  const plot = async (figure, name, spec) =>
    (await vegaEmbed(figure.querySelector(`[data-plot="${name}"]`), spec, embedding)).view;
  const control = (figure, name) => figure.querySelector(`.controls [name="${name}"]`);
  const say = (input, text) => {
    input.setAttribute("aria-valuetext", text);
    input.closest("label").querySelector(".value").textContent = text;
  };
  function legend(figure) { // what is not ticked is neither drawn nor explained
    for (const key of figure.querySelectorAll(".legend li")) {
      const box = key.dataset.of && control(figure, key.dataset.of);
      key.hidden = Boolean(box) && !box.checked;
    }
  }
  const positive = (value) => (value > 0 ? value : null); // what a logarithmic axis can show
  const short = (value, digits) => {
    if (value === null || value === undefined) return "none";
    const [mantissa, exponent] = Number(value).toPrecision(digits).split("e");
    return exponent === undefined ? mantissa : `${Number(mantissa)}e${Number(exponent)}`;
  };
  async function fill(view, tables) {
    for (const [name, rows] of Object.entries(tables)) view.data(name, rows);
    await view.runAsync();
  }

  async function drawStatic(figure, { specs }) {
    const views = {};
    for (const [name, spec] of Object.entries(specs)) views[name] = await plot(figure, name, spec);
    return views;
  }

  async function start() { // what a component returns, by the id of its figure
    const drawings = {};
    for (const figure of document.querySelectorAll("figure[data-component]")) {
      try {
        const data = JSON.parse(figure.querySelector("script").textContent);
        drawings[figure.id] = await components[figure.dataset.component](figure, data);
      } catch (error) {
        const note = document.createElement("p");
        note.className = "trouble";
        note.textContent = `This figure could not be drawn: ${error.message}`;
        figure.prepend(note);
        console.error(error);
      }
    }
    document.documentElement.dataset.drawn = "yes";
    return drawings;
  }

  // on paper everything that is folded away on screen is open
  const folded = [];
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open])")) { details.open = true; folded.push(details); }
  });
  window.addEventListener("afterprint", () => { for (const details of folded.splice(0)) details.open = false; });

  const drawings = new Promise((done) => document.addEventListener("DOMContentLoaded", () => done(start())));
  return { components, drawings, plot, control, say, legend, positive, short, fill };
})();
