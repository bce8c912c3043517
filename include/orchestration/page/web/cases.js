// Cases: alerts that belong together, with a narrative and files, handed over by two people.
import { act, addressOf, ask, useAnswer } from "./api.js";
import { ConflictDialog, Difference } from "./decisions.js";
import { Dialog, Field } from "./dialog.js";
import { Link, html, useAddress, useEffect, useState } from "./host.js";
import { Moment } from "./times.js";
import { arrow, count, say } from "./words.js";

const STATUSES = ["draft", "to sign", "handed over"];
const TAKEN = ".pdf,.png,.jpg,.csv,.txt";
const PAGE = 100;

export function Cases({ me, say: tell }) {
  const [query, go] = useAddress();
  const { answer, error } = useAnswer("cases", { status: query.status, limit: PAGE, before: query.before }, 30);
  const [asking, setAsking] = useState(false);
  const cases = answer?.cases || [];
  return html`
    <section className="page">
      <div className="head"><h1>Cases</h1>
        <div className="counts" role="group" aria-label="Status">${["", ...STATUSES].map((status) => html`
          <button type="button" key=${status} aria-pressed=${(query.status || "") === status}
            onClick=${() => go({ screen: "cases", status })}>${status || "all"}</button>`)}</div>
        ${me.may.work && html`<button type="button" className="main" onClick=${() => setAsking(true)}>New case…</button>`}</div>
      ${error && html`<p className="problem" role="alert">${error.message}</p>`}
      ${answer && cases.length === 0 && html`<p className="empty">No case${query.status ? ` is ${query.status}` : " yet"}.</p>`}
      ${cases.length > 0 && html`
        <div className="wide-table" tabIndex="0" role="region" aria-label="Cases"><table className="plain-table">
          <thead><tr><th>Case</th><th>Title</th><th className="number">Alerts</th><th>Status</th><th>Opened by</th><th>Changed</th></tr></thead>
          <tbody>${cases.map((it) => html`
            <tr key=${it.case_id}>
              <td><${Link} to=${{ screen: "case", id: it.case_id }}>${it.case_id}<//></td><td className="text">${it.title}</td>
              <td className="number">${it.alerts.length}</td><td><${Status} of=${it.status} /></td><td>${it.opened_by}</td>
              <td><${Moment} at=${it.changed_at} /></td>
            </tr>`)}</tbody>
        </table></div>`}
      ${cases.length === PAGE && html`<${Link} to=${{ ...query, before: cases.at(-1).case_id }}>Older cases<//>`}
      ${asking && html`<${EscalateDialog} rows=${[]} done=${() => setAsking(false)}
        finish=${(number) => { tell(`Case ${number} is open.`); go({ screen: "case", id: number }); }} />`}
    </section>`;
}

const Status = ({ of }) => html`<span className=${`state-${of.replaceAll(" ", "-")}`}>${of}</span>`;

export function Case({ id, me, say: tell }) {
  const { answer, error, reload } = useAnswer(`cases/${id}`, {}, 15);
  const [question, setQuestion] = useState(null);
  const it = answer?.case;
  if (!it) return html`<section className="page"><h1>Case ${id}</h1>
    <p className=${error ? "problem" : "empty"} role="status">${error ? error.message : "Loading …"}</p></section>`;
  const draft = it.status === "draft" && me.may.work;
  const send = async (name, body = {}) => {
    try {
      await act(`cases/${id}/${name}`, { version: it.version, ...body });
      setQuestion(null);
      tell(`Case ${id}: ${{ submit: "waits for a signature", sign: "handed over", "send-back": "sent back" }[name] || "saved"}.`);
    } catch (refused) {
      if (!refused.answer?.current) throw refused;
      setQuestion({ conflict: refused.answer });
    } finally {
      reload();
    }
  };
  const now = (name, body) => send(name, body).catch((refused) => tell(refused.message, true));
  const attach = async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) now("attach", { name: file.name, content: await encode(file) });
  };
  return html`
    <section className="page case">
      <div className="head"><h1><span className="quiet">Case ${id}</span> ${it.title}</h1><${Status} of=${it.status} /></div>
      <p className="quiet">Opened by ${it.opened_by}${it.submitted_by && `, submitted by ${it.submitted_by}`}${it.signed_by && `, signed by ${it.signed_by}`},
        ${" "}changed <${Moment} at=${it.changed_at} form="full" /></p>
      <div className="acts">
        ${draft && html`<button type="button" onClick=${() => setQuestion({ describe: true })}>Edit…</button>
          <label className="button">Attach a file…<input type="file" className="unseen" accept=${TAKEN} onChange=${attach} /></label>
          <button type="button" className="main" onClick=${() => now("submit")}>Submit for signature</button>`}
        ${it.status === "to sign" && me.may.sign && it.submitted_by !== me.name && html`
          <button type="button" className="main" onClick=${() => now("sign")}>Sign and hand over</button>
          <button type="button" onClick=${() => setQuestion({ back: true })}>Send back…</button>`}
        ${["pdf", "csv"].map((kind) => html`<a key=${kind} className="button" href=${addressOf(`cases/${id}.${kind}`).href}
          download>${kind.toUpperCase()}</a>`)}
        <button type="button" onClick=${() => print()}>Print</button>
      </div>
      <h2>Narrative</h2>
      ${it.narrative.trim() ? html`<p className="narrative">${it.narrative}</p>` : html`<p className="empty">None yet.</p>`}
      <h2>Alerts <span className="quiet">${it.alerts.length}</span></h2>
      <${Members} ids=${it.alerts} remove=${draft ? (alert) => now("remove", { alerts: [alert] }) : null} />
      <h2>Files <span className="quiet">${answer.attachments.length}</span></h2>
      ${answer.attachments.length === 0 ? html`<p className="empty">None.</p>` : html`<ul className="files">
        ${answer.attachments.map((file) => html`<li key=${file.attachment_id}>
          <a href=${addressOf(`cases/${id}/attachments/${file.attachment_id}`).href} download=${file.name}>${file.name}</a>
          <span className="quiet"> ${file.size.toLocaleString("en-US")} bytes · ${file.added_by} · sha256 ${file.sha256.slice(0, 12)}…</span></li>`)}</ul>`}
      <h2>History</h2>
      <${Acts} acts=${answer.acts} />
      ${question?.describe && html`<${DescribeDialog} it=${it} done=${() => setQuestion(null)} send=${send} />`}
      ${question?.back && html`<${BackDialog} id=${id} done=${() => setQuestion(null)} send=${send} />`}
      ${question?.conflict && html`<${ConflictDialog} answer=${question.conflict} done=${() => setQuestion(null)} />`}
    </section>`;
}

function Members({ ids, remove }) {
  const [found, setFound] = useState({});
  useEffect(() => {
    let here = true;
    for (const id of ids) {
      if (found[id]) continue;
      ask(`alerts/${encodeURIComponent(id)}`).then(({ alert }) => here && setFound((before) => ({ ...before, [id]: alert })), () => {});
    }
    return () => { here = false; };
  }, [ids.join("\n")]);
  if (!ids.length) return html`<p className="empty">None yet: select some in the queue and escalate them.</p>`;
  return html`
    <div className="wide-table" tabIndex="0" role="region" aria-label="Alerts of the case"><table className="plain-table">
      <thead><tr><th>Severity</th><th>Bar</th><th>Symbol</th><th>Rule</th><th>What happened</th><th>State</th><th><span className="unseen">Acts</span></th></tr></thead>
      <tbody>${ids.map((id) => {
        const row = found[id];
        if (!row) return html`<tr key=${id}><td colSpan="7" className="quiet">${id}</td></tr>`;
        return html`<tr key=${id} className=${row.severity}>
          <td className="severity"><span>${row.severity} <b>${Math.round(row.score)}</b></span></td><td><${Moment} at=${row.bar_at} /></td>
          <td><${Link} to=${{ screen: "alert", id }}>${row.symbol}<//></td><td>${say(row.rule)} ${arrow(row.direction)}</td>
          <td className="text">${row.explanation}</td><td>${row.state}</td>
          <td>${remove && html`<button type="button" aria-label=${`Take ${row.symbol} out`} onClick=${() => remove(id)}>Take out</button>`}</td></tr>`;
      })}</tbody>
    </table></div>`;
}

export function Acts({ acts }) {
  if (!acts.length) return html`<p className="empty">Nobody has done anything yet.</p>`;
  return html`<ol className="changes">${acts.map((one) => html`
    <li key=${one.audit_id}><${Moment} at=${one.occurred_at} form="full" /> <strong>${one.actor}</strong> ${one.event}
      ${one.details && html`<q>${one.details}</q>`} <${Difference} before=${one.before} after=${one.after} /></li>`)}</ol>`;
}

function DescribeDialog({ it, done, send }) {
  const [title, setTitle] = useState(it.title);
  const [narrative, setNarrative] = useState(it.narrative);
  return html`
    <${Dialog} title="Edit the case" button="Save" done=${done} wide ready=${title.trim()} act=${() => send("describe", { title, narrative })}>
      <${Field} label="Title"><input maxLength="200" value=${title} onInput=${(event) => setTitle(event.target.value)} /><//>
      <${Field} label="Narrative"><textarea rows="14" maxLength="50000" autoFocus value=${narrative}
        onInput=${(event) => setNarrative(event.target.value)} /><//>
    <//>`;
}

