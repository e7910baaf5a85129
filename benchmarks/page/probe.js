/*
 * Runs in every page before the page's own script, and does nothing until it is asked. What it looks for it looks for
 * where something changes, never in a loop of its own: a loop would draw frames that the page does not need.
 */
(() => {
  /** The last text of an element that is more than space, found from its end and not by its whole length. */
  function lastText(element) {
    for (let node = element.lastChild; node !== null; node = node.previousSibling) {
      const text = node.nodeType === Node.TEXT_NODE ? node.data.trimEnd() : lastText(node);
      if (text !== "") return text;
    }
    return "";
  }

  const probe = {
    /** When the reader did what is measured: the moment of the event itself, not of its handler. */
    began: null,

    /** Marks `name` in the trace once the last element that `selector` finds ends with `text`. */
    watch(name, selector, text) {
      const look = () => {
        const found = document.querySelectorAll(selector);
        const last = found[found.length - 1];
        if (last === undefined || !lastText(last).endsWith(text)) return false;
        performance.mark(name);
        observer.disconnect();
        return true;
      };
      const observer = new MutationObserver(look);
      if (!look()) observer.observe(document, { childList: true, subtree: true, characterData: true });
    },

    /** The same for the first text that `selector` has at all. */
    watchFirst(name, selector) {
      const observer = new MutationObserver(() => {
        const found = document.querySelectorAll(selector);
        if (found.length === 0 || found[found.length - 1].textContent === "") return;
        performance.mark(name);
        observer.disconnect();
      });
      observer.observe(document, { childList: true, subtree: true, characterData: true });
    },

    /** Notes the next event of a kind as `began`. */
    begin(kind) {
      probe.began = null;
      window.addEventListener(kind, (event) => {
        probe.began = event.timeStamp;
        performance.mark("began");
      }, { capture: true, once: true });
    },

    /** Where an element is on the screen, at every frame until `stop()`; returns how far it went at most. */
    drift(element) {
      const top = element.getBoundingClientRect().top;
      let most = 0;
      let frames = 0;
      let isOver = false;
      const look = () => {
        frames += 1;
        most = Math.max(most, element.isConnected ? Math.abs(element.getBoundingClientRect().top - top) : Infinity);
        if (!isOver) requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
      return { stop: () => ((isOver = true), { px: most, frames }) };
    },

    /** Milliseconds of a fixed piece of work: text, objects and numbers, as a page has them. */
    work() {
      const start = performance.now();
      let sum = 0;
      for (let round = 0; round < 40; round += 1) {
        const words = [];
        for (let i = 0; i < 5_000; i += 1) words.push(`word ${(i * 7919) % 5000} of round ${round}`);
        const counts = new Map();
        for (const word of words.join("\n").split(/[ \n]/)) counts.set(word, (counts.get(word) ?? 0) + 1);
        const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
        for (const [word, count] of sorted) sum = (sum * 31 + word.length * count) % 1_000_003;
      }
      return { ms: performance.now() - start, sum };
    },
  };
  window.__probe = probe;
})();
