// What people decide on alerts, and how they are asked for what a decision needs.
import { act } from "./api.js";
import { Dialog, Field } from "./dialog.js";
import { html, useEffect, useState } from "./host.js";
import { Moment } from "./times.js";
import { count, say } from "./words.js";

// Of one act; what the server takes at once.
export const MOST_AT_ONCE = 500;
// Of a text that was changed.
const LONGEST = 80;
const DISPOSITIONS = ["true positive", "false positive", "no verdict"];

// Each: what it is called, the states that it is offered in, and the right that it wants.
export const DECISIONS = {
  take: { label: "Take", states: ["open", "in review"], right: "decide", key: "a" },
  assign: { label: "Assign…", states: ["open", "in review"], right: "decide" },
  release: { label: "Put back", states: ["in review"], right: "decide" },
  close: { label: "Close…", states: ["open", "in review"], right: "decide", key: "c" },
  sign: { label: "Sign…", states: ["to sign"], right: "sign" },
  "send-back": { label: "Send back…", states: ["to sign"], right: "sign" },
  reopen: { label: "Reopen…", states: ["closed"], right: "decide" },
  note: { label: "Note…", states: ["open", "in review", "to sign", "closed"], right: "decide" },
};
const TEXTS = {
  sign: { title: "Sign", label: "Remark", needed: false },
  "send-back": { title: "Send back", label: "Why", needed: true },
  reopen: { title: "Reopen", label: "Why", needed: true },
  note: { title: "Note", label: "Note", needed: true },
};

// Which decisions somebody may take on all of these rows. Nobody signs for himself.
export function listDecisions(rows, me) {
  return Object.entries(DECISIONS).filter(([name, { states, right }]) => me.may[right] && rows.length > 0
    && rows.every((row) => states.includes(row.state) && !(name === "sign" && row.closed_by === me.name)
      && !(name === "take" && row.state === "in review" && row.owner === me.name)));
}

export async function decide(name, rows, more = {}) {
  if (name === "note") {
    await act("reviews/note", { alerts: rows.map((row) => row.alert_id), ...more });
    return {};
  }
  const alerts = Object.fromEntries(rows.map((row) => [row.alert_id, row.version]));
  return (await act(`reviews/${name}`, { alerts, ...more })).reviews;
}

// What an act has made of alerts, in one sentence; `reviews` is what the server said.
export function tellOf(name, rows, reviews) {
  const waits = Object.values(reviews).some((review) => review.state === "to sign");
  const said = { take: "yours now", note: "noted", close: waits ? "to be signed by somebody else" : "closed", sign: "closed",
    release: "for everybody again", reopen: "open again", "send-back": "sent back", assign: "assigned" };
  return `${describe(rows)}: ${said[name]}.`;
}

export function describe(rows) {
  const [first] = rows;
  return rows.length === 1 ? `${first.symbol} ${say(first.rule)}` : count(rows.length, "alert");
}

// Asks for what the decision `name` needs and takes it; `finish(reviews)` gets what became of the alerts, and `guard`
// sees a conflict.
export function DecisionDialog({ name, rows, policy, done, finish, guard }) {
  const take = guard(async (more) => finish(await decide(name, rows, more)));
  const common = { rows, done, take };
  if (name === "close") return html`<${CloseDialog} ...${common} policy=${policy} />`;
  if (name === "assign") return html`<${AssignDialog} ...${common} />`;
  return html`<${TextDialog} ...${common} ...${TEXTS[name]} />`;
}

function TextDialog({ rows, done, take, title, label, needed }) {
  const [text, setText] = useState("");
  return html`
    <${Dialog} title=${`${title}: ${describe(rows)}`} button=${title} done=${done} ready=${!needed || text.trim()}
        act=${() => take(text.trim() ? { text } : {})}>
      <${Field} label=${needed ? label : `${label} (may be empty)`}>
        <textarea rows="4" maxLength="4000" autoFocus value=${text} onInput=${(event) => setText(event.target.value)} />
      <//>
    <//>`;
}

function AssignDialog({ rows, done, take }) {
  const [owner, setOwner] = useState("");
  return html`
    <${Dialog} title=${`Assign ${describe(rows)}`} button="Assign" done=${done} ready=${owner.trim()}
        act=${() => take({ owner })}>
      <${Field} label="To" hint="the name with which he or she signs in">
        <input maxLength="64" autoFocus autoComplete="off" value=${owner} onInput=${(event) => setOwner(event.target.value)} />
      <//>
    <//>`;
}

