/**
 * `node --test`, against the service of the environment variable SERVICE: an example service with
 * `sync_enabled`, for example `CLIQUET_SYNC_ENABLED=true make serve`.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import "fake-indexeddb/auto";
import { createRxDatabase } from "rxdb";
import { replicateRxCollection } from "rxdb/plugins/replication";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";

import { DELETE, LATER, REMOTE, keepLocal, mergeFields, openCollection } from "./cliquet-sync.js";
import { cliquetReplication } from "./rxdb.js";

const URL_OF_LIST = `${process.env.SERVICE ?? "http://localhost:8888/v1"}/mushrooms`;

const credentials = (user) => ({ Authorization: `Basic ${btoa(`${user}:secret`)}` });

/** A network that loses requests and answers, or nothing. */
function network(chance = 0) {
  const made = { chance, sent: [] };
  made.fetch = async (url, options) => {
    const isLost = () => Math.random() < made.chance;
    if (isLost()) throw new TypeError("lost");
    made.sent.push(`${options.method ?? "GET"} ${url}`);
    const response = await fetch(url, options);
    if (isLost()) throw new TypeError("lost");
    return response;
  };
  return made;
}

async function device(user, options = {}) {
  const link = network();
  const collection = await openCollection(URL_OF_LIST, {
    ...{ name: randomUUID(), headers: credentials(user), fetch: link.fetch },
    ...options,
  });
  return Object.assign(collection, { link });
}

async function pair(options) {
  const user = randomUUID();
  return [await device(user, options), await device(user, options)];
}

async function exchange(...devices) {
  for (const each of [...devices, ...devices]) await each.sync();
}

const state = async (collection) =>
  Object.fromEntries((await collection.all()).map((record) => [record.id, record]));

test("a record comes to the other device, and its deletion", async () => {
  const [phone, laptop] = await pair();
  const id = await phone.create({ name: "Morel" });
  assert.equal((await phone.get(id)).name, "Morel");
  assert.deepEqual(await phone.sync().then(({ sent, conflicts }) => [sent, conflicts]), [1, []]);

  const { changes } = await laptop.sync();
  assert.deepEqual(changes, [{ id, record: await phone.get(id) }]);

  await laptop.remove(id);
  await exchange(laptop, phone);
  assert.deepEqual(await state(phone), {});
  assert.deepEqual(await phone.edits(), []);
});

test("what was never sent is forgotten", async () => {
  const [phone] = await pair();
  await phone.remove(await phone.create({ name: "Morel" }));
  await phone.sync();
  assert.ok(phone.link.sent.every((sent) => sent.startsWith("GET")));
});

async function conflict(phone, laptop, ours, theirs) {
  const id = await phone.create({ name: "Morel", cap_mm: 1 });
  await exchange(phone, laptop);
  await laptop.update(id, theirs);
  await laptop.sync();
  await phone.update(id, ours);
  return id;
}

for (const [name, answer, expected] of [
  ["the edit", keepLocal, 2],
  ["the service", () => REMOTE, 3],
  ["another value", () => ({ name: "Morel", cap_mm: 9 }), 9],
  ["nothing", () => DELETE, undefined],
  ["nobody", () => LATER, 3],
  ["a merge, of different values,", mergeFields, 3],
]) {
  test(`${name} wins a conflict`, async () => {
    const [phone, laptop] = await pair({ onConflict: answer });
    const id = await conflict(phone, laptop, { cap_mm: 2 }, { cap_mm: 3 });
    const { conflicts } = await phone.sync();
    await laptop.sync();
    assert.equal((await laptop.get(id))?.cap_mm, expected);
    assert.equal(conflicts.length, answer === mergeFields || name === "nobody" ? 1 : 0);
    if (conflicts.length) assert.equal((await phone.get(id)).cap_mm, 2);
  });
}

test("fields that only one side changed are merged", async () => {
  const [phone, laptop] = await pair({ onConflict: mergeFields });
  const id = await conflict(phone, laptop, { cap_mm: 2 }, { name: "Cep" });
  await exchange(phone, laptop);
  const { name, cap_mm } = await laptop.get(id);
  assert.deepEqual([name, cap_mm], ["Cep", 2]);
});

test("what the service refuses is told, and holds back nothing", async () => {
  const [phone, laptop] = await pair();
  const wrong = await phone.create({ cap_mm: 0 });
  const right = await phone.create({ name: "Morel" });
  const { conflicts } = await phone.sync();
  await laptop.sync();
  assert.deepEqual(conflicts.map(({ id, error }) => [id, error.status]), [[wrong, 400]]);
  assert.deepEqual(Object.keys(await state(laptop)), [right]);
});

