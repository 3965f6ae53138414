// What the extension marks on the way of a suggestion (src/ghost/marks.ts).
const { subscribe } = require("node:diagnostics_channel");
const { EventEmitter, once } = require("node:events");

const seen = [];
const news = new EventEmitter();

subscribe("midfill.ghost", (mark) => {
  seen.push(mark);
  news.emit("mark");
});

/** Returns the marks since the last call. */
exports.takeMarks = () => seen.splice(0);

/**
 * Waits for a mark with these facts, and returns all since the last `takeMarks`.
 * Throws if there is none within so many ms.
 */
exports.untilMark = untilMark;
async function untilMark(facts, withinMs = 60_000) {
  const fits = (mark) => Object.entries(facts).every(([name, value]) => mark[name] === value);
  const signal = AbortSignal.timeout(withinMs);
  while (!seen.some(fits)) {
    await once(news, "mark", { signal }).catch(() => {
      throw new Error(`no mark ${JSON.stringify(facts)}, but ${JSON.stringify(seen)}`);
    });
  }
  return [...seen];
}
