// What a program does with the client that openapi-typescript and openapi-fetch make of the
// description: it compiles under `strict`, and each step is checked. The argument is the URL.
import createClient from "openapi-fetch";
import type { paths } from "./schema";

declare const process: { argv: string[] };

function check(condition: boolean, step: string): asserts condition {
  if (!condition) {
    throw new Error(step);
  }
}

const client = createClient<paths>({
  baseUrl: process.argv[2] ?? "",
  headers: { Authorization: `Basic ${btoa("typescript:1")}` },
});

const created = await client.POST("/mushrooms", { body: { data: { name: "Morel", cap_mm: 30 } } });
check(created.response.status === 201 && created.data !== undefined, "create");
const id: string = created.data.data.id;

const read = await client.GET("/mushrooms/{id}", { params: { path: { id } } });
check(read.data?.data.name === "Morel", "read");
const tag = read.response.headers.get("ETag");
check(tag !== null, "tag");

const found = await client.GET("/mushrooms", {
  params: { query: { min_cap_mm: 20, like_name: "mor", in_id: [id], _sort: ["-cap_mm"] } },
});
check(found.data?.data.length === 1 && found.data.data[0]?.id === id, "filter");
const none = await client.GET("/mushrooms", { params: { query: { max_cap_mm: 20 } } });
check(none.data?.data.length === 0, "filter that nothing matches");

const updated = await client.PATCH("/mushrooms/{id}", {
  params: { path: { id }, header: { "If-Match": tag } },
  body: { data: { cap_mm: 31 } },
});
check(updated.data?.data.cap_mm === 31, "conditional update");
const late = await client.PATCH("/mushrooms/{id}", {
  params: { path: { id }, header: { "If-Match": tag } },
  body: { data: { cap_mm: 32 } },
});
check(late.response.status === 412 && late.error?.errno === 114, "update that comes too late");

const batch = await client.POST("/batch", {
  body: {
    defaults: { method: "POST", path: "/mushrooms" },
    requests: [
      { path: "/mushrooms", body: { data: { name: "Cep" } } },
      { path: "/mushrooms", body: { data: {} } },
    ],
  },
});
check(batch.data?.responses.map((one) => one.status).join() === "201,400", "batch");

const start = await client.GET("/mushrooms", { params: { query: { _sync: "" } } });
const token = start.response.headers.get("Sync-Token");
check(start.data?.data.length === 2 && token !== null, "start of a synchronisation");
const deleted = await client.DELETE("/mushrooms/{id}", { params: { path: { id } } });
check(deleted.data?.data.deleted === true, "delete");
const changes = await client.GET("/mushrooms", { params: { query: { _sync: token } } });
const change = changes.data?.data[0];
check(change !== undefined && "deleted" in change && change.id === id, "changes");

const wrong = await client.POST("/mushrooms", { body: { data: { name: "" } } });
check(wrong.response.status === 400 && wrong.error?.errno === 107, "refused body");
console.log("openapi-fetch: 11 steps passed");
