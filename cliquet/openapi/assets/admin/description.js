// What the description of the API (OpenAPI) says of the resources.
import { isObject, member } from "./json.js";

/** The operators of filters by their prefixes; longer ones before those that they begin with. */
export const OPERATORS = new Map([
  ["", "is"],
  ["not_", "is not"],
  ["like_", "contains the text"],
  ["min_", "is at least"],
  ["max_", "is at most"],
  ["gt_", "is greater than"],
  ["lt_", "is less than"],
  ["in_", "is one of"],
  ["exclude_", "is none of"],
  ["contains_", "has all of"],
  ["contains_any_", "has any of"],
  ["has_", "is present"],
]);

const METHODS = ["get", "put", "post", "patch", "delete"];
const MAX_DEPTH = 3;

export class Description {
  constructor(document) {
    this.document = document;
    this.title = String(document.info?.title ?? "Service");
    this.schemes = Object.values(document.components?.securitySchemes ?? {});
    this.hasDocs = Object.hasOwn(document.paths, "/__docs__");
    this.resources = this.#resources();
  }

  /** The schema that a reference leads to; an empty one where it leads nowhere. */
  resolve(schema) {
    for (let steps = 0; steps < 20 && isObject(schema) && typeof schema.$ref === "string"; steps++) {
      const names = schema.$ref.replace(/^#\//, "").split("/");
      schema = names.reduce((node, name) => member(node, unescape(name)), this.document);
    }
    return isObject(schema) ? schema : {};
  }

  #resources() {
    const found = new Map();
    for (const [path, item] of Object.entries(this.document.paths)) {
      const operations = METHODS.filter((method) => item[method]).map((method) => item[method]);
      const name = operations[0]?.tags?.[0];
      const refers = (to) =>
        operations.some((one) => one.parameters?.some(({ $ref }) => $ref === `#/components/parameters/${to}`));
      // Only operations of resources take conditions.
      if (!name || !refers("If-Match")) continue;
      const isList = refers("query._limit") || (item.post && !path.endsWith("}"));
      const known = found.get(name) ?? {};
      found.set(name, { ...known, [isList ? "list" : "record"]: { path, item } });
    }
    return [...found]
      .filter(([, { list, record }]) => list && record)
      .map(([name, { list, record }]) => new Resource(this, name, list, record))
      .sort((one, other) => (one.collectionPath < other.collectionPath ? -1 : 1));
  }
}

const unescape = (name) => decodeURIComponent(name).replaceAll("~1", "/").replaceAll("~0", "~");

/** A resource: its two paths, its methods, its fields, and what lists understand. */
export class Resource {
  constructor(description, name, list, record) {
    this.description = description;
    this.name = name;
    this.collectionPath = list.path;
    this.recordPath = record.path;
    this.label = list.path.split("/").filter((part) => part && !part.startsWith("{")).at(-1) ?? name;
    this.canList = Boolean(list.item.get);
    this.canRead = Boolean(record.item.get);
    this.canPost = Boolean(list.item.post);
    this.canPut = Boolean(record.item.put);
    this.canPatch = Boolean(record.item.patch);
    this.canDelete = Boolean(record.item.delete);
    this.canCreate = this.canPost || this.canPut;
    this.canEdit = this.canPatch || this.canPut;

    const parameters = (list.item.get?.parameters ?? []).map((one) => description.resolve(one));
    this.parameters = new Map(parameters.filter((one) => one.in === "query").map((one) => [one.name, one]));
    this.hasTokens = this.parameters.has("_sync");

    const sent = (method, item) => this.#property(item[method]?.responses?.["200"], "data");
    this.output = sent("get", record.item) ?? sent("patch", record.item) ?? {};
    const taken = record.item.put ?? list.item.post ?? record.item.patch;
    this.input = this.#property(taken?.requestBody, "data") ?? this.output;
    const permissions = this.#property(taken?.requestBody ?? record.item.get?.responses?.["200"], "permissions");
    this.permissions = Object.keys(permissions?.properties ?? {}).sort();

    const listed = this.#property(list.item.get?.responses?.["200"], "data");
    const tombstone = description.resolve(listed?.items?.anyOf?.[0]);
    [this.idField, this.modifiedField, this.deletedField] =
      tombstone.required?.length === 3 ? tombstone.required : ["id", "last_modified", "deleted"];
    this.own = new Set([this.idField, this.modifiedField, this.deletedField]);
    this.columns = Object.entries(this.output.properties ?? {})
      .filter(([field]) => !this.own.has(field))
      .map(([field, schema]) => ({ field, schema: description.resolve(schema) }));
    this.filters = this.#filters();
  }

  #property(body, name) {
    const { description } = this;
    const schema = description.resolve(body)?.content?.["application/json"]?.schema;
    const found = member(description.resolve(schema).properties, name);
    return found && description.resolve(found);
  }

  /** The fields that can be in filters, each with its operators. */
  #filters() {
    const fields = new Map();
    const add = (properties, before, depth) => {
      for (const [name, schema] of Object.entries(properties ?? {})) {
        fields.set(before + name, this.description.resolve(schema));
        if (depth > 1) add(this.description.resolve(schema).properties, `${before}${name}.`, depth - 1);
      }
    };
    add(Object.fromEntries(this.columns.map(({ field, schema }) => [field, schema])), "", MAX_DEPTH);
    fields.set(this.idField, { type: "string" });
    fields.set(this.modifiedField, { type: "integer" });
    return [...fields]
      .map(([field, schema]) => ({
        ...{ field, schema },
        // A field whose own name looks like a filter wins over the operator.
        operators: [...OPERATORS.keys()].filter(
          (prefix) => this.parameters.has(prefix + field) && (!prefix || !fields.has(prefix + field)),
        ),
      }))
      .filter(({ operators }) => operators.length);
  }

  /** Whether lists can be sorted by a field. */
  sorts(field) {
    return this.parameters.has("_sort") && !/[.,]/.test(field);
  }

  get isShared() {
    return this.permissions.length > 0;
  }

  get variables() {
    return [...this.collectionPath.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  }

  /** The name of the variable of the id, which the collection does not have. */
  get idVariable() {
    const known = this.variables;
    return [...this.recordPath.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).findLast((name) => !known.includes(name)) ?? "id";
  }

  collection(variables) {
    return fill(this.collectionPath, variables);
  }

  record(variables, id) {
    return fill(this.recordPath, { ...variables, [this.idVariable]: id });
  }

  /** The resources whose collections are below one record of this one, with their variables. */
  below(variables, id) {
    const pattern = (path) => path.replace(/\{\w+\}/g, "{}");
    const values = [...Object.values(variables), id];
    return this.description.resources
      .filter((one) => pattern(one.collectionPath).startsWith(`${pattern(this.recordPath)}/`))
      .filter((one) => one.variables.length === values.length)
      .map((one) => ({
        resource: one,
        path: one.collection(Object.fromEntries(one.variables.map((name, at) => [name, values[at]]))),
      }));
  }
}

/** A path with its variables; one that is not known stays as it is written. */
const fill = (path, variables) =>
  path.replace(/\{(\w+)\}/g, (all, name) =>
    variables[name] === undefined ? all : encodeURIComponent(variables[name]),
  );
