"use strict";

const REFRESH_MS = 5000;
const form = document.getElementById("filters");
const statusLine = document.getElementById("status");
const rows = document.getElementById("alerts");
const counts = document.getElementById("counts");

// Everything shown is set as text, never as markup: an article's title may contain anything.
function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function number(value) {
  if (value === null) return "–";
  const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 1 ? 2 : 5;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

function utc(moment) {
  return new Date(moment).toISOString().slice(0, 16).replace("T", " ");
}

function alertRow(alert) {
  const row = document.createElement("tr");
  const severity = ["low", "medium", "high", "critical"].includes(alert.severity) ? alert.severity : "low";
  const direction = { up: " ▲", down: " ▼" }[alert.direction] || "";
  row.append(
    element("td", utc(alert.bar_at), "time"),
    element("td", `${severity} ${Math.round(alert.score)}`, `severity ${severity}`),
    element("td", alert.symbol, "symbol"),
    element("td", `${alert.rule}${direction}`),
    element("td", alert.form, "quiet"),
    element("td", alert.firings > 1 ? `${alert.status} ×${alert.firings}` : alert.status, "quiet"),
    element("td", number(alert.value), "number"),
    element("td", number(alert.threshold), "number"),
    element("td", number(alert.baseline), "number"),
    element("td", alert.explanation),
    element("td", alert.notification, "quiet"),
  );
  row.title = `${alert.alert_id}\n${alert.timespan}, ${alert.session_phase}, data ${alert.data_age_ms} ms old, ${alert.source}`;
  if (alert.status === "retracted") row.className = "retracted";
  if (alert.before_value !== null) row.title += `\nbefore the correction: ${number(alert.before_value)} against ${number(alert.before_threshold)}`;
  if (alert.profile_version) row.title += `\nbaseline ${alert.profile_version}`;
  if (alert.inhibited_by) row.title += `\nnot told: ${alert.inhibited_by}`;
  return row;
}

function countCard(count) {
  const card = element("button");
  card.type = "button";
  card.append(element("strong", count.alerts), element("span", `${count.rule}, ${count.symbols} symbols`));
  card.setAttribute("aria-pressed", String(form.elements.rule.value === count.rule));
  card.addEventListener("click", () => {
    form.elements.rule.value = form.elements.rule.value === count.rule ? "" : count.rule;
    load();
  });
  return card;
}

function query() {
  const wanted = new URLSearchParams();
  for (const name of ["symbol", "rule", "severity"]) {
    const value = form.elements[name].value.trim();
    if (value) wanted.set(name, value);
  }
  const hours = Number(form.elements.hours.value);
  if (hours) wanted.set("since", new Date(Date.now() - hours * 3600e3).toISOString());
  return wanted;
}

let newest = 0;
async function load() {
  const mine = ++newest;
  try {
    const answer = await fetch(`api/alerts?${query()}`, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(answer.status === 401 ? "signed out: sign in to Airflow again" : `server answered ${answer.status}`);
    const found = await answer.json();
    if (mine !== newest) return; // a later question has been asked meanwhile
    rows.replaceChildren(...found.alerts.map(alertRow));
    if (!found.alerts.length) {
      const cell = element("td", "No alert matches.", "empty");
      cell.colSpan = 11;
      const row = document.createElement("tr");
      row.append(cell);
      rows.append(row);
    }
    counts.replaceChildren(...found.counts.map(countCard));
    const total = found.counts.reduce((sum, count) => sum + count.alerts, 0);
    statusLine.textContent = `${total} alerts, newest ${found.alerts.length} shown, as of ${utc(Date.now())} UTC`;
    statusLine.className = "";
  } catch (error) {
    if (mine !== newest) return;
    statusLine.textContent = `Not up to date: ${error.message}`;
    statusLine.className = "failed";
  }
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", load);
setInterval(() => form.elements.refresh.checked && !document.hidden && load(), REFRESH_MS);
load();
