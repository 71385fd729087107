// Makes a page live: when the server says that something changed, the new items are fetched and put in place.
// Every page works without this file.
"use strict";

(() => {
  const place = document.querySelector("[data-events]");
  const announcement = document.getElementById("annonce");

  // Puts the items of the fetched list into the shown one: known ones are replaced where they changed, new ones
  // are appended and announced. An item in which the person is busy is left alone.
  function mergeMessages(fetched) {
    const news = [];
    for (const item of fetched.querySelectorAll("li[id]")) {
      const shown = document.getElementById(item.id);
      if (!shown) {
        place.append(item);
        news.push(item.dataset.announce);
      } else if (!shown.contains(document.activeElement) && shown.innerHTML !== item.innerHTML) {
        shown.replaceWith(item);
      }
    }
    return news;
  }

  function replaceList(fetched) {
    const before = place.querySelectorAll(".unread").length;
    if (!place.contains(document.activeElement)) {
      place.replaceChildren(...fetched.childNodes);
    }
    return place.querySelectorAll(".unread").length > before ? ["Nouveau message"] : [];
  }

  async function refresh() {
    const answer = await fetch(place.dataset.fragment, { credentials: "same-origin" });
    if (answer.redirected) {
      window.location.assign("/?motif=session");
      return;
    }
    if (!answer.ok) {
      return;
    }
    const template = document.createElement("template");
    template.innerHTML = await answer.text();
    const merge = place.tagName === "OL" ? mergeMessages : replaceList;
    const news = merge(template.content);
    if (news.length) {
      announcement.textContent = news.join(". ");
    }
  }

  if (place && window.EventSource) {
    let running = null;
    let again = false;
    let missed = false;
    const ask = () => {
      // What nobody looks at must not be marked as read.
      if (document.visibilityState === "hidden") {
        missed = true;
        return;
      }
      if (running) {
        again = true;
        return;
      }
      running = refresh()
        .catch(() => {})
        .finally(() => {
          running = null;
          if (again) {
            again = false;
            ask();
          }
        });
    };
    document.addEventListener("visibilitychange", () => {
      if (missed && document.visibilityState === "visible") {
        missed = false;
        ask();
      }
    });
    const source = new EventSource(place.dataset.events);
    // What came between the page, or a lost connection, and now has sent no event here.
    source.addEventListener("open", ask);
    source.addEventListener("change", ask);
    source.addEventListener("end", () => {
      source.close();
      ask();
    });
    window.addEventListener("pagehide", () => source.close());
  }

  // A second click sends nothing; a page that comes back from the browser's memory can be sent again.
  const reply = document.getElementById("reponse");
  if (reply) {
    const button = reply.querySelector("button");
    reply.addEventListener("submit", () => {
      button.disabled = true;
    });
    window.addEventListener("pageshow", () => {
      button.disabled = false;
    });
  }

  // Says what the chosen files weigh before they are sent.
  const files = document.getElementById("files");
  if (files) {
    const weight = document.getElementById("poids");
    files.addEventListener("change", () => {
      const total = [...files.files].reduce((sum, file) => sum + file.size, 0);
      const megabytes = (total / 1e6).toLocaleString("fr-FR", { maximumFractionDigits: 1 });
      let text = files.files.length ? `${files.files.length} document(s), ${megabytes} Mo.` : "";
      let problem = "";
      if (total > Number(files.dataset.limit)) {
        problem = "La taille du ou des documents dépasse la limite autorisée.";
      } else if (files.files.length > Number(files.dataset.files)) {
        problem = `Choisissez au plus ${files.dataset.files} documents.`;
      }
      files.setCustomValidity(problem);
      weight.textContent = problem ? `${text} ${problem}` : text;
    });
  }
})();
