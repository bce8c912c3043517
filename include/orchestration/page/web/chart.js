// Candles and volume around an alert, with what fired, articles, the sessions, missing bars, and other symbols beside it.
import { isAsking } from "./dialog.js";
import { html, useEffect, useMemo, useRef, useState } from "./host.js";
import { ZONES, useZone, write } from "./times.js";
import { number, say } from "./words.js";

export const LIBRARY = "./vendor/lightweight-charts@5.2.1/lightweight-charts.standalone.production.mjs";
const SPANS = { minute: 1, "5minute": 5, "15minute": 15, hour: 60 };

// Bars of `minutes` made of shorter ones.
export function merge(bars, minutes) {
  const merged = [];
  for (const bar of bars) {
    const start = bar.time - (bar.time % (minutes * 60));
    const last = merged.at(-1);
    if (last?.time !== start) {
      merged.push({ ...bar, time: start });
    } else {
      last.high = Math.max(last.high, bar.high);
      last.low = Math.min(last.low, bar.low);
      last.close = bar.close;
      last.volume += bar.volume;
      last.cited ||= bar.cited;
      last.session ??= bar.session;
    }
  }
  return merged;
}

// Where bars of `minutes` are missing within one regular session: [from, until) in seconds, and the cause where one of
// `causes` (from, until, cause) lies there.
export function findHoles(bars, minutes, causes = []) {
  const holes = [];
  for (const [at, bar] of bars.entries()) {
    const from = bars[at - 1]?.time + minutes * 60;
    if (!minutes || !(bar.time > from)) continue;
    if (!bar.session || bars[at - 1].session !== bar.session) continue;
    const cause = causes.find((one) => one.from < bar.time && one.until > from)?.cause;
    holes.push({ from, until: bar.time, cause });
  }
  return holes;
}

// Another symbol's closes as a line that begins where this one's do: both moved alike where they lie on each other.
export function rebase(bars, others) {
  const first = others.find((one) => bars.some((bar) => bar.time === one.time));
  if (!first) return [];
  const { close } = bars.find((bar) => bar.time === first.time);
  return others.filter((one) => one.time >= first.time).map(({ time, close: value }) => ({ time, value: (value / first.close) * close }));
}

// The bar in which a moment lies, or the first one behind it.
const placeIn = (bars, seconds) => (bars.findLast((bar) => bar.time <= seconds) || bars[0])?.time;

export const colour = (element, name) => getComputedStyle(element).getPropertyValue(`--${name}`).trim();

const LINES = ["accent", "medium", "low", "good"];
export const MOST_BESIDE = LINES.length;
const MOST_TOLD = 12;

