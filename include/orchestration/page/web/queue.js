// The queue: what wants a decision, unexplained and rarest first.
import { addressOf, useAnswer, useChanges } from "./api.js";
import { ConflictDialog, DecisionDialog, MOST_AT_ONCE, Reasons, decide, describe, listDecisions, tellOf,
  wantSecond } from "./decisions.js";
import { Dialog, Field, isAsking } from "./dialog.js";
import { Suspense, address, html, later, useAddress, useEffect, useLayoutEffect, useRef, useState } from "./host.js";
import { asked, filtersOf, listAll, useRows } from "./rows.js";
import { Moment } from "./times.js";
import { Views } from "./views.js";
import { RULES, STATES, TAGS, arrow, count, number, say } from "./words.js";

const EscalateDialog = later(() => import("./cases.js"), "EscalateDialog");
const SilenceDialog = later(() => import("./silences.js"), "SilenceDialog");
const TABS = { market: "Market", operations: "Operations", history: "History" };
const AGES = { "0.25": "last 15 minutes", 1: "last hour", 8: "last 8 hours", 24: "last day", 168: "last week" };
const FILTERS = ["symbol", "rule", "tag", "severity", "age", "owner", "text", "state"];
const NARROW = "(max-width: 699px)";
const HEIGHTS = { narrow: 118, wide: 31 };
const AROUND = 12;
const MOST_CLOSED = 10_000;
const PAUSE_MS = 100;
// What the database's index of sentences knows.
const LEAST_LETTERS = 3;

function useNarrow() {
  const [narrow, setNarrow] = useState(matchMedia(NARROW).matches);
  useEffect(() => {
    const media = matchMedia(NARROW);
    const look = () => setNarrow(media.matches);
    media.addEventListener("change", look);
    return () => media.removeEventListener("change", look);
  }, []);
  return narrow;
}

