// Shows the description of this service, and asks nobody else.
SwaggerUIBundle({
  url: new URL("__api__", document.location).href,
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  tagsSorter: "alpha",
  // Without this, the page would ask a service of its authors whether the document is valid.
  validatorUrl: null,
  onComplete() {
    const title = document.querySelector(".info .title");
    if (title) {
      document.title = title.firstChild.textContent;
    }
  },
});