// `bars`: time (s), open, high, low, close, volume, session; `marks`: time, text, kind (alert, other, news); `levels`: price, title;
// `volumes`: value, title; `beside`: symbol, bars; `causes` of holes: from, until (s), cause.
export function Chart({ bars, timespan, marks = [], levels = [], volumes = [], beside = [], causes = [], dark }) {
  const box = useRef(null);
  const zone = useZone();
  const native = SPANS[timespan] || 0;
  const [span, setSpan] = useState(native);
  const [steps, setSteps] = useState(null);
  const [problem, setProblem] = useState("");
  const all = useMemo(() => span > native ? merge(bars, span) : bars, [bars, span]);
  const shown = steps === null ? all : all.slice(0, steps);
  const holes = useMemo(() => findHoles(all, span, causes), [all, causes]);
  const lines = useMemo(() => beside.map((one) => ({ symbol: one.symbol, points: rebase(all, span > native ? merge(one.bars, span) : one.bars) })),
    [all, beside]);
  // Whoever replays sees nothing of what came later.
  const until = steps === null ? Infinity : (shown.at(-1)?.time ?? 0) + (span * 60 || 86400);
  const missed = holes.filter((hole) => hole.until < until);
  const step = (n) => setSteps((before) => {
    const wanted = Math.max(1, Math.min(all.length, (before ?? all.length) + n));
    return wanted === all.length ? null : wanted;
  });
  useEffect(() => {
    const press = (event) => {
      const n = { "[": -1, "]": 1 }[event.key];
      if (!n || event.ctrlKey || event.metaKey || isAsking() || ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)
        && event.target.type !== "range") return;
      event.preventDefault();
      step(n);
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });

  const drawn = useRef(null);
  useEffect(() => {
    let gone = false;
    let chart;
    import(LIBRARY).then(({ createChart, CandlestickSeries, HistogramSeries, LineSeries, createSeriesMarkers, LineStyle }) => {
      if (gone) return;
      const of = (name) => colour(box.current, name);
      const told = (seconds) => `${write(seconds * 1000).slice(0, 16)} ${ZONES[zone]}`;
      chart = createChart(box.current, {
        autoSize: true,
        layout: { background: { color: of("back") }, textColor: of("quiet"), fontSize: 11, attributionLogo: false,
          panes: { separatorColor: of("line") } },
        grid: { vertLines: { color: of("soft") }, horzLines: { color: of("soft") } },
        rightPriceScale: { borderColor: of("line") },
        crosshair: { mode: 0 },
        localization: { timeFormatter: told, locale: "en-US" },
        timeScale: { borderColor: of("line"), timeVisible: native > 0, secondsVisible: false, rightOffset: 4,
          tickMarkFormatter: (seconds, type) => native > 0 && type > 2 ? write(seconds * 1000).slice(11, 16) : write(seconds * 1000).slice(5, 10) },
      });
      const sessions = chart.addSeries(HistogramSeries, { priceScaleId: "sessions", lastValueVisible: false, priceLineVisible: false });
      chart.priceScale("sessions").applyOptions({ scaleMargins: { top: 0, bottom: 0 }, visible: false });
      const candles = chart.addSeries(CandlestickSeries, { upColor: of("good"), downColor: of("critical"), wickUpColor: of("good"),
        wickDownColor: of("critical"), borderVisible: false, priceLineVisible: false });
      const volume = chart.addSeries(HistogramSeries, { priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false }, 1);
      chart.panes()[1]?.setHeight(90);
      const line = (series, value, title) => series.createPriceLine({ price: value, title, color: of("accent"), lineWidth: 1,
        lineStyle: LineStyle.Dashed, axisLabelVisible: true });
      for (const { price, title } of levels) line(candles, price, title);
      for (const { value, title } of volumes) line(volume, value, title);
      const others = lines.map(({ symbol }, at) => chart.addSeries(LineSeries, { color: of(LINES[at]), lineWidth: 1, title: symbol,
        priceLineVisible: false, lastValueVisible: true }));
      const markers = createSeriesMarkers(candles, []);
      drawn.current = { of, chart, candles, volume, sessions, others, markers };
      draw(drawn.current, { shown, holes, lines, marks, until, minutes: span });
      chart.timeScale().fitContent();
    }).catch((error) => setProblem(`The chart cannot be drawn: ${error.message}`));
    return () => {
      gone = true;
      drawn.current = null;
      chart?.remove();
    };
  }, [bars, dark, zone, span, lines, JSON.stringify(levels), JSON.stringify(volumes)]);
  useEffect(() => {
    if (drawn.current) draw(drawn.current, { shown, holes, lines, marks, until, minutes: span });
  }, [shown, marks, holes]);

  const wider = Object.entries(SPANS).filter(([, minutes]) => native && minutes >= native);
  const last = shown.at(-1);
  return html`
    <figure className="unframed">
      <div className="chart-head">
        ${wider.map(([name, minutes]) => html`<button type="button" key=${name} aria-pressed=${span === minutes}
          onClick=${() => { setSpan(minutes); setSteps(null); }}>${minutes === 60 ? "1 h" : `${minutes} min`}</button>`)}
        <label className="replay"><span>Replay</span>
          <input type="range" min="1" max=${all.length} value=${shown.length} onInput=${(event) => {
            const n = Number(event.target.value);
            setSteps(n === all.length ? null : n);
          }} /></label>
        <button type="button" aria-keyshortcuts="[" aria-label="One bar back" onClick=${() => step(-1)}>‹</button>
        <button type="button" aria-keyshortcuts="]" aria-label="One bar on" onClick=${() => step(1)}>›</button>
        ${last && html`<span className="quiet">${`${write(last.time * 1000).slice(5, 16)} ${ZONES[zone]} · O ${number(last.open)} H ${number(last.high)} L ${number(last.low)} C ${number(last.close)} · ${number(last.volume)}`}</span>`}
      </div>
      ${problem && html`<p className="problem">${problem}</p>`}
      <div className="chart" ref=${box} role="img" aria-label=${`${all.length} bars with their volume; ${marks.filter((it) => it.kind !== "news").length} alerts and ${marks.filter((it) => it.kind === "news").length} articles are marked`} />
      ${missed.length > 0 && html`<p className="chart-note holes">No bars in regular hours: ${missed.slice(0, MOST_TOLD).map((hole, at) => html`
        <span key=${hole.from}>${at ? ", " : ""}${write(hole.from * 1000).slice(11, 16)}–${write(hole.until * 1000).slice(11, 16)}${hole.cause ? ` (${say(hole.cause)})` : ""}</span>`)}${
          missed.length > MOST_TOLD ? ` and ${missed.length - MOST_TOLD} more` : ""}.</p>`}
      <figcaption className="chart-note">Shaded: outside regular hours; yellow where bars are missing, red in a halt. Blue volume: the bars that the alert rests on. Charts by
        ${" "}<a href="https://www.tradingview.com/" target="_blank" rel="noopener noreferrer">TradingView Lightweight Charts™</a></figcaption>
    </figure>`;
}

