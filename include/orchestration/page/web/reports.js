// Reports: of each session, which a lead signs; indicators of a range of sessions; what decisions say of the rules.
import { act, addressOf, useAnswer } from "./api.js";
import { Link, address, html, inside, useAddress, useState } from "./host.js";
import { Moment, writeSeconds } from "./times.js";
import { number, say } from "./words.js";

const VIEWS = { "": "Sessions", indicators: "Indicators", proposals: "Proposals" };
const SEVERITIES = ["critical", "high", "medium", "low"];
const NAMES = ["of", "rule", "object_kind", "event"];
const COUNTS = ["alerts", "symbols", "closed", "true_positive", "false_positive", "no_verdict"];
// The tables of a report: heading, and columns of counts, of times and of anything else.
const TABLES = {
  rules: ["Rules", ["of", "kind"], COUNTS], tags: ["Tags of the market's alerts", ["of"], COUNTS],
  severities: ["Severities", ["of"], COUNTS], states: ["States", ["state"], ["alerts"]],
  endings: ["Reasons for closing", ["reason", "disposition"], ["alerts"]],
  market_events: ["Events of the market", ["at", "severity", "sentence"], ["symbols"]],
  silences: ["Silences in force", ["silence_id", "rule", "symbol", "timespan", "tag", "up_to", "reason", "author", "from_at", "until_at"], ["alerts"]],
  acts: ["What people did at the desk", ["object_kind", "event"], ["acts", "people"]],
  parameters: ["Parameters that alerts were judged by", ["version", "first_bar_at", "last_bar_at", "is_new"], ["alerts"]],
};

export function Reports() {
  const [query, go] = useAddress();
  const view = query.view in VIEWS ? query.view : "";
  const studies = new URL("../reports/", import.meta.url).href;
  return html`
    <section className="page">
      <div className="head"><h1>Reports</h1>
        <nav className="tabs" aria-label="Reports">${Object.entries(VIEWS).map(([name, label]) => {
          const to = { screen: "reports", view: name };
          return html`<a key=${name} href=${address(to)} aria-current=${view === name ? "page" : undefined}
            onClick=${(event) => { event.preventDefault(); go(to); }}>${label}</a>`;
        })}
          <a href=${studies} target=${inside ? "_blank" : undefined} rel="noopener">Studies</a></nav></div>
      ${view === "" ? html`<${Sessions} />` : html`<${Range} key=${view} query=${query} go=${go} view=${view} />`}
    </section>`;
}

function Sessions() {
  const { answer, error } = useAnswer("reports/daily", {}, 60);
  return html`
    <${Problem} error=${error} />
    ${answer && html`<${Rows} label="Sessions" rows=${answer.sessions} id="session" columns=${[
      ["Session", (row) => html`<${Link} to=${{ screen: "report", id: row.session }}>${row.session}<//>`],
      ["Alerts", (row) => number(row.alerts), "number"], ["Not closed", (row) => number(row.waiting), "number"],
      ["Signed by", (row) => row.signed_by || "–"], ["Signed", (row) => html`<${Moment} at=${row.signed_at} form="full" />`],
    ]} />`}`;
}

