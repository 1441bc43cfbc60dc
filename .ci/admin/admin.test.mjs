/**
 * The admin page and the documentation page in Chromium, against `service.py` at SERVICE and READ_ONLY.
 * The pages of the documentation are those in the folder DOCS. With SCREENSHOTS, each view is also written
 * into that folder.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test as declare } from "node:test";

import { chromium } from "playwright-core";

const { DOCS, SERVICE, READ_ONLY, SCREENSHOTS } = process.env;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1280, height: 860 };
const NARROW = { width: 420, height: 860 };
const WAIT = { timeout: 30_000 };
const test = (name, run) => declare(name, { timeout: 120_000 }, run);

let browser;
const problems = [];
const hosts = new Set();

before(async () => {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
  browser = await chromium.launch({ executablePath, args, timeout: 30_000 });
});

after(async () => {
  await browser?.close();
});

// The service, as another client sees it

const authorization = (user) => `Basic ${Buffer.from(`${user}:secret`).toString("base64")}`;

async function call(user, method, path, body, headers = {}) {
  const response = await fetch(SERVICE + path, {
    method,
    headers: { Authorization: authorization(user), "Content-Type": "application/json", ...headers },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(15_000),
  });
  return { status: response.status, headers: response.headers, ...(await response.json()) };
}

const make = async (user, path, data, permissions) => {
  const { status, data: made } = await call(user, "POST", path, { data, permissions });
  assert.equal(status, 201);
  return made;
};

// The page, as a user sees it

/** Open the page; what goes wrong in it fails the last test. Statuses that a test wants are in `allowed`. */
async function open(user, { hash = "", allowed = [], viewport = WIDE, colorScheme = "light", base = SERVICE } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, timezoneId: "Europe/Paris", locale: "en-GB" });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT.timeout);
  page.sent = [];
  page.on("request", (request) => {
    hosts.add(new URL(request.url()).origin);
    page.sent.push(request);
  });
  page.on("pageerror", (error) => problems.push(`error: ${error.stack}`));
  page.on("console", (message) => {
    const status = /responded with a status of (\d+)/.exec(message.text())?.[1];
    const isWanted = status && allowed.includes(Number(status));
    if (["error", "warning"].includes(message.type()) && !isWanted) {
      problems.push(`console: ${message.text()} ${message.location().url}`);
    }
  });
  await page.goto(`${base}/__admin__${hash}`);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  if (user) {
    await page.getByLabel("Name").fill(user);
    await page.getByLabel("Password").fill("secret");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
  }
  page.end = () => context.close();
  page.rows = () => page.locator("tbody tr");
  page.button = (name) => page.getByRole("button", { name, exact: true });
  page.saved = () => page.getByText("Saved.").waitFor();
  return page;
}

async function show(page, hash) {
  await page.evaluate((wanted) => (document.location.hash = wanted), hash);
  await page.locator("main h1").waitFor();
}

async function check(page, name) {
  // What moves in has other colours for a moment.
  await page.waitForTimeout(150);
  if (SCREENSHOTS) {
    const { width } = page.viewportSize();
    await page.screenshot({ path: `${SCREENSHOTS}/${name}-${width}-${page.scheme ?? "light"}.png` });
  }
  await page.evaluate(`${AXE}; undefined`);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  const found = violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  assert.deepEqual(found, []);
  // Nothing is wider than the window: only tables scroll, within themselves.
  const width = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(width <= 0, `${name} is wider than the window by ${width} px`);
}

const user = () => `user-${randomUUID()}`;

test("credentials are in the memory of the page, or of the tab if the user wants", async () => {
  const page = await open(user());
  assert.doesNotMatch(page.url(), /user-|secret/);
  assert.ok(page.sent.every((request) => !/user-|secret/.test(request.url())));
  const kept = () => page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
  assert.deepEqual(await kept(), [0, 0, ""]);
  await page.reload();
  await page.getByLabel("Name").fill("amy");
  await page.getByLabel("Keep until this tab is closed").check();
  await page.getByLabel("Password").fill("secret");
  await page.button("Sign in").click();
  await page.button("Sign out").waitFor();
  await page.reload();
  await page.button("Sign out").click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.deepEqual(await kept(), [0, 0, ""]);
  await page.end();
});

