// Keeps a page true while it is open. The server says on /events which topics changed; every
// region that names one of them in data-live is fetched once, together, and morphed in place,
// so that focus, scroll and what a person has opened stay. What may have been missed while the
// server was away is fetched once it is back; a region that holds [data-again] waits for
// something that leaves no record, and is looked at again every few seconds.
"use strict";

const waiting = new Set();
let timer = 0;
let lately = 0;

function touchedRegions() {
  return [...document.querySelectorAll("[data-live][id]")].filter((region) =>
    region.dataset.live.split(" ").some((topic) => waiting.has(topic)),
  );
}

function isBusy() {
  return document.hidden || document.querySelector("dialog[open]") ||
    document.activeElement?.closest("[data-live] form") ||
    document.querySelector("[data-live] .tick input:checked");
}

function refresh() {
  timer = 0;
  if (!waiting.size) return;
  if (isBusy()) return schedule(5000);
  const regions = touchedRegions();
  waiting.clear();
  lately = Date.now();
  if (!regions.length) return;
  const [first, ...others] = regions.map((region) => `#${region.id}`);
  htmx.ajax("GET", location.pathname + location.search, {
    target: first,
    select: first,
    selectOOB: others.map((id) => `${id}:outerMorph`).join(","),
    swap: "outerMorph ignoreTitle:true",
  });
}

// A burst of check-ins is one refresh, and a busy house is one every three seconds; the random
// part keeps many open pages apart.
function schedule(least = 300) {
  const rest = Math.max(least, lately + 3000 - Date.now());
  if (!timer) timer = setTimeout(refresh, rest + Math.random() * 700);
}

document.addEventListener("visibilitychange", () => document.hidden || schedule(0));

function awaitTopics(topics) {
  topics.split(/\s+/).filter(Boolean).forEach((topic) => waiting.add(topic));
  schedule();
}

function catchUp() {
  for (const region of document.querySelectorAll("[data-live]")) awaitTopics(region.dataset.live);
}

// A browser tries again by itself when a connection breaks, but gives up when a proxy answers in
// place of the server.
function listen() {
  const source = new EventSource("/events");
  let lost = false;
  source.addEventListener("changed", (event) => awaitTopics(event.data));
  source.addEventListener("open", () => {
    if (lost) catchUp();
    lost = false;
  });
  source.addEventListener("error", () => {
    lost = true;
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => (listen(), catchUp()), 15000 + Math.random() * 5000);
  });
}

setInterval(() => {
  const region = document.querySelector("[data-again]")?.closest("[data-live]");
  if (region) awaitTopics(region.dataset.live);
}, 2000);

listen();
