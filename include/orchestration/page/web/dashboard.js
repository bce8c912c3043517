// The pulse at the head of Airflow's own home.
import { html, show } from "./host.js";
import { PulseLine } from "./pulse.js";

show("Pulse", () => html`<section className="desk dashboard-pulse" aria-label="Market surveillance"><${PulseLine} /></section>`);
