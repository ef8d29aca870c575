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
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    if (event.detail.successful && problem()) problem().replaceChildren();
  });
  document.addEventListener("htmx:sendError", unreachable);
  document.addEventListener("htmx:timeout", unreachable);
})();
