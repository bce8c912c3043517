// Candles and volume around an alert, with what fired, articles, and the sessions.
import { html, useEffect, useMemo, useRef, useState } from "./host.js";
import { ZONES, useZone, write } from "./times.js";
import { number } from "./words.js";

const LIBRARY = "./vendor/lightweight-charts@5.2.1/lightweight-charts.standalone.production.mjs";
const SPANS = { minute: 1, "5minute": 5, "15minute": 15, hour: 60 };
const OPENS = 9 * 60 + 30, CLOSES = 16 * 60;
const clock = new Intl.DateTimeFormat("sv-SE", { timeZone: "America/New_York", hour: "2-digit", minute: "2-digit" });

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
    }
  }
  return merged;
}

function isRegular(seconds) {
  const [hour, minute] = clock.format(new Date(seconds * 1000)).split(":").map(Number);
  return hour * 60 + minute >= OPENS && hour * 60 + minute < CLOSES;
}

// The bar in which a moment lies, or the first one behind it.
const placeIn = (bars, seconds) => (bars.findLast((bar) => bar.time <= seconds) || bars[0])?.time;

const colour = (element, name) => getComputedStyle(element).getPropertyValue(`--${name}`).trim();

// `bars`: time (s), open, high, low, close, volume; `marks`: time, text, kind (alert, other, news); `levels`: price, title;
// `volumes`: value, title.
export function Chart({ bars, timespan, marks = [], levels = [], volumes = [], dark }) {
  const box = useRef(null);
  const zone = useZone();
  const native = SPANS[timespan] || 0;
  const [span, setSpan] = useState(native);
  const [steps, setSteps] = useState(null);
  const [problem, setProblem] = useState("");
  const all = useMemo(() => span > native ? merge(bars, span) : bars, [bars, span]);
  const shown = steps === null ? all : all.slice(0, steps);

  const drawn = useRef(null);
  useEffect(() => {
    let gone = false;
    let chart;
    import(LIBRARY).then(({ createChart, CandlestickSeries, HistogramSeries, createSeriesMarkers, LineStyle }) => {
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
      const markers = createSeriesMarkers(candles, []);
      drawn.current = { of, chart, candles, volume, sessions, markers };
      draw(drawn.current, all, all, marks);
      chart.timeScale().fitContent();
    }).catch((error) => setProblem(`The chart cannot be drawn: ${error.message}`));
    return () => {
      gone = true;
      drawn.current = null;
      chart?.remove();
    };
  }, [bars, dark, zone, span, JSON.stringify(levels), JSON.stringify(volumes)]);
  useEffect(() => {
    if (drawn.current) draw(drawn.current, shown, all, marks);
  }, [shown, marks]);

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
        ${last && html`<span className="quiet">${`${write(last.time * 1000).slice(5, 16)} ${ZONES[zone]} · O ${number(last.open)} H ${number(last.high)} L ${number(last.low)} C ${number(last.close)} · ${number(last.volume)}`}</span>`}
      </div>
      ${problem && html`<p className="problem">${problem}</p>`}
      <div className="chart" ref=${box} role="img" aria-label=${`${all.length} bars with their volume; ${marks.filter((it) => it.kind !== "news").length} alerts and ${marks.filter((it) => it.kind === "news").length} articles are marked`} />
      <figcaption className="chart-note">Shaded: outside regular hours. Blue volume: the bars that the alert rests on. Charts by
        ${" "}<a href="https://www.tradingview.com/" target="_blank" rel="noopener noreferrer">TradingView Lightweight Charts™</a></figcaption>
    </figure>`;
}

function draw({ of, candles, volume, sessions, markers }, shown, all, marks) {
  candles.setData(shown.map(({ time, open, high, low, close }) => ({ time, open, high, low, close })));
  // The bars that the alert rests on stand out.
  volume.setData(shown.map(({ time, open, close, volume: value, cited }) => (
    { time, value, color: cited ? of("accent") : `${of(close >= open ? "good" : "critical")}88` })));
  const intraday = all.length > 1 && all[1].time - all[0].time < 86400;
  sessions.setData(intraday ? shown.map(({ time }) => ({ time, value: 1, color: isRegular(time) ? "transparent" : `${of("quiet")}18` })) : []);
  const end = shown.at(-1)?.time ?? -1;
  const start = shown[0]?.time ?? 0;
  const LOOKS = {
    alert: { position: "aboveBar", shape: "arrowDown", color: of("high") },
    other: { position: "aboveBar", shape: "circle", color: of("quiet") },
    news: { position: "belowBar", shape: "square", color: of("accent") },
  };
  const placed = marks.filter(({ time }) => time >= start - 86400 && time <= end + 60 * 60)
    .map(({ time, text, kind }) => ({ time: placeIn(shown, time), text, ...LOOKS[kind] }));
  markers.setMarkers(placed.filter((mark) => mark.time !== undefined).sort((one, other) => one.time - other.time));
}
