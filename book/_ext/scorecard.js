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
    recount();
    remember();
  }

  // A button says how many lines it would show, with the other filter as it is.
  function recount() {
    for (const button of box.querySelectorAll("button")) {
      const wanted = { ...chosen, ...button.dataset };
      const fits = (line) => Object.entries(wanted).every(([k, v]) => !v || line.dataset[k] === v);
      button.querySelector("small").textContent = lines.filter(fits).length;
    }
  }

  // The address keeps the filter, so that going back finds it again.
  function remember() {
    const words = new URLSearchParams(Object.entries(chosen).filter(([, v]) => v)).toString();
    history.replaceState(null, "", `${words ? `?${words}` : location.pathname}${location.hash}`);
  }

  function openNamedLine() {
    const line = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (line && line.matches(".claim-line")) {
      if (line.hidden) {
        choose("paper", "");
        choose("state", "");
      }
      line.open = true;
      line.scrollIntoView({ block: "center" });
    }
  }

  box.hidden = false;
  for (const button of box.querySelectorAll("button")) {
    const kind = "paper" in button.dataset ? "paper" : "state";
    button.addEventListener("click", () => choose(kind, button.dataset[kind]));
  }
  for (const line of lines) {
    line.addEventListener("toggle", () => {
      if (line.open) history.replaceState(null, "", `${location.search || location.pathname}#${line.id}`);
    });
  }
  const asked = new URLSearchParams(location.search);
  for (const kind of Object.keys(chosen)) {
    const value = asked.get(kind) ?? "";
    const known = [...box.querySelectorAll(`[data-${kind}]`)].some((b) => b.dataset[kind] === value);
    choose(kind, known ? value : "");
  }
  openNamedLine();
  addEventListener("hashchange", openNamedLine);
})();
