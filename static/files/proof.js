// A proof of work, for a form that asks for one: begun when the reader begins to fill it in,
// awaited when they send it. Whatever goes wrong with it, the form is sent without.
(function () {
  "use strict";
  var script = document.currentScript, form = script.closest("form"), field = form && form.querySelector("input[name=altcha]");
  if (!field || !window.isSecureContext || !window.Worker || !window.customElements || !HTMLFormElement.prototype.requestSubmit) return;

  var keep = 15 * 60 * 1000; // its challenge ends soon after that
  var longest = 20 * 1000; // that sending waits for it
  var proof = null, since = 0, ready = false, waits = false;

  function later(ms) { return new Promise(function (resolve) { setTimeout(resolve, ms); }); }

  // The widget stands outside the form, which it would keep from being sent without a proof.
  function makeWidget() {
    $altcha.defaults.set({ humanInteractionSignature: false });
    $altcha.algorithms.set("PBKDF2/SHA-256", function () { return new Worker(script.dataset.worker); });
    return new Promise(function (resolve) {
      var widget = document.createElement("altcha-widget"), place = document.createElement("div");
      widget.addEventListener("load", function () { resolve(widget); });
      widget.setAttribute("challenge", script.dataset.challenge);
      place.hidden = true;
      place.appendChild(widget);
      document.body.appendChild(place);
    });
  }

  function prove() {
    if (proof && Date.now() - since < keep) return proof;
    since = Date.now();
    proof = import(script.dataset.widget).then(makeWidget).then(function (widget) { return widget.verify(); })
      .then(function (made) { if (made) field.value = made.payload; })
      .catch(function () {}); // then there is none
    return proof;
  }

  form.addEventListener("focusin", prove);
  form.addEventListener("submit", function (event) {
    if (ready || event.defaultPrevented) return;
    event.preventDefault();
    if (waits) return;
    waits = true;
    var button = event.submitter;
    form.setAttribute("aria-busy", "true");
    Promise.race([prove(), later(longest)]).then(function () {
      ready = true;
      form.removeAttribute("aria-busy");
      HTMLFormElement.prototype.requestSubmit.call(form, button);
    });
  });

  // Gone back to, the page wants another one: each is for one person.
  window.addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    proof = null;
    ready = waits = false;
    field.value = "";
  });
})();