export function Reasons({ policy, reason, choose }) {
  return DISPOSITIONS.map((disposition) => html`
    <fieldset key=${disposition}>
      <legend>${disposition}</legend>
      ${policy.reasons.map((one, at) => one.disposition === disposition && html`
        <label className="choice" key=${one.code}>
          <input type="radio" name="reason" value=${one.code} checked=${reason === one.code}
            onChange=${() => choose(one.code)} />
          <kbd aria-hidden="true">${at + 1}</kbd> <span>${one.text}</span>
        </label>`)}
    </fieldset>`);
}

export function wantSecond(policy, rows) {
  const rising = ["low", "medium", "high", "critical"];
  const least = policy.second_signature_from;
  return rows.filter((row) => least && rising.indexOf(row.severity) >= rising.indexOf(least)).length;
}

function CloseDialog({ rows, policy, done, take }) {
  const [reason, setReason] = useState("");
  const [text, setText] = useState("");
  const second = wantSecond(policy, rows);
  useEffect(() => {
    const choose = (event) => {
      const chosen = policy.reasons[Number(event.key) - 1];
      if (chosen && !["TEXTAREA", "SELECT"].includes(event.target.tagName)) setReason(chosen.code);
    };
    addEventListener("keydown", choose);
    return () => removeEventListener("keydown", choose);
  }, [policy]);
  return html`
    <${Dialog} title=${`Close ${describe(rows)}`} button=${second === rows.length ? "Propose to close" : "Close"}
        done=${done} ready=${reason} act=${() => take(text.trim() ? { reason, text } : { reason })}>
      <${Reasons} policy=${policy} reason=${reason} choose=${setReason} />
      <${Field} label="Remark (may be empty)">
        <textarea rows="2" maxLength="4000" value=${text} onInput=${(event) => setText(event.target.value)} />
      <//>
      ${second > 0 && html`<p className="hint">${rows.length === 1 ? "It is" : `${second} of them are`}
        ${" "}${policy.second_signature_from} or above: somebody else has to sign.</p>`}
    <//>`;
}

const ACTED = { "send back": "sent back", take: "took it", assign: "assigned it", close: "closed it", sign: "signed it",
  release: "put it back", reopen: "reopened it", note: "wrote a note" };

// Who was faster, and what it is now.
export function ConflictDialog({ answer, done }) {
  const ids = Object.keys(answer.current);
  return html`
    <${Dialog} title="Somebody else was faster" done=${done} wide>
      <p>${answer.detail}. Nothing of yours was done; the list shows what it is now.</p>
      <ul className="changes">
        ${answer.changes.map((one) => html`
          <li key=${one.audit_id}>
            <strong>${one.actor}</strong> ${ACTED[one.event] || one.event} at <${Moment} at=${one.occurred_at} form="full" />
            ${one.details && html`<q>${one.details}</q>`}
            <${Difference} before=${one.before} after=${one.after} />
          </li>`)}
      </ul>
      ${ids.length > 20 && html`<p>… and ${count(ids.length - 20, "more alert")}</p>`}
    <//>`;
}

// The fields that an act has changed; version is how often, and says nothing.
export function Difference({ before, after }) {
  if (!after) return null;
  const were = before || {};
  const isNone = (value) => value === null || value === undefined || value === "" || value.length === 0;
  const names = Object.keys(after).filter((name) => name !== "version"
    && !(isNone(after[name]) && isNone(were[name])) && JSON.stringify(after[name]) !== JSON.stringify(were[name]));
  const text = (value) => {
    if (isNone(value)) return "none";
    if (Array.isArray(value)) return count(value.length, "alert");
    const whole = typeof value === "object" ? JSON.stringify(value) : String(value);
    return whole.length > LONGEST ? `${whole.slice(0, LONGEST)}…` : whole;
  };
  return html`<span className="difference">
    ${names.map((name, at) => html`<span key=${name}>${at ? " · " : ""}${say(name)}${": "}${before && html`<s>${text(were[name])}</s>`}
      ${before ? " → " : ""}<bdi>${text(after[name])}</bdi></span>`)}
  </span>`;
}