export function Queue({ me, policy, say: tell }) {
  const [query, go] = useAddress();
  const tab = query.tab in TABS ? query.tab : "market";
  const filters = filtersOf(query);
  const rows = useRows(filters);
  const [question, setQuestion] = useState(null);
  const search = useRef(null);
  const set = (changes, replace) => go({ ...query, ...changes }, replace);

  const chosen = () => {
    const picked = rows.list?.filter((row) => rows.picked.has(row.alert_id)) || [];
    if (picked.length) return picked;
    const at = rows.by?.get(rows.cursor);
    return at ? [at] : [];
  };
  const finish = (name, those) => (reviews) => {
    for (const row of those) rows.picked.delete(row.alert_id);
    rows.merge(reviews);
    tell(tellOf(name, those, reviews));
  };
  // Of two who act on what both have seen, one wins; the other sees who, and what it is now.
  const guard = (work) => async (...given) => {
    try {
      return await work(...given);
    } catch (error) {
      if (!error.answer?.current) throw error;
      rows.merge(error.answer.current);
      setQuestion({ conflict: error.answer });
    }
  };
  const start = async (name, those = chosen()) => {
    if (!listDecisions(those, me).some(([one]) => one === name)) return;
    if (those.length > MOST_AT_ONCE) return tell(`At most ${MOST_AT_ONCE} at once.`, true);
    if (name !== "take" && name !== "release") return setQuestion({ name, those });
    // Meanwhile the next question may be open: it stays.
    try {
      finish(name, those)(await decide(name, those));
    } catch (error) {
      if (error.answer?.current) rows.merge(error.answer.current);
      if (error.answer?.current && !isAsking()) setQuestion({ conflict: error.answer });
      else tell(error.message, true);
    }
  };
  const open = (row) => go({ screen: "alert", id: row.alert_id });
  const escalate = () => me.may.work && chosen().length && setQuestion({ escalate: chosen() });
  const silence = () => me.may.silence && chosen().length && setQuestion({ silence: chosen()[0] });

  useEffect(() => {
    const press = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isAsking()) return;
      const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "checkbox";
      if (typing) return event.key === "Escape" && event.target.blur();
      const move = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
      const openIt = () => rows.by?.has(rows.cursor) && open(rows.by.get(rows.cursor));
      const keys = {
        a: () => start("take"), c: () => start("close"), e: escalate, m: silence, n: () => start("note"),
        s: () => start("sign"), x: () => rows.cursor && rows.pick(rows.cursor), "/": () => search.current.focus(),
        "?": () => setQuestion({ help: true }), Escape: () => rows.pickNone(), r: () => rows.load(),
        o: openIt, ...(event.target.closest("a, button") ? {} : { Enter: openIt }),
      };
      if (!rows.list || (!move && !keys[event.key])) return;
      event.preventDefault();
      if (move) rows.goTo(rows.list.findIndex((row) => row.alert_id === rows.cursor) + move);
      else keys[event.key]();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });

  const picked = chosen();
  const narrowed = FILTERS.some((name) => query[name]);
  return html`
    <section className="queue" aria-label="Queue">
      <div className="bar">
        <nav className="tabs" aria-label="Queues">
          ${Object.entries(TABS).map(([name, label]) => html`
            <a key=${name} href=${address({ tab: name })} aria-current=${tab === name ? "page" : undefined}
              onClick=${(event) => { event.preventDefault(); go({ tab: name === "market" ? "" : name }); }}>${label}</a>`)}
        </nav>
        <${Counts} tab=${tab} state=${query.state || ""} choose=${(state) => set({ state })} />
        <${Views} owner=${me.name} query=${query} go=${go} names=${["tab", ...FILTERS]} />
      </div>
      <${Filters} query=${query} set=${set} tab=${tab} me=${me} search=${search} />
      <${List} rows=${rows} open=${open} me=${me} start=${start}
        empty=${narrowed ? "No alert matches." : "Nothing waits for a decision here."} />
      <div className=${`bar foot${rows.picked.size ? "" : " idle"}`}>
        <span className="quiet">${rows.list ? `${count(rows.list.length, "alert")}${rows.next ? " and more below" : ""}` : ""}</span>
        <div className="acts" role="group" aria-label=${`Acts on ${picked.length ? describe(picked) : "nothing"}`}>
          ${picked.length > 0 && html`<strong className="what">${describe(picked)}</strong>`}
          ${listDecisions(picked, me).filter(([name]) => name !== "note").map(([name, { label, key }]) => html`
            <button type="button" key=${name} aria-keyshortcuts=${key} onClick=${() => start(name)}>${label}</button>`)}
          ${me.may.work && picked.length > 0 && html`
            <button type="button" aria-keyshortcuts="e" onClick=${escalate}>Escalate…</button>`}
          ${me.may.silence && picked.length === 1 && html`
            <button type="button" aria-keyshortcuts="m" onClick=${silence}>Silence…</button>`}
          ${rows.picked.size > 0 && html`<button type="button" onClick=${() => rows.pickNone()}>Clear</button>`}
          ${me.may.decide && narrowed && rows.list?.length > 1 && html`
            <button type="button" onClick=${() => setQuestion({ all: true })}>Close all that match…</button>`}
        </div>
        <a className="button" href=${addressOf("alerts.csv", asked(filters)).href} download>CSV</a>
        <button type="button" className="plain" onClick=${() => setQuestion({ help: true })} aria-keyshortcuts="?">Keys</button>
      </div>
      ${question?.name && html`<${DecisionDialog} name=${question.name} rows=${question.those} policy=${policy}
        done=${() => setQuestion(null)} guard=${guard}
        finish=${(reviews) => { setQuestion(null); finish(question.name, question.those)(reviews); }} />`}
      ${question?.conflict && html`<${ConflictDialog} answer=${question.conflict} done=${() => setQuestion(null)} />`}
      <${Suspense} fallback=${null}>
        ${question?.escalate && html`<${EscalateDialog} rows=${question.escalate} done=${() => setQuestion(null)}
          finish=${(number) => go({ screen: "case", id: number })} />`}
        ${question?.silence && html`<${SilenceDialog} like=${question.silence} policy=${policy} done=${() => setQuestion(null)}
          finish=${() => { setQuestion(null); tell("Silenced."); }} />`}
      <//>
      ${question?.all && html`<${CloseAllDialog} filters=${filters} policy=${policy} done=${() => setQuestion(null)}
        finish=${(n) => { setQuestion(null); rows.load(); tell(`${count(n, "alert")} closed.`); }} />`}
      ${question?.help && html`<${Keys} done=${() => setQuestion(null)} />`}
    </section>`;
}