export function Report({ id, me, say: tell }) {
  const { answer, error, reload } = useAnswer(`reports/daily/${encodeURIComponent(id)}`);
  const [busy, setBusy] = useState(false);
  if (!answer) return html`<section className="page"><h1>Session ${id}</h1>
    <p className=${error ? "problem" : "empty"} role="status">${error ? error.message : "Loading …"}</p></section>`;
  const { report, signatures } = answer;
  const sign = async () => {
    setBusy(true);
    try {
      await act(`reports/daily/${id}/sign`, { sha256: answer.sha256 });
      tell(`The report of ${id} is signed.`);
    } catch (refused) {
      tell(refused.message, true);
    } finally {
      setBusy(false);
      reload();
    }
  };
  const signed = signatures.some((one) => one.is_current);
  return html`
    <section className="page">
      <div className="head"><h1>Surveillance report of ${id}</h1></div>
      <p className="quiet"><${Moment} at=${report.begins_at} form="full" /> to <${Moment} at=${report.ends_at} form="full" />${" · "}sha256 ${answer.sha256.slice(0, 12)}…</p>
      <div className="acts">
        ${me.may.sign && !signed && html`<button type="button" className="main" disabled=${busy} onClick=${sign}>Sign</button>`}
        ${["pdf", "csv"].map((kind) => html`<a key=${kind} className="button" download
          href=${addressOf(`reports/daily/${id}.${kind}`).href}>${kind.toUpperCase()}</a>`)}
        <button type="button" onClick=${() => print()}>Print</button>
      </div>
      <h2>Signatures</h2>
      ${signatures.length === 0 ? html`<p className="empty">Nobody has signed it yet.</p>` : html`<ul>${signatures.map((one) => html`
        <li key=${one.sha256}>${one.signed_by}, <${Moment} at=${one.signed_at} form="full" />: ${one.is_current
          ? "as it is now." : html`<strong>what was signed differs from what it is now</strong>${` (${one.differences.map(say).join(", ")}).`}`}
          ${" "}<a href=${addressOf(`reports/daily/${id}/signed/${one.sha256}`).href}>As signed</a></li>`)}</ul>`}
      <h2>Totals</h2>
      <${Pairs} of=${report.totals} />
      ${Object.entries(TABLES).map(([name, [heading, names, counts]]) => html`
        <h2 key=${`${name} heading`}>${heading}</h2>
        <${Rows} key=${name} label=${heading} rows=${report[name]} columns=${[
          ...names.map((one) => [say(one), (row) => write(one, row[one]), one === "sentence" || one === "reason" ? "text" : ""]),
          ...counts.map((one) => [say(one), (row) => number(row[one]), "number"]),
        ]} />`)}
      <h2>Age of what is not closed <span className="quiet">now</span></h2>
      <${Ages} ages=${answer.ages} />
      <h2>Coverage</h2>
      <p>${number(report.coverage.polled)} of ${number(report.coverage.minutes)} minutes have a poll that went well.</p>
      <${Pairs} of=${Object.fromEntries(["runs", "failed_runs", "bars", "late", "rejected"].map((name) => [name, report.coverage[name]]))} />
      ${report.coverage.gaps.length > 0 && html`<${Rows} label="Minutes without a good poll" rows=${report.coverage.gaps} columns=${[
        ["From", (row) => html`<${Moment} at=${row.first} form="full" />`], ["To", (row) => html`<${Moment} at=${row.last} form="full" />`],
        ["Minutes", (row) => number(row.minutes), "number"]]} />`}
      <p>The application's database does not know</p>
      <ul>${report.coverage.unknown.map((one) => html`<li key=${one}>${one}</li>`)}</ul>
      <h2>What people did in Airflow</h2>
      <p className="quiet">${answer.airflow.copied_at ? html`As far as it was copied, until <${Moment} at=${answer.airflow.copied_at} form="full" />.`
        : "Nothing was copied from Airflow's log yet."}</p>
      <${Rows} label="Acts in Airflow" rows=${answer.airflow.acts} columns=${[["Event", (row) => say(row.event)],
        ["DAG", (row) => row.dag_id || "–"], ["Acts", (row) => number(row.acts), "number"]]} />
    </section>`;
}

function Range({ query, go, view }) {
  const [first, setFirst] = useState(query.first || "");
  const [last, setLast] = useState(query.last || "");
  const asked = { first: query.first, last: query.last };
  const { answer, error } = useAnswer(`reports/${view}`, asked);
  const show = (event) => {
    event.preventDefault();
    go({ screen: "reports", view, first, last });
  };
  return html`
    <form className="acts" aria-label="Sessions" onSubmit=${show}>
      <label>From <input type="date" value=${first} onInput=${(event) => setFirst(event.target.value)} /></label>
      <label>To <input type="date" value=${last} onInput=${(event) => setLast(event.target.value)} /></label>
      <button type="submit">Show</button>
      ${view === "indicators" && html`<a className="button" download href=${addressOf("reports/indicators.csv", asked).href}>CSV</a>`}
    </form>
    <${Problem} error=${error} />
    ${!answer && !error && html`<p className="empty">Loading …</p>`}
    ${answer && html`<p className="quiet">Sessions ${answer.first} to ${answer.last}, live alerts</p>`}
    ${answer && (view === "indicators" ? html`<${Indicators} of=${answer} />` : html`<${Proposals} of=${answer} />`)}`;
}

