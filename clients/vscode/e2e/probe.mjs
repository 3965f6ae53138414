// Asks the extension that runs beside ours in the extension host (e2e/probe) to do something.
import { once } from "node:events";
import * as net from "node:net";

export class Probe {
  constructor(place) {
    this.place = place;
  }

  /** Runs a task there; returns what it returns, throws what it throws. */
  async run(task, ...args) {
    const socket = net.connect(this.place);
    await once(socket, "connect");
    socket.end(JSON.stringify({ task, args }));
    let text = "";
    for await (const piece of socket.setEncoding("utf8")) text += piece;
    const { value, error } = JSON.parse(text);
    if (error !== undefined) throw new Error(`in the extension host: ${error}`);
    return value;
  }
}