test("a service that takes tokens is sent one", async () => {
  const page = await open(undefined, { allowed: [] });
  await page.route("**/__api__", async (route) => {
    const response = await route.fetch();
    const described = await response.json();
    described.components.securitySchemes = { token: { type: "http", scheme: "bearer" } };
    await route.fulfill({ response, json: described });
  });
  await page.reload();
  await page.getByLabel("Bearer token").fill("a.b.c");
  await page.button("Sign in").click();
  await page.getByText("The service does not know these credentials.").waitFor();
  assert.equal((await page.sent.at(-1).allHeaders()).authorization, "Bearer a.b.c");
  await page.button("Continue without").click();
  await page.getByText("Choose a resource").waitFor();
  await page.end();
});

test("the first view loads no record", async () => {
  const page = await open(user());
  await page.getByRole("link", { name: "People /people" }).waitFor();
  assert.ok(page.sent.every((request) => !/\/(people|pages)/.test(request.url())));
  await page.end();
});

test("a record is created from the form, with nested members", async () => {
  const name = user();
  const page = await open(name, { hash: "#/people", allowed: [400] });
  await page.getByRole("link", { name: "New person" }).click();
  await page.button("Create").click();
  await page.locator("#field-data\\.name-error").getByText("Required").waitFor();
  await page.getByLabel("Name *").fill("Ada");
  await page.getByLabel("Role").selectOption("editor");
  await page.getByLabel("Born").fill("1815-12-10");
  await page.getByLabel("Seen").fill("2026-11-29T12:30:15");
  await page.getByLabel("Score").fill("1152921504606846975");
  await page.getByLabel("Active").selectOption("Yes");
  await page.button("Add Address").click();
  await page.getByLabel("City").fill("London");
  await page.button("Add Visits").click();
  await page.button("Add an item to Visits").click();
  await page.getByLabel("On *").fill("2026-01-31");
  await page.button("Add Tags").click();
  for (const tag of ["first", "second", "third"]) {
    await page.button("Add an item to Tags").click();
    await page.locator("#field-data\\.tags input").last().fill(tag);
  }
  await page.getByRole("group", { name: "Tags" }).getByRole("button", { name: "Remove item 1" }).click();
  await page.getByRole("group", { name: "Tags" }).getByRole("button", { name: "Move item 2 up" }).click();
  await page.button("Create").click();
  await page.getByText(/^Modified/).waitFor();
  const text = await (await fetch(`${SERVICE}/people`, { headers: { Authorization: authorization(name) } })).text();
  assert.match(text, /"score":1152921504606846975/);
  const { id, last_modified, score, seen, ...others } = JSON.parse(text).data[0];
  assert.equal(new Date(seen).toISOString(), "2026-11-29T11:30:15.000Z");
  assert.deepEqual(others, {
    ...{ name: "Ada", role: "editor", born: "1815-12-10", active: true, address: { city: "London" } },
    ...{ visits: [{ on: "2026-01-31" }], tags: ["third", "second"] },
  });
  await page.end();
});

test("a value that only one record may have is told", async () => {
  const name = user();
  const { id } = await make(name, "/people", { name: "Ada", email: "ada@example.com" });
  const other = await make(name, "/people", { name: "Bob" });
  const page = await open(name, { hash: "#new:/people", allowed: [409] });
  page.on("dialog", (dialog) => dialog.accept());
  await page.getByLabel("Name *").fill("Eve");
  await page.getByLabel("Email").fill("ada@example.com");
  await page.button("Create").click();
  await page.getByText("Nothing was created.").waitFor();
  await show(page, `#/people/${other.id}`);
  await page.getByLabel("Email").fill("ada@example.com");
  await page.button("Save").click();
  await page.getByText("Another record has this value.").waitFor();
  await page.getByRole("link", { name: "Show that record" }).click();
  await page.getByRole("heading", { name: id }).waitFor();
  await page.end();
});

