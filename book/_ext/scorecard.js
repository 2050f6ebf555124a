// Filters the lines of the scorecard, and opens the line that an address names.
(() => {
  const box = document.querySelector(".filters");
  const lines = [...document.querySelectorAll(".claim-line")];
  const chosen = { paper: "", state: "" };

  function choose(kind, value) {
    chosen[kind] = value;
    for (const button of box.querySelectorAll(`[data-${kind}]`)) {
      button.setAttribute("aria-pressed", String(button.dataset[kind] === value));
    }
    for (const line of lines) {
      line.hidden = Object.entries(chosen).some(([k, v]) => v && line.dataset[k] !== v);
    }
    for (const section of document.querySelectorAll("section:has(> .claim-line)")) {
      section.hidden = !section.querySelector(".claim-line:not([hidden])");
    }
    const shown = lines.filter((line) => !line.hidden).length;
    box.querySelector(".count").textContent = `${shown} of ${lines.length} claims`;
  }

  function openNamedLine() {
    const line = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (line && line.matches(".claim-line")) {
      choose("paper", "");
      choose("state", "");
      line.open = true;
      line.scrollIntoView({ block: "center" });
    }
  }

  box.hidden = false;
  for (const button of box.querySelectorAll("button")) {
    const kind = "paper" in button.dataset ? "paper" : "state";
    button.addEventListener("click", () => choose(kind, button.dataset[kind]));
  }
  choose("state", "");
  openNamedLine();
  addEventListener("hashchange", openNamedLine);
})();
