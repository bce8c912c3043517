// The one file that knows whose React it is: Airflow's, inside of it, or the vendored one at /surveillance/ itself.
import htm from "./vendor/htm@3.1.1/htm.module.js";

const { React, ReactDOM, ReactRouterDOM } = globalThis;

export const inside = Boolean(ReactRouterDOM);
export const html = htm.bind(React.createElement);
export const { Suspense, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } = React;

// Everything that a screen shows hangs on the address's query, so that a link, a reload and "back" show it again.
const listeners = new Set();
if (!inside) addEventListener("popstate", () => listeners.forEach((listener) => listener()));

function useOwnAddress() {
  const [search, setSearch] = useState(location.search);
  useEffect(() => {
    const listener = () => setSearch(location.search);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  const go = useCallback((wanted, replace) => {
    history[replace ? "replaceState" : "pushState"](null, "", address(wanted));
    listeners.forEach((listener) => listener());
  }, []);
  return [search, go];
}

function useAirflowsAddress() {
  const { search } = ReactRouterDOM.useLocation();
  const navigate = ReactRouterDOM.useNavigate();
  return [search, (wanted, replace) => navigate({ pathname: HOME, search: searchOf(wanted) }, { replace: Boolean(replace) })];
}

const useSearch = inside ? useAirflowsAddress : useOwnAddress;

// The query as a plain object of texts, and a function that goes to another one.
export function useAddress() {
  const [search, go] = useSearch();
  const query = useMemo(() => Object.fromEntries(new URLSearchParams(search)), [search]);
  return [query, useCallback((wanted, replace) => go(wanted, replace), [go])];
}

// Where the screens are; Airflow has set a base, so that a query alone would lead elsewhere.
const HOME = inside ? "/plugin/surveillance" : location.pathname;
const searchOf = (query) => {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return kept.length ? `?${new URLSearchParams(kept)}` : "";
};

// The address of a screen; what is empty is left out.
export function address(query) {
  return (inside ? new URL(HOME.slice(1), document.baseURI).pathname : HOME) + searchOf(query);
}

export function Link({ to, children, ...more }) {
  const [, go] = useAddress();
  const follow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(to);
  };
  return html`<a ...${more} href=${address(to)} onClick=${follow}>${children}</a>`;
}

// Airflow's pages keep the choice of dark or light here.
function isDark() {
  if (inside) return document.documentElement.classList.contains("dark");
  const chosen = localStorage.getItem("theme");
  return chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
}

// True while it is dark; changes when Airflow's switch or the system's does.
export function useDark() {
  const [dark, setDark] = useState(isDark);
  useEffect(() => {
    const look = () => setDark(isDark());
    const watcher = new MutationObserver(look);
    watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", look);
    addEventListener("storage", look);
    return () => {
      watcher.disconnect();
      system.removeEventListener("change", look);
      removeEventListener("storage", look);
    };
  }, []);
  return dark;
}

// A screen whose file is asked for when somebody looks at it first.
export function later(load, name) {
  const told = (error) => () => html`<p className="problem" role="alert">${`The screen did not load, so load the page again: ${error.message}`}</p>`;
  return React.lazy(() => load().then((file) => ({ default: file[name] }), (error) => ({ default: told(error) })));
}

// Gives a component to Airflow, which looks for it by its name, or shows it where the page keeps a place for it.
export function show(name, component) {
  const style = new URL("desk.css", import.meta.url).href;
  if (![...document.styleSheets].some((sheet) => sheet.href === style)) {
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: style }));
  }
  globalThis[name] = component;
  const place = inside ? null : document.getElementById(name);
  if (place) ReactDOM.createRoot(place).render(html`<${component} />`);
}