test("only what was changed is sent, on the condition that nobody else has changed it", async () => {
  const name = user();
  const { id, last_modified } = await make(name, "/people", { name: "Ada", tags: ["a"], score: 3 });
  const page = await open(name, { hash: `#/people/${id}` });
  assert.ok(await page.button("Save").isDisabled());
  await page.getByLabel("Score").fill("x");
  await page.getByText("A whole number is expected.").waitFor();
  assert.ok(await page.button("Save").isDisabled());
  await page.getByLabel("Score").fill("");
  await page.getByLabel("Name *").fill("Grace");
  await page.button("Save").click();
  await page.saved();
  const sent = page.sent.find((request) => request.method() === "PATCH");
  assert.equal((await sent.allHeaders())["if-match"], `"${last_modified}"`);
  assert.deepEqual(sent.postDataJSON(), [
    { op: "add", path: "/data/name", value: "Grace" },
    { op: "remove", path: "/data/score" },
  ]);
  await page.getByRole("tab", { name: "JSON" }).click();
  const raw = page.getByLabel("The record as JSON");
  await raw.fill("{");
  await page.getByText("This is not JSON").waitFor();
  await raw.fill(JSON.stringify({ id, name: "Hedy", tags: ["a", "b"], role: "guest" }));
  await page.button("Save").click();
  await page.saved();
  const { data } = await call(name, "GET", `/people/${id}`);
  assert.deepEqual([data.name, data.tags], ["Hedy", ["a", "b"]]);
  await page.end();
});

test("leaving a record that is not saved asks before", async () => {
  const name = user();
  const { id } = await make(name, "/people", { name: "Ada" });
  const page = await open(name, { hash: `#/people/${id}` });
  const asked = [];
  page.on("dialog", (dialog) => (asked.push(dialog.message()), asked.length > 1 ? dialog.accept() : dialog.dismiss()));
  await page.getByLabel("Name *").fill("Grace");
  const back = page.locator(".crumbs a");
  await back.click();
  assert.equal(await page.getByLabel("Name *").inputValue(), "Grace");
  // The address is that of the record again a moment after the answer.
  await page.waitForURL((url) => url.hash === `#/people/${id}`);
  await back.click();
  await page.getByRole("link", { name: "New person" }).waitFor();
  assert.equal(asked.length, 2);
  await page.end();
});

test("filters, order and pages", async () => {
  const name = user();
  const requests = Array.from({ length: 25 }, (_, at) => ({
    ...{ method: "POST", path: "/people" },
    body: { data: { name: `${at % 2 ? "Ada" : "Bob"} ${at}`, score: at, tags: at % 3 ? [] : ["t,1"] } },
  }));
  for (let times = 0; times < 2; times++) await call(name, "POST", "/batch", { requests });
  const page = await open(name, { hash: "#/people?_limit=10" });
  await page.getByText("1–10 of 50").waitFor();
  assert.equal(await page.rows().count(), 10);
  await page.button("Next").click();
  await page.getByText("11–20 of 50").waitFor();
  await page.button("Next").click();
  await page.getByText("21–30 of 50").waitFor();
  await page.button("Previous").click();
  await page.getByText("11–20 of 50").waitFor();
  await page.button("First").click();
  await page.getByText("1–10 of 50").waitFor();

  const add = async (field, condition, value) => {
    await page.button("Filter").click();
    await page.getByLabel("Field").selectOption(field);
    await page.getByLabel("Condition").selectOption(condition);
    const input = page.getByLabel("Value", { exact: true }).last();
    if (await input.evaluate((element) => element.tagName === "SELECT")) await input.selectOption(value);
    else await input.fill(value);
    await page.button("Apply").click();
    await page.getByLabel("Filters").getByText(condition).first().waitFor();
  };
  await add("Name", "contains the text", "ada");
  await page.getByText("1–10 of 24").waitFor();
  await add("Score", "is at least", "20");
  await page.getByText("1–4 of 4").waitFor();
  await page.button("Name").click();
  await page.locator("th[aria-sort=ascending]").waitFor();
  await page.button("Name").click();
  await page.locator("th[aria-sort=descending]").waitFor();
  await page.waitForFunction(() => document.querySelector("tbody td")?.textContent.includes("Ada 23"));
  const names = async () => (await page.locator('td[data-label="Name"]').allTextContents()).map((text) => text.trim());
  assert.deepEqual(await names(), ["Ada 23", "Ada 23", "Ada 21", "Ada 21"]);
  await page.button("Remove the filter: Name contains the text ada").click();
  await page.getByText("1–10 of 10").waitFor();
  await add("Tags", "has all of", "t");
  await page.getByText("No record matches.").waitFor();
  await show(page, "#/people");
  await add("Name", "is one of", "Ada 1, Bob 2");
  await page.getByText("1–4 of 4").waitFor();

  // No list asks for more than a page, and for columns that it does not show.
  const lists = page.sent.filter((request) => /\/people\?/.test(request.url()) && !/_sync/.test(request.url()));
  for (const request of lists) {
    const search = new URL(request.url()).searchParams;
    assert.ok(Number(search.get("_limit")) <= 25);
    assert.equal(search.get("_fields"), "id,name,email,role,born,seen");
  }
  const bodies = page.sent.filter((request) => /_sync=/.test(request.url()));
  assert.ok(bodies.every((request) => /gt_last_modified=\d+/.test(request.url())));
  await page.end();
});

