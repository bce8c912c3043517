// Times of the exchange, UTC on hover; the other way round when somebody switches.
import { html, useEffect, useState } from "./host.js";

export const ZONES = { "America/New_York": "ET", UTC: "UTC" };
const STORED = "surveillance.zone";
const listeners = new Set();
let zone = localStorage.getItem(STORED) in ZONES ? localStorage.getItem(STORED) : "America/New_York";

// The language is the one that writes a date as 2026-03-09.
const clocks = Object.fromEntries(Object.keys(ZONES).map((name) => [name, new Intl.DateTimeFormat("sv-SE", {
  timeZone: name, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
})]));

export function write(moment, name = zone) {
  return clocks[name].format(new Date(moment));
}

export const writeAll = (moment) => Object.entries(ZONES).map(([name, short]) => `${write(moment, name)} ${short}`).join("\n");

export function useZone() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw((n) => n + 1);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return zone;
}

export function switchZone() {
  zone = zone === "UTC" ? "America/New_York" : "UTC";
  localStorage.setItem(STORED, zone);
  listeners.forEach((listener) => listener());
}

// `form`: minute (month, day, minute), full (to the second), clock (minute of the day).
const CUT = { minute: [5, 16], full: [0, 19], clock: [11, 16] };

export function Moment({ at, form = "minute" }) {
  useZone();
  if (!at) return "–";
  const iso = new Date(at).toISOString();
  return html`<time dateTime=${iso} title=${writeAll(at)}>${write(at).slice(...CUT[form])}</time>`;
}

// A length of time in one or two words.
export function writeSeconds(seconds) {
  const s = Math.max(0, seconds);
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
}