const HALTS = ["halt", "LULD pause"];

function draw({ of, candles, volume, sessions, others, markers }, { shown, holes, lines, marks, until, minutes }) {
  const end = shown.at(-1)?.time ?? -1;
  const start = shown[0]?.time ?? 0;
  // A time without a bar keeps its place on the axis.
  const gaps = holes.filter((hole) => hole.until <= end).flatMap((hole) => Array.from({ length: (hole.until - hole.from) / (minutes * 60) },
    (_, n) => ({ time: hole.from + n * minutes * 60, cause: hole.cause })));
  const inOrder = (points) => points.sort((one, other) => one.time - other.time);
  candles.setData(inOrder([...shown.map(({ time, open, high, low, close }) => ({ time, open, high, low, close })), ...gaps.map(({ time }) => ({ time }))]));
  // The bars that the alert rests on stand out.
  volume.setData(shown.map(({ time, open, close, volume: value, cited }) => (
    { time, value, color: cited ? of("accent") : `${of(close >= open ? "good" : "critical")}88` })));
  sessions.setData(minutes ? inOrder([
    ...shown.map(({ time, session }) => ({ time, value: 1, color: session ? "transparent" : `${of("quiet")}18` })),
    ...gaps.map(({ time, cause }) => ({ time, value: 1, color: `${of(HALTS.includes(cause) ? "critical" : "medium")}44` })),
  ]) : []);
  others.forEach((series, at) => series.setData(lines[at].points.filter(({ time }) => time >= start && time <= end)));
  const LOOKS = {
    alert: { position: "aboveBar", shape: "arrowDown", color: of("high") },
    other: { position: "aboveBar", shape: "circle", color: of("quiet") },
    news: { position: "belowBar", shape: "square", color: of("accent") },
  };
  const placed = marks.filter(({ time }) => time >= start - 86400 && time <= end + 60 * 60 && time < until)
    .map(({ time, text, kind }) => ({ time: placeIn(shown, time), text, ...LOOKS[kind] }));
  markers.setMarkers(placed.filter((mark) => mark.time !== undefined).sort((one, other) => one.time - other.time));
}