test("columns are chosen", async () => {
  const name = user();
  await make(name, "/people", { name: "Ada", address: { city: "London" } });
  const page = await open(name, { hash: "#/people" });
  await page.getByText("Columns", { exact: true }).first().click();
  await page.getByRole("checkbox", { name: "Address" }).check();
  await page.getByRole("cell", { name: /London/ }).waitFor();
  await page.end();
});

async function conflict(page, name, { field, mine, theirs }) {
  const { id } = await make(name, "/people", { name: "Ada", score: 1, tags: ["a"] });
  await show(page, `#/people/${id}`);
  // Without streams, nobody is told before they save.
  await page.getByLabel(field).fill(mine);
  await call(name, "PATCH", `/people/${id}`, { data: theirs });
  await page.button("Save").click();
  await page.getByText("Somebody else has changed this record").waitFor();
  return id;
}

test("two people change a record: each field is chosen", async () => {
  const name = user();
  const page = await open(name, { allowed: [412] });
  const id = await conflict(page, name, { field: "Name *", mine: "Mine", theirs: { name: "Theirs", score: 2 } });
  const row = page.getByRole("row", { name: /^Name/ });
  for (const text of ["Ada", "Theirs", "Mine"]) await row.getByText(text, { exact: true }).waitFor();
  assert.ok(await page.button("Save this choice").isDisabled());
  await row.getByRole("radio", { name: /Yours/ }).check();
  // Somebody is faster once more.
  await call(name, "PATCH", `/people/${id}`, { data: { tags: ["b"] } });
  await page.button("Save this choice").click();
  await page.getByRole("row", { name: /^Name/ }).waitFor();
  await page.button("Save this choice").click();
  await page.saved();
  const { data } = await call(name, "GET", `/people/${id}`);
  assert.deepEqual([data.name, data.score, data.tags], ["Mine", 2, ["b"]]);

  const other = await conflict(page, name, { field: "Name *", mine: "Mine", theirs: { name: "Theirs" } });
  await page.button("All of theirs").click();
  await page.button("Save this choice").click();
  await page.getByText("Nothing was left to save.").waitFor();
  assert.equal((await call(name, "GET", `/people/${other}`)).data.name, "Theirs");
  await page.end();
});

test("a record that somebody else has deleted meanwhile can be made again", async () => {
  const name = user();
  const { id } = await make(name, "/people", { name: "Ada" });
  const page = await open(name, { hash: `#/people/${id}`, allowed: [404, 412] });
  await page.getByLabel("Name *").fill("Grace");
  await call(name, "DELETE", `/people/${id}`);
  await page.button("Save").click();
  await page.getByText("Somebody else has deleted this record.").waitFor();
  await page.button("Create it again as you have it here").click();
  await page.getByText("Created again.").waitFor();
  assert.equal(await page.getByLabel("Name *").inputValue(), "Grace");
  assert.equal((await call(name, "GET", `/people/${id}`)).data.name, "Grace");
  await page.end();
});

