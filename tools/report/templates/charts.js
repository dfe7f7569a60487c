"use strict";
// Draws each chart from the JSON beside it, in the colours that the page has in light or in dark.
(() => {
  const ruled = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function dressed(layout) {
    const ink = ruled("--ink"), faint = ruled("--faint"), grid = ruled("--grid"), panel = ruled("--panel");
    const axis = (own) => ({
      ...own, gridcolor: grid, linecolor: grid, zerolinecolor: grid, tickfont: {color: faint},
      title: {...own.title, font: {color: faint, size: 13}},
    });
    return {
      ...layout,
      font: {family: getComputedStyle(document.body).fontFamily, size: 13, color: ink},
      hoverlabel: {bgcolor: panel, bordercolor: grid, font: {color: ink}},
      xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
      annotations: (layout.annotations || []).map((note) => ({...note, font: {color: faint}})),
    };
  }

  function draw() {
    for (const source of document.querySelectorAll("script[data-chart]")) {
      const figure = JSON.parse(source.textContent);
      for (const trace of figure.data) if (trace.error_x) trace.error_x.color = ruled("--ink");
      const place = document.getElementById(source.dataset.chart);
      place.querySelector("noscript")?.remove();
      Plotly.react(place, figure.data, dressed(figure.layout), {responsive: true, displayModeBar: false});
    }
  }

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