function Counts({ tab, state, choose }) {
  const { answer, reload } = useAnswer(tab === "history" ? null : "counts", { kind: tab }, 30);
  useChanges(() => reload());
  if (tab === "history") return html`<span className="quiet">what a backfill has found in the past; nobody was told</span>`;
  const by = Object.fromEntries(STATES.map((name) => [name, (answer || []).filter((one) => one.state === name)]));
  return html`<div className="counts" role="group" aria-label="Alerts of the last 30 days by state">
    ${STATES.map((name) => {
      const total = by[name].reduce((sum, one) => sum + one.alerts, 0);
      const detail = by[name].map((one) => `${one.alerts} ${one.severity}`).join(", ");
      return html`<button type="button" key=${name} aria-pressed=${state === name} title=${detail}
        onClick=${() => choose(state === name ? "" : name)}>${name} <b>${answer ? total.toLocaleString("en-US") : "·"}</b></button>`;
    })}
  </div>`;
}

function Filters({ query, set, tab, me, search }) {
  const [shown, setShown] = useState(false);
  const active = FILTERS.filter((name) => query[name]);
  const select = (name, label, options) => html`
    <label className=${query[name] ? "active" : ""}><span>${label}</span>
      <select value=${query[name] || ""} onChange=${(event) => set({ [name]: event.target.value })}>
        ${options.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
      </select>
    </label>`;
  const plain = (values) => values.map((value) => [value, say(value)]);
  const rules = tab === "history" ? RULES.market : RULES[tab];
  return html`
    <form className=${`filters${shown ? " shown" : ""}`} aria-label="Filters" onSubmit=${(event) => event.preventDefault()}>
      <button type="button" className="toggle" aria-expanded=${shown} onClick=${() => setShown(!shown)}>
        Filters${active.length ? ` (${active.length})` : ""}</button>
      <div className="fields">
        <${Typed} name="symbol" label="Symbol" query=${query} set=${set} size="5" />
        ${select("rule", "Rule", [["", "all"], ...plain(rules)])}
        ${tab !== "operations" && select("tag", "Tag", [["", "all"], ...plain(TAGS)])}
        ${select("severity", "Severity", [["", "all"], ["critical", "critical"], ["high", "high or above"], ["medium", "medium or above"]])}
        ${select("age", "Age", [["", "any time"], ...Object.entries(AGES).sort(([a], [b]) => a - b)])}
        ${select("state", "State", [["", tab === "history" ? "any" : "not closed"], ...plain(STATES), ...(tab === "history" ? [] : [["all", "any"]])])}
        <${Typed} name="owner" label="Owner" query=${query} set=${set} size="7" />
        <${Typed} name="text" label="Text" query=${query} set=${set} size="10" input=${search} type="search" least=${LEAST_LETTERS} />
        <button type="button" aria-pressed=${query.owner === me.name}
          onClick=${() => set({ owner: query.owner === me.name ? "" : me.name })}>Mine</button>
        ${active.length > 0 && html`<button type="button" className="plain"
          onClick=${() => set(Object.fromEntries(active.map((name) => [name, ""])))}>Clear filters</button>`}
      </div>
    </form>`;
}

