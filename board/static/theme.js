// Light or dark, before anything is drawn: what the reader chose here, else what the system says. A classic script.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("driftline-theme");
    } catch {
      return null; // storage may be forbidden
    }
  };
  const apply = () => {
    root.dataset.theme = chosen() ?? (system.matches ? "dark" : "light");
    document.dispatchEvent(new CustomEvent("theme"));
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
  addEventListener("click", (event) => {
    if (!event.target.closest?.("#theme")) return;
    const other = root.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("driftline-theme", other);
      apply();
    } catch {
      root.dataset.theme = other;
      document.dispatchEvent(new CustomEvent("theme"));
    }
  });
})();
