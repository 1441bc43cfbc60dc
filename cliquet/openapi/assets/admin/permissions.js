// Who may do what with a record.
import { html, title, useState, words } from "./ui.js";

const KNOWN = new Map([
  ["system.Everyone", "Everyone"],
  ["system.Authenticated", "Everyone who is signed in"],
]);

function Principal({ name, user, label, onRemove, isFixed }) {
  const said = KNOWN.get(name) ?? (name === user ? "You" : name.startsWith("/groups/") ? "Group" : "");
  return html`<li>
    <span class="who">${said && html`<strong>${said}</strong>`} <code>${name}</code></span>
    ${!isFixed &&
    html`<button type="button" class="small quiet" aria-label=${`Remove ${said || name} from ${label}`} onClick=${onRemove}>Remove</button>`}
  </li>`;
}

function Permission({ name, principals, user, isFixed, onChange }) {
  const [typed, setTyped] = useState("");
  const label = words(name);
  const add = (one) => one && !principals.includes(one) && onChange([...principals, one]);
  const submit = (event) => {
    event.preventDefault();
    add(typed.trim());
    setTyped("");
  };
  const offered = [...KNOWN, ...(user ? [[user, "You"]] : [])].filter(([one]) => !principals.includes(one));
  return html`<section class="permission card" aria-label=${`Permission ${label}`}>
    <h2>${title(name)}</h2>
    ${principals.length
      ? html`<ul class="principals">
          ${principals.map((one) => html`<${Principal} key=${one} name=${one} ...${{ user, label, isFixed }} onRemove=${() => onChange(principals.filter((other) => other !== one))} />`)}
        </ul>`
      : html`<p class="faint">Nobody by this record.</p>`}
    ${!isFixed &&
    html`<form class="row" onSubmit=${submit}>
        <input type="text" aria-label=${`Give ${label} to`} placeholder="Id of a user, or of a group" value=${typed} spellcheck=${false} autocapitalize="off" autocomplete="off" onInput=${(event) => setTyped(event.target.value)} />
        <button>Add</button>
      </form>
      <div class="actions">
        ${offered.map(([one, said]) => html`<button type="button" class="small" key=${one} aria-label=${`Give ${label} to ${said}`} onClick=${() => add(one)}>+ ${said}</button>`)}
      </div>`}
  </section>`;
}

export function Permissions({ resource, value, user, isFixed, onChange }) {
  return html`<div class="permissions">
    <p class="faint">These are the permissions on this record alone. The settings of the service may give more.</p>
    ${resource.permissions.map((name) => {
      const principals = Array.isArray(value[name]) ? value[name].map(String) : [];
      return html`<${Permission} key=${name} ...${{ name, principals, user, isFixed }} onChange=${(changed) => onChange({ ...value, [name]: changed })} />`;
    })}
  </div>`;
}
