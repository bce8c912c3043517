// Questions that the browser's own dialogs cannot ask: they keep the focus, end with Escape and say what went wrong.
import { html, useEffect, useRef, useState } from "./host.js";

let open = 0;
export const isAsking = () => open > 0;

// `act` is what the button does; a failure stays in the dialog, where what was written is not lost.
export function Dialog({ title, button, act, done, children, danger, wide, ready = true }) {
  const box = useRef(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    open++;
    box.current.showModal();
    return () => open--;
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    if (busy || !act) return;
    setBusy(true);
    setProblem("");
    try {
      await act();
    } catch (error) {
      setProblem(error.message);
      setBusy(false);
    }
  };
  return html`
    <dialog ref=${box} className=${`desk-dialog${wide ? " wide" : ""}`} aria-labelledby="desk-dialog-title"
        onCancel=${(event) => { event.preventDefault(); done(); }}>
      <form onSubmit=${submit}>
        <h2 id="desk-dialog-title">${title}</h2>
        <div className="dialog-body">${children}</div>
        ${problem && html`<p className="problem" role="alert">${problem}</p>`}
        <div className="buttons">
          <button type="button" onClick=${done}>${act ? "Cancel" : "Close"}</button>
          ${act && html`<button type="submit" className=${danger ? "danger" : "main"} disabled=${busy || !ready}>
            ${busy ? "…" : button}</button>`}
        </div>
      </form>
    </dialog>`;
}

export function Field({ label, children, hint }) {
  return html`<label className="field"><span>${label}</span>${children}${hint && html`<small>${hint}</small>`}</label>`;
}
