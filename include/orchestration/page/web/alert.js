// One alert: why it fired, what was around it, what people did with it.
import { act, addressOf, ask, pathOfAlert, useAnswer, useChanges } from "./api.js";
import { Acts, EscalateDialog } from "./cases.js";
import { Chart, MOST_BESIDE } from "./chart.js";
import { ConflictDialog, DecisionDialog, decide, listDecisions, tellOf } from "./decisions.js";
import { isAsking } from "./dialog.js";
import { Link, html, useAddress, useDark, useEffect, useMemo, useState } from "./host.js";
import { SilenceDialog } from "./silences.js";
import { Moment, write, writeSeconds } from "./times.js";
import { arrow, number, say } from "./words.js";

const SECONDS = 30;

export function Alert({ id, me, policy, say: tell }) {
  const path = pathOfAlert(id);
  const { answer, error, reload } = useAnswer(path, {}, SECONDS);
  useChanges(() => reload());
  const around = useAnswer(`${path}/bars`);
  const alike = useAnswer(`${path}/alike`);
  const [, go] = useAddress();
  const dark = useDark();
  const [question, setQuestion] = useState(null);
  const row = answer?.alert;
  const done = () => setQuestion(null);
  const finish = (name) => (reviews) => { reload(); tell(tellOf(name, [row], reviews)); };
  const guard = (work) => async (...given) => {
    try {
      return await work(...given);
    } catch (refused) {
      if (!refused.answer?.current) throw refused;
      setQuestion({ conflict: refused.answer });
      reload();
    }
  };
  const start = async (name) => {
    if (!listDecisions([row], me).some(([one]) => one === name)) return;
    if (name !== "take" && name !== "release") return setQuestion({ name });
    // Meanwhile the next question may be open: it stays.
    try {
      finish(name)(await decide(name, [row]));
    } catch (refused) {
      reload();
      if (refused.answer?.current && !isAsking()) setQuestion({ conflict: refused.answer });
      else tell(refused.message, true);
    }
  };
  useEffect(() => {
    const press = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isAsking() || !row) return;
      if (["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
      const keys = { a: () => start("take"), c: () => start("close"), n: () => start("note"), s: () => start("sign"),
        e: () => me.may.work && setQuestion({ escalate: true }), m: () => me.may.silence && setQuestion({ silence: true }),
        Escape: () => history.back() };
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
  if (!row) return html`<section className="page"><h1>Alert</h1>
    <p className=${error ? "problem" : "empty"} role="status">${error ? error.message : "Loading …"}</p></section>`;
  return html`
    <section className="page alert">
      <div className="alert-head">
        <h1>${row.symbol} <span>${say(row.rule)} ${arrow(row.direction)}</span></h1>
        <b className=${`severity-${row.severity}`}>${row.severity} ${Math.round(row.score)}</b>
        <span className=${row.tag === "unexplained" ? "" : "quiet"}>${row.tag || ""}</span>
        <span className="quiet">${row.timespan} bar of <${Moment} at=${row.bar_at} form="full" /> · ${say(row.session_phase)}${row.source === "live" ? "" : " · history"}</span>
        <span className=${`state-${row.state.replaceAll(" ", "-")}`}>${row.state}${row.owner ? ` · ${row.owner}` : ""}</span>
      </div>
      <p className="sentence-line">${row.explanation}</p>
      <div className="acts">
        ${listDecisions([row], me).map(([name, { label, key }]) => html`
          <button type="button" key=${name} aria-keyshortcuts=${key} className=${name === "close" || name === "sign" ? "main" : ""}
            onClick=${() => start(name)}>${label}</button>`)}
        ${me.may.work && html`<button type="button" aria-keyshortcuts="e" onClick=${() => setQuestion({ escalate: true })}>Escalate…</button>`}
        ${me.may.silence && html`<button type="button" aria-keyshortcuts="m" onClick=${() => setQuestion({ silence: true })}>Silence…</button>`}
        <a className="button" href=${addressOf(`${path}/pdf`).href} download>PDF</a>
      </div>
      ${error && html`<p className="problem" role="alert">Not up to date: ${error.message}</p>`}
      <div className="columns">
        <div>
          <h2>Bars</h2>
          <${Bars} around=${around} row=${row} record=${answer.record} alike=${alike.answer} dark=${dark} />
          <h2>News</h2>
          <${News} around=${around} />
          <h2>Alike</h2>
          <${Alike} answer=${alike.answer} error=${alike.error} policy=${policy} />
          <h2>Reproduce</h2>
          <${Reproduce} path=${path} />
        </div>
        <div>
          <h2>Numbers</h2>
          <${Numbers} row=${row} answer=${answer} policy=${policy} />
          <h2>Evidence</h2>
          <${Evidence} row=${row} answer=${answer} around=${around.answer} />
          <h2>On its way</h2>
          <${Steps} answer=${answer} />
          <h2>History</h2>
          <${Acts} acts=${answer.acts} />
        </div>
      </div>
      ${question?.name && html`<${DecisionDialog} name=${question.name} rows=${[row]} policy=${policy} done=${done}
        finish=${(reviews) => { done(); finish(question.name)(reviews); }} guard=${guard} />`}
      ${question?.conflict && html`<${ConflictDialog} answer=${question.conflict} done=${done} />`}
      ${question?.escalate && html`<${EscalateDialog} rows=${[row]} done=${done} finish=${(n) => go({ screen: "case", id: n })} />`}
      ${question?.silence && html`<${SilenceDialog} like=${row} policy=${policy} done=${done}
        finish=${() => { done(); tell("Silenced."); }} />`}
    </section>`;
}

const Missing = ({ error, none }) => html`<p className=${error ? "problem" : "empty"}>${error ? error.message : none}</p>`;

const seconds = (moment) => Math.floor(Date.parse(moment) / 1000);

// What the studies measure against, too.
const BENCHMARK = "SPY";
const readBars = (answer) => (answer?.bars || []).map((bar) => ({ ...bar, time: seconds(bar.at) }));

// Why bars are missing, as far as this alert and others of its symbol say it.
function listCauses(record, alike) {
  const own = record?.hole_cause ? [[record.hole_cause, record.hole_start_ms, record.hole_end_ms]] : [];
  const told = (alike?.symbol || []).flatMap((one) => one.tag_evidence || []).map((it) => it.split("|"))
    .filter(([cause]) => ["halt", "LULD pause"].includes(cause));
  return [...own, ...told].map(([cause, from, until]) => ({ cause, from: from / 1000, until: until / 1000 }));
}

function Bars({ around, row, record, alike, dark }) {
  const { answer, error } = around;
  const [beside, setBeside] = useState([]);
  const bars = useMemo(() => readBars(answer), [answer]);
  const causes = useMemo(() => listCauses(record, alike), [record?.hole_start_ms, alike]);
  const marks = useMemo(() => [
    { time: seconds(row.bar_at), text: say(row.rule), kind: "alert" },
    ...(alike?.symbol || []).filter((one) => one.timespan === row.timespan).map((one) => ({ time: seconds(one.bar_at), text: "", kind: "other" })),
    ...(answer?.news || []).map((one) => ({ time: seconds(one.published_at), text: "news", kind: "news" })),
  ], [answer, alike, row.bar_at]);
  if (!answer) return html`<${Missing} error=${error} none="Loading …" />`;
  if (!bars.length) return html`<${Missing} none="There are no bars around it." />`;
  // What the rule compares is a price only for some of them.
  const base = row.baseline === null ? [] : [row.baseline];
  const levels = row.rule === "price_breakout" ? [{ price: row.threshold, title: "threshold" },
    ...base.filter((price) => price !== row.threshold).map((price) => ({ price, title: "level" }))]
    : row.rule === "price_gap" ? base.map((price) => ({ price, title: "close before" })) : [];
  const volumes = row.rule === "abnormal_volume" && row.form === "literal"
    ? [{ value: row.threshold, title: "threshold" }, ...base.map((value) => ({ value, title: "baseline" }))] : [];
  return html`<${Chart} bars=${bars} timespan=${row.timespan} marks=${marks} levels=${levels} volumes=${volumes} beside=${beside}
      causes=${causes} dark=${dark} />
    <${Beside} row=${row} peers=${alike?.minute || []} beside=${beside} setBeside=${setBeside} />`;
}

// Which other symbols are drawn beside it: the market, those that alerted in the same minute, or whatever is named.
function Beside({ row, peers, beside, setBeside }) {
  const [named, setNamed] = useState("");
  const [problem, setProblem] = useState("");
  // Of a peer its own evidence is asked for, which is kept as long as its alert.
  const kept = Object.fromEntries(peers.filter((one) => one.timespan === row.timespan).map((one) => [one.symbol, one.alert_id]));
  const offered = [...new Set([BENCHMARK, ...Object.keys(kept)])].filter((symbol) => symbol !== row.symbol).slice(0, MOST_BESIDE);
  const isShown = (symbol) => beside.some((one) => one.symbol === symbol);
  const add = async (symbol) => {
    setProblem("");
    if (beside.length >= MOST_BESIDE) return setProblem(`At most ${MOST_BESIDE} at once.`);
    try {
      const answer = kept[symbol] ? await ask(`${pathOfAlert(kept[symbol])}/bars`)
        : await ask(`${pathOfAlert(row.alert_id)}/bars`, { of: symbol });
      const bars = readBars(answer);
      if (!bars.length) return setProblem(`There are no bars of ${symbol} around it.`);
      setBeside((before) => before.some((one) => one.symbol === symbol) ? before : [...before, { symbol, bars }]);
    } catch (error) {
      setProblem(error.message);
    }
  };
  const toggle = (symbol) => isShown(symbol) ? setBeside((before) => before.filter((one) => one.symbol !== symbol)) : add(symbol);
  const submit = (event) => {
    event.preventDefault();
    const symbol = named.trim().toUpperCase();
    setNamed("");
    if (symbol && symbol !== row.symbol && !isShown(symbol)) add(symbol);
  };
  const more = beside.map((one) => one.symbol).filter((symbol) => !offered.includes(symbol));
  return html`<div className="beside" role="group" aria-label="Beside it"><span>Beside it</span>
    ${[...offered, ...more].map((symbol) => html`<button type="button" key=${symbol} aria-pressed=${isShown(symbol)}
      onClick=${() => toggle(symbol)}>${symbol}</button>`)}
    <form onSubmit=${submit}><input size="6" maxLength="20" aria-label="Another symbol" placeholder="symbol" autoComplete="off"
      value=${named} onInput=${(event) => setNamed(event.target.value)} /></form>
    ${problem && html`<span role="status">${problem}</span>`}</div>`;
}

// A link from outside is one only where it leads to a web page.
const isWeb = (url) => /^https?:\/\//i.test(url);

function News({ around: { answer, error } }) {
  if (!answer) return html`<${Missing} error=${error} none="Loading …" />`;
  if (!answer.news.length) return html`<${Missing} none="None within two hours before or after it." />`;
  return html`<ul className="changes news">${answer.news.map((one) => html`
    <li key=${one.event_id}><${Moment} at=${one.published_at} /> <b>${one.publisher}</b>
      ${" "}${isWeb(one.url) ? html`<a href=${one.url} target="_blank" rel="noopener noreferrer"><bdi>${one.title}</bdi></a>` : html`<bdi>${one.title}</bdi>`}
      ${" "}<span className="quiet">${one.sentiment || "sentiment unknown"}${one.withdrawn ? " · withdrawn" : ""}${one.cited ? " · cited" : ""}</span></li>`)}</ul>`;
}

function Alike({ answer, error, policy }) {
  if (!answer) return html`<${Missing} error=${error} none="Loading …" />`;
  const groups = [["Same symbol", answer.symbol], ["Same rule", answer.rule], ["Same minute", answer.minute]];
  const reasons = Object.fromEntries(policy.reasons.map((one) => [one.code, one.text]));
  return html`<div>
    ${answer.endings.length > 0 && html`<p className="quiet">Of this symbol and rule: ${answer.endings
      .map((one) => `${one.alerts} × ${reasons[one.reason] || one.reason} (${one.disposition || "no verdict"})`).join("; ")}</p>`}
    ${groups.map(([title, rows]) => html`
      <details key=${title} open=${title === "Same symbol"}><summary>${title} <span className="quiet">${rows.length}</span></summary>
        ${rows.length > 0 && html`<div className="wide-table" tabIndex="0" role="region" aria-label=${title}><table className="plain-table">
          <thead className="unseen"><tr><th>Bar</th><th>Symbol</th><th>Rule</th><th>Severity</th><th>Tag</th><th>How it ended</th></tr></thead>
          <tbody>${rows.map((one) => html`<tr key=${one.alert_id} className=${one.severity}>
            <td><${Moment} at=${one.bar_at} /></td><td><${Link} to=${{ screen: "alert", id: one.alert_id }}>${one.symbol}<//></td>
            <td>${say(one.rule)} ${arrow(one.direction)}</td>
            <td className="severity"><span>${one.severity} ${Math.round(one.score)}</span></td><td>${one.tag || ""}</td>
            <td>${one.reason ? reasons[one.reason] || one.reason : one.state}</td></tr>`)}</tbody></table></div>`}
      </details>`)}</div>`;
}

function Numbers({ row, answer, policy }) {
  const { record, versions, correction } = answer;
  const reason = policy.reasons.find((one) => one.code === row.reason);
  const facts = [
    ["Value", number(row.value)], ["Threshold", number(row.threshold)], ["Baseline", number(row.baseline)],
    record?.rarity_sessions != null && ["Once in", `${number(record.rarity_sessions)}${record.rarity_sessions >= 4096 ? " or more" : ""} sessions`],
    ["Form", row.form], row.firings > 1 && ["Firings", number(row.firings)], ["Status", row.status],
    correction && ["Before the correction", `${number(correction.before_value)} against ${number(correction.before_threshold)}`],
    record?.hole_cause && ["Bars are missing", say(record.hole_cause)],
    row.inhibited_by && ["Not told because", row.inhibited_by],
    reason && ["Closed as", `${reason.text} (${reason.disposition})${row.signed_by ? `, signed by ${row.signed_by}` : ""}`],
    ["Rule", `${row.rule}${versions?.rule_version ? `, version ${versions.rule_version}` : ""}`],
    versions?.parameters_version && ["Parameters", versions.parameters_version],
    versions?.profile_version && ["Profile", versions.profile_version],
    ...(answer.cases || []).map((it) => ["Case", html`<${Link} to=${{ screen: "case", id: it.case_id }}>${`${it.case_id}: ${it.title}`}<//> (${it.status})`]),
    ["Id", html`<code>${row.alert_id}</code>`],
  ];
  return html`<${Facts} facts=${facts} />`;
}

const Facts = ({ facts }) => html`<table className="facts"><tbody>${facts.filter(Boolean).map(([name, value], at) => html`
  <tr key=${at}><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody></table>`;

function Evidence({ row, answer, around }) {
  const tags = row.tag_evidence || [];
  return html`<div>
    ${tags.length > 0 ? html`<ul className="files">${tags.map((one) => html`<li key=${one}>${one}</li>`)}</ul>`
      : html`<p className="empty">${row.tag === "unexplained" ? "Nothing explains it." : "It names nothing that explains it."}</p>`}
    ${around && html`<details><summary>Rests on ${around.cited.length} records</summary>
      <ul className="files">${around.cited.map((one) => html`<li key=${one}><code>${one}</code></li>`)}</ul></details>`}
    ${answer.evidence && html`<p className="quiet">Kept <${Moment} at=${answer.evidence.kept_at} form="full" /> · sha256 <code>${answer.evidence.sha256.slice(0, 16)}…</code>
      ${around && !around.intact && html`<b className="severity-critical"> It is no longer what was kept.</b>`}</p>`}
  </div>`;
}

function Steps({ answer }) {
  const { steps, told } = answer;
  let before = null;
  const lines = (steps || []).map((step) => {
    const took = before === null ? "" : `+${writeSeconds((Date.parse(step.at) - before) / 1000)}`;
    before = Date.parse(step.at);
    return [say(step.name), html`<span title=${step.at}>${write(step.at).slice(11)} <span className="quiet">${took}</span></span>`];
  });
  return html`<div><${Facts} facts=${lines} />
    ${(told || []).length > 0 ? html`<${Facts} facts=${told.map((one) => [one.channel,
      html`<span>${one.outcome || "waits"} · ${one.status} ${one.sent_at && html`<${Moment} at=${one.sent_at} />`}</span>`])} />`
      : html`<p className="quiet">${answer.notification ? `Told: ${answer.notification}` : ""}</p>`}</div>`;
}

function Reproduce({ path }) {
  const [state, setState] = useState({});
  const run = async () => {
    setState({ busy: true });
    try {
      setState({ answer: await act(`${path}/explain`, {}) });
    } catch (error) {
      setState({ error });
    }
  };
  const { answer, error, busy } = state;
  return html`<div>
    <p><button type="button" disabled=${busy} onClick=${run}>${busy ? "Reading its inputs …" : answer ? "Again" : "Reproduce it from its inputs"}</button></p>
    ${error && html`<p className="problem" role="alert">${error.message}</p>`}
    ${answer && html`<div role="status"><p><b className=${`verdict-${answer.verdict.replaceAll(" ", "-")}`}>${answer.verdict}</b> ${answer.sentence}</p>
      ${[...answer.differences, ...answer.unsupported].length > 0 && html`<ul>${[...answer.differences, ...answer.unsupported].map((line) => html`<li key=${line}>${line}</li>`)}</ul>`}
      ${answer.missing.length > 0 && html`<p className="quiet">Not found: ${answer.missing.join(", ")}</p>`}</div>`}
  </div>`;
}
