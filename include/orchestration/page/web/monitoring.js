// Monitoring: the dashboards as Grafana has them, drawn here for whoever has none.
import { useAnswer } from "./api.js";
import { LIBRARY, colour } from "./chart.js";
import { html, useAddress, useEffect, useRef } from "./host.js";
import { ZONES, useZone, write, writeSeconds } from "./times.js";
import { number } from "./words.js";

const SPANS = { 15: "15 minutes", 60: "1 hour", 360: "6 hours", 1440: "1 day", 10080: "7 days" };
const COLOURS = ["accent", "high", "good", "critical", "medium", "low", "quiet", "text"];
const FIRST = "platform";

const UNITS = {
  s: (value) => Math.abs(value) < 1 ? `${Math.round(value * 1000)} ms` : writeSeconds(value),
  bytes: (value) => `${number(value / 2 ** 20)} MiB`,
  percentunit: (value) => `${(100 * value).toFixed(1)} %`,
  ops: (value) => `${number(value)}/s`,
  reqps: (value) => `${number(value)}/s`,
};
export const writeValue = (unit, value) => value === undefined ? "–" : (UNITS[unit] || number)(value);

// How bad a value is; the limits ascend.
export function judge(limits, value) {
  if (value === undefined || !limits.length) return "";
  const passed = limits.filter((limit) => value >= limit).length;
  return ["", limits.length > 1 ? "medium" : "critical", "critical"][Math.min(passed, 2)];
}

export function Monitoring({ dark }) {
  const [query, go] = useAddress();
  const name = query.view || FIRST;
  const minutes = query.minutes in SPANS ? query.minutes : "60";
  const { answer: all } = useAnswer("monitoring");
  const { answer, error } = useAnswer(`monitoring/${encodeURIComponent(name)}`, { minutes }, 15);
  const to = (more) => go({ screen: "monitoring", view: name, minutes, ...more });
  return html`
    <section className="page">
      <div className="head"><h1>Monitoring</h1>
        <nav className="tabs" aria-label="Dashboards">${all?.dashboards.map((one) => html`
          <a key=${one.name} href="#" title=${one.title} aria-current=${one.name === name ? "page" : undefined}
            onClick=${(event) => { event.preventDefault(); to({ view: one.name }); }}>${one.name}</a>`)}</nav>
        <label>Last <select value=${minutes} onChange=${(event) => to({ minutes: event.target.value })}>
          ${Object.entries(SPANS).map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}</select></label></div>
      ${error && html`<p className="problem" role="alert">${error.message}</p>`}
      ${!answer && !error && html`<p className="empty">Loading …</p>`}
      ${answer && html`<h2>${answer.title}</h2>
        <div className="panels">${answer.panels.map((panel) => html`<${Panel} key=${panel.title} of=${panel} dark=${dark} />`)}</div>`}
    </section>`;
}

function Panel({ of, dark }) {
  const newest = of.lines.map((line) => line.points.at(-1)?.[1]);
  return html`
    <figure className=${`panel ${of.form}`}>
      <figcaption>${of.title}</figcaption>
      ${of.lines.length === 0 ? html`<p className="empty">No data.</p>`
        : of.form === "stat" ? html`<p className=${`stat-value ${judge(of.limits, newest[0])}`}>${writeValue(of.unit, newest[0])}</p>`
        : html`<${Lines} of=${of} dark=${dark} />
          <ul className="legend">${of.lines.map((line, at) => html`<li key=${at}><i className=${`line-${at % COLOURS.length}`}></i>
            ${line.title} <span className="quiet">${writeValue(of.unit, newest[at])}</span></li>`)}
            ${of.more > 0 && html`<li className="quiet">and ${of.more} more</li>`}</ul>`}
    </figure>`;
}

function Lines({ of, dark }) {
  const box = useRef(null);
  const chart = useRef(null);
  const zone = useZone();
  // What comes moves the lines of the chart that is there.
  const draw = () => chart.current?.lines.forEach((series, at) => series.setData((of.lines[at]?.points || []).map(([time, value]) => ({ time, value }))));
  useEffect(() => {
    let gone = false;
    import(LIBRARY).then(({ createChart, LineSeries }) => {
      if (gone) return;
      const shade = (name) => colour(box.current, name);
      const made = createChart(box.current, {
        autoSize: true, handleScroll: false, handleScale: false,
        layout: { background: { color: shade("back") }, textColor: shade("quiet"), fontSize: 10, attributionLogo: false },
        grid: { vertLines: { color: shade("soft") }, horzLines: { color: shade("soft") } },
        rightPriceScale: { borderColor: shade("line") },
        crosshair: { mode: 0 },
        localization: { timeFormatter: (seconds) => `${write(seconds * 1000)} ${ZONES[zone]}`, locale: "en-US", priceFormatter: (value) => writeValue(of.unit, value) },
        timeScale: { borderColor: shade("line"), timeVisible: true, tickMarkFormatter: (seconds, type) => write(seconds * 1000).slice(...(type > 2 ? [11, 16] : [5, 10])) },
      });
      const lines = of.lines.map((_, at) => made.addSeries(LineSeries, { color: shade(COLOURS[at % COLOURS.length]), lineWidth: 1,
        priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false }));
      chart.current = { made, lines };
      draw();
      made.timeScale().fitContent();
    });
    return () => {
      gone = true;
      chart.current?.made.remove();
      chart.current = null;
    };
  }, [dark, zone, of.lines.length]);
  useEffect(() => {
    draw();
    chart.current?.made.timeScale().fitContent();
  }, [of]);
  return html`<div className="panel-chart" ref=${box} role="img" aria-label=${of.title}></div>`;
}
