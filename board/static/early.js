// Ask for the board while the modules are on their way: api.js takes the answer, once. A classic script.
(() => {
  const given = new URLSearchParams(location.search);
  const query = new URLSearchParams();
  for (const name of ["run", "size"]) if (given.get(name)) query.set(name, given.get(name));
  const path = query.size ? `/api/board?${query}` : "/api/board";
  const response = fetch(path, { headers: { Accept: "application/json" } });
  response.catch(() => {}); // whoever takes it is told
  globalThis.early = { path, response };
})();
