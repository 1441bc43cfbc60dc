/** A list that can be edited without a network, on several devices at the same time. */
import { mergeFields, openCollection, ServiceError } from "./cliquet-sync.js";

const parameters = new URLSearchParams(location.search);
const service = parameters.get("service") ?? "http://localhost:8888/v1";
const user = parameters.get("user") ?? "alice";

export const mushrooms = await openCollection(`${service}/mushrooms`, {
  name: `mushrooms of ${user}`, // each user has a database of their own
  headers: { Authorization: `Basic ${btoa(`${user}:secret`)}` },
  onConflict: mergeFields,
});

const list = document.querySelector("#list");
const status = document.querySelector("#status");

async function show() {
  const unsent = new Set((await mushrooms.edits()).map(({ id }) => id));
  const records = await mushrooms.all();
  records.sort((one, other) => one.name.localeCompare(other.name));
  list.replaceChildren(
    ...records.map(({ id, name }) => {
      const item = document.createElement("li");
      const input = document.createElement("input");
      const button = document.createElement("button");
      item.classList.toggle("unsent", unsent.has(id));
      input.value = name;
      input.setAttribute("aria-label", `Name of ${name}`);
      input.onchange = () => change(mushrooms.update(id, { name: input.value }));
      button.textContent = "Delete";
      button.setAttribute("aria-label", `Delete ${name}`);
      button.onclick = () => change(mushrooms.remove(id));
      item.append(input, button);
      return item;
    }),
  );
}

async function change(done) {
  await done;
  await show();
  await exchange();
}

async function exchange() {
  try {
    const { conflicts } = await mushrooms.sync();
    status.textContent = conflicts.length ? `${conflicts.length} conflicts` : "Up to date";
  } catch (error) {
    const isOffline = !(error instanceof ServiceError);
    status.textContent = isOffline ? "Offline: what you do is kept" : error.message;
  }
  await show();
}

document.querySelector("#new").onsubmit = (event) => {
  event.preventDefault();
  const { value } = event.target.elements.name;
  event.target.reset();
  change(mushrooms.create({ name: value }));
};
addEventListener("online", exchange);

await exchange();
for await (const _ of mushrooms.follow()) await show();
