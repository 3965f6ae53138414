// A second extension, which runs in the same extension host as the one that is tested, and does
// there what a test asks for over a socket: `{task, args}` in, `{value}` or `{error}` out.
const { rmSync } = require("node:fs");
const net = require("node:net");

const baseline = require("./baseline.cjs");
const checks = require("./checks.cjs");
const marks = require("./marks.cjs");
const timers = require("./timers.cjs");

const tasks = { ...baseline, ...checks, ...marks, ...timers };

exports.activate = (context) => {
  const place = process.env.MIDFILL_TEST_PROBE;
  if (place === undefined) return;
  rmSync(place, { force: true }); // of a window before
  const server = net.createServer({ allowHalfOpen: true }, (socket) => void serve(socket));
  server.listen(place);
  context.subscriptions.push({ dispose: () => server.close() });
};

async function serve(socket) {
  let text = "";
  for await (const piece of socket.setEncoding("utf8")) text += piece;
  const { task, args } = JSON.parse(text);
  try {
    socket.end(JSON.stringify({ value: await tasks[task](...args) }));
  } catch (error) {
    socket.end(JSON.stringify({ error: error.stack ?? String(error) }));
  }
}
