// Two people changed a record at once: what each of them made of it, and the choice between both.
import { differences, part, withPart } from "./draft.js";
import { same, stringify } from "./json.js";
import { classes, html, title, useState, words } from "./ui.js";

const keyOf = ({ kind, name }) => `${kind}:${name}`;

function Value({ value }) {
  if (value === undefined) return html`<span class="faint">absent</span>`;
  const short = stringify(value);
  return html`<span class="value">${typeof value === "string" ? value : short.length > 60 ? stringify(value, 2) : short}</span>`;
}

/** The parts that are not the same for both, and who has changed each. */
function rows(resource, base, theirs, mine) {
  return differences(resource, theirs, mine).map((one) => {
    const began = part(base, one);
    const isMine = !same(began, part(mine, one));
    const isTheirs = !same(began, part(theirs, one));
    return { ...one, key: keyOf(one), choice: isMine && isTheirs ? "" : isMine ? "mine" : "theirs" };
  });
}

/** What is saved: what they made of the record, but for the parts where mine was chosen. */
function merged(found, choices, theirs, mine) {
  return found
    .filter(({ key }) => choices[key] === "mine")
    .reduce((state, one) => withPart(state, one, part(mine, one)), theirs);
}

function Side({ row, side, value, choice, onChoose }) {
  const id = `choice-${row.key}-${side}`;
  return html`<td data-label=${side === "mine" ? "Yours" : "Theirs"} class=${classes("side", choice === side && "chosen")}>
    <label for=${id}>
      <input type="radio" id=${id} name=${row.key} checked=${choice === side} onChange=${() => onChoose(side)} />
      <span class="hidden">${side === "mine" ? "Yours: " : "Theirs: "}</span>
      <${Value} value=${value} />
    </label>
  </td>`;
}

export function Conflict({ resource, base, theirs, mine, onSave, onTheirs, onBack, isBusy }) {
  const [found] = useState(() => rows(resource, base, theirs, mine));
  const [choices, setChoices] = useState(() => Object.fromEntries(found.map(({ key, choice }) => [key, choice])));
  const all = (side) => setChoices(Object.fromEntries(found.map(({ key }) => [key, side])));
  const open = found.filter(({ key }) => !choices[key]).length;
  const result = merged(found, choices, theirs, mine);
  return html`<section class="conflict card" aria-labelledby="conflict-title">
    <h2 id="conflict-title" tabindex="-1">Somebody else has changed this record</h2>
    <p>Nothing of yours is saved yet. Choose what the record is to have.</p>
    ${found.length === 0 && html`<p>Both made the same changes.</p>`}
    ${found.length > 0 &&
    html`<div class="table" tabindex="0" role="region" aria-label="Both versions">
      <table>
        <thead><tr><th scope="col">Field</th><th scope="col">What you began from</th><th scope="col">Theirs, now</th><th scope="col">Yours</th></tr></thead>
        <tbody>
          ${found.map((row) => {
            const choice = choices[row.key];
            const onChoose = (side) => setChoices({ ...choices, [row.key]: side });
            return html`<tr key=${row.key} class=${classes(!choice && "undecided")}>
              <th scope="row">${row.kind === "permission" ? `Permission ${words(row.name)}` : title(row.name)}</th>
              <td data-label="What you began from"><${Value} value=${part(base, row)} /></td>
              <${Side} ...${{ row, choice, onChoose }} side="theirs" value=${part(theirs, row)} />
              <${Side} ...${{ row, choice, onChoose }} side="mine" value=${part(mine, row)} />
            </tr>`;
          })}
        </tbody>
      </table>
    </div>`}
    <p class="faint" role="status">${open ? `${open} ${open === 1 ? "field is" : "fields are"} still to choose: both of you changed ${open === 1 ? "it" : "them"}.` : ""}</p>
    <div class="actions">
      <button type="button" class="primary" disabled=${open > 0 || isBusy} onClick=${() => onSave(result)}>Save this choice</button>
      <button type="button" onClick=${() => all("mine")}>All of mine</button>
      <button type="button" onClick=${() => all("theirs")}>All of theirs</button>
      <span class="grow"></span>
      <button type="button" class="quiet" onClick=${onBack}>Back to editing</button>
      <button type="button" class="quiet" onClick=${onTheirs}>Discard mine</button>
    </div>
  </section>`;
}
