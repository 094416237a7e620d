// "On this page": links to the headings. (pkgdown's own script needs libraries from the internet.)
const toc = document.getElementById("toc");
const headings = document.querySelectorAll("main h2, main h3");
if (toc && headings.length > 1) {
  const list = toc.appendChild(document.createElement("ul"));
  list.className = "nav flex-column";
  for (const heading of headings) {
    const target = heading.id ? heading : heading.closest("[id]:not(main)");
    if (!target) continue;
    const link = document.createElement("a");
    link.className = "nav-link" + (heading.tagName === "H3" ? " ms-3" : "");
    link.href = "#" + target.id;
    link.textContent = heading.textContent;
    list.appendChild(document.createElement("li")).appendChild(link);
  }
} else if (toc) {
  toc.remove();
}
