// The newest run of each stage: whichever is old is where to look.
import { askElsewhere } from "./api.js";
import { html, useEffect, useState } from "./host.js";
import { Moment, writeSeconds } from "./times.js";
import { number } from "./words.js";

const COUNTS = ["tasks", "failed", "records", "alerts", "rows"];
const POLL_MS = 10_000;

export function Runs() {
  const [{ runs, error }, set] = useState({});
  useEffect(() => {
    const load = () => askElsewhere("batches").then((answer) => set({ runs: answer }), (failed) => set((before) => ({ ...before, error: failed })));
    load();
    const timer = setInterval(() => document.hidden || load(), POLL_MS);
    return () => clearInterval(timer);
  }, []);
  return html`
    <section className="page">
      <div className="head"><h1>Newest run of each stage</h1></div>
      ${error && html`<p className="problem" role="alert">${error.message}</p>`}
      ${runs?.length === 0 && html`<p className="empty">No run has ended yet.</p>`}
      ${runs?.length > 0 && html`<div className="wide-table" tabIndex="0" role="region" aria-label="Runs"><table className="plain-table">
        <thead><tr><th>Stage</th><th>DAG</th><th>Ended</th><th className="number">Took</th>${COUNTS.map((name) => html`
          <th key=${name} className="number">${name}</th>`)}</tr></thead>
        <tbody>${runs.map((run) => html`<tr key=${run.stage} title=${run.run_id}>
          <td><b>${run.stage}</b></td><td>${run.dag_id}</td><td><${Moment} at=${run.ended_at} form="full" /></td>
          <td className="number">${writeSeconds((Date.parse(run.ended_at) - Date.parse(run.started_at)) / 1000)}</td>
          ${COUNTS.map((name) => html`<td key=${name} className=${`number${name === "failed" && run.failed ? " severity-critical" : ""}`}>${number(run[name])}</td>`)}
        </tr>`)}</tbody></table></div>`}
      <p className="quiet">Connections and Variables that environment variables set win over those that Airflow shows under Admin.</p>
    </section>`;
}
