// The words of alerts, and how numbers are written.
export const SEVERITIES = ["critical", "high", "medium", "low"];
export const TAGS = ["unexplained", "news", "scheduled", "market", "halt", "corporate action"];
export const STATES = ["open", "in review", "to sign", "closed"];
export const RULES = {
  market: [
    "abnormal_volume", "volatility_spike", "price_breakout", "price_gap", "news_impact", "pump_and_dump",
    "market_event",
  ],
  operations: ["feed_freshness", "data_quality", "log_break"],
};
export const TIMESPANS = ["minute", "5minute", "15minute", "hour", "day"];

export const say = (word) => word.replaceAll("_", " ");
export const arrow = (direction) => ({ up: "▲", down: "▼" })[direction] || "";
export const count = (n, noun, nouns = `${noun}s`) => `${n.toLocaleString("en-US")} ${n === 1 ? noun : nouns}`;

export function number(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  return value.toLocaleString("en-US", { maximumFractionDigits: size >= 1000 ? 0 : size >= 1 ? 2 : 5 });
}
