// The desk: what stands at the head of each screen, and which screen the address asks for.
import { RIGHTS, useAnswer } from "./api.js";
import { Link, Suspense, html, inside, later, show, useAddress, useCallback, useDark, useEffect, useRef, useState } from "./host.js";
import { PulseLine } from "./pulse.js";
import { Queue } from "./queue.js";
import { filtersOf, prepareRows } from "./rows.js";
import { ZONES, switchZone, useZone } from "./times.js";

const SCREENS = { queue: "Queue", cases: "Cases", silences: "Silences", reports: "Reports", monitoring: "Monitoring", runs: "Runs" };
const SAID_MS = 6000;
// The queue comes at once, the others when they are wanted.
const loadCases = () => import("./cases.js"), loadReports = () => import("./reports.js");
const Alert = later(() => import("./alert.js"), "Alert");
const Case = later(loadCases, "Case"), Cases = later(loadCases, "Cases");
const Report = later(loadReports, "Report"), Reports = later(loadReports, "Reports");
const Monitoring = later(() => import("./monitoring.js"), "Monitoring");
const Runs = later(() => import("./runs.js"), "Runs");
const Silences = later(() => import("./silences.js"), "Silences");
const WAIT = html`<p className="empty">Loading …</p>`;

function Desk() {
  const [query] = useAddress();
  const dark = useDark();
  const zone = useZone();
  const me = useAnswer("me");
  const policy = useAnswer("policy");
  const [said, setSaid] = useState({ text: "" });
  const timer = useRef(0);
  const say = useCallback((text, wrong = false) => {
    clearTimeout(timer.current);
    setSaid({ text, wrong });
    timer.current = setTimeout(() => setSaid({ text: "" }), SAID_MS);
  }, []);
  const { screen = "queue", id } = query;
  // The rows are on their way while it is still asked who wants them.
  if (screen === "queue") prepareRows(filtersOf(query));
  const top = { alert: "queue", case: "cases", report: "reports" }[screen] || screen;
  useEffect(() => {
    if (!inside) document.documentElement.className = dark ? "dark" : "";
    if (!inside) document.title = `${SCREENS[top] || "Queue"} · Market surveillance`;
  }, [dark, top]);

  const problem = me.error || policy.error;
  const ready = me.answer && policy.answer;
  const may = Object.fromEntries(Object.entries(RIGHTS).map(([name, right]) => [name, Boolean(me.answer?.may_write.includes(right))]));
  const given = { me: { name: me.answer?.name, may }, policy: policy.answer, say };
  return html`
    <div className="desk">
      <header>
        <nav aria-label="Desk">${Object.entries(SCREENS).map(([name, label]) => html`
          <${Link} key=${name} to=${{ screen: name === "queue" ? "" : name }} aria-current=${top === name ? "page" : undefined}>${label}<//>`)}</nav>
        <${PulseLine} />
        <button type="button" className="plain zone" onClick=${switchZone} aria-label=${`Times are ${ZONES[zone]}: switch`}>${ZONES[zone]}</button>
        ${me.answer && html`<span className="person quiet" title="signed in as">${me.answer.name}</span>`}
      </header>
      <main>
        ${problem && html`<p className="problem" role="alert">${problem.message}</p>`}
        ${!ready && !problem && WAIT}
        ${ready && html`<${Suspense} fallback=${WAIT}>${screen === "alert" ? html`<${Alert} key=${id} id=${id} ...${given} />`
          : screen === "case" ? html`<${Case} key=${id} id=${id} ...${given} />`
          : screen === "cases" ? html`<${Cases} ...${given} />`
          : screen === "report" ? html`<${Report} key=${id} id=${id} ...${given} />`
          : screen === "reports" ? html`<${Reports} />`
          : screen === "monitoring" ? html`<${Monitoring} dark=${dark} />`
          : screen === "runs" ? html`<${Runs} />`
          : screen === "silences" ? html`<${Silences} ...${given} />`
          : html`<${Queue} ...${given} />`}<//>`}
      </main>
      <p className=${`said${said.wrong ? " wrong" : ""}`} role="status">${said.text}</p>
    </div>`;
}

show("Surveillance", Desk);
