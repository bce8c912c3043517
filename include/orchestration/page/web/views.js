// Views: filters under a name of one's own. They stay in this browser; the address of one is for everybody.
import { Dialog, Field } from "./dialog.js";
import { html, useState } from "./host.js";

const keyOf = (owner) => `surveillance.views.${owner}`;

function read(owner) {
  try {
    return JSON.parse(localStorage.getItem(keyOf(owner))) || {};
  } catch {
    return {};
  }
}

// `names`: of the query, what belongs to a view.
export function Views({ owner, query, go, names }) {
  const [views, setViews] = useState(() => read(owner));
  const [asking, setAsking] = useState(false);
  const [name, setName] = useState("");
  const here = Object.fromEntries(names.filter((it) => query[it]).map((it) => [it, query[it]]));
  const shown = Object.keys(views).find((it) => JSON.stringify(views[it]) === JSON.stringify(here)) || "";
  const keep = (changed) => {
    localStorage.setItem(keyOf(owner), JSON.stringify(changed));
    setViews(changed);
  };
  const save = () => {
    keep({ ...views, [name.trim()]: here });
    setName("");
    setAsking(false);
  };
  const remove = () => keep(Object.fromEntries(Object.entries(views).filter(([it]) => it !== shown)));
  const saved = Object.keys(views).sort();
  return html`
    <div className="views">
      ${saved.length > 0 && html`<label><span>View</span>
        <select value=${shown} onChange=${(event) => go(views[event.target.value] || {})}>
          <option value="">none</option>
          ${saved.map((it) => html`<option key=${it} value=${it}>${it}</option>`)}
        </select></label>`}
      ${shown ? html`<button type="button" className="plain" onClick=${remove}>Remove view</button>`
        : Object.keys(here).length > 0 && html`<button type="button" className="plain" onClick=${() => setAsking(true)}>Save view…</button>`}
    </div>
    ${asking && html`
      <${Dialog} title="Save this view" button="Save" done=${() => setAsking(false)} ready=${name.trim()} act=${save}>
        <${Field} label="Name" hint="kept in this browser; a link to it shows the same to everybody">
          <input maxLength="60" autoFocus autoComplete="off" value=${name} onInput=${(event) => setName(event.target.value)} /><//>
      <//>`}`;
}