test("a record is deleted after a question, if nobody else has changed it; its tombstone is shown", async () => {
  const name = user();
  const { id } = await make(name, "/people", { name: "Ada" });
  const page = await open(name, { hash: `#/people/${id}`, allowed: [404, 412] });
  await page.button("Delete…").click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  assert.equal((await call(name, "GET", `/people/${id}`)).status, 200);
  await page.button("Delete…").click();
  await call(name, "PATCH", `/people/${id}`, { data: { name: "Theirs" } });
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText(/Somebody else has changed the record/).waitFor();
  await page.button("Delete…").click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("There are no records yet.").waitFor();
  assert.equal((await call(name, "GET", `/people/${id}`)).status, 404);

  await page.getByLabel("Deleted records").selectOption("Only deleted");
  await page.getByText("deleted", { exact: true }).waitFor();
  assert.equal(await page.rows().count(), 1);
  await page.locator("tbody a").click();
  await page.getByText(/This record was deleted on/).waitFor();
  await page.getByRole("link", { name: "Create one with this id" }).click();
  await page.getByLabel("Name *").fill("Grace");
  await page.button("Create").click();
  await page.getByText(/^Modified/).waitFor();
  assert.equal((await call(name, "GET", `/people/${id}`)).data.name, "Grace");
  await page.end();
});

test("permissions are given and taken", async () => {
  const [owner, friend] = [user(), user()];
  const them = (await call(friend, "GET", "/")).user.id;
  const { id } = await make(owner, "/pages", { title: "Plans", big: 1 });
  const page = await open(owner, { hash: `#/pages/${id}` });
  await page.getByRole("tab", { name: "Permissions" }).click();
  await page.getByLabel("Give read to", { exact: true }).fill(them);
  await page.getByRole("region", { name: "Permission read" }).getByRole("button", { name: "Add" }).click();
  await page.button("Save").click();
  await page.saved();
  assert.equal((await call(friend, "GET", `/pages/${id}`)).status, 200);
  await page.button("Give read to Everyone").click();
  await page.button(`Remove ${them} from read`).click();
  await page.button("Save").click();
  await page.saved();
  assert.deepEqual((await call(owner, "GET", `/pages/${id}`)).permissions.read, ["system.Everyone"]);
  await page.end();

  // Who may read sees it, and is told if they try to change it.
  const other = await open(friend, { hash: `#/pages/${id}`, allowed: [403] });
  await other.getByLabel("Title *").fill("Mine");
  await other.button("Save").click();
  await other.getByText("Forbidden (403)").waitFor();
  await other.end();
});

test("changes are shown as they happen, from a stream", async () => {
  const name = user();
  const [first, second] = [await make(name, "/people", { name: "Ada" }), await make(name, "/people", { name: "Bob" })];
  const page = await open(name, { hash: "#/people" });
  await page.getByText("Live", { exact: true }).waitFor();
  await call(name, "PATCH", `/people/${first.id}`, { data: { name: "Grace" } });
  await page.getByRole("cell", { name: "Grace" }).waitFor();
  await call(name, "DELETE", `/people/${second.id}`);
  await page.getByText("gone", { exact: true }).waitFor();
  await make(name, "/people", { name: "Hedy" });
  await page.getByText("One record that is not on this page was added or changed.").waitFor();
  await page.button("Show").click();
  await page.getByRole("cell", { name: "Hedy" }).waitFor();

  // The record that is open changes too; if something is typed already, it stays.
  await show(page, `#/people/${first.id}`);
  await page.waitForTimeout(1500);
  await call(name, "PATCH", `/people/${first.id}`, { data: { name: "Radia" } });
  await page.waitForFunction(() => document.getElementById("field-data.name")?.value === "Radia");
  await page.getByLabel("Name *").fill("Mine");
  await page.waitForTimeout(1500);
  await call(name, "PATCH", `/people/${first.id}`, { data: { name: "Theirs" } });
  await page.getByText(/Somebody else has just changed this record/).waitFor();
  assert.equal(await page.getByLabel("Name *").inputValue(), "Mine");
  await page.button("Undo changes").click();
  await page.end();
});