function BackDialog({ id, done, send }) {
  const [text, setText] = useState("");
  return html`<${Dialog} title=${`Send case ${id} back`} button="Send back" done=${done} ready=${text.trim()} act=${() => send("send-back", { text })}>
    <${Field} label="Why"><textarea rows="4" maxLength="4000" autoFocus value=${text} onInput=${(event) => setText(event.target.value)} /><//><//>`;
}

// Opens a case of alerts, or adds them to a draft that there is.
export function EscalateDialog({ rows, done, finish }) {
  const [first] = rows;
  const { answer } = useAnswer(rows.length ? "cases" : null, { status: "draft", limit: PAGE });
  const [into, setInto] = useState("");
  const [title, setTitle] = useState(!first ? "" : rows.length === 1 ? `${first.symbol}: ${say(first.rule)}`
    : `${[...new Set(rows.map((row) => row.symbol))].slice(0, 5).join(", ")}: ${count(rows.length, "alert")}`);
  const [narrative, setNarrative] = useState("");
  const alerts = rows.map((row) => row.alert_id);
  const escalate = async () => {
    const draft = answer?.cases.find((it) => String(it.case_id) === into);
    if (draft) await act(`cases/${into}/add`, { version: draft.version, alerts });
    finish(draft ? draft.case_id : (await act("cases", { title, narrative, alerts })).case_id);
  };
  return html`
    <${Dialog} title=${first ? `Escalate ${count(rows.length, "alert")}` : "New case"} button=${into ? "Add" : "Open a case"} done=${done}
        ready=${into || title.trim()} act=${escalate}>
      ${answer?.cases.length > 0 && html`<${Field} label="Into"><select value=${into} onChange=${(event) => setInto(event.target.value)}>
        <option value="">a new case</option>
        ${answer.cases.map((it) => html`<option key=${it.case_id} value=${it.case_id}>${`case ${it.case_id}: ${it.title}`}</option>`)}</select><//>`}
      ${!into && html`<${Field} label="Title"><input maxLength="200" autoFocus value=${title} onInput=${(event) => setTitle(event.target.value)} /><//>`}
      ${!into && html`<${Field} label="Narrative (may be written later)"><textarea rows="5" maxLength="50000" value=${narrative}
        onInput=${(event) => setNarrative(event.target.value)} /><//>`}
    <//>`;
}

async function encode(file) {
  const address = await new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
  return address.slice(address.indexOf(",") + 1);
}
