// What htmx and HTML don't do by themselves. Every page works without it.
(function () {
  "use strict";

  // Offer to copy where the browser can.
  function copyButtons(root) {
    if (!navigator.clipboard) return;
    root.querySelectorAll("button[data-copy]").forEach(function (button) {
      button.hidden = false;
    });
  }

  // Show what needs script: grips to drag by, and the browser's own choice of a colour.
  function enhance(root) {
    root.querySelectorAll(".grip, [data-colour]").forEach(function (el) {
      el.hidden = false;
      if (el.dataset.colour) el.value = colourOf(document.getElementById(el.dataset.colour).value) || el.value;
    });
  }

  // What a name is in an address. The server knows more letters.
  function slugOf(name) {
    return name.toLowerCase().replace(/ä/g, "ae").replace(/ö/g, "oe").replace(/ü/g, "ue").replace(/ß/g, "ss").replace(/&/g, " and ")
      .normalize("NFKD").replace(/[\u0300-\u036f'’]/g, "").replace(/[^a-z0-9]+/g, "-").slice(0, 50).replace(/^-+|-+$/g, "");
  }

  function colourOf(text) { return /^#[0-9a-f]{6}$/i.test(text) ? text.toLowerCase() : ""; }

  document.addEventListener("input", function (event) {
    var el = event.target;
    if (el.dataset.colour) document.getElementById(el.dataset.colour).value = el.value;
    var form = el.form && el.form.dataset.propose && el.form;
    if (form && el.name === form.dataset.propose) el.dataset.typed = el.value;
    if (form && el.name === "name" && !form.elements[form.dataset.propose].dataset.typed) {
      form.elements[form.dataset.propose].value = slugOf(el.value);
    }
    var choice = document.querySelector("[data-colour='" + el.id + "']");
    if (choice && colourOf(el.value)) choice.value = colourOf(el.value);
  });

  // What was open in a part of a page is open in the part that takes its place.
  var opened = [];

  document.addEventListener("htmx:beforeSwap", function (event) {
    opened = Array.from(event.detail.target.querySelectorAll("details[open][id]"), function (el) { return el.id; });
  });

  document.addEventListener("htmx:afterSwap", function () {
    opened.forEach(function (id) {
      var el = document.getElementById(id);
      if (el) el.open = true;
    });
    opened = [];
  });

  // Drag a thing of a list to another place in it. Buttons do the same.
  var moved = null;

  document.addEventListener("dragstart", function (event) {
    var grip = event.target.closest && event.target.closest(".grip");
    if (!grip) return;
    moved = grip.closest("li");
    moved.classList.add("moving");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", "");
    event.dataTransfer.setDragImage(moved, 12, 12);
  });

  document.addEventListener("dragover", function (event) {
    var over = moved && event.target.closest("[data-items] > li");
    if (!over || over.parentNode !== moved.parentNode) return;
    event.preventDefault();
    var box = over.getBoundingClientRect();
    if (over !== moved) over.parentNode.insertBefore(moved, event.clientY < box.top + box.height / 2 ? over : over.nextSibling);
  });

  document.addEventListener("drop", function (event) { if (moved) event.preventDefault(); });

  document.addEventListener("dragend", function () {
    if (!moved) return;
    moved.classList.remove("moving");
    Array.from(moved.parentNode.children).forEach(function (item, i, all) {
      item.querySelector("button[value^=up]").disabled = i === 0;
      item.querySelector("button[value^=down]").disabled = i === all.length - 1;
    });
    moved.dispatchEvent(new Event("input", { bubbles: true }));
    moved = null;
  });

  function copy(button) {
    var text = button.querySelector("span");
    var before = text.textContent;
    var from = document.getElementById(button.dataset.copy);
    navigator.clipboard.writeText("value" in from ? from.value : from.textContent).then(function () {
      text.textContent = "Copied";
      setTimeout(function () { text.textContent = before; }, 2000);
    });
  }

  // Say that a form is under way, and send it once.
  function busy(form) {
    form.dataset.sent = "true";
    form.querySelectorAll("button[type=submit]").forEach(function (button) {
      button.setAttribute("aria-busy", "true");
    });
    document.getElementById("busy").textContent = form.dataset.busy;
  }

  function idle() {
    document.querySelectorAll("form[data-sent]").forEach(function (form) {
      delete form.dataset.sent;
      form.querySelectorAll("button[aria-busy]").forEach(function (button) {
        button.removeAttribute("aria-busy");
      });
    });
    document.getElementById("busy").textContent = "";
  }

  // A part that asks for news leaves alone what somebody is using or can't see.
  function inUse(el) {
    var active = document.activeElement;
    return document.hidden ||
      el.querySelector("details[open]") !== null ||
      (active !== document.body && el.contains(active));
  }

  function problem() { return document.getElementById("problem"); }

  function unreachable() {
    var region = problem();
    var words = document.getElementById("unreachable");
    if (region && words && !region.hasChildNodes()) region.append(words.content.cloneNode(true));
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("button[data-copy]");
    if (button) copy(button);
  });

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.dataset.busy) return;
    if (form.dataset.sent) event.preventDefault();
    else busy(form);
  });

  // Go from column to column of a chart, each of which says its numbers.
  function walk(event) {
    var days = Array.from(event.target.querySelectorAll(".day"));
    var at = days.findIndex(function (day) { return day.classList.contains("at"); });
    var from = at < 0 ? days.length - 1 : at;
    var to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: days.length - 1 }[event.key];
    if (!days[to]) return;
    event.preventDefault();
    if (at >= 0) days[at].classList.remove("at");
    days[to].classList.add("at");
  }

  document.addEventListener("keydown", function (event) {
    if (event.target.matches(".chart > svg")) walk(event);
  });

  document.addEventListener("focusout", function (event) {
    event.target.querySelectorAll(".chart > svg > .at").forEach(function (day) { day.classList.remove("at"); });
  });

  window.addEventListener("pageshow", function (event) { if (event.persisted) idle(); });

  document.addEventListener("htmx:beforeRequest", function (event) {
    var el = event.detail.elt;
    if (el.hasAttribute("data-poll") && inUse(el)) event.preventDefault();
  });
  document.addEventListener("htmx:load", function (event) {
    copyButtons(event.detail.elt);
    enhance(event.detail.elt);
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    if (event.detail.successful && problem()) problem().replaceChildren();
  });
  document.addEventListener("htmx:sendError", unreachable);
  document.addEventListener("htmx:timeout", unreachable);
})();
