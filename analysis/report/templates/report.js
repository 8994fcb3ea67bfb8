// Unpacks plotly and the figures of the report, draws them, and labels logarithmic axes with as many round numbers as fit.
"use strict";

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const STEPS = [[1, 1.5, 2, 3, 4, 5, 7], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]];
const TITLE_LETTER = 8, LEGEND_LETTER = 7, KEY = 110, TITLE_LINE = 18; // pixels: widths of letters, of the axis and the sign of a name, a line
const ROOM = { xaxis: { scientific: 58, short: 44, plain: 44 }, yaxis: { scientific: 24, short: 24, plain: 24 } };

const write = {
  plain: (value) => String(Number(value.toPrecision(6))),
  short: (value) => {
    for (const [unit, suffix] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"], [1, ""]]) {
      if (value >= unit && value < 1000 * unit) return Number((value / unit).toPrecision(3)) + suffix;
    }
    return write.scientific(value);
  },
  scientific: (value) => {
    const [mantissa, exponent] = value.toExponential(1).split("e");
    const power = "10" + String(Number(exponent)).replace("-", "⁻").replace(/\d/g, (digit) => SUPERSCRIPT[digit]);
    const factor = mantissa.replace(".0", "");
    return factor === "1" ? power : factor + "×" + power;
  },
};

// ends are decimal logarithms; gap is the smallest distance of two numbers as a share of the axis
function logTicks(ends, gap) {
  const low = Math.min(...ends) - 1e-9, high = Math.max(...ends) + 1e-9, width = high - low;
  let ticks = [];
  for (const steps of STEPS) {
    ticks = [];
    for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
      for (const step of steps) ticks.push(power + Math.log10(step));
    }
    ticks = ticks.filter((tick) => low <= tick && tick <= high);
    if (ticks.every((tick, i) => i === 0 || tick - ticks[i - 1] >= gap * width)) return ticks;
  }
  const every = Math.ceil(gap * width);
  return ticks.filter((tick) => Math.round(tick) % every === 0);
}

// label once per size and range of a figure: labels change its margins, which must not trigger new labels
function number(graph, axes) {
  const layout = graph._fullLayout;
  const state = [layout.width, layout.height, ...Object.keys(axes).flatMap((name) => layout[name].range)].join();
  if (state === graph.dataset.numbered) return;
  graph.dataset.numbered = state;
  const changes = {};
  for (const [name, style] of Object.entries(axes)) {
    const ticks = logTicks(layout[name].range, ROOM[name][style] / Math.max(layout[name]._length, 1));
    changes[name + ".tickvals"] = ticks.map((tick) => Number((10 ** tick).toPrecision(3)));
    changes[name + ".ticktext"] = changes[name + ".tickvals"].map(write[style]);
  }
  if (Object.keys(changes).length) Plotly.relayout(graph, changes);
}

const touched = matchMedia("(pointer: coarse)").matches; // on touch screens, a finger scrolls the page
const options = {
  displaylogo: false,
  displayModeBar: touched ? false : "hover",
  displayNotifier: false,
  showSendToCloud: false, // nothing leaves this file
  plotlyServerURL: "",
  responsive: true,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

// plotly breaks no lines; letters are the most of a line
function breakLines(text, letters) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last && last.length + word.length >= letters) lines.push(word);
    else lines[lines.length - 1] = last ? last + " " + word : word;
  }
  return lines;
}

// break the title and the names of the legend where the screen is narrow, as on a phone
function fit(data, layout, width) {
  const title = breakLines(layout.title?.text ?? "", width / TITLE_LETTER);
  const named = (trace) => (trace.name ? { ...trace, name: breakLines(trace.name, (width - KEY) / LEGEND_LETTER).join("<br>") } : trace);
  const margin = { ...layout.margin, t: (layout.margin?.t ?? 0) + (title.length - 1) * TITLE_LINE };
  return [data.map(named), { ...layout, margin, title: { ...layout.title, text: title.join("<br>") } }];
}

async function unpack(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (character) => character.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

async function draw() {
  const plotly = document.createElement("script");
  plotly.textContent = await unpack("packed-plotly");
  document.head.append(plotly);
  for (const [name, panels] of Object.entries(JSON.parse(await unpack("packed-figures")))) {
    panels.forEach(({ data, layout, axes }, index) => {
      const graph = document.getElementById(`${name}-${index}`);
      const saved = { toImageButtonOptions: { format: "svg", filename: panels.length > 1 ? `${name}-${index + 1}` : name } };
      const [traces, fitted] = fit(data, layout, graph.clientWidth);
      Plotly.newPlot(graph, traces, touched ? { ...fitted, dragmode: false } : fitted, { ...options, ...saved }).then(() => {
        number(graph, axes);
        graph.on("plotly_afterplot", () => number(graph, axes)); // after zooming or resizing
      });
    });
  }
}

if ("DecompressionStream" in window) draw();
else document.getElementById("undrawn").hidden = false;