test("changes are shown from long polls where there is no stream", async () => {
  const name = user();
  const { id } = await make(name, "/people", { name: "Ada" });
  const page = await open(name, { allowed: [503] });
  await page.route(/_sync=/, (route) =>
    route.request().headers().accept === "text/event-stream" ? route.fulfill({ status: 503, body: "{}" }) : route.continue(),
  );
  await show(page, "#/people");
  await page.getByTitle("Changes are shown within some seconds.").waitFor();
  await page.waitForTimeout(500);
  await call(name, "PATCH", `/people/${id}`, { data: { name: "Grace" } });
  await page.getByRole("cell", { name: "Grace" }).waitFor();
  await page.end();
});

test("what others have written is text", async () => {
  const name = user();
  const evil = `"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\${1}{{1}}`;
  const link = "javascript:window.hacked=1";
  const data = { title: evil, [evil]: { [evil]: evil }, url: link };
  Object.defineProperty(data, "__proto__", { value: { polluted: evil }, enumerable: true });
  const { id } = await make(name, "/pages", data, { read: [evil, link, "system.Everyone"] });
  await make(name, `/pages/${id}/comments`, { text: evil });
  await make(name, "/people", { name: evil, tags: [evil], address: { city: link } });
  const page = await open(name, { hash: "#/pages", allowed: [404, 412] });
  let dialogs = 0;
  page.on("dialog", (dialog) => (dialogs++, dialog.dismiss()));
  const look = async () => {
    await page.waitForTimeout(300);
    const found = await page.evaluate(() => [
      ...[window.hacked, {}.polluted, document.querySelectorAll("#app :is(img, script, iframe, b, i)").length],
      [...document.querySelectorAll("a")].filter((one) => !/^https?:$/.test(one.protocol)).length,
    ]);
    assert.deepEqual(found, [null, null, 0, 0].map((one, at) => (at < 2 ? undefined : one)));
  };
  await page.getByRole("cell", { name: "onerror" }).first().waitFor();
  await look();
  await show(page, `#/pages?title=${encodeURIComponent(JSON.stringify(evil))}&like_title=${encodeURIComponent(evil)}`);
  await page.getByLabel("Filters").getByText("onerror").first().waitFor();
  await look();
  await show(page, `#/pages/${id}`);
  await page.getByLabel("Other members").waitFor();
  assert.match(await page.getByLabel("Other members").inputValue(), /__proto__/);
  await look();
  for (const tab of ["JSON", "Permissions"]) {
    await page.getByRole("tab", { name: tab }).click();
    await look();
  }
  // The conflict shows all of it once more.
  await page.getByRole("tab", { name: "Form" }).click();
  await page.getByLabel("Title *").fill(`mine ${evil}`);
  await call(name, "PATCH", `/pages/${id}`, { data: { title: `theirs ${evil}`, [`more ${evil}`]: evil } });
  await page.button("Save").click();
  await page.getByText("Somebody else has changed this record").waitFor();
  await look();
  await page.button("All of mine").click();
  await page.button("Save this choice").click();
  await page.saved();
  const { data: kept } = await call(name, "GET", `/pages/${id}`);
  assert.ok(Object.hasOwn(kept, "__proto__"));
  await show(page, `#/pages/${id}/comments`);
  await page.getByRole("cell", { name: "onerror" }).waitFor();
  await look();
  await show(page, `#/people?_sort=${encodeURIComponent(`-name`)}`);
  await page.getByRole("cell", { name: "onerror" }).first().waitFor();
  await look();
  for (const hash of ["#//example.com/people", `#/people/${encodeURIComponent(evil)}`, "#javascript:1", "#/people/%"]) {
    await show(page, hash);
    await look();
  }
  assert.equal(dialogs, 0);
  await page.end();
});

