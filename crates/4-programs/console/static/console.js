// Puts the parts of a rollout's page that changed in the place of the old ones.
"use strict";
const live = document.getElementById("live");
const source = new EventSource(live.dataset.events);
const put = (event) => {
  for (const [id, html] of JSON.parse(event.data)) {
    const old = document.getElementById(id);
    if (old) old.outerHTML = html;
  }
};
source.onopen = () => { live.textContent = "live"; live.classList.remove("lost"); };
source.onerror = () => { live.textContent = "reconnecting"; live.classList.add("lost"); };
source.onmessage = put;
source.addEventListener("over", (event) => { put(event); source.close(); live.remove(); });
