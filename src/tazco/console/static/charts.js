// Charts. A <div class="chart" data-chart="ID"> is drawn from <script type="application/json" id="ID">:
//   { "kind": "bars" | "mirror" | "steps", "times": [epoch seconds], "series": [{ "label", "tone", "values": [numbers], "notes"?: [texts] }] }
// <p id="ID-told" data-rest="…"> says what is under the pointer; `notes` are said there too. data-zone is the time zone of the axis.
// Bars of several series are stacked; of a mirror the first stands up and the second hangs down. `tone` names a colour of the theme (accent, good, wait, bad, ink). The same numbers stand in a
// table beside each chart, for those who read instead of looking.
"use strict";

const charts = {
  drawn: new Map(),

  tone(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  },

  all() {
    for (const [place, plot] of this.drawn) if (!place.isConnected || !place.contains(plot.root)) this.forget(place);
    for (const place of document.querySelectorAll(".chart[data-chart]")) this.draw(place);
  },

  forget(place) {
    this.drawn.get(place)?.destroy();
    this.drawn.delete(place);
  },

  draw(place) {
    this.forget(place);
    const given = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    if (!given.times.length || place.clientWidth < 60) return;
    const data = given.kind === "bars" ? this.stacked(given) : [given.times, ...given.series.map((each) => each.values)];
    this.drawn.set(place, new uPlot(this.options(place, given), data, place));
  },

  // The last series is drawn first, as high as the sum of all, and the others over it.
  stacked(given) {
    const sums = [];
    let below = given.times.map(() => 0);
    for (const each of given.series) sums.push((below = below.map((sum, at) => sum + each.values[at])));
    return [given.times, ...sums.reverse()];
  },

  options(place, given) {
    const order = given.kind === "bars" ? [...given.series].reverse() : given.series;
    return {
      width: place.clientWidth,
      height: place.clientHeight,
      legend: { show: false },
      padding: [8, 8, 0, 0],
      cursor: { y: false, points: { show: given.kind === "steps" }, drag: { x: false, y: false } },
      scales: { x: { time: true, range: (_, from, to) => this.span(given, from, to) }, y: { range: (_, low, high) => this.range(given, low, high) } },
      axes: [this.axis({ space: 60, size: 24, values: (_, at) => this.instants(place, given, at) }), this.axis({ size: 46, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000] })],
      series: [{}, ...order.map((each) => this.series(given, each))],
      hooks: { setCursor: [(plot) => this.tell(place, given, plot.cursor.idx)] },
    };
  },

  // The time of day while the chart spans less than two days, dates where it spans more; none twice in a row.
  instants(place, given, at) {
    const days = (given.times.at(-1) - given.times[0]) / 86400;
    const clock = { hour: "2-digit", minute: "2-digit", hour12: false };
    const date = { day: "2-digit", month: "2-digit", ...(days > 300 ? { year: "2-digit" } : {}) };
    const format = new Intl.DateTimeFormat(document.documentElement.lang, { ...(days < 2 ? clock : date), timeZone: place.dataset.zone });
    const labels = at.map((each) => format.format(each * 1000));
    return labels.map((each, index) => (each === labels[index - 1] ? "" : each));
  },

  // Half a bar more on both sides.
  span(given, from, to) {
    const half = given.kind === "steps" ? 0 : 1800;
    return from === to ? [from - 43200, to + 43200] : [from - half, to + half];
  },

  range(given, low, high) {
    if (given.kind === "mirror") {
      const most = Math.max(-(low ?? 0), high ?? 0, 4) * 1.1;
      return [-most, most];
    }
    if (given.kind === "bars") return [0, Math.max((high ?? 0) * 1.1, 4)];
    const room = Math.max(20, (high - low) * 0.15);
    return [Math.max(0, low - room), high + room];
  },

  axis(more) {
    const ink = () => this.tone("dim");
    return { stroke: ink, font: "12px system-ui, sans-serif", grid: { stroke: () => this.tone("edge"), width: 1 }, ticks: { show: false }, ...more };
  },

  series(given, each) {
    const colour = this.tone(each.tone);
    if (given.kind !== "steps") {
      return { label: each.label, stroke: colour, fill: colour, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.7, 40] }) };
    }
    const points = { show: true, size: 6, stroke: colour, fill: colour };
    return { label: each.label, stroke: colour, width: 2, points, paths: uPlot.paths.stepped({ align: 1 }) };
  },

  // What is under the pointer, in words.
  tell(place, given, at) {
    const line = document.getElementById(`${place.dataset.chart}-told`);
    if (!line) return;
    if (at === null || at === undefined) return void (line.textContent = line.dataset.rest ?? "");
    const when = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "short", timeStyle: "short", timeZone: place.dataset.zone });
    const parts = given.series.map((each) => `${each.label} ${each.values[at]}${each.notes?.[at] ? `: ${each.notes[at].slice(0, 80)}` : ""}`);
    line.textContent = `${when.format(given.times[at] * 1000)} · ${parts.join(" · ")}`;
  },
};

document.addEventListener("DOMContentLoaded", () => charts.all());
document.addEventListener("tazco:renewed", () => charts.all());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.all());
let resizing = 0;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => charts.all(), 100);
});