test("a service that is read only has nothing to edit", async () => {
  const name = user();
  const { id } = await make(name, "/people", { name: "Ada" });
  const page = await open(name, { hash: "#/people", base: READ_ONLY });
  await page.getByRole("cell", { name: "Ada" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "New person" }).count(), 0);
  await show(page, `#/people/${id}`);
  await page.getByText("This record can be read, and not changed.").waitFor();
  assert.ok(await page.getByLabel("Name", { exact: true }).isDisabled());
  assert.equal(await page.button("Save").count() + (await page.button("Delete…").count()), 0);
  await check(page, "read-only");
  await page.end();
});

test("collections below a record are reached from it", async () => {
  const name = user();
  const { id } = await make(name, "/pages", { title: "Plans" });
  await make(name, `/pages/${id}/comments`, { text: "Yes" });
  const page = await open(name, { hash: "#/pages" });
  await page.getByRole("link", { name: /Comments/ }).first().click();
  await page.getByLabel("Page id").fill(id);
  await page.button("Show").click();
  await page.getByRole("cell", { name: "Yes" }).waitFor();
  await show(page, `#/pages/${id}`);
  await page.locator(".below").getByRole("link", { name: "Comments" }).click();
  await page.getByRole("cell", { name: "Yes" }).waitFor();
  await page.end();
});

test("everything can be done with the keyboard", async () => {
  const name = user();
  const page = await open(name, { hash: "#/people" });
  const reach = async (test) => {
    for (let steps = 0; steps < 60; steps++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(test)) return;
    }
    assert.fail("the keyboard does not lead there");
  };
  await page.getByRole("link", { name: "New person" }).waitFor();
  await reach(() => document.activeElement.textContent === "New person");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "New person" }).waitFor();
  await reach(() => document.activeElement.id === "field-data.name");
  await page.keyboard.type("Ada");
  await page.keyboard.press("Enter");
  await page.getByText(/^Modified/).waitFor();
  await reach(() => document.activeElement.id === "tab-form");
  await page.keyboard.press("ArrowRight");
  await page.getByLabel("The record as JSON").waitFor();
  await reach(() => document.activeElement.textContent === "Delete…");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Cancel");
  await page.keyboard.press("Escape");
  assert.equal((await call(name, "GET", "/people")).data.length, 1);
  await page.end();
});

for (const [viewport, colorScheme] of [[WIDE, "light"], [WIDE, "dark"], [NARROW, "light"], [NARROW, "dark"]]) {
  test(`no view has a fault that axe knows: ${viewport.width} px, ${colorScheme}`, async () => {
    const name = user();
    const them = (await call(user(), "GET", "/")).user.id;
    const { id } = await make(name, "/people", {
      ...{ name: "Ada", role: "editor", born: "1815-12-10", seen: "2026-11-29T12:00:00Z", active: true, score: 3 },
      ...{ address: { street: "1 Main Street", city: "London" }, visits: [{ on: "2026-01-31", note: "first" }], tags: ["a"] },
    });
    for (const at of [1, 2, 3]) await make(name, "/people", { name: `Person ${at}`, active: false, seen: "2026-11-29T12:00:00Z" });
    const { id: gone } = await make(name, "/people", { name: "Gone" });
    await call(name, "DELETE", `/people/${gone}`);
    const { id: shared } = await make(name, "/pages", { title: "Plans" }, { read: ["system.Everyone", them] });

    const page = await open(undefined, { viewport, colorScheme, allowed: [400, 404, 412] });
    page.scheme = colorScheme;
    await check(page, "sign-in");
    await page.getByLabel("Name").fill(name);
    await page.getByLabel("Password").fill("secret");
    await page.button("Sign in").click();
    await page.getByText("Choose a resource").waitFor();
    await check(page, "home");
    await show(page, "#/people?_since=0&min_score=1&_sort=-name");
    await page.getByText("Live", { exact: true }).waitFor();
    await show(page, "#/people?_since=0");
    await page.getByText("1–5", { exact: true }).waitFor();
    await page.getByText("Columns", { exact: true }).first().click();
    await check(page, "list-columns");
    await page.getByText("Columns", { exact: true }).first().click();
    await check(page, "list");
    await page.button("Filter").click();
    await check(page, "filter");
    await show(page, "#/people?like_name=nobody&min_score=1");
    await page.getByText("No record matches.").waitFor();
    await check(page, "empty");
    await show(page, `#/people/${id}`);
    await page.getByLabel("Name *").waitFor();
    await check(page, "form");
    await page.getByRole("tab", { name: "JSON" }).click();
    await check(page, "json");
    await page.button("Delete…").click();
    await check(page, "delete");
    await page.keyboard.press("Escape");
    await show(page, `#/pages/${shared}`);
    await page.getByRole("tab", { name: "Permissions" }).click();
    await check(page, "permissions");
    await show(page, "#new:/people");
    await page.button("Create").click();
    await page.locator("[aria-invalid=true]").waitFor();
    await check(page, "errors");
    await show(page, `#/people/${gone}?deleted=1`);
    await page.getByText(/This record was deleted/).waitFor();
    await check(page, "tombstone");
    await show(page, "#/pages/{page_id}/comments");
    await page.getByLabel("Page id").waitFor();
    await check(page, "which");
    await show(page, `#/people/${id}`);
    await page.getByLabel("Name *").fill("Mine");
    await call(name, "PATCH", `/people/${id}`, { data: { name: "Theirs", tags: ["b"], address: { city: "Paris" } } });
    await page.button("Save").click();
    await page.getByText("Somebody else has changed this record").waitFor();
    await check(page, "conflict");
    await page.end();
  });
}

