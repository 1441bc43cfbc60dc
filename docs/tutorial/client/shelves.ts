// Makes a shelf with a book, reads it, and marks the book as read, unless somebody was faster.
import createClient from "openapi-fetch";
import type { paths } from "./schema";

const library = createClient<paths>({
  baseUrl: "http://localhost:8888/v1",
  headers: { Authorization: `Basic ${btoa("alice:1")}` },
});

const shelf = await library.POST("/shelves", { body: { data: { name: "Poems" } } });
if (shelf.error) throw new Error(JSON.stringify(shelf.error));
const shelf_id = shelf.data.data.id;

const book = await library.POST("/shelves/{shelf_id}/books", {
  params: { path: { shelf_id } },
  body: { data: { title: "Leaves of Grass", year: 1855 } },
});
if (book.error) throw new Error(JSON.stringify(book.error));
const { id, last_modified } = book.data.data;

const changed = await library.PATCH("/shelves/{shelf_id}/books/{id}", {
  params: { path: { shelf_id, id }, header: { "If-Match": `"${last_modified}"` } },
  body: { data: { is_read: true } },
});
if (changed.error) throw new Error(JSON.stringify(changed.error));

const books = await library.GET("/shelves/{shelf_id}/books", {
  params: { path: { shelf_id }, query: { is_read: true, _sort: ["title"] } },
});
for (const one of books.data?.data ?? []) {
  // Lists with `_since` have deleted records too, of which nothing but the id is left.
  if (!("deleted" in one)) console.log(`${one.title}, ${one.year}`);
}
