// The desk's interface, version 1, and what it refuses.
import { useCallback, useEffect, useRef, useState } from "./host.js";

const ROOT = new URL("../api/v1/", import.meta.url);

// What was refused; of a conflict `answer` has what it is now and who changed it.
class Refused extends Error {
  constructor(status, answer) {
    const { detail } = answer;
    const text = Array.isArray(detail) ? detail.map(({ loc, msg }) => `${loc.at(-1)}: ${msg}`).join("; ") : detail;
    super(status === 401 ? "You are signed out. Sign in to Airflow again." : text || `The server answered ${status}.`);
    this.status = status;
    this.answer = answer;
  }
}

// Times are told by the server's clock: a browser's may be anything.
let ahead = 0;
export const now = () => Date.now() + ahead;

export function addressOf(path, query = {}) {
  const asked = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === "") continue;
    for (const one of [value].flat()) asked.searchParams.append(name, one);
  }
  return asked;
}

async function read(answer) {
  const date = Date.parse(answer.headers.get("Date"));
  // The header has whole seconds.
  if (date && Math.abs(date - Date.now()) > 2000) ahead = date - Date.now();
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}

export async function ask(path, query, signal) {
  return read(await fetch(addressOf(path, query), { credentials: "same-origin", signal }));
}

// What is beside the desk's interface.
export async function askElsewhere(path) {
  return read(await fetch(new URL(`../api/${path}`, import.meta.url), { credentials: "same-origin" }));
}

export const pathOfAlert = (id) => `alerts/${encodeURIComponent(id)}`;

function makeKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What was sent and not answered, with its key: sent again with that, it is done once.
const unanswered = new Map();

export async function act(path, body) {
  const asked = `${path} ${JSON.stringify(body)}`;
  const key = unanswered.get(asked) ?? makeKey();
  unanswered.set(asked, key);
  const headers = { "Content-Type": "application/json", "X-Surveillance": "page", "Idempotency-Key": key };
  const sent = { method: "POST", credentials: "same-origin", headers, body: JSON.stringify(body) };
  const answer = await fetch(addressOf(path), sent);
  if (answer.status < 500) unanswered.delete(asked);
  return read(answer);
}

// Asks now and again each `seconds`, not while nobody looks; null as path asks nothing.
export function useAnswer(path, query, seconds) {
  const [state, setState] = useState({ answer: null, error: null });
  const asked = JSON.stringify([path, query]);
  const newest = useRef(0);
  const waits = useRef(0);
  const load = useCallback(async () => {
    if (path === null) return;
    const mine = ++newest.current;
    waits.current++;
    try {
      const answer = await ask(path, query);
      if (mine === newest.current) setState({ answer, error: null });
    } catch (error) {
      if (mine === newest.current) setState((before) => ({ answer: before.answer, error }));
    } finally {
      waits.current--;
    }
  }, [asked]);
  useEffect(() => {
    setState({ answer: null, error: null });
    load();
    // A server that takes longer than this is not asked again meanwhile.
    const timer = seconds && setInterval(() => document.hidden || waits.current || load(), seconds * 1000);
    return () => {
      newest.current++;
      clearInterval(timer);
    };
  }, [load]);
  return { ...state, reload: load };
}

export const RIGHTS = {
  decide: "Surveillance decisions", silence: "Surveillance silences",
  work: "Surveillance cases", sign: "Surveillance signatures",
};

// What the server says has changed, `alerts` or `acts`, told to all who listen; one stream for the page, none while
// nobody looks: a browser has few connections to one host.
const SETTLED_MS = 1000;
const listeners = new Set();
let stream = null;

function follow() {
  const wanted = listeners.size > 0 && !document.hidden;
  if (!wanted) {
    stream?.close();
    stream = null;
  } else if (!stream) {
    stream = new EventSource(addressOf("events"));
    stream.addEventListener("changed", (event) => {
      const { changed } = JSON.parse(event.data);
      listeners.forEach((listener) => listener(changed));
    });
    // Whatever came meanwhile is asked for: a browser that has looked away begins anew. First comes what is being shown.
    stream.addEventListener("open", () => setTimeout(() => listeners.forEach((listener) => listener(["alerts", "acts"])), SETTLED_MS));
  }
}
document.addEventListener("visibilitychange", follow);

export function useChanges(listener) {
  const newest = useRef(listener);
  newest.current = listener;
  useEffect(() => {
    const told = (changed) => newest.current(changed);
    listeners.add(told);
    follow();
    return () => {
      listeners.delete(told);
      follow();
    };
  }, []);
}
