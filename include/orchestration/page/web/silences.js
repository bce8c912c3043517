// Silences: of which alerts people are not told for a while. What is detected stays as it is.
import { act, ask, now, useAnswer } from "./api.js";
import { Dialog, Field } from "./dialog.js";
import { html, useEffect, useState } from "./host.js";
import { Moment } from "./times.js";
import { RULES, SEVERITIES, TAGS, TIMESPANS, count, say } from "./words.js";

const HOURS = { 1: "1 hour", 4: "4 hours", 24: "1 day", 72: "3 days", 168: "1 week", 720: "30 days" };

const writeMatcher = (matcher) => Object.entries(matcher).filter(([, value]) => value)
  .map(([name, value]) => name === "up_to" ? `${value} or below` : say(value)).join(" · ");

export function Silences({ me, policy, say: tell }) {
  const { answer, error, reload } = useAnswer("silences", {}, 30);
  const [question, setQuestion] = useState(null);
  const at = answer ? Date.parse(answer.now) : 0;
  const inForce = (silence) => Date.parse(silence.begins_at) <= at && at < Date.parse(silence.ends_at);
  const groups = answer ? [["In force", answer.silences.filter(inForce)], ["Over", answer.silences.filter((it) => !inForce(it))]] : [];
  const close = (text) => { setQuestion(null); reload(); tell(text); };
  return html`
    <section className="page">
      <div className="head"><h1>Silences</h1>
        ${me.may.silence && html`<button type="button" className="main" onClick=${() => setQuestion({ like: {} })}>New silence…</button>`}</div>
      <p className="quiet">A silence keeps people from being told. Its alerts are detected, stored and shown as before.</p>
      ${error && html`<p className="problem" role="alert">${error.message}</p>`}
      ${groups.map(([title, silences]) => html`
        <div key=${title}><h2>${title} <span className="quiet">${silences.length}</span></h2>
        ${silences.length === 0 ? html`<p className="empty">None.</p>` : html`
          <div className="wide-table" tabIndex="0" role="region" aria-label=${`Silences: ${title}`}><table className="plain-table">
            <thead><tr><th>Of</th><th>Why</th><th>By</th><th>From</th><th>Until</th><th><span className="unseen">Acts</span></th></tr></thead>
            <tbody>${silences.map((it) => html`
              <tr key=${it.silence_id}>
                <td><b>${writeMatcher(it.matcher)}</b></td><td className="text">${it.reason}</td><td>${it.author}</td>
                <td><${Moment} at=${it.begins_at} /></td>
                <td><${Moment} at=${it.ends_at} />${it.ended_by && ` by ${it.ended_by}`}</td>
                <td>${title === "In force" && me.may.silence && html`<button type="button"
                  aria-label=${`End the silence of ${writeMatcher(it.matcher)}`} onClick=${() => setQuestion({ end: it })}>End now</button>`}</td>
              </tr>`)}</tbody>
          </table></div>`}</div>`)}
      ${question?.like && html`<${SilenceDialog} like=${question.like} policy=${policy} done=${() => setQuestion(null)}
        finish=${() => close("Silenced.")} />`}
      ${question?.end && html`<${Dialog} title="End the silence" button="End now" done=${() => setQuestion(null)}
        act=${async () => { await act(`silences/${question.end.silence_id}/end`, {}); close("The silence is over."); }}>
        <p>People are told of ${writeMatcher(question.end.matcher)} again.</p><//>`}
    </section>`;
}

export function SilenceDialog({ like, policy, done, finish }) {
  const [matcher, setMatcher] = useState({ rule: like.rule || "", symbol: like.symbol || "", timespan: "", tag: "", up_to: "" });
  const [reason, setReason] = useState("");
  const [hours, setHours] = useState("24");
  const [preview, setPreview] = useState(null);
  const set = (name) => (event) => setMatcher({ ...matcher, [name]: event.target.value });
  const named = matcher.rule || matcher.symbol.trim();
  const wanted = Object.fromEntries(Object.entries(matcher).map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
  useEffect(() => {
    if (!named) return setPreview(null);
    const gone = new AbortController();
    const timer = setTimeout(() => ask("silences/preview", wanted, gone.signal).then(setPreview, () => {}), 250);
    return () => { clearTimeout(timer); gone.abort(); };
  }, [JSON.stringify(wanted)]);
  const ends = new Date(now() + Number(hours) * 3600e3).toISOString();
  const options = (words, all) => [html`<option key="" value="">${all}</option>`,
    ...words.map((word) => html`<option key=${word} value=${word}>${say(word)}</option>`)];
  return html`
    <${Dialog} title="Silence" button="Silence" done=${done} ready=${named && reason.trim()}
        act=${async () => { await act("silences", { ...wanted, reason, ends_at: ends }); finish(); }}>
      <div className="pair">
        <${Field} label="Rule"><select value=${matcher.rule} onChange=${set("rule")}>
          ${options([...RULES.market, ...RULES.operations], "all rules")}</select><//>
        <${Field} label="Symbol"><input maxLength="200" autoComplete="off" placeholder="all symbols" value=${matcher.symbol}
          onInput=${(event) => setMatcher({ ...matcher, symbol: event.target.value.toUpperCase() })} /><//>
        <${Field} label="Tag"><select value=${matcher.tag} onChange=${set("tag")}>${options(TAGS, "any")}</select><//>
        <${Field} label="Bars of"><select value=${matcher.timespan} onChange=${set("timespan")}>${options(TIMESPANS, "any length")}</select><//>
        <${Field} label="Up to severity"><select value=${matcher.up_to} onChange=${set("up_to")}>${options(SEVERITIES, "any")}</select><//>
        <${Field} label="For"><select value=${hours} onChange=${(event) => setHours(event.target.value)}>
          ${Object.entries(HOURS).filter(([n]) => n <= policy.longest_silence_days * 24).sort(([a], [b]) => a - b)
            .map(([n, text]) => html`<option key=${n} value=${n}>${text}</option>`)}</select><//>
      </div>
      <p className="quiet">Ends at <${Moment} at=${ends} form="full" />.</p>
      <${Field} label="Why"><textarea rows="2" maxLength="4000" autoFocus value=${reason}
        onInput=${(event) => setReason(event.target.value)} /><//>
      <p className="hint" role="status">${!named ? "Name a rule or a symbol." : !preview ? "Looking at the last week …"
        : `In the last seven days it would have kept ${count(preview.alerts, "alert")} from people${
          preview.alerts ? `: ${Object.entries(preview.severities).map(([name, n]) => `${n} ${name}`).join(", ")}` : ""}.`}</p>
    <//>`;
}
