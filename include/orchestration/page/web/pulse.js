// How far behind the platform is, by the time of its data, in one line.
import { useAnswer } from "./api.js";
import { Link, html, inside } from "./host.js";
import { writeAll, writeSeconds } from "./times.js";
import { SEVERITIES, count } from "./words.js";

const SECONDS = 10;
const PHASES = { pre: "pre-market", opening_auction: "opening auction", regular: "open", closing_auction: "closing auction",
  post: "after hours", closed: "closed" };

// A DAG's page is Airflow's: there is a way to it where Airflow is around.
const Dag = ({ dag, children }) => inside ? html`<a href=${new URL(`dags/${dag}`, document.baseURI).href}>${children}</a>` : children;

export function PulseLine() {
  const { answer, error } = useAnswer("pulse", {}, SECONDS);
  if (error) return html`<div className="pulse"><span className="late dot">no pulse: ${error.message}</span></div>`;
  if (!answer) return html`<div className="pulse">…</div>`;
  if (!answer.ready) return html`<div className="pulse"><span className="late dot">${answer.hint}</span></div>`;
  const late = answer.stages.some((stage) => stage.late);
  // A phone shows this one alone.
  const share = (stage) => (stage.seconds ?? Infinity) / stage.limit;
  const worst = answer.stages.reduce((one, other) => share(other) > share(one) ? other : one, answer.stages[0]);
  const open = SEVERITIES.filter((name) => answer.open_alerts[name]);
  // The exchange's own clock: its text has New York's hours.
  const clock = answer.exchange_time.slice(11, 16);
  return html`
    <div className="pulse" aria-label="Pulse" role="group">
      <span className=${`dot${late ? " late" : ""}`}><b>${late ? "late" : "live"}</b></span>
      ${answer.stages.map((stage) => html`
        <span key=${stage.name} className=${`${stage.late ? "late" : ""}${stage === worst ? "" : " rest"}`}
            title=${`${stage.problem || `${writeSeconds(stage.limit)} are allowed`}${stage.at ? `\ndata until\n${writeAll(stage.at)}` : ""}`}>
          <${Dag} dag=${stage.dag}>${stage.name} <b>${stage.seconds === null ? "?" : writeSeconds(stage.seconds)}</b><//></span>`)}
      ${answer.paused.length > 0 && html`<span className="late">paused: <b>${answer.paused.join(", ")}</b></span>`}
      <span><${Link} to=${{}}>${open.length === 0 ? html`<b>nothing</b>` : open.map((name) => html`
        <b key=${name} className=${`severity-${name}`}>${answer.open_alerts[name].toLocaleString("en-US")} ${name} </b>`)} open<//></span>
      ${answer.silences > 0 && html`<span><${Link} to=${{ screen: "silences" }}><b>${count(answer.silences, "silence")}</b><//></span>`}
      <span className="rest" title=${writeAll(answer.now)}>market <b>${PHASES[answer.phase] || answer.phase || "unknown"}</b> ${clock} ET</span>
    </div>`;
}
