// What the theme does not tell those who hear a page, or move in it with the keyboard.
const tell = (selector, attributes) => {
  for (const element of document.querySelectorAll(selector)) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  }
};

tell("p.caption[role=heading]", { "aria-level": "2" });
tell("aside.sidebar-drawer", { "aria-label": "All pages" });
tell("aside.toc-drawer", { "aria-label": "This page" });
tell(".content-icon-container", { role: "region", "aria-label": "Page" });
// Long lines of code scroll within their frame.
tell("div.highlight pre", { tabindex: "0" });