test("pages", async () => {
  const [phone, laptop] = await pair({ pageSize: 2 });
  for (let number = 1; number < 6; number++) await phone.create({ name: "m", cap_mm: number });
  await exchange(phone, laptop);
  assert.deepEqual(await state(laptop), await state(phone));
  assert.equal(Object.keys(await state(laptop)).length, 5);
});

test("changes are told when they happen", { timeout: 30_000 }, async () => {
  const [phone, laptop] = await pair();
  const stop = new AbortController();
  const told = [];
  const following = (async () => {
    for await (const change of laptop.follow({ signal: stop.signal })) told.push(change);
  })();
  await pause(300);
  const id = await phone.create({ name: "Morel" });
  await phone.sync();
  while (!told.length) await pause(20);
  assert.deepEqual(told, [{ id, record: await phone.get(id) }]);
  stop.abort();
  await following;
});

test("devices on a bad network come to the same state", { timeout: 120_000 }, async () => {
  const [phone, laptop] = await pair({ onConflict: keepLocal, pageSize: 3 });
  const real = globalThis.setTimeout;
  globalThis.setTimeout = (work, milliseconds, ...more) => real(work, Math.min(milliseconds, 1), ...more);
  try {
    for (let step = 1; step < 150; step++) {
      const each = Math.random() < 0.5 ? phone : laptop;
      const ids = (await each.all()).map(({ id }) => id);
      const id = ids[Math.floor(Math.random() * ids.length)];
      const chosen = Math.random();
      if (chosen < 0.4) {
        each.link.chance = Math.random() < 0.5 ? 0 : 0.4;
        await each.sync().catch((error) => assert.ok(error instanceof TypeError, error));
      } else if (chosen < 0.6) await each.create({ name: "m", cap_mm: step });
      else if (id && chosen < 0.7) await each.remove(id);
      else if (id) await each.update(id, { cap_mm: step });
    }
  } finally {
    globalThis.setTimeout = real;
  }
  phone.link.chance = laptop.link.chance = 0;
  await exchange(phone, laptop);
  assert.deepEqual([await phone.edits(), await laptop.edits()], [[], []]);
  assert.deepEqual(await state(phone), await state(laptop));
});

// RxDB

const SCHEMA = {
  version: 0,
  primaryKey: "id",
  type: "object",
  properties: {
    id: { type: "string", maxLength: 100 },
    last_modified: { type: "number" },
    name: { type: "string" },
    cap_mm: { type: "number" },
  },
};

async function rxDevice(user) {
  const database = await createRxDatabase({
    ...{ name: randomUUID(), storage: getRxStorageMemory(), multiInstance: false },
  });
  const { mushrooms } = await database.addCollections({ mushrooms: { schema: SCHEMA } });
  const stop = new AbortController();
  const replication = replicateRxCollection({
    ...cliquetReplication(URL_OF_LIST, mushrooms, {
      ...{ headers: credentials(user), signal: stop.signal },
    }),
    ...{ collection: mushrooms, replicationIdentifier: URL_OF_LIST, retryTime: 200 },
  });
  const errors = [];
  replication.error$.subscribe((error) => errors.push(error));
  await replication.awaitInitialReplication();
  const end = async () => {
    stop.abort();
    await replication.cancel();
    await database.close();
  };
  return { mushrooms, replication, errors, end };
}

const contents = async ({ mushrooms }) =>
  Object.fromEntries(
    (await mushrooms.find().exec()).map(({ id, name, cap_mm }) => [id, [name, cap_mm]]),
  );

async function until(isTrue) {
  for (let tries = 0; tries < 400; tries++) {
    if (await isTrue()) return;
    await pause(25);
  }
  assert.fail("not within ten seconds");
}

test("RxDB replicates both ways", { timeout: 60_000 }, async () => {
  const user = randomUUID();
  const [phone, laptop] = [await rxDevice(user), await rxDevice(user)];
  const id = randomUUID();
  await phone.mushrooms.insert({ id, name: "Morel", cap_mm: 1 });
  await until(async () => (await contents(laptop))[id]);
  for (let size = 2; size < 8; size++) {
    await (await phone.mushrooms.findOne(id).exec()).incrementalPatch({ cap_mm: size });
  }
  await until(async () => (await contents(laptop))[id]?.[1] === 7);
  assert.deepEqual(await contents(phone), { [id]: ["Morel", 7] });

  await (await laptop.mushrooms.findOne(id).exec()).incrementalRemove();
  await until(async () => !Object.keys(await contents(phone)).length);
  assert.deepEqual([phone.errors, laptop.errors], [[], []]);
  await Promise.all([phone.end(), laptop.end()]);
});
