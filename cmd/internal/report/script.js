(function () {
  "use strict";
  var root = document.documentElement;

  // The theme follows the system until somebody asks for the other one.
  var toggle = document.getElementById("theme");
  function dark() {
    if (root.dataset.theme) return root.dataset.theme === "dark";
    return matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function name() { toggle.textContent = dark() ? "Light" : "Dark"; }
  toggle.hidden = false;
  toggle.addEventListener("click", function () {
    root.dataset.theme = dark() ? "light" : "dark";
    name();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();

  // A cell sorts by its number where it begins with one; what is unknown comes last.
  function value(row, column) {
    var text = row.cells[column].textContent.trim();
    var n = parseFloat(text.replace(/[<>\u2264,\s]/g, ""));
    return isNaN(n) ? text : n;
  }
  function compare(a, b) {
    var x = typeof a, y = typeof b;
    if (x === "number" && y === "number") return a - b;
    if (x !== y) return x === "number" ? -1 : 1;
    return a < b ? -1 : a > b ? 1 : 0;
  }
  function sort(table, column, ascending) {
    var body = table.tBodies[0];
    var rows = Array.prototype.map.call(body.rows, function (r, i) { return { row: r, key: value(r, column), at: i }; });
    var numbers = rows.some(function (r) { return typeof r.key === "number"; });
    rows.sort(function (a, b) {
      var c = compare(a.key, b.key);
      if (c && !ascending && !(numbers && typeof a.key !== typeof b.key)) c = -c;
      return c || a.at - b.at;
    });
    rows.forEach(function (r) { body.appendChild(r.row); });
  }
  document.querySelectorAll("table.sort").forEach(function (table) {
    var heads = table.tHead.rows[0].cells;
    Array.prototype.forEach.call(heads, function (th, column) {
      if ("fixed" in th.dataset) return;
      var button = document.createElement("button");
      button.type = "button";
      while (th.firstChild) button.appendChild(th.firstChild);
      th.appendChild(button);
      th.setAttribute("aria-sort", "none");
      button.addEventListener("click", function () {
        var ascending = th.getAttribute("aria-sort") !== "ascending";
        Array.prototype.forEach.call(heads, function (h) { if (h.hasAttribute("aria-sort")) h.setAttribute("aria-sort", "none"); });
        th.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        sort(table, column, ascending);
      });
    });
  });

  // A table of samples gets a field that filters its rows by their text, and one for states.
  document.querySelectorAll("table.filter").forEach(function (table) {
    var rows = Array.prototype.slice.call(table.tBodies[0].rows);
    if (rows.length < 8) return;
    var tools = document.createElement("div"), field = document.createElement("input");
    var states = document.createElement("select"), shown = document.createElement("output");
    tools.className = "tools";
    field.type = "search";
    field.placeholder = "Filter: id, task, phase…";
    field.setAttribute("aria-label", "Filter " + table.dataset.name);
    states.setAttribute("aria-label", "State in " + table.dataset.name);
    ["any state", "unlearnable", "no success", "learning", "solved", "no reward", "never visited"].forEach(function (n, i) {
      states.add(new Option(n, i ? n : ""));
    });
    var cache; // read at the first use, not while the page opens
    function apply() {
      cache = cache || rows.map(function (r) {
        var badge = r.querySelector(".st");
        return { row: r, text: r.textContent.toLowerCase(), state: badge ? badge.textContent : "" };
      });
      var words = field.value.toLowerCase().split(/\s+/), n = 0;
      cache.forEach(function (c) {
        var on = (!states.value || c.state === states.value) && words.every(function (w) { return c.text.indexOf(w) >= 0; });
        c.row.hidden = !on;
        if (on) n++;
      });
      shown.textContent = n === rows.length ? "" : n + " of " + rows.length + " rows";
    }
    field.addEventListener("input", apply);
    states.addEventListener("change", apply);
    tools.appendChild(field);
    if (rows[0].querySelector(".st") && ("states" in table.dataset)) tools.appendChild(states);
    tools.appendChild(shown);
    table.parentNode.before(tools);
  });

  // A link to a sample opens its part.
  function open() {
    var target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (var e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    if (target.tagName === "DETAILS") target.open = true;
    target.scrollIntoView();
  }
  addEventListener("hashchange", open);
  open();

  // A narrow window starts with the contents closed.
  if (matchMedia("(max-width: 62rem)").matches) document.querySelector("nav details").open = false;
})();