// A field whose text is asked for when somebody pauses, not at each letter, and not before it has `least` of them.
function Typed({ name, label, query, set, size, input, type = "text", least = 0 }) {
  const [text, setText] = useState(query[name] || "");
  const asked = useRef(text);
  // What was asked for here comes back later than the next letter.
  useEffect(() => {
    if ((query[name] || "") === asked.current) return;
    asked.current = query[name] || "";
    setText(asked.current);
  }, [query[name]]);
  useEffect(() => {
    const letters = text.trim().length;
    if (text.trim() === asked.current || (letters && letters < least)) return;
    const timer = setTimeout(() => {
      asked.current = text.trim();
      set({ [name]: asked.current }, true);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<label className=${query[name] ? "active" : ""}><span>${label}</span>
    <input ref=${input} type=${type} size=${size} maxLength="100" autoComplete="off" spellCheck="false" value=${text}
      placeholder=${least ? `${least} letters` : undefined} onInput=${(event) => setText(event.target.value)} /></label>`;
}

function List({ rows, open, me, start, empty }) {
  const box = useRef(null);
  const narrow = useNarrow();
  const height = narrow ? HEIGHTS.narrow : HEIGHTS.wide;
  const [view, setView] = useState({ top: rows.scroll, height: 600 });

  useLayoutEffect(() => {
    const measure = () => setView({ top: box.current.scrollTop, height: box.current.clientHeight });
    box.current.scrollTop = rows.scroll;
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, [rows, narrow]);

  const list = rows.list || [];
  const at = list.findIndex((row) => row.alert_id === rows.cursor);
  useLayoutEffect(() => {
    if (at < 0) return;
    const header = narrow ? 0 : HEIGHTS.wide;
    const { scrollTop, clientHeight } = box.current;
    const top = at * height;
    if (top < scrollTop) box.current.scrollTop = top;
    else if (top + height + header > scrollTop + clientHeight) box.current.scrollTop = top + height + header - clientHeight;
  }, [rows.cursor]);

  const first = Math.max(0, Math.floor(view.top / height) - AROUND);
  const last = Math.min(list.length, Math.ceil((view.top + view.height) / height) + AROUND);
  useEffect(() => {
    if (last > list.length - 2 * AROUND && rows.next && !rows.error) rows.more();
  });
  const scrolled = () => {
    rows.scroll = box.current.scrollTop;
    setView({ top: box.current.scrollTop, height: box.current.clientHeight });
  };
  const show = () => {
    rows.scroll = 0;
    box.current.scrollTop = 0;
    rows.load();
  };
  const spacer = (n) => html`<tr aria-hidden="true" className="spacer" style=${{ height: `${n * height}px` }}><td colSpan="10" /></tr>`;
  return html`
    <div className="list">
      ${rows.waiting.size > 0 && html`<button type="button" className="new" onClick=${show}>
        ${count(rows.waiting.size, "new alert")} · show</button>`}
      ${rows.error && html`<p className="problem" role="alert">Not up to date: ${rows.error.message}
        ${" "}<button type="button" onClick=${() => rows.load()}>Try again</button></p>`}
      <div className="scroll" ref=${box} onScroll=${scrolled} tabIndex="0" role="region" aria-label="Alerts"
          aria-busy=${Boolean(rows.loading)}>
        <table aria-rowcount=${rows.next ? -1 : list.length + 1}>
          <thead>
            <tr>
              <th className="pick"><span className="unseen">Select</span></th><th className="severity">Severity</th>
              <th className="time">Bar</th><th className="symbol">Symbol</th><th className="rule">Rule</th>
              <th className="tag">Tag</th><th className="sentence">What happened</th><th className="value number">Value</th>
              <th className="state">State</th><th className="owner">Owner</th>
              <th className="quick"><span className="unseen">Acts</span></th>
            </tr>
          </thead>
          <tbody>
            ${first > 0 && spacer(first)}
            ${list.slice(first, last).map((row, index) => html`<${Row} key=${row.alert_id} row=${row} me=${me} open=${open}
              start=${start} rows=${rows} current=${row.alert_id === rows.cursor} picked=${rows.picked.has(row.alert_id)}
              index=${first + index} />`)}
            ${last < list.length && spacer(list.length - last)}
          </tbody>
        </table>
        ${!rows.list && !rows.error && html`<p className="empty">Loading …</p>`}
        ${rows.list?.length === 0 && html`<p className="empty">${empty}</p>`}
        ${rows.list && rows.next && html`<p className="empty">Loading more …</p>`}
      </div>
    </div>`;
}

function Row({ row, rows, current, picked, index, open, me, start }) {
  const name = `${row.symbol} ${say(row.rule)}`;
  const over = row.status === "ended" || row.status === "retracted";
  const classes = ["row", row.severity, current && "current", row.state === "closed" && "done", row.status === "retracted" && "retracted"];
  const times = row.firings > 1 ? `×${row.firings}` : "";
  return html`
    <tr className=${classes.filter(Boolean).join(" ")} aria-rowindex=${index + 2} aria-current=${current ? "true" : undefined}
        data-alert=${row.alert_id} onClick=${() => rows.goTo(index)}>
      <td className="pick"><input type="checkbox" checked=${picked} aria-label=${`Select ${name}`}
        onChange=${() => rows.pick(row.alert_id)} onClick=${(event) => event.stopPropagation()} /></td>
      <td className="severity"><span>${row.severity} <b>${Math.round(row.score)}</b></span></td>
      <td className="time"><${Moment} at=${row.bar_at} /></td>
      <td className="symbol"><a href=${address({ screen: "alert", id: row.alert_id })} aria-label=${`Open ${name}`}
        onClick=${(event) => { if (!event.ctrlKey && !event.metaKey) { event.preventDefault(); open(row); } }}>${row.symbol}</a></td>
      <td className="rule" title=${row.rule}>${say(row.rule)} ${arrow(row.direction)}</td>
      <td className=${`tag${row.tag === "unexplained" ? " strong" : ""}`}>${row.tag || ""}</td>
      <td className="sentence" title=${row.explanation}>${row.explanation}</td>
      <td className="value number" title=${`threshold ${number(row.threshold)}`}>${number(row.value)}</td>
      <td className="state"><span className=${`state-${row.state.replaceAll(" ", "-")}`}>${row.state}</span>
        ${(times || over) && html`<small> ${times} ${over ? row.status : ""}</small>`}</td>
      <td className="owner">${row.owner || ""}</td>
      <td className="quick">
        ${listDecisions([row], me).filter(([one]) => ["take", "close", "sign"].includes(one)).map(([one, { label }]) => html`
          <button type="button" key=${one} aria-label=${`${label} ${name}`}
            onClick=${(event) => { event.stopPropagation(); rows.goTo(index); start(one, [row]); }}>${label}</button>`)}
      </td>
    </tr>`;
}

// Every alert of the filter, with one reason; each act carries the versions that were seen while they were listed.
function CloseAllDialog({ filters, policy, done, finish }) {
  const [found, setFound] = useState(null);
  const [listed, setListed] = useState(0);
  const [reason, setReason] = useState("");
  const [text, setText] = useState("");
  const [closed, setClosed] = useState(0);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const open = ["open", "in review"];
    const state = filters.state.filter((one) => open.includes(one));
    if (!state.length) return setFound([]);
    let here = true;
    listAll({ ...filters, state }, MOST_CLOSED, (n) => here && setListed(n))
      .then((all) => here && setFound(all), (error) => here && setProblem(error.message));
    return () => { here = false; };
  }, []);
  const close = async () => {
    let rest = found;
    for (let n = 0; rest.length; n += MOST_AT_ONCE) {
      const batch = rest.slice(0, MOST_AT_ONCE);
      try {
        await decide("close", batch, text.trim() ? { reason, text } : { reason });
      } catch (error) {
        if (!error.answer?.current) throw error;
        const { current } = error.answer;
        setFound(rest.filter((row) => !(row.alert_id in current)));
        throw new Error(`Somebody else has changed ${count(Object.keys(current).length, "alert")} meanwhile: left out now. Close the others?`);
      }
      rest = rest.slice(MOST_AT_ONCE);
      setFound(rest);
      setClosed(n + batch.length);
    }
    finish(found.length);
  };
  const second = found ? wantSecond(policy, found) : 0;
  return html`
    <${Dialog} title="Close all that match" button=${found ? `Close ${count(found.length, "alert")}` : "Close"} done=${done}
        ready=${found?.length && reason} danger act=${close}>
      <p>${problem || (found ? `${count(found.length, "alert")} of this filter ${found.length === 1 ? "is" : "are"} open or in review.`
        : `Counting … ${listed}`)}
        ${closed > 0 && ` ${closed} are closed already.`}</p>
      ${second > 0 && html`<p className="hint">${second} of them want the signature of somebody else.</p>`}
      <${Reasons} policy=${policy} reason=${reason} choose=${setReason} />
      <${Field} label="Remark (may be empty)">
        <textarea rows="2" maxLength="4000" value=${text} onInput=${(event) => setText(event.target.value)} /><//>
    <//>`;
}

function Keys({ done }) {
  const keys = { "j, k": "next, previous", x: "select", "Enter, o": "open", a: "take", c: "close", e: "escalate", n: "note",
    s: "sign", m: "silence", "/": "search", r: "show what is new", Esc: "select none", "?": "these keys" };
  return html`<${Dialog} title="Keys" done=${done}>
    <dl className="keys">${Object.entries(keys).map(([key, what]) => html`
      <div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
  <//>`;
}
