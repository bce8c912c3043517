// The queue's rows: pages that follow each other, and what changes meanwhile without moving any of them.
import { ask, now, useChanges } from "./api.js";
import { useEffect, useState } from "./host.js";
import { SEVERITIES, STATES } from "./words.js";

// The first page is soon there; whoever goes on gets more at once.
const PAGE = 200, FURTHER = 500;
const NEWEST = 100;
// Where the stream of changes is cut.
const POLL_MS = 30_000;

// What the address says as the interface is asked for it.
export function filtersOf(query) {
  const { tab = "market", state = "", severity, age, symbol, rule, tag, owner, text } = query;
  const states = { all: STATES, "": STATES.slice(0, 3) }[state] || [state];
  return {
    kind: tab === "operations" ? "operations" : "market", history: tab === "history" ? "true" : "",
    state: tab === "history" && !state ? STATES : states,
    severity: severity && SEVERITIES.slice(0, SEVERITIES.indexOf(severity) + 1),
    symbol, rule, tag, owner, text, age,
  };
}

export function asked({ age, ...filters }) {
  return age ? { ...filters, since: new Date(now() - Number(age) * 3600e3).toISOString() } : filters;
}

// One for each filter; it outlives a look at one alert, so that "back" finds the same rows at the same place.
class Rows {
  constructor(filters) {
    this.filters = filters;
    this.listeners = new Set();
    this.scroll = 0;
    this.cursor = null; // id of the alert that the keyboard is at
    this.picked = new Set();
    this.load();
  }

  tell() {
    this.listeners.forEach((listener) => listener());
  }

  async load() {
    const mine = (this.loading = {});
    this.waiting = new Map(); // new ones, by id
    this.error = null;
    this.tell();
    try {
      const filters = asked(this.filters);
      const first = await ask("alerts", { ...filters, limit: PAGE });
      if (this.loading !== mine) return;
      this.list = first.alerts;
      this.next = first.next;
      this.by = new Map(first.alerts.map((row) => [row.alert_id, row]));
      if (!this.by.has(this.cursor)) this.cursor = this.list[0]?.alert_id ?? null;
      this.picked = new Set([...this.picked].filter((id) => this.by.has(id)));
      this.tell();
      const newest = await ask("alerts", { ...filters, order: "newest", limit: NEWEST });
      if (this.loading !== mine) return;
      // Whatever is older than these was there when the list was made, on a page to come.
      this.seen = new Set(newest.alerts.map((row) => row.alert_id));
      this.since = newest.next ? newest.alerts.at(-1).bar_at : "";
    } catch (error) {
      if (this.loading !== mine) return;
      this.error = error;
    }
    this.loading = null;
    this.tell();
  }

  async more() {
    if (!this.next || this.loading) return;
    const mine = (this.loading = {});
    try {
      const page = await ask("alerts", { ...asked(this.filters), limit: FURTHER, after: this.next });
      if (this.loading !== mine) return;
      const added = page.alerts.filter((row) => !this.by.has(row.alert_id));
      for (const row of added) this.by.set(row.alert_id, row);
      this.list = [...this.list, ...added];
      this.next = page.next;
      this.error = null;
    } catch (error) {
      if (this.loading === mine) this.error = error;
    }
    if (this.loading === mine) this.loading = null;
    this.tell();
  }

  async poll() {
    if (this.loading || !this.list) return;
    try {
      const [newest, acts] = await Promise.all([
        ask("alerts", { ...asked(this.filters), order: "newest", limit: NEWEST }),
        ask("acts", { object_kind: "alert", limit: 50 }),
      ]);
      if (this.loading) return;
      for (const row of newest.alerts) {
        if (this.by.has(row.alert_id)) this.replace(row.alert_id, row);
        else if (!this.seen.has(row.alert_id) && row.bar_at > this.since) this.waiting.set(row.alert_id, row);
      }
      for (const { object_id: id, after } of acts.acts) {
        if (after && after.version > (this.by.get(id)?.version ?? Infinity)) this.replace(id, after);
      }
      this.error = null;
    } catch (error) {
      this.error = error;
    }
    this.list = this.list.map((row) => this.by.get(row.alert_id));
    this.tell();
  }

  // What became of alerts: each row stays where it is.
  merge(reviews) {
    for (const [id, review] of Object.entries(reviews)) this.replace(id, review);
    this.list = this.list.map((row) => this.by.get(row.alert_id));
    this.tell();
  }

  replace(id, changes) {
    const row = this.by.get(id);
    if (row) this.by.set(id, { ...row, ...changes });
  }

  pick(id, on = !this.picked.has(id)) {
    this.picked[on ? "add" : "delete"](id);
    this.tell();
  }

  pickNone() {
    this.picked.clear();
    this.tell();
  }

  goTo(index) {
    const row = this.list[Math.max(0, Math.min(this.list.length - 1, index))];
    if (row) this.cursor = row.alert_id;
    this.tell();
  }
}

let kept = { key: null, rows: null };

// Asks for the rows of a filter, unless it is the one of before.
export function prepareRows(filters) {
  const key = JSON.stringify(filters);
  if (kept.key !== key) kept = { key, rows: new Rows(filters) };
  return kept.rows;
}

export function useRows(filters) {
  const rows = prepareRows(filters);
  const [, redraw] = useState(0);
  useChanges(() => rows.poll());
  useEffect(() => {
    const listener = () => redraw((n) => n + 1);
    rows.listeners.add(listener);
    listener(); // whatever came before there was somebody to tell
    const timer = setInterval(() => document.hidden || rows.poll(), POLL_MS);
    return () => {
      rows.listeners.delete(listener);
      clearInterval(timer);
    };
  }, [rows]);
  return rows;
}

// Every alert of a filter, page by page; `tell(n)` says how many there are so far.
export async function listAll(filters, most, tell) {
  const rows = [];
  let after;
  do {
    const page = await ask("alerts", { ...asked(filters), limit: 500, after });
    rows.push(...page.alerts);
    after = page.next;
    tell(rows.length);
  } while (after && rows.length < most);
  return rows;
}
