// Gatepost's script for forms in other sites, version 1. It answers in place; a form that it
// can't send goes the way that it goes without a script.
(function () {
  "use strict";
  if (window.gatepostForms) return; // the page loads it twice
  window.gatepostForms = 1;

  var sources = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "campaign", "page", "referrer"];
  var marks = new WeakMap(); // of a form: what takes its marks away again
  var ids = 0;

  // Addresses go without their query, which may hold personal data.
  function bare(address) { return address.split(/[?#]/)[0]; }

  // What this page says of itself for a hidden field.
  function known(source) {
    if (source === "page") return bare(location.href);
    if (source === "referrer") return bare(document.referrer);
    return new URLSearchParams(location.search).get(source) || "";
  }

  // A form is asked by methods whose names no field can have: a field called action or
  // elements stands in the place of the form's own.
  function each(form, selector, fn) { form.querySelectorAll(selector).forEach(fn); }

  function fill(form) {
    each(form, "input[type=hidden][data-from]", function (field) {
      if (!field.value && sources.includes(field.dataset.from)) field.value = known(field.dataset.from);
    });
  }

  // Where the answer is said.
  function answerOf(form) {
    var place = form.querySelector(".gatepost-answer");
    if (place) return place;
    place = document.createElement("p");
    place.className = "gatepost-answer";
    place.tabIndex = -1;
    place.setAttribute("role", "status");
    place.setAttribute("aria-live", "polite");
    return form.appendChild(place);
  }

  function unmark(form) {
    (marks.get(form) || []).forEach(function (undo) { undo(); });
    marks.set(form, []);
  }

  // Writes what is wrong beside the field, and returns what is to have the focus.
  function mark(form, name, sentence) {
    var fields = form.querySelectorAll("[name=" + CSS.escape(name) + "]:not([type=hidden])");
    if (!fields.length) return null;
    var group = fields.length > 1 && fields[0].closest("fieldset");
    var described = group || fields[0];
    var before = described.getAttribute("aria-describedby");
    var note = document.createElement("p");
    note.className = "gatepost-error";
    note.id = "gatepost-error-" + ++ids;
    note.textContent = sentence;
    if (group) group.appendChild(note);
    else (fields[0].closest("label") || fields[0]).insertAdjacentElement("afterend", note);
    described.setAttribute("aria-describedby", (before ? before + " " : "") + note.id);
    fields.forEach(function (field) { if (field.type !== "radio") field.setAttribute("aria-invalid", "true"); });
    marks.get(form).push(function () {
      note.remove();
      if (before) described.setAttribute("aria-describedby", before);
      else described.removeAttribute("aria-describedby");
      fields.forEach(function (field) { field.removeAttribute("aria-invalid"); });
    });
    return fields[0];
  }

  function show(form, ok, said) {
    if (ok) form.dispatchEvent(new CustomEvent("gatepost:signup", { bubbles: true })); // for the site's own counting
    if (ok && /^https?:\/\//.test(said.redirect)) return location.assign(said.redirect);
    var place = answerOf(form), focus = null, rest = "";
    if (ok) {
      Array.from(form.childNodes).forEach(function (node) { if (node !== place) form.removeChild(node); });
    } else {
      Object.entries(said.errors || {}).forEach(function (wrong) {
        var field = mark(form, wrong[0], wrong[1]);
        if (!field) rest += " " + wrong[1];
        focus = focus || field;
      });
    }
    place.textContent = (ok ? said.message : said.detail) + rest;
    (focus || place).focus();
  }

  function send(form) {
    var abort = new AbortController();
    var timer = setTimeout(function () { abort.abort(); }, 30000);
    var body = new URLSearchParams(new FormData(form));
    answerOf(form).textContent = "";
    unmark(form);
    form.setAttribute("aria-busy", "true");
    fetch(form.getAttribute("action"), { method: "POST", body: body, headers: { Accept: "application/json" }, credentials: "omit", signal: abort.signal })
      .then(function (answer) {
        return answer.json().then(function (said) { show(form, answer.ok, said); });
      })
      .catch(function () { HTMLFormElement.prototype.submit.call(form); })
      .then(function () {
        clearTimeout(timer);
        form.removeAttribute("aria-busy");
      });
  }

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.hasAttribute("data-gatepost") || event.defaultPrevented) return;
    event.preventDefault();
    if (form.hasAttribute("aria-busy")) return; // it is under way
    fill(form);
    send(form);
  });

  // A frame says how high its page is, and is told where it stands.
  window.addEventListener("message", function (event) {
    var said = event.data;
    if (!said || said.type !== "gatepost:height" || !(said.height > 0 && said.height < 20000)) return;
    document.querySelectorAll("iframe[data-gatepost]").forEach(function (frame) {
      if (frame.contentWindow !== event.source || new URL(frame.src, location.href).origin !== event.origin) return;
      frame.style.height = Math.ceil(said.height) + "px";
      var values = {};
      sources.forEach(function (source) { values[source] = known(source); });
      event.source.postMessage({ type: "gatepost:page", values: values }, event.origin);
    });
  });
})();
