// A record and its permissions as they were read, and as somebody has changed them.
import { Refused } from "./api.js";
import { isObject, member, same, withMember } from "./json.js";

const EXISTS = {
  error: "Nothing was created",
  message: "There is a record already that has a value which only one record may have.",
};
const ENTRY = { data: "data", permission: "permissions" };

/** A record as an answer has it. */
export function fromAnswer(resource, answer) {
  const { data } = answer.body;
  const permissions = isObject(answer.body.permissions) ? answer.body.permissions : {};
  return { data, permissions, etag: answer.headers.get("ETag") ?? `"${data[resource.modifiedField]}"` };
}

export const load = async (service, resource, path, signal) =>
  fromAnswer(resource, await service.send(path, { signal }));

const asSet = (value) => (Array.isArray(value) ? [...new Set(value)].sort() : []);

/** The value of a part: a member of the record, or who has a permission. */
export function part(state, { kind, name }) {
  const value = state ? member(state[ENTRY[kind]], name) : undefined;
  return kind === "permission" ? asSet(value) : value;
}

export const withPart = (state, { kind, name }, value) => ({
  ...state,
  [ENTRY[kind]]: withMember(state[ENTRY[kind]], name, value),
});

/** The parts in which two states differ. */
export function differences(resource, one, other) {
  const parts = (kind) => {
    const names = [one, other].flatMap((state) => Object.keys(state?.[ENTRY[kind]] ?? {}));
    return [...new Set(names)].map((name) => ({ kind, name }));
  };
  return [...parts("data").filter(({ name }) => !resource.own.has(name)), ...parts("permission")].filter(
    (each) => !same(part(one, each), part(other, each)),
  );
}

const pointer = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1");

/** The JSON patch (RFC 6902) that makes one state of the other. It changes nothing else. */
export function patch(resource, base, draft) {
  return differences(resource, base, draft).map(({ kind, name }) => {
    const path = `/${ENTRY[kind]}/${pointer(name)}`;
    const value = part(draft, { kind, name });
    return value === undefined ? { op: "remove", path } : { op: "add", path, value };
  });
}

function whole(resource, draft) {
  const data = withMember(withMember(draft.data, resource.modifiedField, undefined), resource.deletedField, undefined);
  return resource.isShared ? { data, permissions: draft.permissions } : { data };
}

/** Save the changes of a draft, if nobody has changed the record since it was read. */
export async function save(service, resource, path, base, draft) {
  const headers = { "If-Match": base.etag };
  const answer = resource.canPatch
    ? await service.send(path, {
        ...{ method: "PATCH", headers, value: patch(resource, base, draft) },
        type: "application/json-patch+json",
      })
    : await service.send(path, { method: "PUT", headers, value: whole(resource, draft) });
  return fromAnswer(resource, answer);
}

/** Create a record; with an id of its own, only if there is none with that id. */
export async function create(service, resource, variables, draft) {
  const id = draft.data[resource.idField];
  const value = whole(resource, draft);
  if (id === undefined && resource.canPost) {
    const answer = await service.send(resource.collection(variables), { method: "POST", value });
    // The service has kept another record, which has a value that only one may have.
    if (answer.status === 200) throw new Refused(200, { ...EXISTS, details: { existing: answer.body.data } });
    return fromAnswer(resource, answer);
  }
  const path = resource.record(variables, id ?? crypto.randomUUID());
  const headers = { "If-None-Match": "*" };
  return fromAnswer(resource, await service.send(path, { method: "PUT", headers, value }));
}
