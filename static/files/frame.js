// The form in a frame of another site: it tells the site's page how high it is, and takes
// from it where it stands. Without this it works all the same.
(function () {
  "use strict";
  if (window.parent === window) return;

  function tell() {
    window.parent.postMessage({ type: "gatepost:height", height: document.documentElement.getBoundingClientRect().height }, "*");
  }

  // The page's own script may come later than this one.
  var left = 20;
  var timer = setInterval(function () {
    if (left-- > 0) tell();
    else clearInterval(timer);
  }, 500);

  window.addEventListener("message", function (event) {
    if (event.source !== window.parent || !event.data || event.data.type !== "gatepost:page") return;
    clearInterval(timer);
    var values = event.data.values || {};
    document.querySelectorAll("input[type=hidden][data-from]").forEach(function (field) {
      var value = values[field.dataset.from];
      if (typeof value === "string" && value) field.value = value;
    });
  });

  new ResizeObserver(tell).observe(document.documentElement);
})();
