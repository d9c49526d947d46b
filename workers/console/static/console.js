"use strict";
// What pages cannot do by themselves: the reader's zone, live updates, plots of tables, questions before what cannot be undone.

document.cookie = "postroad_zone=" + Intl.DateTimeFormat().resolvedOptions().timeZone + ";path=/;max-age=31536000;samesite=lax";

// Live updates: elements with data-live (seconds) are loaded anew while the page is looked at, and nothing in them is used

const INTERVAL = 1000;
const liveSwitch = document.getElementById("live");
let seconds = 0;

function isWatched() {
  return document.visibilityState === "visible" && document.hasFocus() && liveSwitch && liveSwitch.checked;
}

function update() {
  seconds += 1;
  if (!isWatched()) return;
  for (const part of document.querySelectorAll("[data-live]")) {
    const isInUse = part.contains(document.activeElement) || part.querySelector("details[open]");
    if (seconds % Number(part.dataset.live) === 0 && !isInUse) htmx.trigger(part, "live");
  }
}

if (liveSwitch && document.querySelector("[data-live]")) {
  liveSwitch.parentElement.hidden = false;
  liveSwitch.checked = localStorage.getItem("live") !== "off";
  liveSwitch.addEventListener("change", () => localStorage.setItem("live", liveSwitch.checked ? "on" : "off"));
  setInterval(update, INTERVAL);
}

// Plots

const COLOURS = ["#2f7fd6", "#2c9a5b", "#d0662b", "#a456c9", "#b58a00", "#c2456b", "#4f9fa8", "#7c7c8a"];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function draw(figure) {
  const canvas = figure.querySelector(".canvas");
  const cells = [...figure.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) => Number(cell.dataset.value)));
  canvas.replaceChildren();
  if (cells.length < 2) return;
  const names = [...figure.querySelectorAll("thead th")].map((cell) => cell.textContent);
  const zone = document.body.dataset.zone;
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const series = names.map((label, place) => (place ? { label, stroke: COLOURS[(place - 1) % COLOURS.length], width: 2, points: { show: false } } : {}));
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });
  const hours = (time) => (time === null ? "" : clock.format(time * 1000));
  series[0].value = (_plot, time) => hours(time);
  const size = { width: canvas.clientWidth, height: 224 };
  new uPlot({ ...size, series, axes: [{ ...axis, values: (_plot, times) => times.map(hours) }, { ...axis, size: 60 }], scales: { y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.05)] } } },
    names.map((_name, place) => cells.map((row) => row[place])), canvas);
}

function drawAll(within) {
  for (const figure of within.querySelectorAll("[data-plot]")) draw(figure);
}

drawAll(document);
document.addEventListener("htmx:afterSettle", (event) => drawAll(event.target));
let resized;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(() => drawAll(document), 150); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));

// Questions before what cannot be undone, and no form twice

document.addEventListener("submit", (event) => {
  const question = event.submitter && event.submitter.dataset.confirm;
  if (question && !confirm(question)) { event.preventDefault(); return; }
  // a download leaves its page as it is
  if (event.target.method === "post" && event.submitter && !("download" in event.target.dataset)) setTimeout(() => { event.submitter.disabled = true; });
});
addEventListener("pageshow", () => document.querySelectorAll("button:disabled[data-confirm], form[method=post] button:disabled").forEach((each) => { each.disabled = false; }));