const share = (it) => it.n === 0 ? "–" : html`${percent(it.share)} <span className="quiet">${percent(it.lower)}–${percent(it.upper)}, ${it.part} of ${it.n}</span>`;
const percent = (value) => `${(100 * value).toFixed(1)} %`;
const delay = (it) => it.n === 0 ? "–" : `${writeSeconds(it.median_seconds)} / ${writeSeconds(it.p90_seconds)}`;

function Indicators({ of }) {
  return html`
    <h2>Rules</h2>
    <${Rows} label="Rules" id="rule" rows=${of.rules} columns=${[
      ["Rule", (row) => say(row.rule)], ["Alerts", (row) => number(row.alerts), "number"], ["Symbols", (row) => number(row.symbols), "number"],
      ["Closed", (row) => share(row.closed)], ["Precision", (row) => share(row.precision)], ["No verdict", (row) => number(row.no_verdict), "number"],
      ["To decision, median / p90", (row) => delay(row.decision)], ["To closure", (row) => delay(row.closure)], ["Escalated", (row) => share(row.escalated)],
    ]} />
    <p className="quiet">Precision is the share of true positives of what was closed with a verdict; intervals are Wilson's, 95 %.</p>
    <h2>Age of what is not closed <span className="quiet">now</span></h2>
    <${Ages} ages=${of.ages} />
    <h2>Volume</h2>
    <${Rows} label="Volume" id="session" rows=${of.volumes} columns=${[
      ["Session", (row) => html`<${Link} to=${{ screen: "report", id: row.session }}>${row.session}<//>`],
      ...["market", "operations", "closed", "escalated"].map((name) => [name, (row) => number(row[name]), "number"]),
    ]} />`;
}

function Proposals({ of }) {
  return html`
    <p>From what people decided: where a rule was wrong more often than right, and what a stricter limit would have left.
      Nothing acts on it. Try a limit on recorded bars first: <a href=${of.try_at} target=${inside ? "_blank" : undefined} rel="noopener">compare parameters</a>.</p>
    ${of.proposals.length === 0 && html`<p className="empty">No rule has ten decisions that ask for one.</p>`}
    ${of.proposals.length > 0 && html`<${Rows} label="Proposals" rows=${of.proposals} columns=${[
      ["Rule", (row) => say(row.rule)], ["Bucket", (row) => row.bucket], ["Precision", (row) => share(row.precision)],
      ["Proposal", (row) => row.sentence, "text"], ["Would have saved", (row) => number(row.saved), "number"],
    ]} />`}`;
}

const Ages = ({ ages }) => html`<${Rows} label="Age of what is not closed" id="age" rows=${ages} columns=${[
  ["Age", (row) => row.age], ...["alerts", ...SEVERITIES].map((name) => [name, (row) => number(row[name]), "number"])]} />`;

const Problem = ({ error }) => error && html`<p className="problem" role="alert">${error.message}</p>`;

const Pairs = ({ of }) => html`<table className="facts"><tbody>${Object.entries(of).map(([name, value]) => html`
  <tr key=${name}><th scope="row">${say(name)}</th><td>${number(value)}</td></tr>`)}</tbody></table>`;

function write(name, value) {
  if (value === null || value === undefined) return "–";
  if (name === "at" || name.endsWith("_at")) return html`<${Moment} at=${value} form="full" />`;
  if (typeof value === "boolean") return value ? "yes" : "no";
  // What somebody has written stays as it is.
  return NAMES.includes(name) ? say(value) : String(value);
}

// Columns: heading, what stands in a row's cell, and its class.
function Rows({ label, rows, columns, id }) {
  if (!rows.length) return html`<p className="empty">None.</p>`;
  return html`<div className="wide-table" tabIndex="0" role="region" aria-label=${label}><table className="plain-table">
    <thead><tr>${columns.map(([heading, , kind]) => html`<th key=${heading} className=${kind}>${heading}</th>`)}</tr></thead>
    <tbody>${rows.map((row, at) => html`<tr key=${id ? row[id] : at}>${columns.map(([heading, cell, kind]) => html`
      <td key=${heading} className=${kind}>${cell(row)}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}