for (const [viewport, colorScheme] of [[WIDE, "light"], [NARROW, "dark"]]) {
  test(`the documentation page sends requests, and has no fault that axe knows: ${viewport.width} px`, async () => {
    const name = user();
    const page = await open(undefined, { viewport, colorScheme });
    page.scheme = colorScheme;
    await page.goto(`${SERVICE}/__docs__`);
    const isDark = await page.locator("html").evaluate((root) => root.classList.contains("dark-mode"));
    assert.equal(isDark, colorScheme === "dark");
    const operation = page.locator("#operations-person-person_create");
    await operation.waitFor();
    await check(page, "docs");
    await page.locator(".auth-wrapper .authorize").click();
    await page.locator("#auth-basic-username").fill(name);
    await page.locator("#auth-basic-password").fill("secret");
    await check(page, "docs-authorize");
    await page.locator(".auth-btn-wrapper .authorize").click();
    await page.locator(".auth-btn-wrapper .btn-done").click();
    await operation.locator(".opblock-summary-control").click();
    await operation.getByRole("button", { name: "Try it out" }).click();
    await operation.getByLabel("Body").fill('{"data": {"name": "Ada"}}');
    await operation.getByRole("button", { name: "Execute" }).click();
    await operation.locator(".live-responses-table").getByText("201", { exact: true }).waitFor();
    await check(page, "docs-open");
    assert.equal((await call(name, "GET", "/people")).data[0].name, "Ada");
    await page.end();
  });
}

for (const [viewport, colorScheme] of [[WIDE, "light"], [WIDE, "dark"], [NARROW, "light"]]) {
  const name = `the documentation has no fault that axe knows: ${viewport.width} px, ${colorScheme}`;
  declare(name, { timeout: 120_000, skip: !existsSync(`${DOCS}/index.html`) && "it is not built" }, async () => {
    const context = await browser.newContext({ viewport, colorScheme });
    const page = await context.newPage();
    page.scheme = colorScheme;
    page.on("pageerror", (error) => problems.push(`error: ${error.stack}`));
    for (const path of ["index", "quickstart", "api/querying", "reference/settings", "reference/admin"]) {
      await page.goto(`file://${DOCS}/${path}.html`, WAIT);
      await check(page, path.replace("/", "-"));
    }
    await context.close();
  });
}

test("no request went elsewhere, and the console has no errors", () => {
  assert.deepEqual([...hosts].sort(), [new URL(SERVICE).origin, new URL(READ_ONLY).origin].sort());
  assert.deepEqual(problems, []);
});
