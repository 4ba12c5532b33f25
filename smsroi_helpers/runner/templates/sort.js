"use strict";
document.querySelectorAll("table.data").forEach(function (table) {
  var body = table.tBodies[0];
  var heads = Array.from(table.tHead.rows[0].cells);
  if (body.rows.length < 2) return;
  heads.forEach(function (head, column) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.appendChild(button);
    button.addEventListener("click", function () {
      var down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      var key = function (row) {
        var cell = row.cells[column];
        return cell.hasAttribute("data-sort") ? cell.getAttribute("data-sort") : cell.textContent;
      };
      var compare = function (a, b) {
        var x = key(a), y = key(b);
        // Rows without a value stay last, whichever way the others go.
        if (x === "" || y === "") return (x === "" ? 1 : 0) - (y === "" ? 1 : 0);
        var order = isNaN(x) || isNaN(y) ? x.localeCompare(y, document.documentElement.lang, { numeric: true }) : x - y;
        return down ? -order : order;
      };
      Array.from(body.rows).sort(compare).forEach(function (row) { body.appendChild(row); });
    });
  });
});
