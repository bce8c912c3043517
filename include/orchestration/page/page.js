"use strict";

const REFRESH_MS = 5000;
const form = document.getElementById("filters");
const statusLine = document.getElementById("status");
const rows = document.getElementById("alerts");
const batches = document.getElementById("batches");
const counts = document.getElementById("counts");
const queues = document.querySelectorAll("#queues button");

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

// The language is the one that writes a date as 2026-03-09.
const clocks = Object.fromEntries([...form.elements.zone.options].map(({ value }) => [value,
  new Intl.DateTimeFormat("sv-SE", { timeZone: value, dateStyle: "short", timeStyle: "short" })]));

function time(moment, zone = form.elements.zone.value) {
  return clocks[zone].format(new Date(moment));
}

// The other clock's time shows on hover.
function timeCell(moment) {
  const cell = element("td", time(moment), "time");
  cell.title = [...form.elements.zone.options].map(({ value, text }) => `${time(moment, value)} ${text}`).join("\n");
  return cell;
}

// What the time from the bar's close to the row in the database was spent on; what a message did not say is left out.
function delay(alert) {
  const steps = [["asked for", alert.polled_at], ["on its topic", alert.appended_at], ["detection", alert.detected_at],
    ["alert on its topic", alert.published_at], ["stored", alert.last_seen_at]];
  let before = Date.parse(alert.bar_closed_at);
  return steps.filter(([, moment]) => moment).map(([step, moment]) => {
    const seconds = (Date.parse(moment) - before) / 1000;
    before = Date.parse(moment);
    return `${step} +${seconds.toFixed(1)} s`;
  }).join(", ");
}

function alertRow(alert) {
  const row = document.createElement("tr");
  const severity = ["low", "medium", "high", "critical"].includes(alert.severity) ? alert.severity : "low";
  const direction = { up: " ▲", down: " ▼" }[alert.direction] || "";
  row.append(
    timeCell(alert.bar_at),
    element("td", `${severity} ${Math.round(alert.score)}`, `severity ${severity}`),
    element("td", alert.symbol, "symbol"),
    element("td", `${alert.rule}${direction}`, "rule"),
    element("td", alert.form, "quiet"),
    element("td", alert.firings > 1 ? `${alert.status} ×${alert.firings}` : alert.status, "quiet"),
    element("td", number(alert.value), "number"),
    element("td", number(alert.threshold), "number"),
    element("td", number(alert.baseline), "number"),
    element("td", alert.tag || "", alert.tag === "unexplained" ? "tag" : "tag quiet"),
    element("td", alert.explanation, "what"),
    element("td", alert.notification, "quiet"),
  );
  row.title = `${alert.alert_id}\n${alert.timespan}, ${alert.session_phase}, data ${alert.data_age_ms} ms old, ${alert.source}`;
  if (alert.bar_closed_at && alert.published_at) row.title += `\nbar's close: ${delay(alert)}`;
  if (alert.status === "retracted" || alert.status === "ended") row.className = alert.status;
  if (alert.before_value !== null) row.title += `\nbefore the correction: ${number(alert.before_value)} against ${number(alert.before_threshold)}`;
  if (alert.tag_evidence?.length) row.title += `\nexplained by: ${alert.tag_evidence.join(", ")}`;
  if (alert.profile_version) row.title += `\nprofile ${alert.profile_version}`;
  if (alert.inhibited_by) row.title += `\nnot notified: ${alert.inhibited_by}`;
  return row;
}

function batchRow(batch) {
  const row = document.createElement("tr");
  const seconds = (Date.parse(batch.ended_at) - Date.parse(batch.started_at)) / 1000;
  row.append(element("td", batch.stage), element("td", batch.dag_id, "quiet"), timeCell(batch.ended_at));
  for (const value of [seconds, batch.tasks, batch.failed, batch.records, batch.alerts, batch.rows]) {
    row.append(element("td", number(value), "number"));
  }
  row.title = batch.run_id;
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
  const wanted = new URLSearchParams(queue === "history" ? { history: "true" } : { kind: queue });
  for (const name of ["symbol", "rule", "severity"]) {
    const value = form.elements[name].value.trim();
    if (value) wanted.set(name, value);
  }
  const hours = Number(form.elements.hours.value);
  if (hours) wanted.set("since", new Date(Date.now() - hours * 3600e3).toISOString());
  return wanted;
}

async function ask(address) {
  const answer = await fetch(address, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(answer.status === 401 ? "signed out: sign in to Airflow again" : `server answered ${answer.status}`);
  return answer.json();
}

let queue = "market";
for (const tab of queues) {
  tab.addEventListener("click", () => {
    queue = tab.dataset.queue;
    for (const other of queues) other.setAttribute("aria-pressed", String(other === tab));
    form.elements.rule.value = "";
    load();
  });
}

let newest = 0;
async function load() {
  const mine = ++newest;
  try {
    const [answer, runs] = await Promise.all([ask(`api/alerts?${query()}`), ask("api/batches")]);
    if (mine !== newest) return; // a later question has been asked meanwhile
    rows.replaceChildren(...answer.alerts.map(alertRow));
    if (!answer.alerts.length) {
      const cell = element("td", "No alert matches.", "empty");
      cell.colSpan = 12;
      rows.insertRow().append(cell);
    }
    batches.replaceChildren(...runs.map(batchRow));
    counts.replaceChildren(...answer.counts.map(countCard));
    const total = answer.counts.reduce((sum, count) => sum + count.alerts, 0);
    statusLine.textContent = `${total < answer.counted ? total : `the newest ${total}`} alerts, newest ${answer.alerts.length} shown, as of ${time(Date.now())} ${form.elements.zone.selectedOptions[0].text}`;
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
